use super::*;
use crate::project::load;
use insta::assert_snapshot;

fn read(text: &str) -> Result<Settings, Error> {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("wainwright.toml"), text).unwrap();
    load(root.path()).map(|project| project.settings)
}

fn refuse(text: &str) -> String {
    let error = read(text).expect_err(text);
    assert!(!error.is_outside());
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{error}{hint}")
}

#[test]
fn every_key_is_read() {
    let settings = read(
        r#"
        name = "Shop"
        base = "debian:13"
        python = "3.13"
        platforms = ["linux/amd64", "linux/arm64"]
        entrypoint = ["gunicorn", "shop:app"]
        cmd = ["--workers", "2"]
        env = { TEXT = "a\n$b \"c\"", EMPTY = "" }
        user = 1000
        workdir = "/app/shop"
        ports = [8000, "53/udp"]
        volumes = ["/data"]
        labels = { "org.opencontainers.image.title" = "Shop" }
        annotations = { team = "a b" }
        stop-signal = "SIGINT"
        max-layers = 20
        include = ["dist/app.js"]
        exclude = ["/docs"]
        extras = ["Fast_API"]
        groups = ["prod"]
        allow-clash = ["one", "/app/.venv/bin/tool=Two"]
        system-packages = ["libpq5"]
        build-sdists = ["Foo_Bar"]
        mirror = "https://deb.debian.org/debian"
        compression = "zstd:9"
        lazy = "estargz"
        bytecode = "unchecked-hash"
        registries."docker.io".mirrors = ["mirror.lan:5000", "127.0.0.1:5000"]
        "#,
    )
    .unwrap();
    assert_eq!(settings.mirrors["docker.io"], ["mirror.lan:5000", "127.0.0.1:5000"]);
    assert_eq!(settings.name.unwrap().as_str(), "shop");
    assert_eq!(settings.env["TEXT"], "a\n$b \"c\"");
    assert_eq!(settings.ports.iter().map(Port::to_string).collect::<Vec<_>>(), ["8000/tcp", "53/udp"]);
    assert_eq!(settings.extras[0].as_str(), "fast-api");
    let (foo, bar) = ("foo-bar".parse().unwrap(), "bar".parse().unwrap());
    assert!(settings.build_sdists.allows(&foo) && !settings.build_sdists.allows(&bar));
    assert!(read("build-sdists = true").unwrap().build_sdists.allows(&bar));
    assert_eq!(read("build-sdists = false").unwrap().build_sdists, BuildSdists::default());
    assert_eq!(settings.allow_clash[1].to_string(), "/app/.venv/bin/tool=two");
    assert_eq!(settings.user, Some(User { uid: 1000, gid: None }));
    assert_eq!(settings.platforms, [Platform::linux("amd64"), Platform::linux("arm64")]);
    assert_eq!(settings.stop_signal.as_deref(), Some("SIGINT"));
    assert_eq!(settings.max_layers, Some(20));
    assert_eq!((settings.compression, settings.lazy), (Some(Compression::Zstd(9)), Some(Lazy::Estargz)));
    assert_eq!(settings.bytecode, Some(Bytecode::UncheckedHash));
}

#[test]
fn project_settings_reject_trust_keys() {
    assert_snapshot!(refuse("[registries.\"a.example\"]\ninsecure = true\n"), @r"
    wainwright.toml:2:12: a project cannot set `insecure`
      |
    2 | insecure = true
      |            ^^^^
    hint: set it in ~/.config/wainwright/registries.toml
    ");
    assert_snapshot!(refuse("[registries.\"https://a\"]\nmirrors = []\n"), @r#"
    wainwright.toml:1:1: `https://a` is not a host with an optional port
      |
    1 | [registries."https://a"]
      | ^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn base_setting_accepts_references_and_rejects_words() {
    for (base, expected) in [
        ("ghcr.io/acme/python:3.13", true),
        ("localhost:5000/base", true),
        ("ghcr.io/Acme/python", false),
        ("acme/python@sha256:", false),
    ] {
        assert_eq!(read(&format!("base = \"{base}\"\n")).is_ok(), expected, "{base}");
    }
    assert!(refuse("base = \"trixie\"\n").contains("write it as `debian:trixie`"));
}

#[test]
fn unknown_keys_are_refused() {
    assert_snapshot!(refuse("base = \"debian:13\"\nprots = [80]\n"), @r"
    wainwright.toml:2:1: unknown key `prots`
      |
    2 | prots = [80]
      | ^^^^^
    hint: did you mean `ports`?
    ");
    assert_snapshot!(refuse("[tool.wainwright]\nports = [80]\n"), @r"
    wainwright.toml:1:2: unknown key `tool`
      |
    1 | [tool.wainwright]
      |  ^^^^
    hint: settings in wainwright.toml are at the top level, without [tool.wainwright]
    ");
}

#[test]
fn wrong_types_are_refused() {
    assert_snapshot!(refuse("python = 3.13"), @r"
    wainwright.toml:1:10: `python` must be a string, not a number with a decimal point
      |
    1 | python = 3.13
      |          ^^^^
    hint: put it in quotes
    ");
    assert_snapshot!(refuse("entrypoint = \"python -m shop\""), @r#"
    wainwright.toml:1:14: `entrypoint` must be an array, because no shell splits the command
      |
    1 | entrypoint = "python -m shop"
      |              ^^^^^^^^^^^^^^^^
    hint: write entrypoint = ["python", "-m", "shop"]
    "#);
    assert_snapshot!(refuse("\n[env]\nDEBUG = true"), @r"
    wainwright.toml:3:9: `DEBUG` must be a string, not a boolean
      |
    3 | DEBUG = true
      |         ^^^^
    hint: put it in quotes
    ");
}

#[test]
fn broken_files_are_refused_with_their_place() {
    assert_snapshot!(refuse("base = \"a\"\nbase = \"b\""), @r#"
    wainwright.toml:2:1: duplicate key
      |
    2 | base = "b"
      | ^^^^
    "#);
    for text in ["a = \0", "a = [", "= 1", "a = \"\\q\""] {
        assert!(refuse(text).contains("wainwright.toml:1:"), "{text:?}");
    }
    let deep = format!("a = {}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(refuse(&deep).contains("recurs"), "{}", refuse(&deep));
    let deep = format!("{} = 1", vec!["a"; 10_000].join("."));
    assert!(refuse(&deep).contains("recurs"));
}

#[test]
fn byte_order_mark_and_windows_lines_are_accepted() {
    let settings = read("\u{feff}ports = [80]\r\n[env]\r\nA = \"b\"\r\n").unwrap();
    assert_eq!((settings.ports.len(), settings.env["A"].as_str()), (1, "b"));
}

#[test]
fn large_values_are_kept_and_large_files_refused() {
    let value = "x".repeat(1 << 20);
    assert_eq!(read(&format!("env.A = \"{value}\"")).unwrap().env["A"], value);
    assert_snapshot!(refuse(&"#\n".repeat(5 << 20)), @"`wainwright.toml` is larger than 8388608 bytes");
}

#[test]
fn wrong_values_are_refused() {
    for text in [
        "env = { \"A=B\" = \"\" }",
        "env = { A = \"\\u0000\" }",
        "labels = { a = \"\\u0000\" }",
        "ports = [0]",
        "ports = [65536]",
        "ports = [80, \"80/tcp\"]",
        "user = 2147483648",
        "user = \"root\"",
        "user = -1",
        "workdir = \"app\"",
        "workdir = \"/app/../etc\"",
        "volumes = [\"/\"]",
        "volumes = [\"data\"]",
        "stop-signal = \"TERM\"",
        "stop-signal = 0",
        "max-layers = 2",
        "max-layers = 128",
        "max-layers = \"40\"",
        "platforms = [\"amd64\"]",
        "platforms = [\"windows/amd64\"]",
        "platforms = [\"linux/amd64\", \"linux/x86_64\"]",
        "base = \"python:3.13:slim\"",
        "base = \"\"",
        "python = \"three\"",
        "name = \"..\"",
        "name = \"-rf\"",
        "entrypoint = []",
        "cmd = [\"\"]",
        "include = [\"!x\"]",
        "include = [\"../x\"]",
        "exclude = [\"\"]",
        "exclude = [\"[z-a]\"]",
        "mirror = \"file:///etc\"",
        "compression = \"xz\"",
        "compression = \"gzip:10\"",
        "compression = 9",
        "allow-clash = [\"bin/tool=one\"]",
        "allow-clash = [\"one\", \"One\"]",
        "lazy = true",
        "lazy = \"soci\"",
        "bytecode = \"checked-hash\"",
        "system-packages = [\"a;b\"]",
        "build-sdists = \"all\"",
        "build-sdists = [\"a\", \"A\"]",
        "build-sdists = [\":all:\"]",
    ] {
        let message = refuse(text);
        assert!(message.starts_with("wainwright.toml:1:"), "{text}: {message}");
    }
    assert!(refuse(&format!("name = \"{}\"", "x".repeat(300))).contains("128"));
}
