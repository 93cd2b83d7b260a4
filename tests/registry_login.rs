//! A login is checked before it is kept, kept where others look for it, and shown to nobody.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use wainwright_testing::{Access, RegistryServer, Workshop, need, run};

use crate::workshop;

/// Exit code and what was said, with a password on standard input.
fn login(shop: &Workshop, words: &[&str], password: &str) -> (i32, String) {
    let mut command = shop.wain(&["login"]);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(password.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_checked_login_opens_the_registry_to_everybody() {
    let Some(server) = RegistryServer::start(Access::Password) else { return };
    let shop = workshop();
    let address = server.address();
    let name = format!("{address}/team/api:1");
    let push = || run(&mut shop.wain(&["push", "last:project", &name]));
    run(&mut shop.build()).ok();

    let refused = push();
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("wain login"), "{}", refused.stderr);
    let (code, said) = login(&shop, &[&address, "-u", "ann", "--password-stdin"], "CANARY-wrong\n");
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("rejected the password of ann") && !said.contains("CANARY"), "{said}");
    let config = shop.path("home/.docker/config.json");
    assert!(!config.exists(), "nothing is kept that the registry does not take");

    let (code, said) = login(&shop, &[&address, "-u", "ann", "--password-stdin"], "CANARY-password\n");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("config.json, unencrypted") && !said.contains("CANARY"), "{said}");
    assert_eq!(fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    push().ok();
    if let Some(skopeo) = need("skopeo") {
        let mut inspect = Command::new(skopeo);
        inspect.args(["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
        run(inspect.env("REGISTRY_AUTH_FILE", &config)).ok();
    }

    let out = run(&mut shop.wain(&["logout", &address])).ok();
    assert!(out.stderr.contains("logged out"), "{}", out.stderr);
    let again = run(&mut shop.wain(&["logout", &address])).ok();
    assert!(again.stderr.contains("not logged in"), "{}", again.stderr);
    assert!(!fs::read_to_string(&config).unwrap().contains(&address));
    assert_eq!(run(&mut shop.wain(&["inspect", &name])).code, 3);
}

#[test]
fn a_helper_keeps_the_password() {
    let Some(server) = RegistryServer::start(Access::Password) else { return };
    let shop = workshop();
    let box_file = shop.path("box");
    // As real helpers: one object for each server, here only one.
    let helper = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat > {0} ;;\nget) cat > /dev/null; cat {0} ;;\nerase) rm {0} ;;\nesac\n",
        box_file.display()
    );
    shop.write("bin/docker-credential-box", helper);
    let path = shop.path("bin/docker-credential-box");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    shop.write("home/.docker/config.json", r#"{"credsStore": "box", "psFormat": "x"}"#);
    let path = format!("{}:/bin:/usr/bin", shop.path("bin").display());
    let address = server.address();

    let mut command = shop.wain(&["login", &address, "-u", "ann", "--password-stdin"]);
    shop.write("password", "CANARY-password");
    command.env("PATH", &path).stdin(fs::File::open(shop.path("password")).unwrap());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("saved with docker-credential-box"), "{said}");
    let config: Value =
        serde_json::from_slice(&fs::read(shop.path("home/.docker/config.json")).unwrap()).unwrap();
    assert_eq!((&config["psFormat"], &config["credsStore"]), (&"x".into(), &"box".into()));
    assert!(!config.to_string().contains("CANARY") && !config.to_string().contains("Q0FOQVJZ"));

    run(&mut shop.build()).ok();
    let name = format!("{address}/team/api:1");
    run(shop.wain(&["push", "last:project", &name]).env("PATH", &path)).ok();
    run(shop.wain(&["logout", &address]).env("PATH", &path)).ok();
    assert!(!box_file.exists());
}

#[test]
fn a_registry_that_asks_nobody_is_told_apart() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let shop = workshop();
    let (code, said) = login(&shop, &[&server.address(), "-u", "ann", "--password-stdin"], "x");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("could not be checked"), "{said}");
}

#[test]
fn passwords_come_from_standard_input_alone() {
    let shop = workshop();
    for (words, password, expected) in [
        (&["ghcr.io", "-u", "ann"][..], "x", "--password-stdin"),
        (&["ghcr.io", "-u", "ann", "--password", "CANARY"], "x", "--password"),
        (&["ghcr.io", "-u", "ann", "--password-stdin"], "\n", "no password"),
        (&["ghcr.io", "-u", "ann", "--password-stdin"], "a\nb\n", "several lines"),
        (&["ghcr.io", "-u", "a:b", "--password-stdin"], "x", "colon"),
        (&["ghcr.io/acme", "-u", "ann", "--password-stdin"], "x", "not HOST[:PORT]"),
    ] {
        let (code, said) = login(&shop, words, password);
        assert_eq!(code, 2, "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    let (code, said) = login(&shop, &["127.0.0.1:1", "-u", "ann", "--password-stdin", "--offline"], "x");
    assert_eq!(code, 3, "{said}");
    assert!(!shop.path("home/.docker").exists());
}

#[test]
fn no_cache_is_needed() {
    let shop = Workshop::empty(crate::WAIN);
    // Nobody can make a folder of it.
    shop.write("store", "");
    let out = run(&mut shop.wain(&["logout", "registry.example"])).ok();
    assert!(out.stderr.contains("not logged in") && !out.stderr.contains("cache"), "{}", out.stderr);
}
