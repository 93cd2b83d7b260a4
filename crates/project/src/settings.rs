use std::collections::{BTreeMap, BTreeSet};

use wainwright_fault::Classify;
use wainwright_oci::{Compression, Lazy, Platform, Reference};
use wainwright_python::{Bytecode, ExtraName, PackageName, PythonVersion, Slim};

use crate::deploy;
use crate::document::{Item, Table};
use crate::items::{checked, command, distinct, map, number_or_text, volume, volume_sizes};
use crate::rules::Rules;
use crate::values::{
    Port, User, check_absolute, check_debian_package, check_env_name, check_label_key, check_signal,
    check_url, cut,
};
use crate::{AllowedClash, BuildSdists, Deploy, Error};

/// What the user decided about the image; what is absent is decided later.
///
/// Stands in `wainwright.toml`, or in `pyproject.toml` under `[tool.wainwright]`. Every value has been checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Name of the image where the project itself has none.
    pub name: Option<PackageName>,
    /// Base image: `debian:SUITE`, `layout:DIR` or `archive:FILE`.
    pub base: Option<String>,
    /// Python version of the image.
    pub python: Option<PythonVersion>,
    /// Platforms to build for; `linux/...`, each once.
    pub platforms: Vec<Platform>,
    /// What the container starts.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments that `docker run IMAGE ...` replaces.
    pub cmd: Option<Vec<String>>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Who the container runs as.
    pub user: Option<User>,
    /// Where it starts; an absolute path.
    pub workdir: Option<String>,
    /// Ports it listens on, in the order written.
    pub ports: Vec<Port>,
    /// Absolute paths whose content outlives the container.
    pub volumes: Vec<String>,
    /// Labels of the image config.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Signal that asks the container to stop.
    pub stop_signal: Option<String>,
    /// How many layers an image may get on top of its base: 3 to 127.
    pub max_layers: Option<u8>,
    /// Patterns (gitignore syntax) of files to take although something else leaves them out.
    pub include: Vec<String>,
    /// Patterns (gitignore syntax) of files to leave out whatever else is said.
    pub exclude: Vec<String>,
    /// Extras of the project to install.
    pub extras: Vec<ExtraName>,
    /// Dependency groups to install.
    pub groups: Vec<PackageName>,
    /// Whose files stay where packages own one path with different contents; the first that fits decides.
    pub allow_clash: Vec<AllowedClash>,
    /// Caches in registries that are asked for layers.
    pub cache_from: Vec<String>,
    /// Kinds of files that are left out of packages.
    pub slim: BTreeSet<Slim>,
    /// Debian packages to install.
    pub system_packages: Vec<String>,
    /// Whose build backends may run.
    pub build_sdists: BuildSdists,
    /// Whether a module that cannot be imported for want of a library is an error.
    pub strict_native: bool,
    /// Address of the Debian archive.
    pub mirror: Option<String>,
    /// For each registry, as `host[:port]`, the hosts that are asked before it when something is read.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// How layers are compressed.
    pub compression: Option<Compression>,
    /// Whether layers can be mounted before they were fetched.
    pub lazy: Option<Lazy>,
    /// Whether the modules of wheels are compiled.
    pub bytecode: Option<Bytecode>,
    /// How the image is meant to run.
    pub deploy: Deploy,
}

/// Every key, as written; [`deploy::KEYS`] are the others.
const KEYS: [&str; 30] = [
    "allow-clash",
    "annotations",
    "base",
    "build-sdists",
    "bytecode",
    "cache-from",
    "cmd",
    "compression",
    "entrypoint",
    "env",
    "exclude",
    "extras",
    "groups",
    "include",
    "labels",
    "lazy",
    "mirror",
    "name",
    "platforms",
    "ports",
    "python",
    "registries",
    "slim",
    "stop-signal",
    "strict-native",
    "max-layers",
    "system-packages",
    "user",
    "volumes",
    "workdir",
];

impl Settings {
    /// Reads and checks a table of settings.
    pub(crate) fn read(table: &Table<'_>) -> Result<Self, Error> {
        table.allow_only(&[&KEYS[..], &deploy::KEYS].concat())?;
        let get = |key| table.get(key);
        let list = |key| get(key).map_or(Ok(Vec::new()), |item: Item<'_>| item.array());
        Ok(Self {
            name: get("name").map(|item| image_name(&item)).transpose()?,
            base: get("base").map(|item| base(&item)).transpose()?,
            python: get("python").map(|item| item.parse()).transpose()?,
            platforms: distinct(list("platforms")?, platform)?,
            entrypoint: get("entrypoint").map(|item| command(&item)).transpose()?,
            cmd: get("cmd").map(|item| command(&item)).transpose()?,
            env: map(get("env"), check_env_name)?,
            user: get("user").map(|item| number_or_text(&item)).transpose()?,
            workdir: get("workdir").map(|item| checked(&item, check_absolute)).transpose()?,
            ports: distinct(list("ports")?, number_or_text)?,
            volumes: volumes(get("volumes"))?,
            labels: map(get("labels"), check_label_key)?,
            annotations: map(get("annotations"), check_label_key)?,
            stop_signal: get("stop-signal").map(|item| signal(&item)).transpose()?,
            max_layers: get("max-layers").map(|item| layers(&item)).transpose()?,
            include: list("include")?.iter().map(pattern).collect::<Result<_, _>>()?,
            exclude: list("exclude")?.iter().map(pattern).collect::<Result<_, _>>()?,
            extras: distinct(list("extras")?, |item| item.parse())?,
            groups: distinct(list("groups")?, |item| item.parse())?,
            allow_clash: distinct(list("allow-clash")?, |item| item.parse())?,
            cache_from: distinct(list("cache-from")?, cache)?,
            slim: get("slim").map(|item| slim(&item)).transpose()?.unwrap_or_default(),
            system_packages: distinct(list("system-packages")?, |item| checked(item, check_debian_package))?,
            build_sdists: get("build-sdists")
                .map(|item| build_sdists(&item))
                .transpose()?
                .unwrap_or_default(),
            strict_native: get("strict-native").map(|item| item.boolean()).transpose()?.unwrap_or_default(),
            mirror: get("mirror").map(|item| checked(&item, check_url)).transpose()?,
            mirrors: mirrors(get("registries"))?,
            compression: get("compression").map(|item| oci_word(&item)).transpose()?,
            lazy: get("lazy").map(|item| oci_word(&item)).transpose()?,
            bytecode: get("bytecode").map(|item| item.parse()).transpose()?,
            deploy: Deploy::read(table)?,
        })
    }
}

/// Paths, with the sizes of their volumes or without.
fn volumes(item: Option<Item<'_>>) -> Result<Vec<String>, Error> {
    let Some(item) = item else { return Ok(Vec::new()) };
    match item.table() {
        Ok(_) => Ok(volume_sizes(&item)?.into_keys().collect()),
        Err(_) => distinct(item.array()?, volume),
    }
}

/// `true` for all, or a list of names.
fn build_sdists(item: &Item<'_>) -> Result<BuildSdists, Error> {
    if let Ok(is_allowed) = item.boolean() {
        return Ok(if is_allowed { BuildSdists::All } else { BuildSdists::default() });
    }
    let items = item.array().map_err(|_| {
        item.refuse_with("`build-sdists` must be true or an array", "write build-sdists = [\"name\"]")
    })?;
    Ok(BuildSdists::Only(distinct(items, |item| item.parse())?.into_iter().collect()))
}

/// `true` for all, or a list of kinds.
fn slim(item: &Item<'_>) -> Result<BTreeSet<Slim>, Error> {
    if let Ok(is_all) = item.boolean() {
        return Ok(if is_all { Slim::ALL.into() } else { BTreeSet::new() });
    }
    let items = item.array().map_err(|_| {
        item.refuse_with("`slim` must be true or an array", "write slim = [\"tests\", \"headers\"]")
    })?;
    Ok(distinct(items, |item| item.parse())?.into_iter().collect())
}

/// Where a cache is: a reference, with or without a tag.
fn cache(item: &Item<'_>) -> Result<String, Error> {
    let text = item.string()?;
    match text.parse::<wainwright_oci::Reference>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(item.refuse(error)),
    }
}

/// What a project may say about registries. Whom passwords are shown, and where encryption is not needed, is for the user to
/// say, in a file of their own.
fn mirrors(registries: Option<Item<'_>>) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let Some(registries) = registries else { return Ok(BTreeMap::new()) };
    let mut mirrors = BTreeMap::new();
    for (registry, (_, about)) in registries.table()?.items() {
        check_host(registry).map_err(|what| about.refuse(what))?;
        let about = about.table()?;
        for (key, (_, item)) in about.items() {
            if ["insecure", "token-servers"].contains(&key) {
                return Err(item.refuse_with(
                    format!("a project cannot set `{key}`"),
                    "set it in ~/.config/wainwright/registries.toml",
                ));
            }
        }
        about.allow_only(&["mirrors"])?;
        let hosts = about.get("mirrors").map_or(Ok(Vec::new()), |item| item.array())?;
        mirrors.insert(registry.to_owned(), distinct(hosts, |item| checked(item, check_host))?);
    }
    Ok(mirrors)
}

/// `host` or `host:port`; an address of version 6 stands in brackets.
fn check_host(text: &str) -> Result<(), String> {
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_host) {
        true => Ok(()),
        false => {
            // What stands before an `@` may be a password.
            let shown = text.rsplit_once('@').map_or(text.to_owned(), |(_, host)| format!("***@{host}"));
            Err(format!("`{}` is not a host with an optional port", shown.escape_debug()))
        }
    }
}

/// The name becomes part of an image's name, and of file names.
pub(crate) fn image_name(item: &Item<'_>) -> Result<PackageName, Error> {
    let name: PackageName = item.parse()?;
    if name.as_str().len() > 128 {
        return Err(item.refuse("the name is longer than 128 characters"));
    }
    Ok(name)
}

fn base(item: &Item<'_>) -> Result<String, Error> {
    let text = item.string()?;
    let is_known = ["debian:", "layout:", "archive:"]
        .iter()
        .any(|kind| text.strip_prefix(kind).is_some_and(|rest| !rest.is_empty()));
    // A word alone is rather a release without `debian:`.
    if is_known || text.contains('/') && text.parse::<Reference>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(item.refuse_with(
        format!("`{}` is not a base", cut(text)),
        "write it as `debian:trixie`, `debian:bookworm`, `layout:DIR`, `archive:FILE` or `ghcr.io/acme/python:3.13`",
    ))
}

fn platform(item: &Item<'_>) -> Result<Platform, Error> {
    let refuse = |what: String| item.refuse_with(what, "write it as `linux/amd64` or `linux/arm64`");
    let platform: Platform =
        item.string()?.parse().map_err(|error: wainwright_oci::Error| refuse(error.to_string()))?;
    if platform.os != "linux" {
        return Err(refuse(format!("images for `{}` cannot be built, only for linux", platform.os)));
    }
    Ok(platform)
}

/// A word whose grammar knows what to write instead.
fn oci_word<T: std::str::FromStr<Err = wainwright_oci::Error>>(item: &Item<'_>) -> Result<T, Error> {
    item.string()?.parse().map_err(|error: wainwright_oci::Error| match error.hint() {
        Some(hint) => item.refuse_with(error.to_string(), &hint),
        None => item.refuse(error),
    })
}

fn signal(item: &Item<'_>) -> Result<String, Error> {
    let text = if item.is_integer() { item.integer()?.to_string() } else { item.string()?.to_owned() };
    check_signal(&text).map_err(|what| item.refuse(what))?;
    Ok(text)
}

/// One layer links to the base's Python, one holds the project, and the wheels need another.
fn layers(item: &Item<'_>) -> Result<u8, Error> {
    let number = item.integer()?;
    match u8::try_from(number) {
        Ok(layers @ 3..=127) => Ok(layers),
        _ => Err(item.refuse_with(
            format!("`max-layers` is {number}"),
            "write a number from 3 to 127, the limit of Docker",
        )),
    }
}

fn pattern(item: &Item<'_>) -> Result<String, Error> {
    let text = item.string()?;
    let remedy = "patterns are as in .gitignore: `*.log`, `/data`, `docs/**/*.md`";
    if text.trim().is_empty() || text.starts_with(['!', '#']) {
        return Err(item.refuse_with(format!("`{}` is not a file pattern", cut(text)), remedy));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(item.refuse_with(format!("`{}` points outside the project", cut(text)), remedy));
    }
    Rules::check(text).map_err(|what| item.refuse_with(what, remedy))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::load;
    use insta::assert_snapshot;

    fn read(text: &str) -> Result<Settings, Error> {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("wainwright.toml"), text).unwrap();
        load(root.path()).map(|project| project.settings)
    }

    fn refuse(text: &str) -> String {
        let error = read(text).expect_err(text);
        assert!(!error.is_outside());
        let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        format!("{error}{hint}")
    }

    #[test]
    fn every_key_is_read() {
        let settings = read(
            r#"
            name = "Shop"
            base = "debian:13"
            python = "3.13"
            platforms = ["linux/amd64", "linux/arm64"]
            entrypoint = ["gunicorn", "shop:app"]
            cmd = ["--workers", "2"]
            env = { TEXT = "a\n$b \"c\"", EMPTY = "" }
            user = 1000
            workdir = "/app/shop"
            ports = [8000, "53/udp"]
            volumes = ["/data"]
            labels = { "org.opencontainers.image.title" = "Shop" }
            annotations = { team = "a b" }
            stop-signal = "SIGINT"
            max-layers = 20
            include = ["dist/app.js"]
            exclude = ["/docs"]
            extras = ["Fast_API"]
            groups = ["prod"]
            allow-clash = ["one", "/app/.venv/bin/tool=Two"]
            system-packages = ["libpq5"]
            build-sdists = ["Foo_Bar"]
            mirror = "https://deb.debian.org/debian"
            compression = "zstd:9"
            lazy = "estargz"
            bytecode = "unchecked-hash"
            registries."docker.io".mirrors = ["mirror.lan:5000", "127.0.0.1:5000"]
            "#,
        )
        .unwrap();
        assert_eq!(settings.mirrors["docker.io"], ["mirror.lan:5000", "127.0.0.1:5000"]);
        assert_eq!(settings.name.unwrap().as_str(), "shop");
        assert_eq!(settings.env["TEXT"], "a\n$b \"c\"");
        assert_eq!(settings.ports.iter().map(Port::to_string).collect::<Vec<_>>(), ["8000/tcp", "53/udp"]);
        assert_eq!(settings.extras[0].as_str(), "fast-api");
        let (foo, bar) = ("foo-bar".parse().unwrap(), "bar".parse().unwrap());
        assert!(settings.build_sdists.allows(&foo) && !settings.build_sdists.allows(&bar));
        assert!(read("build-sdists = true").unwrap().build_sdists.allows(&bar));
        assert_eq!(read("build-sdists = false").unwrap().build_sdists, BuildSdists::default());
        assert_eq!(settings.allow_clash[1].to_string(), "/app/.venv/bin/tool=two");
        assert_eq!(settings.user, Some(User { uid: 1000, gid: None }));
        assert_eq!(settings.platforms, [Platform::linux("amd64"), Platform::linux("arm64")]);
        assert_eq!(settings.stop_signal.as_deref(), Some("SIGINT"));
        assert_eq!(settings.max_layers, Some(20));
        assert_eq!((settings.compression, settings.lazy), (Some(Compression::Zstd(9)), Some(Lazy::Estargz)));
        assert_eq!(settings.bytecode, Some(Bytecode::UncheckedHash));
    }

    #[test]
    fn project_settings_reject_trust_keys() {
        assert_snapshot!(refuse("[registries.\"a.example\"]\ninsecure = true\n"), @r"
        wainwright.toml:2:12: a project cannot set `insecure`
          |
        2 | insecure = true
          |            ^^^^
        hint: set it in ~/.config/wainwright/registries.toml
        ");
        assert_snapshot!(refuse("[registries.\"https://a\"]\nmirrors = []\n"), @r#"
        wainwright.toml:1:1: `https://a` is not a host with an optional port
          |
        1 | [registries."https://a"]
          | ^^^^^^^^^^^^^^^^^^^^^^^^
        "#);
    }

    #[test]
    fn base_setting_accepts_references_and_rejects_words() {
        for (base, expected) in [
            ("ghcr.io/acme/python:3.13", true),
            ("localhost:5000/base", true),
            ("ghcr.io/Acme/python", false),
            ("acme/python@sha256:", false),
        ] {
            assert_eq!(read(&format!("base = \"{base}\"\n")).is_ok(), expected, "{base}");
        }
        assert!(refuse("base = \"trixie\"\n").contains("write it as `debian:trixie`"));
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert_snapshot!(refuse("base = \"debian:13\"\nprots = [80]\n"), @r"
        wainwright.toml:2:1: unknown key `prots`
          |
        2 | prots = [80]
          | ^^^^^
        hint: did you mean `ports`?
        ");
        assert_snapshot!(refuse("[tool.wainwright]\nports = [80]\n"), @r"
        wainwright.toml:1:2: unknown key `tool`
          |
        1 | [tool.wainwright]
          |  ^^^^
        hint: settings in wainwright.toml are at the top level, without [tool.wainwright]
        ");
    }

    #[test]
    fn wrong_types_are_refused() {
        assert_snapshot!(refuse("python = 3.13"), @r"
        wainwright.toml:1:10: `python` must be a string, not a number with a decimal point
          |
        1 | python = 3.13
          |          ^^^^
        hint: put it in quotes
        ");
        assert_snapshot!(refuse("entrypoint = \"python -m shop\""), @r#"
        wainwright.toml:1:14: `entrypoint` must be an array, because no shell splits the command
          |
        1 | entrypoint = "python -m shop"
          |              ^^^^^^^^^^^^^^^^
        hint: write entrypoint = ["python", "-m", "shop"]
        "#);
        assert_snapshot!(refuse("\n[env]\nDEBUG = true"), @r"
        wainwright.toml:3:9: `DEBUG` must be a string, not a boolean
          |
        3 | DEBUG = true
          |         ^^^^
        hint: put it in quotes
        ");
    }

    #[test]
    fn broken_files_are_refused_with_their_place() {
        assert_snapshot!(refuse("base = \"a\"\nbase = \"b\""), @r#"
        wainwright.toml:2:1: duplicate key
          |
        2 | base = "b"
          | ^^^^
        "#);
        for text in ["a = \0", "a = [", "= 1", "a = \"\\q\""] {
            assert!(refuse(text).contains("wainwright.toml:1:"), "{text:?}");
        }
        let deep = format!("a = {}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(refuse(&deep).contains("recurs"), "{}", refuse(&deep));
        let deep = format!("{} = 1", vec!["a"; 10_000].join("."));
        assert!(refuse(&deep).contains("recurs"));
    }

    #[test]
    fn byte_order_mark_and_windows_lines_are_accepted() {
        let settings = read("\u{feff}ports = [80]\r\n[env]\r\nA = \"b\"\r\n").unwrap();
        assert_eq!((settings.ports.len(), settings.env["A"].as_str()), (1, "b"));
    }

    #[test]
    fn large_values_are_kept_and_large_files_refused() {
        let value = "x".repeat(1 << 20);
        assert_eq!(read(&format!("env.A = \"{value}\"")).unwrap().env["A"], value);
        assert_snapshot!(refuse(&"#\n".repeat(5 << 20)), @"`wainwright.toml` is larger than 8388608 bytes");
    }

    #[test]
    fn wrong_values_are_refused() {
        for text in [
            "env = { \"A=B\" = \"\" }",
            "env = { A = \"\\u0000\" }",
            "labels = { a = \"\\u0000\" }",
            "ports = [0]",
            "ports = [65536]",
            "ports = [80, \"80/tcp\"]",
            "user = 2147483648",
            "user = \"root\"",
            "user = -1",
            "workdir = \"app\"",
            "workdir = \"/app/../etc\"",
            "volumes = [\"/\"]",
            "volumes = [\"data\"]",
            "stop-signal = \"TERM\"",
            "stop-signal = 0",
            "max-layers = 2",
            "max-layers = 128",
            "max-layers = \"40\"",
            "platforms = [\"amd64\"]",
            "platforms = [\"windows/amd64\"]",
            "platforms = [\"linux/amd64\", \"linux/x86_64\"]",
            "base = \"python:3.13:slim\"",
            "base = \"\"",
            "python = \"three\"",
            "name = \"..\"",
            "name = \"-rf\"",
            "entrypoint = []",
            "cmd = [\"\"]",
            "include = [\"!x\"]",
            "include = [\"../x\"]",
            "exclude = [\"\"]",
            "exclude = [\"[z-a]\"]",
            "mirror = \"file:///etc\"",
            "compression = \"xz\"",
            "compression = \"gzip:10\"",
            "compression = 9",
            "allow-clash = [\"bin/tool=one\"]",
            "allow-clash = [\"one\", \"One\"]",
            "lazy = true",
            "lazy = \"soci\"",
            "bytecode = \"checked-hash\"",
            "system-packages = [\"a;b\"]",
            "build-sdists = \"all\"",
            "build-sdists = [\"a\", \"A\"]",
            "build-sdists = [\":all:\"]",
        ] {
            let message = refuse(text);
            assert!(message.starts_with("wainwright.toml:1:"), "{text}: {message}");
        }
        assert!(refuse(&format!("name = \"{}\"", "x".repeat(300))).contains("128"));
    }
}
