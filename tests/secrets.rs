//! No secret reaches an image, the store, a report or the screen: not as it is, not in base64, not as a part of an address.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use wainwright_oci::Digest;
use wainwright_testing::{
    Access, Act, Proxy, Ran, RegistryServer, Reply, Tree, With as _, Workshop, need, run, unpack, wheel,
};

use crate::{WAIN, workshop};

/// Its odd letters are others in an address.
const SECRET: &str = "CANARY/6f1d2a+9e@ok";
const IN_AN_ADDRESS: &str = "CANARY%2F6f1d2a%2B9e%40ok";

/// The secret as it is, as an address has it, and as base64 has it, wherever in a text it begins.
fn forms() -> BTreeSet<String> {
    let mut forms: BTreeSet<String> = [SECRET, IN_AN_ADDRESS].map(str::to_owned).into();
    for before in 0..3 {
        for secret in [SECRET, IN_AN_ADDRESS] {
            let encoded = BASE64_STANDARD.encode("x".repeat(before) + secret);
            // The first letters and the last ones depend on the neighbours.
            let inside = &encoded[4..encoded.len() - 4];
            forms.insert(inside.to_owned());
            forms.insert(inside.replace('+', "-").replace('/', "_"));
        }
    }
    forms
}

fn check_text(what: &str, text: &[u8]) {
    for secret in forms() {
        let found = text.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!found, "{what} holds a secret, `{secret}`: {}", String::from_utf8_lossy(text));
    }
}

/// Looks into every file, and into what is compressed in it.
fn check_folder(folder: &Path) {
    let files: Vec<String> =
        Tree::read(folder).0.into_keys().filter(|path| folder.join(path).is_file()).collect();
    assert!(!files.is_empty(), "{}", folder.display());
    for file in files {
        check_text(&file, file.as_bytes());
        let bytes = fs::read(folder.join(&file)).unwrap();
        check_text(&file, &bytes);
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut inside = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut inside).unwrap();
            check_text(&file, &inside);
        }
    }
}

fn check_screen(ran: &Ran) {
    check_text("standard error", ran.stderr.as_bytes());
    check_text("standard output", ran.stdout.as_bytes());
}

/// Everything that a build leaves but the project itself.
fn check_shop(shop: &Workshop) {
    check_outputs(shop);
    check_text("wain.lock", &fs::read(shop.path("project/wain.lock")).unwrap());
}

fn check_outputs(shop: &Workshop) {
    for folder in ["out", "store"] {
        check_folder(&shop.path(folder));
    }
    for file in ["report.json", "out.tar"] {
        check_text(file, &fs::read(shop.path(file)).unwrap());
    }
}

const OUTPUTS: &[&str] =
    &["--output", "layout:out", "--output", "archive:out.tar", "--metadata-file", "report.json"];

#[test]
fn the_forms_are_found() {
    let header = BASE64_STANDARD.encode(format!("somebody:{SECRET}"));
    let address = format!("http://somebody:{IN_AN_ADDRESS}@127.0.0.1/simple");
    for text in [header, BASE64_STANDARD.encode(&address), address, SECRET.to_owned()] {
        assert!(forms().iter().any(|form| text.contains(form.as_str())), "{text}");
    }
}

#[test]
fn nothing_secret_is_kept() {
    let Some(umoci) = need("umoci") else { return };
    let shop = workshop();
    let files = [
        ".env",
        ".env.production",
        ".netrc",
        ".pypirc",
        ".git/config",
        ".ssh/id_ed25519",
        "deploy.pem",
        "deploy.key",
        ".aws/credentials",
        ".docker/config.json",
        ".npmrc",
        "data/.env",
    ];
    for file in files {
        let key = format!(
            "-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\npassword = {SECRET}\n"
        );
        shop.write(&format!("project/{file}"), key);
    }
    shop.write("home/.netrc", format!("machine 127.0.0.1 login somebody password {SECRET}\n"));
    shop.write(
        "home/.config/pip/pip.conf",
        format!("[global]\nextra-index-url = http://x:{IN_AN_ADDRESS}@[::1]:9/\n"),
    );
    let secretive = |mut command: Command| {
        let index = format!("http://somebody:{IN_AN_ADDRESS}@127.0.0.1:9/simple");
        for name in ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env(name, &index);
        }
        for name in
            ["UV_INDEX_PRIVATE_PASSWORD", "TOKEN", "AWS_SECRET_ACCESS_KEY", "USER", "HOSTNAME", "LOGNAME"]
        {
            command.env(name, SECRET);
        }
        command
    };
    for progress in ["json", "plain", "tty", "quiet"] {
        let mut build = secretive(shop.build()).with(OUTPUTS).with(&["--progress", progress, "-vvv"]);
        check_screen(&run(&mut build).ok());
        check_shop(&shop);
        let _ = fs::remove_dir_all(shop.path("store"));
        run(&mut build).ok();
        check_shop(&shop);
    }
    let root = unpack(&umoci, &shop.path("out"), "latest", &shop.path("bundle"));
    assert!(root.join("app/main.py").is_file());
    check_folder(&root);
    let project = shop.path("project").display().to_string();
    for words in [
        &["plan", &project, "--base", "layout:base", "--json"][..],
        &["plan", &project, "--base", "layout:base"],
    ] {
        check_screen(&run(&mut secretive(shop.wain(words))).ok());
    }
}

/// An index that tells nothing to those without the password; ends with the test.
fn private_index(name: &'static str, bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let expected =
        format!("basic {}", BASE64_STANDARD.encode(format!("somebody:{SECRET}")).to_ascii_lowercase());
    let serve = move |stream: TcpStream| -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line)? > 2 {
            head += &line.to_ascii_lowercase();
            line.clear();
        }
        let page = format!(
            "<!DOCTYPE html><a href=\"/files/{name}#sha256={}\">{name}</a>",
            Digest::of(&bytes).hex()
        );
        let (status, body) = match head.contains(&expected) {
            false => ("401 Unauthorized\r\nwww-authenticate: Basic realm=\"private\"", &b"no"[..]),
            true if head.starts_with("get /simple/") => {
                ("200 OK\r\ncontent-type: text/html", page.as_bytes())
            }
            true => ("200 OK\r\ncontent-type: application/octet-stream", &bytes[..]),
        };
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
        stream.write_all(body)
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever goes away early wants nothing more.
            let _ = stream.and_then(&serve);
        }
    });
    address
}

#[test]
fn a_private_index_is_used_and_its_password_forgotten() {
    let greet = wheel("greet").file("greet/__init__.py", "").bytes();
    let digest = Digest::of(&greet).hex();
    let address = private_index("greet-1.0-py3-none-any.whl", greet);
    for how in ["in the address", "in netrc", "in the requirements"] {
        let shop = Workshop::empty(WAIN);
        shop.write("project/main.py", "");
        let mut requirements = format!("greet==1.0 --hash=sha256:{digest}\n");
        let with_password = format!("http://somebody:{IN_AN_ADDRESS}@{address}/simple/");
        let project = shop.path("project").display().to_string();
        let mut build = shop
            .wain(&["build", &project, "--platform", "linux/amd64", "--base", "layout:base"])
            .with(OUTPUTS);
        match how {
            "in the address" => drop(build.env("PIP_INDEX_URL", with_password)),
            "in netrc" => {
                build.env("PIP_INDEX_URL", format!("http://{address}/simple/"));
                shop.write("home/.netrc", format!("machine 127.0.0.1 login somebody password {SECRET}\n"));
            }
            // A part of the project then, which has it: only what is made of it is looked at.
            _ => requirements = format!("--index-url {with_password}\n{requirements}"),
        }
        shop.write("project/requirements.txt", &requirements);
        shop.write("project/.dockerignore", "requirements.txt\n");
        for progress in ["json", "plain"] {
            let ran = run(&mut build.with_progress(progress)).ok();
            check_screen(&ran);
            check_shop(&shop);
        }
    }
}

#[test]
fn a_file_of_the_project_does_not_carry_a_password_into_the_image() {
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "");
    let index = format!("--index-url http://somebody:{IN_AN_ADDRESS}@127.0.0.1:9/simple");
    shop.write("project/requirements.txt", format!("{index}\ngreet==1.0 --hash=sha256:{}\n", "0".repeat(64)));
    let ran = run(&mut shop.wain(&["build", "project", "--base", "layout:base"]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`requirements.txt` contains the password of a package index"),
        "{}",
        ran.stderr
    );
    check_screen(&ran);

    shop.write("project/wainwright.toml", "include = [\"requirements.txt\"]\n");
    let ran = run(&mut shop.wain(&["build", "project", "--base", "layout:base"]));
    assert_eq!(ran.code, 3, "the index is asked: {}", ran.stderr);
}

/// Chooses how the same command shows what happens.
trait Shown {
    fn with_progress(&self, how: &str) -> Command;
}

impl Shown for Command {
    fn with_progress(&self, how: &str) -> Command {
        let mut command = Command::new(self.get_program());
        command.args(self.get_args()).args(["--progress", how, "-vvv"]).env_clear();
        command.envs(self.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.get_current_dir().unwrap());
        command
    }
}

#[test]
fn a_password_is_not_shown_when_an_index_does_not_answer() {
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "");
    shop.write("project/requirements.txt", format!("greet==1.0 --hash=sha256:{}\n", "0".repeat(64)));
    let index = format!("http://somebody:{IN_AN_ADDRESS}@127.0.0.1:9/simple?key={IN_AN_ADDRESS}");
    for progress in ["json", "plain"] {
        let words = [
            "build",
            "project",
            "--base",
            "layout:base",
            "--index-url",
            &index,
            "--progress",
            progress,
            "-vvv",
        ];
        let ran = run(&mut shop.wain(&words));
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        check_screen(&ran);
        check_folder(&shop.path("project"));
        check_folder(&shop.path("store"));
    }
}

/// A registry that lets nobody in without the password, and repeats what it was shown when it refuses.
fn private_registry(upstream: &str, is_open: bool) -> Proxy {
    let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("somebody:{SECRET}")));
    Proxy::start(Some(upstream), None, move |asked| {
        if is_open && asked.authorization() == Some(expected.as_str()) {
            return Act::Pass;
        }
        Act::Answer(
            Reply::refusal(401, "UNAUTHORIZED", "who are you")
                .header("www-authenticate", "Basic realm=\"private\""),
        )
    })
}

#[test]
fn a_private_registry_is_pushed_to_and_its_password_forgotten() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    for how in ["variables", "config", "base64", "podman", "helper"] {
        for is_open in [true, false] {
            let registry = private_registry(&server.address(), is_open);
            let address = registry.address();
            let shop = workshop();
            let tag = format!("{address}/{how}/api:1");
            let mut build = shop.build().with(OUTPUTS).with(&["--push", "--tag", &tag]);
            build.env("PATH", format!("{}:/usr/bin:/bin", shop.path("bin").display()));
            match how {
                "variables" => {
                    let host = address.replace(['.', ':'], "_");
                    build.env(format!("WAIN_REGISTRY_USER_{host}"), "somebody");
                    build.env(format!("WAIN_REGISTRY_PASSWORD_{host}"), SECRET);
                }
                "config" => shop.write(
                    "home/.docker/config.json",
                    format!(r#"{{"auths":{{"{address}":{{"username":"somebody","password":"{SECRET}"}}}}}}"#),
                ),
                "base64" | "podman" => {
                    let auth = BASE64_STANDARD.encode(format!("somebody:{SECRET}"));
                    let file =
                        if how == "podman" { ".config/containers/auth.json" } else { ".docker/config.json" };
                    // The entry of the namespace goes before the one of the host.
                    let text = format!(
                        r#"{{"auths":{{"{address}":{{"auth":"eDp5"}},"{address}/{how}":{{"auth":"{auth}"}}}}}}"#
                    );
                    shop.write(&format!("home/{file}"), text);
                }
                _ => {
                    shop.write("home/.docker/config.json", r#"{"credsStore":"test"}"#);
                    let script = format!(
                        "#!/bin/sh\necho '{{\"Username\":\"somebody\",\"Secret\":\"{SECRET}\"}}'\necho {SECRET} >&2\n"
                    );
                    shop.write("bin/docker-credential-test", script);
                    run(Command::new("chmod").arg("+x").arg(shop.path("bin/docker-credential-test"))).ok();
                }
            }
            for progress in ["json", "plain"] {
                let ran = run(&mut build.with_progress(progress));
                assert_eq!(ran.code, if is_open { 0 } else { 3 }, "{how}: {}", ran.stderr);
                check_screen(&ran);
                check_folder(&shop.path("store"));
                if is_open {
                    check_outputs(&shop);
                }
            }
        }
    }
    check_folder(&server.data());
}

#[test]
fn a_password_that_is_given_in_the_wrong_place_is_not_repeated() {
    let shop = workshop();
    let check = |words: &[&str]| {
        let ran = run(&mut shop.wain(words));
        assert_eq!(ran.code, 2, "{words:?}: {}", ran.stderr);
        check_screen(&ran);
    };
    let image = format!("ann:{IN_AN_ADDRESS}@registry.example/team/api:1");
    let address = format!("https://ann:{SECRET}@registry.example/team/api:1");
    for name in [&image, &address] {
        check(&["push", "last", name]);
        check(&["copy", name, "registry.example/api:1"]);
        check(&["inspect", name]);
        check(&["verify", name]);
        check(&["registry", "probe", name]);
        check(&["build", "project", "--tag", name]);
        check(&["build", "project", &format!("--base={name}")]);
        check(&["build", "project", "--cache-from", name]);
    }
    let host = format!("ann:{SECRET}@registry.example");
    check(&["pull", "registry.example/api:1", "--insecure-registry", &host]);
    check(&["login", &host, "--username", "ann"]);
    check(&["login", "registry.example", "--username", "ann", "--password-stdin", SECRET]);
    check(&["login", "registry.example", "--username", "ann", &format!("--password-stdin={SECRET}")]);
    for name in [&image, &address] {
        shop.write("project/wainwright.toml", format!("base = \"{name}\"\n"));
        let ran = run(&mut shop.wain(&["build", "project"]));
        assert_ne!(ran.code, 0);
        check_screen(&ran);
    }
}
