use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use wainwright_http::Secret;

use crate::credentials::{DOCKER_KEY, DockerConfig, normal, run_helper};
use crate::{Error, Registry};

/// The file that logins are written to: Docker's `config.json`, where docker, podman, skopeo and we look for them.
#[derive(Clone, Debug)]
pub struct LoginFile {
    path: PathBuf,
    /// The environment, for credential helpers.
    vars: BTreeMap<String, String>,
}

/// The most links that are followed one after the other, as the system has it (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Where a login is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialStore {
    /// In the file itself, which only its owner may read.
    File(PathBuf),
    /// With a program that the file names.
    Helper(String),
}

impl LoginFile {
    /// The file that applies: `$REGISTRY_AUTH_FILE`, else `config.json` in `$DOCKER_CONFIG`, else in `~/.docker`. `None`
    /// without a home.
    pub fn find(vars: &BTreeMap<String, String>, home: Option<&Path>) -> Option<Self> {
        let set = |name: &str| vars.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let docker = || set("DOCKER_CONFIG").or_else(|| home.map(|home| home.join(".docker")));
        let path = set("REGISTRY_AUTH_FILE").or_else(|| docker().map(|folder| folder.join("config.json")))?;
        Some(Self { path, vars: vars.clone() })
    }

    /// Keeps a login: with the credential helper of that registry where one is set, else in the file.
    ///
    /// Everything else in the file stays. It is replaced as a whole, and nobody else may read it.
    pub async fn save(&self, registry: &str, user: &str, secret: &Secret) -> Result<CredentialStore, Error> {
        let _lock = self.lock()?;
        let (mut json, helper) = self.read(registry)?;
        let key = key(registry);
        let Some(helper) = helper else {
            let auth = BASE64_STANDARD.encode(format!("{user}:{}", secret.reveal()));
            self.auths(&mut json)?.insert(key.into(), json!({ "auth": auth }));
            self.write(&json)?;
            return Ok(CredentialStore::File(self.path.clone()));
        };
        let input = json!({ "ServerURL": key, "Username": user, "Secret": secret.reveal() });
        run_helper(&helper, "store", &input.to_string(), &self.vars).await?;
        // As docker does it: the empty entry says that there is a login, and a plain one would be an old password.
        self.auths(&mut json)?.insert(key.into(), json!({}));
        self.write(&json)?;
        Ok(CredentialStore::Helper(helper))
    }

    /// Forgets a login; `false` when there was none.
    pub async fn remove(&self, registry: &str) -> Result<bool, Error> {
        if !self.path.exists() {
            return Ok(false);
        }
        let _lock = self.lock()?;
        let (mut json, helper) = self.read(registry)?;
        let auths = self.auths(&mut json)?;
        // Whatever spelling it was saved under.
        let keys: Vec<String> = auths.keys().filter(|key| normal(key) == registry).cloned().collect();
        keys.iter().for_each(|key| drop(auths.remove(key)));
        let mut is_removed = !keys.is_empty();
        if let Some(helper) = helper {
            // Helpers say in different words that they knew nothing of it.
            let erased = run_helper(&helper, "erase", key(registry), &self.vars).await;
            match erased {
                Ok(_) => is_removed = true,
                Err(error) if !is_removed => return Err(error),
                Err(_) => {}
            }
        }
        if !keys.is_empty() {
            self.write(&json)?;
        }
        Ok(is_removed)
    }

    /// Two logins at a time follow each other: the folder is locked, for the file itself is replaced.
    fn lock(&self) -> Result<Option<File>, Error> {
        let folder = self.folder();
        let failed = |source| Error::Write { path: self.path.clone(), source };
        make_folder(folder).map_err(failed)?;
        let file = File::open(folder).map_err(failed)?;
        // Where the file system has no locks, nobody waits.
        Ok(file.lock().is_ok().then_some(file))
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn read(&self, registry: &str) -> Result<(Value, Option<String>), Error> {
        let config = DockerConfig::read(&self.path)?;
        let helper = config.as_ref().map(|config| config.helper(registry)).transpose()?.flatten();
        Ok((config.map_or_else(|| json!({}), DockerConfig::into_json), helper))
    }

    fn auths<'a>(&self, json: &'a mut Value) -> Result<&'a mut Map<String, Value>, Error> {
        let refuse =
            || Error::Config { path: self.path.clone(), reason: "its `auths` is not an object".into() };
        let auths = json.as_object_mut().ok_or_else(refuse)?.entry("auths").or_insert_with(|| json!({}));
        if auths.is_null() {
            *auths = json!({});
        }
        auths.as_object_mut().ok_or_else(refuse)
    }

    /// The file behind a link, there already or not: people keep such files elsewhere, and the link stays one.
    fn target(&self) -> Result<PathBuf, Error> {
        let mut path = self.path.clone();
        for _ in 0..MOST_LINKS {
            match fs::read_link(&path) {
                Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
                Err(_) => return Ok(path),
            }
        }
        let reason = "it is a link that leads to itself".into();
        Err(Error::Config { path: self.path.clone(), reason })
    }

    fn write(&self, json: &Value) -> Result<(), Error> {
        let path = self.target()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |source| Error::Write { path: path.clone(), source };
        // Made with mode 0600, and gone if anything fails.
        let mut file = tempfile::Builder::new().prefix(".wain-login-").tempfile_in(folder).map_err(failed)?;
        writeln!(file, "{json:#}").map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

impl Registry {
    /// The registry that a user means by a host: `docker.io` in all its spellings; `None` where it is no host.
    pub fn named(text: &str) -> Option<String> {
        let host = normal(text);
        let reference: wainwright_oci::Reference = format!("{host}/x/y").parse().ok()?;
        (reference.registry() == host).then_some(host)
    }
}

/// What a registry is called in Docker's file, and by helpers.
fn key(registry: &str) -> &str {
    if registry == "docker.io" { DOCKER_KEY } else { registry }
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn file(folder: &Path) -> LoginFile {
        let mut vars = BTreeMap::from([("DOCKER_CONFIG".to_owned(), folder.display().to_string())]);
        vars.insert("PATH".into(), format!("{}:/bin:/usr/bin", folder.display()));
        LoginFile::find(&vars, None).unwrap()
    }

    fn read(folder: &Path) -> Value {
        serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_login_is_kept_beside_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let before =
            r#"{"auths": {"a.example": {"auth": "dTpw"}}, "psFormat": "x", "HttpHeaders": {"b": "c"}}"#;
        fs::write(&path, before).unwrap();
        let file = file(folder.path());
        let kept = file.save("reg.example:5000", "ann", &Secret::new("p:w")).await.unwrap();
        assert_eq!(kept, CredentialStore::File(path.clone()));
        file.save("docker.io", "ann", &Secret::new("x")).await.unwrap();
        let after = read(folder.path());
        assert_eq!(after["auths"]["reg.example:5000"]["auth"], "YW5uOnA6dw==");
        assert!(after["auths"]["https://index.docker.io/v1/"].is_object());
        assert_eq!(after["psFormat"], "x");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        assert!(file.remove("reg.example:5000").await.unwrap());
        assert!(!file.remove("reg.example:5000").await.unwrap());
        assert!(file.remove("docker.io").await.unwrap());
        let expected: Value = serde_json::from_str(before).unwrap();
        assert_eq!(read(folder.path()), expected);
        // Nothing else was left there.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_first_login_makes_the_file_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let fresh = folder.path().join("new/docker");
        file(&fresh).save("a.example", "u", &Secret::new("p")).await.unwrap();
        assert_eq!(fs::metadata(&fresh).unwrap().permissions().mode() & 0o777, 0o700);
        let linked = folder.path().join("linked");
        fs::create_dir(&linked).unwrap();
        symlink(fresh.join("config.json"), linked.join("config.json")).unwrap();
        file(&linked).save("b.example", "u", &Secret::new("p")).await.unwrap();
        assert!(linked.join("config.json").is_symlink());
        assert_eq!(read(&fresh)["auths"].as_object().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_link_to_nothing_yet_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (linked, real) = (folder.path().join("linked"), folder.path().join("real"));
        fs::create_dir(&linked).unwrap();
        symlink("../middle.json", linked.join("config.json")).unwrap();
        symlink("real/config.json", folder.path().join("middle.json")).unwrap();
        // The folder is not there either.
        let error = file(&linked).save("a.example", "u", &Secret::new("p")).await.unwrap_err();
        assert!(
            matches!(&error, Error::Write { path, .. } if path.ends_with("real/config.json")),
            "{error:?}"
        );
        fs::create_dir(&real).unwrap();
        file(&linked).save("a.example", "u", &Secret::new("p")).await.unwrap();
        assert!(linked.join("config.json").is_symlink() && folder.path().join("middle.json").is_symlink());
        assert_eq!(read(&real)["auths"].as_object().unwrap().len(), 1);
        fs::remove_file(real.join("config.json")).unwrap();
        symlink("config.json", real.join("config.json")).unwrap();
        let error = file(&linked).save("a.example", "u", &Secret::new("p")).await.unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn helpers_keep_what_they_are_set_to_keep() {
        let folder = tempfile::tempdir().unwrap();
        let helper = folder.path().join("docker-credential-box");
        let log = folder.path().join("log");
        let script = format!("#!/bin/sh\necho \"$1 $(cat)\" >> {}\n", log.display());
        fs::write(&helper, script).unwrap();
        fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
        let config =
            r#"{"credHelpers": {"a.example": "box"}, "auths": {"a.example": {"auth": "b2xkOm9sZA=="}}}"#;
        fs::write(folder.path().join("config.json"), config).unwrap();
        let file = file(folder.path());
        let kept = file.save("a.example", "ann", &Secret::new("CANARY")).await.unwrap();
        assert_eq!(kept, CredentialStore::Helper("docker-credential-box".into()));
        assert_eq!(read(folder.path())["auths"]["a.example"], json!({}), "the old password is gone");
        assert!(file.remove("a.example").await.unwrap());
        let told = fs::read_to_string(log).unwrap();
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[0].starts_with("store {") && lines[0].contains(r#""Secret":"CANARY""#), "{told}");
        assert_eq!(lines[1], "erase a.example");
        assert!(!fs::read_to_string(folder.path().join("config.json")).unwrap().contains("CANARY"));
    }

    #[tokio::test]
    async fn unreadable_login_file_is_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["{\"auths\": CANARY", r#"{"auths": []}"#] {
            fs::write(folder.path().join("config.json"), text).unwrap();
            let error = file(folder.path()).save("a.example", "u", &Secret::new("p")).await.unwrap_err();
            assert!(matches!(error, Error::Config { .. }), "{error:?}");
            assert_eq!(fs::read_to_string(folder.path().join("config.json")).unwrap(), text);
        }
    }

    #[test]
    fn host_names_are_normalized() {
        for (text, expected) in [
            ("ghcr.io", Some("ghcr.io")),
            ("https://ghcr.io/v2/", Some("ghcr.io")),
            ("index.docker.io", Some("docker.io")),
            ("docker.io", Some("docker.io")),
            ("127.0.0.1:5000", Some("127.0.0.1:5000")),
            ("ghcr.io/acme", None),
            ("", None),
            ("acme", None),
        ] {
            assert_eq!(Registry::named(text).as_deref(), expected, "{text}");
        }
    }
}
