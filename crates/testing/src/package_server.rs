use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::{Access, Wheel, wait_until};

/// A package index of its own (pypiserver) on a port of the loopback, which ends with the test.
///
/// It tells names and sha256 in HTML, and neither sizes, nor times, nor metadata.
pub struct PackageServer {
    folder: TempDir,
    process: Child,
    address: String,
}

impl PackageServer {
    /// Starts the program with these wheels, and waits until it answers. With [`Access::Password`] user `ann` needs
    /// `CANARY-7` for everything.
    pub fn start(program: &Path, access: Access, wheels: &[Wheel]) -> Self {
        let folder = TempDir::new().unwrap();
        let packages = folder.path().join("packages");
        fs::create_dir(&packages).unwrap();
        for wheel in wheels {
            fs::write(packages.join(wheel.filename()), wheel.bytes()).unwrap();
        }
        let users = folder.path().join("htpasswd");
        fs::write(&users, "ann:{SHA}K7VK+t1RaZZxYxfY1rsiuC/wixo=\n").unwrap();
        // Somebody else could take the port in between; nobody does on a machine that runs tests.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.args(["run", "-i", "127.0.0.1", "-p", &port.to_string(), "--disable-fallback"]);
        command.args(["--hash-algo", "sha256"]);
        match access {
            Access::Open => command.args(["-a", ".", "-P", "."]),
            Access::Password => command.args(["-a", "update,download,list", "-P"]).arg(&users),
        };
        command.arg(&packages).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = command.spawn().unwrap();
        let server = Self { folder, process, address: format!("127.0.0.1:{port}") };
        let answers = wait_until(|| TcpStream::connect(&server.address).is_ok());
        let log = || fs::read_to_string(server.folder.path().join("log")).unwrap();
        assert!(answers, "the index does not answer:\n{}", log());
        server
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for PackageServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
