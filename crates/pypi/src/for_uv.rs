use wainwright_http::{Auth, Secret, Url};

use crate::{FindLinks, IndexSettings, IndexUrl};

impl IndexSettings {
    /// The environment variables by which uv, run beside us, asks the same indexes; `None` for one that must not be set.
    ///
    /// What is not said here (`explicit` indexes, `.netrc`) uv reads from the same files as we do, and that no index is asked
    /// it takes on its command line only. Values hold passwords.
    pub fn for_uv(&self) -> Vec<(&'static str, Option<Secret>)> {
        let list = |texts: Vec<String>, separator: &str| {
            (!texts.is_empty()).then(|| Secret::new(texts.join(separator)))
        };
        let extra = self.extra.iter().map(address).collect();
        let links = self.find_links.iter().filter_map(links).collect();
        let default = (self.is_default_chosen && !self.no_index).then(|| Secret::new(address(&self.default)));
        vec![
            ("UV_DEFAULT_INDEX", default),
            ("UV_INDEX", if self.no_index { None } else { list(extra, " ") }),
            ("UV_FIND_LINKS", list(links, ",")),
            ("UV_EXCLUDE_NEWER", self.exclude_newer.as_deref().map(Secret::new)),
            // Names of older versions: their values are in the others.
            ("UV_INDEX_URL", None),
            ("UV_EXTRA_INDEX_URL", None),
        ]
    }
}

/// `name=https://user:password@host/simple/`
fn address(index: &IndexUrl) -> String {
    let url = with_credentials(index.url.clone(), index.auth.as_ref());
    match &index.name {
        Some(name) => format!("{name}={url}"),
        None => url,
    }
}

/// Commas separate, so those of a path are written another way.
fn links(links: &FindLinks) -> Option<String> {
    let url = match links {
        FindLinks::Page { url, auth } => with_credentials(url.clone(), auth.as_ref()),
        FindLinks::Folder(folder) => Url::from_file_path(std::path::absolute(folder).ok()?).ok()?.into(),
    };
    Some(url.replace(',', "%2C"))
}

fn with_credentials(mut url: Url, auth: Option<&Auth>) -> String {
    if let Some((user, password)) = auth.and_then(Auth::user_and_password) {
        // Refused only for URLs that cannot carry credentials in the first place.
        let _ = url.set_username(&user);
        let _ = url.set_password(Some(password.reveal()).filter(|password| !password.is_empty()));
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use crate::{IndexOptions, IndexSettings, Places};

    fn check(vars: &[(&str, &str)], options: IndexOptions, expected: &[(&str, &str)]) {
        let vars: BTreeMap<String, String> =
            vars.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let nowhere = Path::new("/nonexistent");
        let places = Places { vars: &vars, home: None, etc: nowhere, project_root: nowhere };
        let told = IndexSettings::read(&places, &[options]).unwrap().for_uv();
        let told: Vec<_> =
            told.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.reveal()))).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn uv_gets_our_index_settings() {
        check(&[], IndexOptions::default(), &[]);
        check(
            &[
                ("PIP_INDEX_URL", "https://ann:a%2Fb@h/simple"),
                ("UV_INDEX", "corp=https://corp/x"),
                ("UV_INDEX_CORP_USERNAME", "bob"),
                ("UV_INDEX_CORP_PASSWORD", "p:w"),
            ],
            IndexOptions {
                find_links: vec!["/a,b".into(), "https://h/page".into()],
                ..IndexOptions::default()
            },
            &[
                ("UV_DEFAULT_INDEX", "https://ann:a%2Fb@h/simple/"),
                ("UV_INDEX", "corp=https://bob:p%3Aw@corp/x/"),
                ("UV_FIND_LINKS", "file:///a%2Cb,https://h/page"),
            ],
        );
    }

    #[test]
    fn no_index_disables_indexes() {
        check(
            &[("UV_DEFAULT_INDEX", "https://h/"), ("UV_INDEX", "https://x/")],
            IndexOptions { no_index: true, ..IndexOptions::default() },
            &[],
        );
    }
}
