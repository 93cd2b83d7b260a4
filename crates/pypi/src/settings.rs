use std::path::{Path, PathBuf};

use wainwright_http::{Auth, Secret, Url, is_same_server, take_credentials};

use crate::layer::Layer;
use crate::netrc::Netrc;
use crate::places::Places;
use crate::{Error, FindLinks, IndexUrl, pip, uv};

/// The index that pip and uv use when nothing else is said.
pub const DEFAULT_INDEX: &str = "https://pypi.org/simple/";

/// What a command line, or the head of a requirements file, says about indexes.
#[derive(Clone, Default)]
pub struct IndexOptions {
    /// Where it was said, for error messages: `--index-url`, `requirements.txt` ...
    pub place: String,
    /// `--index-url`: instead of the default index.
    pub index_url: Option<String>,
    /// `--extra-index-url`: asked before the default index.
    pub extra_index_urls: Vec<String>,
    /// Indexes with the names that Poetry knows them by, asked only for what a lockfile takes from them.
    pub named: Vec<(String, String)>,
    /// `--find-links`: folders or pages with files.
    pub find_links: Vec<String>,
    /// `--no-index`: only `find_links` count.
    pub no_index: bool,
    /// `--exclude-newer`: files that were uploaded later are not resolved to; a time or a span, as uv writes them.
    pub exclude_newer: Option<String>,
}

/// The indexes to ask, and what to show them.
#[derive(Clone)]
pub struct IndexSettings {
    /// Asked last.
    pub default: IndexUrl,
    /// Whether somebody chose the default index; then a lockfile made with another one does not overrule
    /// them.
    pub is_default_chosen: bool,
    /// Asked first, in this order.
    pub extra: Vec<IndexUrl>,
    /// Asked only for packages that the lockfile takes from them (uv's `explicit`).
    pub explicit: Vec<IndexUrl>,
    /// Folders and pages with files, looked at before any index.
    pub find_links: Vec<FindLinks>,
    /// No index is asked at all.
    pub no_index: bool,
    /// Files that were uploaded later are not resolved to; a time or a span, as uv writes them.
    pub exclude_newer: Option<String>,
    /// The certificate authorities that pip would trust (`PIP_CERT`): for
    /// [`wainwright_http::Settings::ca_file`].
    pub ca_file: Option<PathBuf>,
    netrc: Netrc,
}

impl IndexSettings {
    /// Reads what pip and uv would use.
    ///
    /// `options` come first, the strongest at the front; then uv's variables (`UV_DEFAULT_INDEX`,
    /// `UV_INDEX_URL`, `UV_INDEX`, `UV_EXTRA_INDEX_URL`, `UV_FIND_LINKS`, `UV_NO_INDEX`, `UV_CONFIG_FILE`,
    /// `UV_INDEX_<NAME>_USERNAME`, `UV_EXCLUDE_NEWER`...) and files, those of a workspace too; then pip's (`PIP_INDEX_URL`, `PIP_EXTRA_INDEX_URL`,
    /// `PIP_FIND_LINKS`, `PIP_NO_INDEX`, `PIP_UPLOADED_PRIOR_TO`, `PIP_CERT`, `PIP_CONFIG_FILE`). The first default index wins; the
    /// extra ones add up.
    pub fn read(places: &Places<'_>, options: &[IndexOptions]) -> Result<Self, Error> {
        let mut layer = Layer::default();
        for options in options {
            layer.append(from_options(options, places)?);
        }
        layer.append(uv::read(places)?);
        layer.append(pip::read(places)?);
        let is_default_chosen = layer.default.is_some();
        let default = match layer.default {
            Some(index) => index,
            None => IndexUrl::read(DEFAULT_INDEX, places.project_root, "the default")?,
        };
        let netrc = match places.var("NETRC") {
            Some(path) => Netrc::read(Path::new(path)),
            None => places.home.map(|home| Netrc::read(&home.join(".netrc"))).unwrap_or_default(),
        };
        let mut extra: Vec<IndexUrl> = Vec::new();
        for index in layer.extra {
            if !extra.iter().any(|other| other.is_at(&index.url)) {
                extra.push(index);
            }
        }
        let (explicit, find_links, ca_file) = (layer.explicit, layer.find_links, layer.ca_file);
        let (no_index, exclude_newer) = (layer.no_index.unwrap_or(false), layer.exclude_newer);
        Ok(Self {
            default,
            is_default_chosen,
            extra,
            explicit,
            find_links,
            no_index,
            exclude_newer,
            ca_file,
            netrc,
        })
    }

    /// The passwords that were written for indexes, as they are and as they stand in a URL.
    pub fn passwords(&self) -> Vec<Secret> {
        let indexes = std::iter::once(&self.default).chain(&self.extra).chain(&self.explicit);
        let pages = self.find_links.iter().filter_map(|links| match links {
            FindLinks::Page { auth, .. } => auth.as_ref(),
            FindLinks::Folder(_) => None,
        });
        let mut passwords = Vec::new();
        for password in
            indexes.filter_map(|index| index.auth.as_ref()).chain(pages).filter_map(Auth::password)
        {
            passwords.extend(in_url(&password));
            passwords.push(strictly_encoded(&password));
            passwords.push(password);
        }
        passwords
    }

    /// The indexes to ask for a package that was locked from `registry`, in order.
    ///
    /// A registry that is configured here, and one nobody overrules by choosing a default index, is the only
    /// one asked.
    pub(crate) fn order(&self, registry: Option<&Url>) -> Vec<IndexUrl> {
        if self.no_index {
            return Vec::new();
        }
        match registry {
            Some(registry) => match self.configured(registry) {
                Some(index) => vec![index.clone()],
                None if self.is_default_chosen => self.all(),
                None => vec![self.stranger(registry)],
            },
            None => self.all(),
        }
    }

    /// Whether files that were locked from `registry` have to be looked up elsewhere.
    pub(crate) fn overrules(&self, registry: &Url) -> bool {
        self.no_index || (self.is_default_chosen && self.configured(registry).is_none())
    }

    /// What to show the server of this URL: what its index was configured with, else what `.netrc` says.
    ///
    /// A URL with credentials of its own needs no others.
    pub(crate) fn auth_for(&self, url: &Url) -> Option<&Auth> {
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        // One server may hold several indexes, each with its own users.
        let of_index =
            self.nearest_of(url, |index| index.auth.is_some()).and_then(|index| index.auth.as_ref());
        of_index.or_else(|| self.netrc.auth_for(url.host_str()?))
    }

    /// The configured index that a file belongs to, as far as addresses tell.
    pub(crate) fn nearest(&self, url: &Url) -> Option<&IndexUrl> {
        self.nearest_of(url, |_| true)
    }

    /// Of the indexes on the same server, the one whose path is shared furthest.
    fn nearest_of(&self, url: &Url, counts: impl Fn(&IndexUrl) -> bool) -> Option<&IndexUrl> {
        let shared = |index: &&IndexUrl| {
            let pairs = index.url.path().split('/').zip(url.path().split('/'));
            pairs.take_while(|(a, b)| a == b).count()
        };
        let indexes = [&self.default].into_iter().chain(&self.extra).chain(&self.explicit);
        indexes.filter(|index| is_same_server(&index.url, url) && counts(index)).max_by_key(shared)
    }

    fn all(&self) -> Vec<IndexUrl> {
        let default =
            Some(&self.default).filter(|index| !self.extra.iter().any(|other| other.is_at(&index.url)));
        self.extra.iter().chain(default).cloned().collect()
    }

    fn configured(&self, registry: &Url) -> Option<&IndexUrl> {
        let mut indexes = self.extra.iter().chain(&self.explicit).chain([&self.default]);
        indexes.find(|index| index.is_at(registry))
    }

    fn stranger(&self, registry: &Url) -> IndexUrl {
        let mut url = registry.clone();
        let auth = take_credentials(&mut url);
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        IndexUrl { name: None, url, auth }
    }
}

fn from_options(options: &IndexOptions, places: &Places<'_>) -> Result<Layer, Error> {
    let base = places.project_root;
    let mut layer = Layer {
        no_index: options.no_index.then_some(true),
        exclude_newer: options.exclude_newer.clone(),
        ..Layer::default()
    };
    if let Some(url) = &options.index_url {
        layer.default = Some(IndexUrl::read(url, base, &options.place)?);
    }
    for url in &options.extra_index_urls {
        layer.extra.push(IndexUrl::read(url, base, &options.place)?);
    }
    for (name, url) in &options.named {
        let mut index = IndexUrl { name: Some(name.clone()), ..IndexUrl::read(url, base, &options.place)? };
        for prefix in ["UV_INDEX", "POETRY_HTTP_BASIC"] {
            uv::add_credentials(&mut index, prefix, places);
        }
        layer.explicit.push(index);
    }
    for link in &options.find_links {
        layer.find_links.push(FindLinks::read(link, base, &options.place)?);
    }
    Ok(layer)
}

/// A password with everything encoded that RFC 3986 (section 2.3) does not call unreserved.
fn strictly_encoded(password: &Secret) -> Secret {
    let encode = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    Secret::new(password.reveal().bytes().map(encode).collect::<String>())
}

/// A password as it is encoded in a URL, if that makes a difference.
fn in_url(password: &Secret) -> Option<Secret> {
    let mut url = Url::parse(DEFAULT_INDEX).ok()?;
    url.set_password(Some(password.reveal())).ok()?;
    url.password().filter(|encoded| *encoded != password.reveal()).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wainwright_http::Secret;

    use super::*;

    /// A home, an `etc` and a project with these files.
    struct Machine {
        folder: tempfile::TempDir,
        vars: BTreeMap<String, String>,
    }

    impl Machine {
        fn new(files: &[(&str, &str)], vars: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = folder.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            let vars = vars.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            Self { folder, vars }
        }

        fn read(&self, options: &[IndexOptions]) -> Result<IndexSettings, Error> {
            let path = self.folder.path();
            let (home, etc, project) = (path.join("home"), path.join("etc"), path.join("project"));
            let places = Places { vars: &self.vars, home: Some(&home), etc: &etc, project_root: &project };
            IndexSettings::read(&places, options)
        }
    }

    /// The indexes in the order in which they are asked.
    fn check(files: &[(&str, &str)], vars: &[(&str, &str)], expected: &[&str]) -> IndexSettings {
        let settings = Machine::new(files, vars).read(&[]).unwrap();
        let order: Vec<String> = settings.order(None).into_iter().map(|index| index.url.into()).collect();
        assert_eq!(order, expected);
        settings
    }

    #[test]
    fn default_index_is_pypi() {
        let settings = check(&[], &[], &[DEFAULT_INDEX]);
        assert!(!settings.is_default_chosen && !settings.no_index);
    }

    #[test]
    fn variables_of_pip() {
        let vars = [
            ("PIP_INDEX_URL", "https://m.example/simple"),
            ("PIP_EXTRA_INDEX_URL", "https://a.example/ https://b.example/"),
            ("PIP_FIND_LINKS", "wheels https://l.example/page.html"),
            ("PIP_CERT", "/ca.pem"),
        ];
        let settings =
            check(&[], &vars, &["https://a.example/", "https://b.example/", "https://m.example/simple/"]);
        assert!(settings.is_default_chosen);
        let links: Vec<String> = settings.find_links.iter().map(FindLinks::shown).collect();
        assert!(links[0].ends_with("/project/wheels"));
        assert_eq!(links[1], "https://l.example/page.html");
        assert_eq!(settings.ca_file, Some("/ca.pem".into()));
    }

    #[test]
    fn pip_config_files_have_precedence() {
        let files = [
            (
                "etc/pip.conf",
                "[global]\nindex-url = https://etc/\nextra-index-url = https://etc-extra/\nno-index = no",
            ),
            ("home/.pip/pip.conf", "[global]\nindex-url = https://old/"),
            (
                "home/.config/pip/pip.conf",
                "[global]\nindex-url = https://global/\n[install]\nindex-url = https://user/",
            ),
        ];
        check(&files, &[], &["https://etc-extra/", "https://user/"]);
        check(&files, &[("PIP_INDEX_URL", "https://var/")], &["https://etc-extra/", "https://var/"]);
        check(&files, &[("PIP_EXTRA_INDEX_URL", "https://x/")], &["https://x/", "https://user/"]);
        check(&files, &[("PIP_CONFIG_FILE", "/dev/null")], &[DEFAULT_INDEX]);
    }

    #[test]
    fn variables_of_uv_come_before_pip() {
        let vars = [
            ("UV_DEFAULT_INDEX", "main=https://uv/"),
            ("UV_INDEX_URL", "https://older/"),
            ("UV_INDEX", "corp=https://corp/simple https://second/"),
            ("PIP_INDEX_URL", "https://pip/"),
            ("UV_INDEX_CORP_USERNAME", "ann"),
            ("UV_INDEX_CORP_PASSWORD", "pw"),
        ];
        let settings = check(&[], &vars, &["https://corp/simple/", "https://second/", "https://uv/"]);
        let auth = settings.auth_for(&"https://corp/files/x.whl".parse().unwrap());
        assert!(auth == Some(&Auth::basic("ann", &Secret::new("pw"))));
        assert!(settings.auth_for(&"https://corp.evil/x.whl".parse().unwrap()).is_none());
        assert!(settings.auth_for(&"http://corp/x.whl".parse().unwrap()).is_none());
    }

    #[test]
    fn settings_of_uv() {
        let pyproject = r#"
            [tool.uv]
            find-links = ["wheels"]
            [[tool.uv.index]]
            name = "first"
            url = "https://first/"
            [[tool.uv.index]]
            name = "torch"
            url = "https://torch/"
            explicit = true
            [[tool.uv.index]]
            url = "https://main/"
            default = true
            [[tool.uv.index]]
            url = "https://flat/page"
            format = "flat"
        "#;
        let user = (
            "home/.config/uv/uv.toml",
            "extra-index-url = [\"https://user/\"]\nindex-url = \"https://weak/\"",
        );
        let expected = ["https://first/", "https://user/", "https://main/"];
        let settings = check(&[("project/pyproject.toml", pyproject), user], &[], &expected);
        assert_eq!(settings.find_links.len(), 2);
        let of = |registry: &str| -> Vec<String> {
            let order = settings.order(Some(&registry.parse().unwrap()));
            order.into_iter().map(|index| index.url.into()).collect()
        };
        assert_eq!(of("https://torch"), ["https://torch/"]);
        assert_eq!(of("https://pypi.org/simple"), expected);
        let hides = ("project/uv.toml", "no-index = true");
        check(&[("project/pyproject.toml", pyproject), user, hides], &[], &[]);
        let chosen = ("project/x.toml", "index-url = \"https://x/\"");
        check(
            &[("project/pyproject.toml", pyproject), chosen],
            &[("UV_CONFIG_FILE", "x.toml")],
            &["https://x/"],
        );
    }

    #[test]
    fn settings_above_a_project() {
        let index = |name: &str, more: &str| {
            format!("{more}\n[[tool.uv.index]]\nname = \"{name}\"\nurl = \"https://{name}/\"")
        };
        let root = index("root", "[tool.uv.workspace]\nmembers = [\"*\"]");
        // The folder of the machine itself is the root of the workspace, `project` a member.
        let root = ("pyproject.toml", root.as_str());
        let member = index("member", "");
        let member = ("project/pyproject.toml", member.as_str());
        let vars = [("UV_INDEX_ROOT_USERNAME", "ann"), ("UV_INDEX_ROOT_PASSWORD", "pw")];
        let settings = check(&[root], &vars, &["https://root/", DEFAULT_INDEX]);
        assert!(settings.auth_for(&"https://root/x.whl".parse().unwrap()).is_some());
        check(&[root, member], &[], &["https://member/", "https://root/", DEFAULT_INDEX]);
        let above = index("above", "");
        let above = ("pyproject.toml", above.as_str());
        check(&[above], &[], &["https://above/", DEFAULT_INDEX]);
        check(&[above, member], &[], &["https://member/", DEFAULT_INDEX]);
        check(&[("pyproject.toml", "tool = 7"), member], &[], &["https://member/", DEFAULT_INDEX]);
    }

    #[test]
    fn poetry_sources_are_read() {
        let vars =
            [("POETRY_HTTP_BASIC_OUR_OWN_USERNAME", "ann"), ("POETRY_HTTP_BASIC_OUR_OWN_PASSWORD", "pw")];
        let named = vec![("our.own".into(), "https://h/simple".into())];
        let settings =
            Machine::new(&[], &vars).read(&[IndexOptions { named, ..IndexOptions::default() }]).unwrap();
        let auth = settings.auth_for(&"https://h/simple/x/x.whl".parse().unwrap());
        assert!(auth == Some(&Auth::basic("ann", &Secret::new("pw"))));
        let all: Vec<String> = settings.order(None).into_iter().map(|index| index.url.into()).collect();
        assert_eq!(all, [DEFAULT_INDEX], "it is asked for what is locked from it alone");
    }

    #[test]
    fn command_line_wins() {
        let machine = Machine::new(&[], &[("UV_DEFAULT_INDEX", "https://uv/"), ("UV_INDEX", "https://a/")]);
        let options = IndexOptions {
            place: "--index-url".into(),
            index_url: Some("https://line/".into()),
            extra_index_urls: vec!["https://b/".into(), "https://a".into()],
            ..IndexOptions::default()
        };
        let settings = machine.read(&[options]).unwrap();
        let order: Vec<String> = settings.order(None).into_iter().map(|index| index.url.into()).collect();
        assert_eq!(order, ["https://b/", "https://a/", "https://line/"]);
    }

    #[test]
    fn strictest_exclude_newer_wins() {
        let project = ("project/pyproject.toml", "[tool.uv]\nexclude-newer = \"2026-01-01\"\n");
        let user = ("home/.config/uv/uv.toml", "exclude-newer = 2025-01-01\n");
        let pip = ("home/.config/pip/pip.conf", "[global]\nuploaded-prior-to = 2024-01-01\n");
        let of_uv = ("UV_EXCLUDE_NEWER", "7 days");
        for (files, vars, line, expected) in [
            (&[][..], &[][..], None, None),
            (&[pip], &[], None, Some("2024-01-01T00:00:00")),
            (&[pip], &[("PIP_UPLOADED_PRIOR_TO", "P3D")], None, Some("P3D")),
            (&[pip, user], &[], None, Some("2025-01-01")),
            (&[pip, user, project], &[], None, Some("2026-01-01")),
            (&[pip, user, project], &[of_uv], None, Some("7 days")),
            (&[pip, user, project], &[of_uv], Some("2020-01-01"), Some("2020-01-01")),
        ] {
            let options = IndexOptions { exclude_newer: line.map(str::to_owned), ..IndexOptions::default() };
            let settings = Machine::new(files, vars).read(&[options]).unwrap();
            assert_eq!(settings.exclude_newer.as_deref(), expected);
        }
    }

    #[test]
    fn passwords_are_known_in_every_form_they_are_written_in() {
        let settings = Machine::new(&[], &[("PIP_INDEX_URL", "https://ann:a%2Fb+c@h/")]).read(&[]).unwrap();
        let passwords: Vec<_> = settings.passwords().iter().map(|one| one.reveal().to_owned()).collect();
        assert_eq!(passwords, ["a%2Fb+c", "a%2Fb%2Bc", "a/b+c"]);
        let token = Machine::new(&[], &[("UV_INDEX", "https://token-as-user@h/")]).read(&[]).unwrap();
        assert!(token.passwords().iter().any(|one| one.reveal() == "token-as-user"));
    }

    #[test]
    fn another_default_index_overrules_the_lockfile() {
        let registry = "https://pypi.org/simple".parse().unwrap();
        assert!(!check(&[], &[], &[DEFAULT_INDEX]).overrules(&registry));
        assert!(check(&[], &[("PIP_INDEX_URL", "https://m/")], &["https://m/"]).overrules(&registry));
        assert!(!check(&[], &[("PIP_INDEX_URL", DEFAULT_INDEX)], &[DEFAULT_INDEX]).overrules(&registry));
        assert!(
            !check(&[], &[("UV_INDEX", "https://a/")], &["https://a/", DEFAULT_INDEX]).overrules(&registry)
        );
        assert!(check(&[], &[("PIP_NO_INDEX", "1")], &[]).overrules(&registry));
    }

    #[test]
    fn the_nearest_index_of_a_server_gives_the_credentials() {
        let files = [("home/.netrc", "machine h login net password n\nmachine other login net password n")];
        let vars = [
            ("PIP_INDEX_URL", "https://a:1@h/one/simple"),
            ("PIP_EXTRA_INDEX_URL", "https://b:2@h/two/simple"),
        ];
        let settings = check(&files, &vars, &["https://h/two/simple/", "https://h/one/simple/"]);
        let auth = |url: &str| settings.auth_for(&url.parse().unwrap()).cloned();
        assert!(auth("https://h/one/f/x.whl") == Some(Auth::basic("a", &Secret::new("1"))));
        assert!(auth("https://h/two/f/x.whl") == Some(Auth::basic("b", &Secret::new("2"))));
        assert!(auth("https://other/x.whl") == Some(Auth::basic("net", &Secret::new("n"))));
        assert!(auth("https://u:p@other/x.whl").is_none());
        assert!(auth("https://elsewhere/x.whl").is_none());
    }

    #[test]
    fn broken_files_are_named_and_their_lines_not_shown() {
        let broken = [("project/uv.toml", "\nindex-url = [\"https://u:CANARY@h/\"]\n")];
        let error = Machine::new(&broken, &[]).read(&[]).err().unwrap();
        let text = format!("{error} {error:?}");
        assert!(text.contains("uv.toml`, line 2: ") && !text.contains("CANARY"), "{text}");
    }
}
