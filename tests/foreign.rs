//! An image for another kind of machine holds nothing of this one, and runs there.

use std::fs;
use std::process::Command;

use wainwright_testing::{Elf, need, run, skip, unpack};

use crate::real;

/// Numbers of machines (System V gABI, `e_machine`).
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

#[test]
fn every_program_is_for_the_platform_of_its_image() {
    let (Some(umoci), Some(hello)) = (need("umoci"), real::hello()) else { return };
    for (name, machine) in [("1-linux-amd64", X86_64), ("1-linux-arm64", AARCH64)] {
        let root =
            unpack(&umoci, &hello.layout, name, &real::folder(&format!("foreign-{name}")).join("bundle"));
        let found = Elf::read(&root).by_machine;
        assert_eq!(found.keys().collect::<Vec<_>>(), [&machine], "{name}: {found:?}");
        let files = &found[&machine];
        assert!(files.iter().any(|path| path.contains("/markupsafe/_speedups.")), "{files:?}");
        assert!(files.iter().any(|path| path.contains("usr/bin/python3")), "{files:?}");
    }
}

#[test]
fn it_runs_where_it_belongs() {
    let (Some(umoci), Some(qemu), Some(hello)) = (need("umoci"), need("qemu-aarch64-static"), real::hello())
    else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        return skip("only root can change the root folder");
    }
    let root = unpack(&umoci, &hello.layout, "1-linux-arm64", &real::folder("foreign-run").join("bundle"));
    fs::copy(qemu, root.join("qemu")).unwrap();
    let mut hello = Command::new("chroot");
    hello.arg("--userspec=65532:65532").arg(&root).env_clear().env("PATH", "/usr/sbin:/usr/bin");
    let ran = run(hello.args(["/qemu", "/app/.venv/bin/python", "/app/.venv/bin/hello", "Grace"])).ok();
    assert_eq!(ran.stdout, "Hello, Grace!\n");
}
