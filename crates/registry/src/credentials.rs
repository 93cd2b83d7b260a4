use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use wainwright_http::Secret;

use crate::Error;
use crate::error::clean;

/// Who we are at which registry: asked for when a registry wants to know, never before.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The environment: per-registry variables, and what credential helpers are run with.
    vars: BTreeMap<String, String>,
    /// The files, first to last.
    paths: Vec<PathBuf>,
}

/// Docker's `config.json`, or podman's `auth.json`, which has the same form.
#[derive(Clone)]
pub struct DockerConfig {
    path: PathBuf,
    json: Value,
}

/// What a user proves to be one with.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) secret: Secret,
    /// The secret is a refresh token (OAuth 2), not a password.
    pub(crate) is_identity_token: bool,
}

/// What a helper may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most a config file or a helper's answer may have.
const LARGEST: u64 = 4 << 20;
/// How Docker writes its own registry.
pub(crate) const DOCKER_KEY: &str = "https://index.docker.io/v1/";

impl Credentials {
    /// Knows where credentials are on this machine. The files are read when a registry asks, and not before: one that cannot
    /// be read keeps nobody from what is open to all.
    ///
    /// `$REGISTRY_AUTH_FILE`, or else: `$DOCKER_CONFIG/config.json` (`~/.docker/config.json`), then podman's
    /// `$XDG_RUNTIME_DIR/containers/auth.json` and `~/.config/containers/auth.json`. Variables like
    /// `WAIN_REGISTRY_USER_GHCR_IO` and `WAIN_REGISTRY_PASSWORD_GHCR_IO` come first. What is absent is no error.
    pub fn load(vars: &BTreeMap<String, String>, home: Option<&Path>) -> Self {
        let set = |name: &str| vars.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let paths = match set("REGISTRY_AUTH_FILE") {
            Some(file) => vec![file],
            None => {
                let docker = set("DOCKER_CONFIG").or_else(|| home.map(|home| home.join(".docker")));
                let user = set("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")));
                [
                    docker.map(|folder| folder.join("config.json")),
                    set("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
                    user.map(|folder| folder.join("containers/auth.json")),
                ]
                .into_iter()
                .flatten()
                .collect()
            }
        };
        Self { vars: vars.clone(), paths }
    }

    /// Whose credentials to show for a repository.
    pub(crate) async fn find(&self, registry: &str, repository: &str) -> Result<Option<Login>, Error> {
        if let Some(login) = self.login_in_vars(registry) {
            return Ok(Some(login));
        }
        for path in &self.paths {
            let Some(config) = DockerConfig::read(path)? else { continue };
            if let Some(helper) = config.helper(registry)? {
                let found = ask_helper(&helper, registry, &self.vars).await?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            if let Some(login) = config.login(registry, repository)? {
                return Ok(Some(login));
            }
        }
        Ok(None)
    }

    fn login_in_vars(&self, registry: &str) -> Option<Login> {
        let read = |kind: &str| self.vars.get(&variable(kind, registry)).filter(|text| !text.is_empty());
        let (user, password) = (read("USER")?, read("PASSWORD")?);
        Some(Login { user: user.clone(), secret: Secret::new(password), is_identity_token: false })
    }
}

/// `WAIN_REGISTRY_USER_GHCR_IO`
pub(crate) fn variable(kind: &str, registry: &str) -> String {
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    let host: String = registry.chars().map(letter).collect();
    format!("WAIN_REGISTRY_{kind}_{host}")
}

impl DockerConfig {
    /// Everything in the file.
    pub(crate) fn into_json(self) -> Value {
        self.json
    }

    /// Reads a file; `None` when there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let refuse = |reason: String| Error::Config { path: path.to_owned(), reason };
        let bytes = match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse(error.to_string())),
            Ok(metadata) if metadata.len() > LARGEST => return Err(refuse("it has more than 4 MiB".into())),
            Ok(metadata) if !metadata.is_file() => return Err(refuse("it is not a file".into())),
            Ok(_) => std::fs::read(path).map_err(|error| refuse(error.to_string()))?,
        };
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        // The position alone: the rest of a message could quote a secret.
        let json: Value = serde_json::from_slice(text).map_err(|error| {
            refuse(format!("it is not JSON (line {}, column {})", error.line(), error.column()))
        })?;
        if !json.is_object() {
            return Err(refuse("it is not a JSON object".into()));
        }
        let is_odd = |key: &str, fits: fn(&Value) -> bool| {
            json.get(key).is_some_and(|value| !value.is_null() && !fits(value))
        };
        if let Some(key) = ["auths", "credHelpers"].into_iter().find(|key| is_odd(key, Value::is_object)) {
            return Err(refuse(format!("its `{key}` is not a JSON object")));
        }
        if is_odd("credsStore", Value::is_string) {
            return Err(refuse("its `credsStore` is not the name of a program".into()));
        }
        Ok(Some(Self { path: path.to_owned(), json }))
    }

    /// The program that knows the credentials for a registry.
    pub(crate) fn helper(&self, registry: &str) -> Result<Option<String>, Error> {
        let helpers = self.json.get("credHelpers").and_then(Value::as_object);
        let own = helpers.and_then(|helpers| helpers.iter().find(|(key, _)| normal(key) == registry));
        let store = || Some(("credsStore".to_owned(), self.json.get("credsStore")?));
        let found = own.map(|(key, name)| (format!("credHelpers` of `{key}"), name)).or_else(store);
        let Some((key, name)) = found.filter(|(_, name)| !name.is_null() && *name != "") else {
            return Ok(None);
        };
        let is_name =
            |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        match name.as_str().filter(is_name) {
            Some(name) => Ok(Some(format!("docker-credential-{name}"))),
            None => Err(Error::Config {
                path: self.path.clone(),
                reason: format!("its `{key}` is not the end of a program's name (`docker-credential-NAME`)"),
            }),
        }
    }

    /// What stands in the file itself: the entry with the longest name that the repository is under.
    fn login(&self, registry: &str, repository: &str) -> Result<Option<Login>, Error> {
        let Some(auths) = self.json.get("auths").and_then(Value::as_object) else { return Ok(None) };
        let full = format!("{registry}/{repository}");
        let is_over =
            |key: &str| full == key || full.strip_prefix(key).is_some_and(|rest| rest.starts_with('/'));
        let found = auths
            .iter()
            .map(|(key, entry)| (normal(key), entry))
            .filter(|(key, _)| is_over(key))
            .max_by_key(|(key, _)| key.len());
        let Some((key, entry)) = found else { return Ok(None) };
        let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(token) = text("identitytoken") {
            return Ok(Some(Login {
                user: String::new(),
                secret: Secret::new(token),
                is_identity_token: true,
            }));
        }
        if let (Some(user), Some(password)) = (text("username"), text("password")) {
            let secret = Secret::new(password);
            return Ok(Some(Login { user: user.into(), secret, is_identity_token: false }));
        }
        let refuse = || Error::Config {
            path: self.path.clone(),
            reason: format!("`auth` of `{key}` is not `user:password` in Base64"),
        };
        if entry.get("auth").is_some_and(|auth| !auth.is_null() && !auth.is_string()) {
            return Err(refuse());
        }
        let Some(auth) = text("auth") else { return Ok(None) };
        let decoded = base64::engine::general_purpose::STANDARD.decode(auth.trim()).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.as_deref().and_then(|text| text.trim_end_matches('\0').split_once(':'));
        let Some((user, password)) = pair else { return Err(refuse()) };
        Ok(Some(Login { user: user.into(), secret: Secret::new(password), is_identity_token: false }))
    }
}

/// The registry, with a namespace behind it where there is one, that a key of a config file means.
pub(crate) fn normal(key: &str) -> String {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    match key {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io".into(),
        key => key.to_owned(),
    }
}

/// Asks a credential helper for a login.
async fn ask_helper(
    helper: &str,
    registry: &str,
    vars: &BTreeMap<String, String>,
) -> Result<Option<Login>, Error> {
    let refuse = |reason: String| Error::Helper { helper: helper.to_owned(), reason };
    let server = if registry == "docker.io" { DOCKER_KEY } else { registry };
    let Some(output) = run_helper(helper, "get", server, vars).await? else { return Ok(None) };
    let json: Value =
        serde_json::from_slice(&output).map_err(|_| refuse("its response is not JSON".into()))?;
    let field = |name: &str| json.get(name).and_then(Value::as_str);
    let (Some(user), Some(secret)) = (field("Username"), field("Secret")) else {
        return Err(refuse("its response has no `Username` and `Secret`".into()));
    };
    let is_identity_token = user == "<token>";
    Ok(Some(Login { user: user.into(), secret: Secret::new(secret), is_identity_token }))
}

/// Runs a credential helper (docker-credential-helpers, "Development"): a verb, then something on its standard input. What
/// it printed; `None` when it does not know the server.
pub(crate) async fn run_helper(
    helper: &str,
    verb: &str,
    input: &str,
    vars: &BTreeMap<String, String>,
) -> Result<Option<Vec<u8>>, Error> {
    run_helper_within(PATIENCE, helper, verb, input, vars).await
}

async fn run_helper_within(
    patience: Duration,
    helper: &str,
    verb: &str,
    input: &str,
    vars: &BTreeMap<String, String>,
) -> Result<Option<Vec<u8>>, Error> {
    let refuse = |reason: String| Error::Helper { helper: helper.to_owned(), reason };
    let run = async {
        let mut child = tokio::process::Command::new(helper)
            .arg(verb)
            .env_clear()
            .envs(vars)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        // Whatever it started besides, as a shell does, ends with it when nobody waits any more.
        let mut group = Group(child.id());
        if let Some(mut stdin) = child.stdin.take() {
            // A helper that does not read is one that answers anyway.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await?;
        group.0 = None;
        Ok::<_, std::io::Error>(output)
    };
    let output = match tokio::time::timeout(patience, run).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(refuse(error.to_string())),
        Err(_) => return Err(refuse(format!("no response in {} s", patience.as_secs()))),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        // What helpers say on standard output when they do not know the server.
        if text.contains("credentials not found") {
            return Ok(None);
        }
        return Err(refuse(format!("{} ({})", output.status, clean(&text))));
    }
    Ok(Some(output.stdout))
}

/// A helper that runs, and every process it has started.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let number = self.0.and_then(|number| rustix::process::Pid::from_raw(number.try_into().ok()?));
        if let Some(number) = number {
            // It may have ended in this moment.
            let _ = rustix::process::kill_process_group(number, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn find(config: &str, registry: &str, repository: &str) -> Result<Option<String>, Error> {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".docker")).unwrap();
        std::fs::write(home.path().join(".docker/config.json"), config).unwrap();
        let credentials = Credentials::load(&BTreeMap::new(), Some(home.path()));
        Ok(credentials
            .find(registry, repository)
            .await?
            .map(|login| format!("{} {}", login.user, login.secret.reveal())))
    }

    #[tokio::test]
    async fn the_longest_name_wins() {
        // u:p, v:p:q
        let config = r#"{"auths": {"https://reg.example/v2/": {"auth": "dTpw"}, "reg.example/team": {"auth": "djpwOnE="}}}"#;
        assert_eq!(find(config, "reg.example", "a").await.unwrap().as_deref(), Some("u p"));
        assert_eq!(find(config, "reg.example", "team/a").await.unwrap().as_deref(), Some("v p:q"));
        assert_eq!(find(config, "reg.example", "teams").await.unwrap().as_deref(), Some("u p"));
        assert_eq!(find(config, "reg.example:443", "a").await.unwrap(), None);
        assert_eq!(find(config, "evil.example", "reg.example/team").await.unwrap(), None);
    }

    #[tokio::test]
    async fn dockers_own_registry_has_its_own_key() {
        let config = r#"{"auths": {"https://index.docker.io/v1/": {"username": "u", "password": "p"}}}"#;
        assert_eq!(find(config, "docker.io", "library/python").await.unwrap().as_deref(), Some("u p"));
        assert_eq!(find(config, "index.docker.io.example", "x").await.unwrap(), None);
    }

    #[tokio::test]
    async fn broken_files_are_named_and_nothing_of_them_is_shown() {
        for config in [
            "{\"auths\": CANARY",
            "[]",
            "{\"auths\": [\"CANARY\"]}",
            "{\"credsStore\": 5}",
            r#"{"auths": {"r.example": {"auth": "Q0FOQVJZ"}}}"#,
            r#"{"auths": {"r.example": {"auth": 5}}}"#,
        ] {
            let error = find(config, "r.example", "x").await.expect_err(config);
            let text = format!("{error} {error:?}");
            assert!(text.contains("config.json") && !text.contains("CANARY"), "{text}");
        }
        assert_eq!(find("", "r.example", "x").await.unwrap(), None);
    }

    #[tokio::test]
    async fn credential_helpers_are_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let helper = |name: &str, body: &str| {
            let path = folder.path().join(format!("docker-credential-{name}"));
            std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        helper("good", r#"read server; echo "{\"Username\": \"for $server\", \"Secret\": \"p\"}""#);
        helper("empty", "echo 'credentials not found in native keychain'; exit 1");
        helper("bad", "echo CANARY-is-not-json");
        std::fs::write(
            folder.path().join("config.json"),
            r#"{"credsStore": "empty", "credHelpers": {"a.example": "good", "b.example": "bad", "c.example": "../x"}}"#,
        )
        .unwrap();
        let path = format!("{}:/bin:/usr/bin", folder.path().display());
        let vars =
            [("PATH".to_owned(), path), ("DOCKER_CONFIG".to_owned(), folder.path().display().to_string())];
        let credentials = Credentials::load(&vars.into(), None);
        assert_eq!(credentials.find("a.example", "x").await.unwrap().unwrap().user, "for a.example");
        assert!(credentials.find("d.example", "x").await.unwrap().is_none());
        let text = credentials.find("c.example", "x").await.err().unwrap().to_string();
        assert!(text.contains("`credHelpers` of `c.example` is not the end of a program's name"), "{text}");
        let text = format!("{:?}", credentials.find("b.example", "x").await.err().unwrap());
        assert!(text.contains("docker-credential-bad") && !text.contains("CANARY"), "{text}");
    }

    #[tokio::test]
    async fn names_that_lead_elsewhere_are_refused() {
        for config in [r#"{"credsStore": "../x"}"#, r#"{"credHelpers": {"r.example": ["x"]}}"#] {
            let error = find(config, "r.example", "x").await.expect_err(config).to_string();
            assert!(error.contains("config.json") && error.contains("docker-credential-NAME"), "{error}");
        }
        assert_eq!(find(r#"{"credsStore": ""}"#, "r.example", "x").await.unwrap(), None);
    }

    #[tokio::test]
    async fn files_are_read_when_somebody_asks() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".docker")).unwrap();
        std::fs::write(home.path().join(".docker/config.json"), "{").unwrap();
        let vars = [("WAIN_REGISTRY_USER_A_EXAMPLE", "u"), ("WAIN_REGISTRY_PASSWORD_A_EXAMPLE", "p")];
        let vars = vars.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let credentials = Credentials::load(&vars, Some(home.path()));
        assert!(credentials.find("a.example", "x").await.unwrap().is_some());
        assert!(matches!(credentials.find("b.example", "x").await, Err(Error::Config { .. })));
    }

    #[tokio::test]
    async fn a_helper_that_hangs_ends_with_all_it_started() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (helper, noted) = (folder.path().join("docker-credential-slow"), folder.path().join("child"));
        let script = format!("#!/bin/sh\nsleep 300 &\necho $! > {}\nwait\n", noted.display());
        std::fs::write(&helper, script).unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
        let vars = [("PATH".to_owned(), format!("{}:/bin:/usr/bin", folder.path().display()))].into();
        let patience = Duration::from_secs(5);
        let ran = run_helper_within(patience, "docker-credential-slow", "get", "a.example", &vars).await;
        assert!(ran.unwrap_err().to_string().contains("no response in 5 s"));
        let child = std::fs::read_to_string(noted).unwrap();
        let child = PathBuf::from(format!("/proc/{}", child.trim()));
        // Until somebody collects it, what has ended is shown as a zombie.
        let runs = || std::fs::read_to_string(child.join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
        assert!(wainwright_testing::wait_until(|| !runs()), "the child of the helper still runs");
    }

    #[tokio::test]
    async fn variables_come_first() {
        let vars =
            [("WAIN_REGISTRY_USER_R_EXAMPLE_5000", "u"), ("WAIN_REGISTRY_PASSWORD_R_EXAMPLE_5000", "p")];
        let vars = vars.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let credentials = Credentials::load(&vars, None);
        assert_eq!(credentials.find("r.example:5000", "x").await.unwrap().unwrap().user, "u");
        assert!(credentials.find("r.example", "x").await.unwrap().is_none());
    }
}
