//! What ends up where.

use std::fmt::Write as _;

use wainwright_oci::Digest;

use super::maker::{Maker, greet, layout};
use crate::{FileContent, Layout};

/// Mode, path and kind of everything installed, one line each.
fn tree(maker: &Maker) -> String {
    let wheel = maker.judge().unwrap();
    let mut lines = String::new();
    for file in wheel.install(&layout()).unwrap() {
        let mode = if file.executable { "0755" } else { "0644" };
        let kind = match &file.content {
            FileContent::Deflated { .. } => "deflated",
            FileContent::Stored { .. } => "stored",
            FileContent::Generated(_) => "generated",
        };
        writeln!(lines, "{mode} {} {kind}", file.path).unwrap();
    }
    lines
}

/// The bytes of a generated file.
fn text(maker: &Maker, path: &str) -> String {
    let files = maker.judge().unwrap().install(&layout()).unwrap();
    let file = files.into_iter().find(|file| file.path.to_string().ends_with(path)).unwrap();
    match file.content {
        FileContent::Generated(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("{path} is {other:?}"),
    }
}

#[test]
fn every_scheme_lands_in_its_directory() {
    let wheel = greet()
        .file("greet/tool", "x")
        .but(|part| part.mode = 0o100_700)
        .file("greet/big.bin", "x")
        .but(|part| part.store())
        .file("greet-1.0.data/platlib/greet/a.so", "a")
        .file("greet-1.0.data/scripts/hello", "#!/bin/sh\n")
        .file("greet-1.0.data/scripts/rewritten", "#!python\nprint()\n")
        .file("greet-1.0.data/data/share/man/greet.1", "b")
        .file("greet-1.0.data/headers/greet.h", "c")
        .file("greet-1.0.dist-info/entry_points.txt", "[console_scripts]\ngreet = greet:main\n");
    insta::assert_snapshot!(tree(&wheel), @"
    0755 app/.venv/bin/greet generated
    0755 app/.venv/bin/hello deflated
    0755 app/.venv/bin/rewritten generated
    0644 app/.venv/include/site/python3.11/greet/greet.h deflated
    0644 app/.venv/lib/python3.11/site-packages/greet-1.0.dist-info/INSTALLER generated
    0644 app/.venv/lib/python3.11/site-packages/greet-1.0.dist-info/METADATA deflated
    0644 app/.venv/lib/python3.11/site-packages/greet-1.0.dist-info/RECORD generated
    0644 app/.venv/lib/python3.11/site-packages/greet-1.0.dist-info/WHEEL deflated
    0644 app/.venv/lib/python3.11/site-packages/greet-1.0.dist-info/entry_points.txt deflated
    0644 app/.venv/lib/python3.11/site-packages/greet/__init__.py deflated
    0644 app/.venv/lib/python3.11/site-packages/greet/a.so deflated
    0644 app/.venv/lib/python3.11/site-packages/greet/big.bin stored
    0755 app/.venv/lib/python3.11/site-packages/greet/tool deflated
    0644 app/.venv/share/man/greet.1 deflated
    ");
    assert_eq!(text(&wheel, "bin/rewritten"), "#!/app/.venv/bin/python\nprint()\n");
}

#[test]
fn record_is_rewritten() {
    let wheel = greet()
        .file("greet-1.0.data/scripts/say, hello", "x")
        .file("greet-1.0.dist-info/INSTALLER", "other\n")
        .file("greet-1.0.dist-info/direct_url.json", "{}")
        .file("greet-1.0.dist-info/RECORD.jws", "{}");
    insta::assert_snapshot!(text(&wheel, "RECORD"), @r#"
    "../../../bin/say, hello",sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1
    greet-1.0.dist-info/INSTALLER,sha256=wQDT2-s19crh4f3dkBwFAERG19Ufz5A-d-yKsb0xtXo,5
    greet-1.0.dist-info/METADATA,sha256=BCMyIcg8oNFV38PVLWB3AUFumBKx0ki3OyI93H8wcnw,47
    greet-1.0.dist-info/RECORD,,
    greet-1.0.dist-info/RECORD.jws,sha256=RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o,2
    greet-1.0.dist-info/WHEEL,sha256=JCVX9z8V-js2aV5qmQR2E3fiCs-Yu3vPO91cCBmO1JM,59
    greet/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
    "#);
    assert_eq!(text(&wheel, "INSTALLER"), "wain\n");
}

#[test]
fn a_launcher_replaces_the_script_of_its_name() {
    let wheel = greet()
        .file("greet-1.0.data/scripts/greet", "#!python\nold\n")
        .file("greet-1.0.data/scripts/greet-script.py", "old")
        .file("greet-1.0.dist-info/entry_points.txt", "[console_scripts]\ngreet = greet.cli:app.run\n");
    assert!(text(&wheel, "bin/greet").contains("from greet.cli import app\n"));
    assert!(!tree(&wheel).contains("greet-script.py"));
    assert!(!text(&wheel, "RECORD").contains(".data/"));
}

#[test]
fn pip_is_named_after_the_python_it_is_installed_for() {
    let entry_points = "[console_scripts]\npip3 = pip:main\npip3.8 = pip:old\npip3.x = pip:x\n";
    let wheel = greet().file("greet-1.0.dist-info/entry_points.txt", entry_points);
    let tree = tree(&wheel);
    let scripts: Vec<&str> =
        tree.lines().filter_map(|line| line.strip_prefix("0755 app/.venv/bin/")).collect();
    assert_eq!(scripts, ["pip3 generated", "pip3.11 generated", "pip3.x generated"]);
}

#[test]
fn empty_directories_are_listed() {
    let empty = |maker: Maker| -> Vec<String> {
        let directories = maker.open().unwrap().empty_directories(&layout()).unwrap();
        directories.iter().map(|path| path.to_string().replace("app/.venv/", "")).collect()
    };
    assert_eq!(empty(greet()), [""; 0]);
    let wheel = greet().file("greet/", "").file("greet/empty/", "").file("greet/emptyish.py", "");
    assert_eq!(empty(wheel), ["lib/python3.11/site-packages/greet/empty"]);
    // One directory may be named under two schemes; the folder of a scheme is none of the wheel's.
    let wheel = greet()
        .file("greet-1.0.data/platlib/z/", "")
        .file("greet-1.0.data/purelib/z/", "")
        .file("greet-1.0.data/purelib/", "")
        .file("greet-1.0.data/data/share/", "")
        .file("a/", "");
    let site = "lib/python3.11/site-packages";
    assert_eq!(empty(wheel), [format!("{site}/a"), format!("{site}/z"), "share".into()]);
}

#[test]
fn file_content_knows_size_offset_and_digest() {
    let digest = Some(Digest::of("12345"));
    let deflated = FileContent::Deflated { offset: 7, compressed_size: 3, size: 5, crc32: 1, digest };
    let stored = FileContent::Stored { offset: 9, size: 5, crc32: 1, digest };
    let generated = FileContent::Generated(b"12345".to_vec());
    for (content, offset) in [(deflated, Some(7)), (stored, Some(9)), (generated, None)] {
        assert_eq!((content.size(), content.offset(), content.digest()), (5, offset, digest));
    }
}

#[test]
fn a_hash_other_than_sha256_still_gives_a_digest() {
    let row =
        "a,sha512=pKvURIxJVi2CgRXROh_M6pJ_UrTVRZKX-LQ-QtqJI4vBNibkPcs43bCCSIkn7JBPtCBXRDmD6IWFF51QVRr-Yg,1\n";
    let wheel = greet().file("a", "x").with(|zip| zip.row = Some(("a", row)));
    let files = wheel.judge().unwrap().install(&layout()).unwrap();
    let file = files.iter().find(|file| file.path.file_name() == b"a").unwrap();
    match file.content {
        FileContent::Deflated { digest, .. } => assert_eq!(digest, Some(Digest::of("x"))),
        ref other => panic!("{other:?}"),
    }
    assert!(text(&wheel, "RECORD").contains(row));
}

#[test]
fn layouts_that_would_break_scripts_are_refused() {
    let wheel = greet().open().unwrap();
    for interpreter in ["bin/python", "/bin/python\nimport os"] {
        let layout = Layout { interpreter: interpreter.into(), ..layout() };
        assert!(wheel.install(&layout).is_err(), "{interpreter:?}");
    }
}
