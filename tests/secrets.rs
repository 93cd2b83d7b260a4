//! No secret reaches an image, the store, a report or the screen.

use std::fs;
use std::path::Path;

use wainwright_testing::{Tree, With as _, Workshop, need, run, unpack};

use crate::{WAIN, workshop};

const SECRET: &str = "CANARY-6f1d2a";
/// The same in base64, as an `Authorization` header has it.
const ENCODED: &str = "Q0FOQVJZLTZmMWQyY";

fn check_text(what: &str, text: &[u8]) {
    for secret in [SECRET, ENCODED] {
        let found = text.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!found, "{what} holds a secret: {}", String::from_utf8_lossy(text));
    }
}

fn check_folder(folder: &Path) {
    let files: Vec<String> =
        Tree::read(folder).0.into_keys().filter(|path| folder.join(path).is_file()).collect();
    assert!(!files.is_empty(), "{}", folder.display());
    for file in files {
        check_text(&file, &fs::read(folder.join(&file)).unwrap());
    }
}

#[test]
fn nothing_secret_is_kept() {
    let Some(umoci) = need("umoci") else { return };
    let shop = workshop();
    for file in
        [".env", ".netrc", ".pypirc", ".git/config", ".ssh/id_ed25519", "deploy.pem", ".aws/credentials"]
    {
        let key = format!(
            "-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\npassword = {SECRET}\n"
        );
        shop.write(&format!("project/{file}"), key);
    }
    shop.write("home/.netrc", format!("machine 127.0.0.1 login somebody password {SECRET}\n"));
    let secretive = |mut command: std::process::Command| {
        command.env("PIP_INDEX_URL", format!("http://somebody:{SECRET}@127.0.0.1:9/simple"));
        command.env("UV_INDEX_PRIVATE_PASSWORD", SECRET).env("TOKEN", SECRET);
        command
    };
    let outputs = ["--output", "layout:out", "--metadata-file", "report.json", "--progress", "json"];
    let ran = run(&mut secretive(shop.build()).with(&outputs)).ok();
    check_text("the screen", ran.stderr.as_bytes());
    check_folder(&shop.path("out"));
    check_folder(&shop.path("store"));
    check_text("the report", &fs::read(shop.path("report.json")).unwrap());
    check_text("wain.lock", &fs::read(shop.path("project/wain.lock")).unwrap());
    let root = unpack(&umoci, &shop.path("out"), "latest", &shop.path("bundle"));
    assert!(root.join("app/main.py").is_file());
    check_folder(&root);
    let project = shop.path("project").display().to_string();
    let mut plan = secretive(shop.wain(&["plan", &project, "--base", "layout:base", "--json"]));
    check_text("the plan", run(&mut plan).ok().stdout.as_bytes());
}

#[test]
fn a_password_is_not_shown_when_an_index_does_not_answer() {
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "");
    shop.write("project/requirements.txt", format!("greet==1.0 --hash=sha256:{}\n", "0".repeat(64)));
    let index = format!("http://somebody:{SECRET}@127.0.0.1:9/simple?key={SECRET}");
    let mut build = shop.wain(&["build", "project", "--base", "layout:base", "--index-url", &index]);
    let ran = run(&mut build);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    check_text("the screen", ran.stderr.as_bytes());
    check_text("the screen", ran.stdout.as_bytes());
    check_folder(&shop.path("project"));
}
