//! Layers leave for the registry while others are still being made.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use wainwright_oci::Digest;
use wainwright_testing::{Access, RegistryServer, Workshop, run, wait_until, wheel};

use crate::WAIN;

/// An index that gives a wheel away only once `is_time`; ends with the test.
fn patient_index(name: &'static str, bytes: Vec<u8>, is_time: impl Fn() -> bool + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = move |mut stream: TcpStream| -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line)? > 2 {
            head += &line;
            line.clear();
        }
        let page = format!(
            "<!DOCTYPE html><a href=\"/files/{name}#sha256={}\">{name}</a>",
            Digest::of(&bytes).hex()
        );
        let (kind, body) = match head.starts_with("GET /simple/") {
            true => ("text/html", page.as_bytes()),
            false => ("application/octet-stream", &bytes[..]),
        };
        let is_there = !head.starts_with("GET /files/") || wait_until(&is_time);
        let status = if is_there { "200 OK" } else { "404 Too Late" };
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        )?;
        if head.starts_with("HEAD") { Ok(()) } else { stream.write_all(body) }
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever goes away early wants nothing more.
            let _ = stream.and_then(&serve);
        }
    });
    address
}

/// How many layers a repository has.
fn layers(data: &Path) -> usize {
    let folder = data.join("docker/registry/v2/repositories/team/api/_layers/sha256");
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn a_layer_is_in_the_registry_before_the_next_wheel_is_here() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let data = server.data();
    let greet = wheel("greet").file("greet/__init__.py", "").bytes();
    let digest = Digest::of(&greet).hex();
    let is_there = move || layers(&data) > 0;
    let index = patient_index("greet-1.0-py3-none-any.whl", greet, is_there);
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "");
    shop.write("project/requirements.txt", format!("greet==1.0 --hash=sha256:{digest}\n"));
    let tag = format!("{}/team/api:1", server.address());
    let built = run(shop
        .wain(&[
            "build",
            "project",
            "--platform",
            "linux/amd64",
            "--base",
            "layout:base",
            "--push",
            "--tag",
            &tag,
        ])
        .env("PIP_INDEX_URL", format!("http://{index}/simple/")));
    // What went ahead counts as sent.
    assert!(!built.stderr.contains("there)"), "{}", built.stderr);
    let digest = built.digest();
    let pulled = run(&mut shop.wain(&["pull", &tag, "--output", "layout:pulled"]));
    assert_eq!(pulled.digest(), digest);
}
