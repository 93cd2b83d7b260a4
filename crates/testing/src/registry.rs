use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{fs, net};

use tempfile::TempDir;

use crate::token::NAME;
use crate::{TokenServer, need, skip, wait_until};

/// A registry of its own (Docker's, version 2.8) on a port of the loopback, which ends with the test.
pub struct RegistryServer {
    folder: TempDir,
    process: Child,
    address: String,
}

/// What a [`RegistryServer`] asks of its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// User `ann` with password `CANARY-password`, by basic authentication.
    Password,
}

impl RegistryServer {
    /// Starts a registry and waits until it answers; `None` where that cannot be, see [`skip`](crate::skip).
    pub fn start(access: Access) -> Option<Self> {
        Self::start_at("127.0.0.1", |folder| {
            if access == Access::Open {
                return String::new();
            }
            let file = folder.join("htpasswd");
            // `CANARY-password`, as `htpasswd -B` writes it.
            fs::write(&file, "ann:$2y$05$5iJdyq7MQ.Z.yMia4ziw8eitJt2uVAYoVLaqXKykdKIpP1FUoJdhG\n").unwrap();
            format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", file.display())
        })
    }

    /// Starts one that anybody may use, on the loopback of IPv6.
    pub fn start_v6() -> Option<Self> {
        if let Err(error) = TcpListener::bind("[::1]:0") {
            skip(&format!("there is no IPv6 here: {error}"));
            return None;
        }
        Self::start_at("[::1]", |_| String::new())
    }

    /// Starts one that takes the tokens of a server.
    pub fn start_with_tokens(tokens: &TokenServer) -> Option<Self> {
        Self::start_at("127.0.0.1", |folder| {
            let (file, realm) = (folder.join("tokens.pem"), tokens.address());
            fs::write(&file, tokens.certificate()).unwrap();
            format!(
                "auth:\n  token:\n    realm: http://{realm}/token\n    service: {NAME}\n    issuer: {NAME}\n    rootcertbundle: {}\n",
                file.display()
            )
        })
    }

    fn start_at(host: &'static str, auth: impl FnOnce(&Path) -> String) -> Option<Self> {
        let program = need("docker-registry")?;
        let folder = TempDir::new().unwrap();
        // Somebody else could take the port in between; nobody does on a machine that runs tests.
        let port = TcpListener::bind(format!("{host}:0")).unwrap().local_addr().unwrap().port();
        let data = folder.path().join("data");
        let mut config = format!(
            "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
             http:\n  addr: \"{host}:{port}\"\n",
            data.display()
        );
        config += &auth(folder.path());
        fs::write(folder.path().join("config.yml"), config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(program)
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { folder, process, address: format!("{host}:{port}") };
        let answers = wait_until(|| net::TcpStream::connect(server.address()).is_ok());
        let log = || fs::read_to_string(server.folder.path().join("log")).unwrap();
        assert!(answers, "the registry does not answer:\n{}", log());
        Some(server)
    }

    /// Host and port, for references.
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// Method and path of every request so far, as its access log has them.
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let asked = |line: &str| {
            let (request, _) = line.split_once('"')?.1.split_once(" HTTP/")?;
            Some(request.to_owned())
        };
        log.lines().filter_map(asked).collect()
    }

    /// The folder it keeps everything in.
    pub fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for RegistryServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
