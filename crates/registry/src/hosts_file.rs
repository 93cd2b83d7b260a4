use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

use crate::{Error, Hosts};

/// The most a file may have.
const LARGEST: u64 = 1 << 20;

impl Hosts {
    /// Adds what a user's file says about registries: one table for each, `["ghcr.io"]`, with `mirrors` and `token-servers`
    /// (lists of `host[:port]`) and `insecure` (true or false). An absent file says nothing.
    ///
    /// It is a file of the user and not of a project, because it decides who is shown passwords.
    pub fn read(&mut self, path: &Path) -> Result<(), Error> {
        let refuse = |reason: String| Error::Config { path: path.to_owned(), reason };
        let text = match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(refuse(error.to_string())),
            Ok(metadata) if metadata.len() > LARGEST => return Err(refuse("it has more than 1 MiB".into())),
            Ok(_) => std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?,
        };
        let tables: Table =
            text.parse().map_err(|error: toml::de::Error| refuse(error.message().to_owned()))?;
        for (registry, about) in &tables {
            let Value::Table(about) = about else {
                return Err(refuse(format!("`{registry}` is not a table; write `[\"HOST\"]`")));
            };
            self.add(registry, about).map_err(refuse)?;
        }
        Ok(())
    }

    fn add(&mut self, registry: &str, about: &Table) -> Result<(), String> {
        let registry = host(registry)?;
        for (key, value) in about {
            match (key.as_str(), value) {
                ("mirrors", Value::Array(list)) => {
                    self.mirrors.insert(registry.clone(), hosts(list)?);
                }
                ("token-servers", Value::Array(list)) => {
                    let servers: BTreeSet<String> = hosts(list)?.into_iter().collect();
                    self.token_servers.entry(registry.clone()).or_default().extend(servers);
                }
                ("insecure", Value::Boolean(true)) => drop(self.insecure.insert(registry.clone())),
                ("insecure", Value::Boolean(false)) => {}
                ("mirrors" | "token-servers", _) => {
                    return Err(format!("`{key}` of `{registry}` is not a list"));
                }
                ("insecure", _) => {
                    return Err(format!("`insecure` of `{registry}` must be true or false"));
                }
                _ => {
                    return Err(format!(
                        "unknown key `{key}` of `{registry}`; known keys: `mirrors`, `token-servers` and `insecure`"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn hosts(list: &[Value]) -> Result<Vec<String>, String> {
    list.iter().map(|item| host(item.as_str().unwrap_or_default())).collect()
}

/// A host with an optional port, and nothing else.
fn host(text: &str) -> Result<String, String> {
    let url = format!("https://{text}/");
    let is_host = url.parse::<wainwright_http::Url>().is_ok_and(|parsed| {
        parsed.path() == "/"
            && parsed.username().is_empty()
            && parsed.query().is_none()
            && parsed.fragment().is_none()
    });
    match is_host && !text.contains('/') {
        true => Ok(text.to_owned()),
        false => {
            // What stands before it may be a password.
            let shown = text.rsplit_once('@').map_or(text.to_owned(), |(_, host)| format!("***@{host}"));
            Err(format!("`{}` is not a host with an optional port", shown.escape_debug()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Hosts, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut hosts = Hosts::default();
        hosts.read(file.path()).map(|()| hosts)
    }

    #[test]
    fn each_registry_has_a_table() {
        let hosts = read(
            "[\"docker.io\"]\nmirrors = [\"mirror.lan:5000\", \"b.lan\"]\n\
             [\"reg.lan:5000\"]\ninsecure = true\ntoken-servers = [\"auth.example\"]\n",
        )
        .unwrap();
        assert_eq!(hosts.mirrors["docker.io"], ["mirror.lan:5000", "b.lan"]);
        assert!(hosts.may_be_plain("reg.lan:5000") && !hosts.may_be_plain("mirror.lan:5000"));
        assert!(hosts.may_have_token("reg.lan:5000", &"https://auth.example/token".parse().unwrap()));
        assert!(!hosts.may_have_token("docker.io", &"https://auth.example/token".parse().unwrap()));
    }

    #[test]
    fn invalid_settings_are_named() {
        for (text, wanted) in [
            ("x = 1", "`x` is not a table"),
            ("[\"a.example\"]\nmirror = []", "unknown key `mirror` of `a.example`"),
            ("[\"a.example\"]\nmirrors = \"b\"", "is not a list"),
            ("[\"a.example\"]\nmirrors = [1]", "is not a host"),
            ("[\"a.example\"]\nmirrors = [\"https://b\"]", "is not a host"),
            ("[\"u:CANARY@a.example\"]\ninsecure = true", "`***@a.example` is not a host"),
            ("[\"a.example\"]\nmirrors = [\"u:CANARY@b.example\"]", "`***@b.example` is not a host"),
            ("[\"a.example\"]\ninsecure = \"yes\"", "must be true or false"),
            ("[", "cannot read"),
        ] {
            let error = read(text).err().unwrap_or_else(|| panic!("{text}")).to_string();
            assert!(error.contains(wanted), "{error} lacks {wanted}");
            assert!(!error.contains("CANARY"), "{error}");
        }
        assert!(Hosts::default().read(Path::new("/absent/registries.toml")).is_ok());
    }
}
