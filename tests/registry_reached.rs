//! Registries are reached and opened as real ones are: by tokens, by IPv6, around a proxy, by the second of two addresses.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use wainwright_testing::{
    Access, Act, Proxy, RegistryServer, Reply, TokenServer, With as _, Workshop, need, run, skip,
};

use crate::{WAIN, workshop};

/// A workshop in which something was built.
fn built() -> Workshop {
    let shop = workshop();
    run(&mut shop.build()).ok();
    shop
}

#[test]
fn tokens_that_are_signed_open_what_they_name() {
    let tokens = TokenServer::start();
    let Some(server) = RegistryServer::start_with_tokens(&tokens) else { return };
    let shop = built();
    let address = server.address();
    let name = |rest: &str| format!("{address}/{rest}");
    shop.write(
        "home/.config/wainwright/registries.toml",
        format!("[\"{address}\"]\ntoken-servers = [\"{}\"]\n", tokens.address()),
    );
    let login = |password: &str| {
        let mut command = shop.wain(&["login", &address, "-u", "ann", "--password-stdin"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let refused = run(&mut shop.wain(&["push", "last:project", &name("team/api:1")]));
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("wain login"), "{}", refused.stderr);
    let (code, said) = login("CANARY-wrong");
    assert_eq!(code, 3, "{said}");
    let (code, said) = login("CANARY-password");
    assert_eq!(code, 0, "{said}");

    for target in ["team/api:1", "public/api:1"] {
        run(&mut shop.wain(&["push", "last:project", &name(target)])).ok();
    }
    let digest = run(&mut shop.wain(&["tag", &name("team/api:1"), "2", "3"])).digest();
    // A mount takes a token for two repositories.
    let copied = run(&mut shop.wain(&["copy", &name("team/api:2"), &name("other/api:1")]));
    assert!(copied.stderr.contains("mounted "), "{}", copied.stderr);
    assert_eq!(copied.digest(), digest);
    let _ = fs::remove_dir_all(shop.path("store"));
    assert_eq!(run(&mut shop.wain(&["pull", &name("team/api:3"), "-o", "layout:out"])).digest(), digest);
    run(&mut shop.wain(&["inspect", &name("other/api:1")])).ok();
    let probe = run(&mut shop.wain(&["registry", "probe", &name("team/scratch")])).ok();
    assert!(probe.stdout.contains("token"), "{}", probe.stdout);

    run(&mut shop.wain(&["logout", &address])).ok();
    // Everybody is given a token, and not all of them open anything.
    run(&mut shop.wain(&["pull", &name("public/api:1"), "-o", "layout:public"])).ok();
    for words in [&["inspect", &name("team/api:1")][..], &["tag", &name("public/api:1"), "2"]] {
        let ran = run(&mut shop.wain(words));
        assert_eq!(ran.code, 3, "{words:?}");
        assert!(
            ran.stderr.contains("without credentials") && ran.stderr.contains("wain login"),
            "{}",
            ran.stderr
        );
    }
    let told = tokens.log().iter().filter(|asked| asked.authorization().is_none()).count();
    assert!(told > 0);
}

#[test]
fn registries_have_addresses_of_ipv6() {
    let Some(server) = RegistryServer::start_v6() else { return };
    let shop = built();
    let name = |rest: &str| format!("{}/{rest}", server.address());
    let digest = run(&mut shop.wain(&["push", "last:project", &name("team/api:1")])).digest();
    run(&mut shop.wain(&["tag", &name("team/api:1"), "2"])).ok();
    run(&mut shop.wain(&["copy", &name("team/api:2"), &name("other/api:1")])).ok();
    let _ = fs::remove_dir_all(shop.path("store"));
    let pull = ["pull", &name("other/api:1"), "-o", "layout:out"];
    assert_eq!(run(&mut shop.wain(&pull)).digest(), digest);
    let mut build = shop.build_for("linux/amd64").with(&["--push", "--tag", &name("built/api:1")]);
    assert_eq!(run(&mut build).digest(), digest);
}

#[test]
fn a_proxy_is_gone_around_where_no_proxy_says_so() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let shop = built();
    let name = format!("{}/team/api:1", server.address());
    run(&mut shop.wain(&["push", "last:project", &name])).ok();
    let proxy = Proxy::start(None, None, |_| Act::Answer(Reply::status(418)));
    let inspect = |exceptions: &str| {
        let mut command = shop.wain(&["inspect", &name]);
        command.env("http_proxy", format!("http://{}", proxy.address())).env("no_proxy", exceptions);
        run(&mut command)
    };
    for exceptions in ["127.0.0.1", "lan.example, 127.0.0.0/8", &server.address(), "*"] {
        inspect(exceptions).ok();
    }
    assert!(proxy.log().is_empty());
    let stopped = inspect("lan.example,127.0.0.1:1");
    assert_eq!(stopped.code, 3);
    assert!(stopped.stderr.contains("418"), "{}", stopped.stderr);
}

#[test]
fn of_two_addresses_the_one_that_answers_is_taken() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let shop = built();
    // Names come from a file of this test's own, in a file system of this command's own.
    shop.write("hosts", "::1 twice.localhost\n127.0.0.2 twice.localhost\n127.0.0.1 twice.localhost\n");
    let name = server.address().replace("127.0.0.1", "twice.localhost") + "/team/api:1";
    let script = "mount --bind hosts /etc/hosts && exec \"$@\"";
    let in_own = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.current_dir(shop.folder()).args(["--mount", "sh", "-c", script, "sh"]).args(words);
        command.env("HOME", shop.path("home")).env("WAIN_CACHE_DIR", shop.path("store"));
        run(&mut command)
    };
    let ready = need("unshare").map(|_| in_own(&["true"]));
    if ready.as_ref().is_none_or(|ran| ran.code != 0) {
        skip(&format!("no file can be mounted here: {ready:?}"));
        return;
    }
    let pushed = in_own(&[WAIN, "push", "last:project", &name]).ok();
    assert!(!pushed.stderr.contains("retrying"), "{}", pushed.stderr);
    in_own(&[WAIN, "pull", &name, "-o", "layout:out"]).ok();
}
