use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use url::Url;

use super::settings::{self, Context};
use crate::Error;

/// Where a Docker daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerHost {
    /// On a socket of this machine.
    Unix(PathBuf),
    /// On the network.
    Tcp {
        /// `http://host:port`, or `https://` when there are certificates.
        url: Url,
        /// The folder with `ca.pem`, `cert.pem` and `key.pem` that prove who is who.
        certificates: Option<PathBuf>,
    },
}

impl DockerHost {
    /// Finds the daemon as `docker` does: DOCKER_HOST, else the context that is in use, else the first of the usual sockets
    /// (Docker's, then podman's). Connects to nothing.
    ///
    /// `vars` is the environment; `home` is where `.docker` is, unless DOCKER_CONFIG says otherwise.
    pub fn find(vars: &BTreeMap<String, String>, home: Option<&Path>) -> Result<Self, Error> {
        let var = |name: &str| vars.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let config = var("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(home?.join(".docker")));
        if let Some(address) = var("DOCKER_HOST") {
            let wants_tls = var("DOCKER_TLS_VERIFY").is_some() || var("DOCKER_TLS").is_some();
            let certificates = var("DOCKER_CERT_PATH").map(PathBuf::from).or(config);
            return Self::parse("DOCKER_HOST", address, certificates.filter(|_| wants_tls));
        }
        if let Some(config) = &config
            && let Some(Context { name, address, certificates }) =
                settings::context(config, var("DOCKER_CONTEXT"))?
        {
            return Self::parse(&format!("the Docker context `{name}`"), &address, certificates);
        }
        let runtime = var("XDG_RUNTIME_DIR").map(Path::new);
        let sockets = [
            Some("/var/run/docker.sock".into()),
            home.map(|home| home.join(".docker/run/docker.sock")),
            runtime.map(|folder| folder.join("docker.sock")),
            runtime.map(|folder| folder.join("podman/podman.sock")),
            Some("/run/podman/podman.sock".into()),
        ];
        Self::first_of(sockets.into_iter().flatten().collect())
    }

    /// The first socket this user may use; else the first that exists, whose error will say why not.
    fn first_of(sockets: Vec<PathBuf>) -> Result<Self, Error> {
        let is_usable =
            |path: &&PathBuf| rustix::fs::access(*path, Access::READ_OK | Access::WRITE_OK).is_ok();
        let found = sockets.iter().find(is_usable).or_else(|| sockets.iter().find(|path| path.exists()));
        match found {
            Some(path) => Ok(Self::Unix(path.clone())),
            None => Err(Error::NoDaemon { tried: sockets }),
        }
    }

    fn parse(origin: &str, address: &str, certificates: Option<PathBuf>) -> Result<Self, Error> {
        let refuse =
            |reason| Err(Error::Address { origin: origin.into(), address: without_user(address), reason });
        let Some((scheme, rest)) = address.split_once("://") else {
            return refuse("it has no scheme");
        };
        match scheme {
            "unix" if rest.is_empty() => Ok(Self::Unix("/var/run/docker.sock".into())),
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" => refuse("the path of the socket is not absolute"),
            "tcp" | "http" | "https" => {
                if scheme == "https" && certificates.is_none() {
                    return refuse("TLS needs DOCKER_TLS_VERIFY and a folder of certificates");
                }
                let scheme = if certificates.is_some() { "https" } else { "http" };
                let Ok(mut url) = Url::parse(&format!("{scheme}://{rest}")) else {
                    return refuse("it is not a URL");
                };
                if !url.username().is_empty() || url.password().is_some() {
                    return refuse("it contains a user name or password");
                }
                // A `:80` typed out is lost when the URL is parsed, so look at the text.
                let authority = rest.split('/').next().unwrap_or(rest);
                let has_port = authority.rsplit(']').next().unwrap_or(authority).contains(':');
                if !has_port {
                    let port = if certificates.is_some() { 2376 } else { 2375 };
                    if url.set_port(Some(port)).is_err() {
                        return refuse("it is not a URL");
                    }
                }
                Ok(Self::Tcp { url, certificates })
            }
            "ssh" => refuse("daemons over ssh are not supported"),
            "npipe" => refuse("named pipes exist on Windows only"),
            "fd" => refuse("this is a listening address of a daemon, not an address to connect to"),
            _ => refuse("unknown scheme"),
        }
    }
}

impl fmt::Display for DockerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "`{}`", path.display()),
            Self::Tcp { url, .. } => write!(f, "`{}`", url.as_str().trim_end_matches('/')),
        }
    }
}

/// An address without what stands before an `@`, which may be a password.
fn without_user(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://...@{rest}"),
        (None, Some((_, rest))) => format!("...@{rest}"),
        _ => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;

    fn find(vars: &[(&str, &str)], home: Option<&Path>) -> Result<DockerHost, Error> {
        let vars = vars.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        DockerHost::find(&vars, home)
    }

    fn shown(vars: &[(&str, &str)]) -> String {
        match find(vars, Some(Path::new("/home/jo"))) {
            Ok(DockerHost::Unix(path)) => path.display().to_string(),
            Ok(DockerHost::Tcp { url, certificates: None }) => url.to_string(),
            Ok(DockerHost::Tcp { url, certificates: Some(folder) }) => format!("{url} {}", folder.display()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn docker_host_is_read_as_docker_reads_it() {
        for (address, expected) in [
            ("unix:///run/x.sock", "/run/x.sock"),
            ("unix://", "/var/run/docker.sock"),
            ("tcp://127.0.0.1:1234", "http://127.0.0.1:1234/"),
            ("tcp://build.example", "http://build.example:2375/"),
            ("tcp://build.example:80", "http://build.example/"),
            ("http://[::1]:99/docker", "http://[::1]:99/docker"),
            ("http://[::1]", "http://[::1]:2375/"),
        ] {
            assert_eq!(shown(&[("DOCKER_HOST", address)]), expected);
        }
    }

    #[test]
    fn unsupported_addresses_have_a_reason() {
        for (address, reason) in [
            ("ssh://jo@build", "`ssh://...@build` in DOCKER_HOST: daemons over ssh are not supported"),
            ("npipe:////./pipe/docker_engine", "named pipes exist on Windows only"),
            ("/var/run/docker.sock", "it has no scheme"),
            ("unix://x.sock", "the path of the socket is not absolute"),
            ("https://build:1", "TLS needs DOCKER_TLS_VERIFY and a folder of certificates"),
            ("tcp://", "it is not a URL"),
            (
                "tcp://jo:secret@build",
                "`tcp://...@build` in DOCKER_HOST: it contains a user name or password",
            ),
        ] {
            let text = shown(&[("DOCKER_HOST", address)]);
            assert!(text.starts_with("unsupported Docker daemon") && text.ends_with(reason), "{text}");
        }
    }

    #[test]
    fn tls_needs_a_folder_of_certificates() {
        let tls = ("DOCKER_TLS_VERIFY", "1");
        let host = ("DOCKER_HOST", "tcp://build");
        assert_eq!(shown(&[host, tls]), "https://build:2376/ /home/jo/.docker");
        assert_eq!(shown(&[host, tls, ("DOCKER_CERT_PATH", "/certs")]), "https://build:2376/ /certs");
    }

    #[test]
    fn usable_sockets_come_before_others() {
        let folder = tempfile::tempdir().unwrap();
        let socket = |name: &str| folder.path().join(name);
        std::fs::write(socket("second"), "").unwrap();
        let first = DockerHost::first_of(vec![socket("first"), socket("second")]);
        assert_eq!(first.unwrap(), DockerHost::Unix(socket("second")));
        let none = DockerHost::first_of(vec![socket("first")]).unwrap_err();
        assert!(none.is_outside() && none.to_string().contains("first"), "{none}");
    }

    #[test]
    fn the_context_in_use_decides_without_docker_host() {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join(".docker");
        let id = wainwright_oci::Digest::of("lab").hex();
        std::fs::create_dir_all(config.join("contexts/meta").join(&id)).unwrap();
        let meta = r#"{"Name":"lab","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///run/lab.sock","SkipTLSVerify":false}}}"#;
        std::fs::write(config.join("contexts/meta").join(&id).join("meta.json"), meta).unwrap();
        let named = [("DOCKER_CONTEXT", "lab")];
        let expected = DockerHost::Unix("/run/lab.sock".into());
        assert_eq!(find(&named, Some(home.path())).unwrap(), expected);
        std::fs::write(config.join("config.json"), r#"{"currentContext":"lab"}"#).unwrap();
        assert_eq!(find(&[], Some(home.path())).unwrap(), expected);
        let missing = find(&[("DOCKER_CONTEXT", "gone")], Some(home.path())).unwrap_err();
        assert!(missing.to_string().ends_with("there is no context `gone`"), "{missing}");
        std::fs::write(config.join("config.json"), "{").unwrap();
        assert!(!find(&[], Some(home.path())).unwrap_err().is_outside());
        let other = [("DOCKER_HOST", "unix:///x"), ("DOCKER_CONTEXT", "lab")];
        assert_eq!(find(&other, Some(home.path())).unwrap(), DockerHost::Unix("/x".into()));
    }
}
