//! Lazy layers follow the eStargz specification, by a checker that shares no code with us, and podman fetches from them
//! only what it lacks.

use std::fs;
use std::path::Path;
use std::process::Command;

use wainwright_testing::{Ran, With as _, Workshop, need, run};

use crate::workshop;

const LAZY: [&str; 6] = ["--tag", "demo/api:1", "--lazy", "estargz", "--output", "layout:out"];

fn check(shop: &Workshop) -> Option<Ran> {
    let checker = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trust/estargz.py");
    let python = need("python3")?;
    Some(run(Command::new(python).arg("-B").arg(checker).arg(shop.path("out"))))
}

/// A workshop whose wheel and project have files of more than one chunk.
fn large() -> Workshop {
    let shop = workshop();
    let lines =
        |count| (0..count).flat_map(|number: u32| format!("{number}\n").into_bytes()).collect::<Vec<u8>>();
    shop.write("project/data/large.txt", lines(1_400_000));
    shop.lock(&[wainwright_testing::wheel("large").file("large/data.txt", lines(1_000_000))]);
    shop
}

#[test]
fn every_rule_of_the_specification_holds() {
    let shop = large();
    // A base of somebody else would be no lazy layer: the base of the workshop has one, and the checker says so.
    for compression in ["splice", "gzip:9"] {
        run(&mut shop.build().with(&LAZY).with(&["--compression", compression])).ok();
        let Some(ran) = check(&shop) else { return };
        let rows: Vec<&str> = ran.stdout.lines().collect();
        let [_, base, ours @ .., _, _, summary] = &rows[..] else { panic!("{}", ran.stdout) };
        assert!(base.contains("FAIL"), "{}", ran.stdout);
        assert!(ours[1..].iter().all(|row| row.ends_with("ok")), "{}", ran.stdout);
        assert!(summary.ends_with("rows, 1 failed"), "{}", ran.stdout);
    }
}

#[test]
fn the_checker_notices_damage() {
    let shop = large();
    run(&mut shop.build().with(&LAZY)).ok();
    let largest = fs::read_dir(shop.path("out/blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let largest = largest.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let good = fs::read(&largest).unwrap();
    for at in [0, good.len() / 2, good.len() - 200, good.len() - 30, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&largest, bad).unwrap();
        let Some(ran) = check(&shop) else { return };
        assert!(ran.stdout.ends_with("2 failed\n"), "byte {at}: {}", ran.stdout);
    }
}

#[test]
fn only_gzip_can_be_lazy() {
    let shop = workshop();
    for compression in ["zstd", "none"] {
        let ran = run(&mut shop.build().with(&["--lazy", "estargz", "--compression", compression]));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("--lazy estargz does not support --compression"), "{}", ran.stderr);
    }
    // Where a setting is to blame, the input is.
    shop.write("project/wainwright.toml", "compression = \"zstd\"\nlazy = \"estargz\"\n");
    let ran = run(&mut shop.build());
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: use `--compression splice` or `gzip`"), "{}", ran.stderr);
    run(&mut shop.build().with(&["--lazy", "no"])).ok();
}

#[test]
fn verify_explains_a_lazy_image() {
    let shop = large();
    run(&mut shop.build().with(&LAZY)).ok();
    let words =
        ["verify", "layout:out", "project", "--base", "layout:base", "--no-index", "--lazy", "estargz"];
    let ran = run(&mut shop.wain(&words)).ok();
    assert!(ran.stdout.contains("lazy layout"), "{}", ran.stdout);
}
