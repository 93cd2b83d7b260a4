//! Compares our tags with those of PyPA's `packaging`, in order, for a grid of targets.
#![allow(clippy::print_stderr)]

use std::process::Command;

use wainwright_python::{Libc, Tags, Target};

/// Prints the tags of each target, one target a line, with the probes of the running machine replaced.
const ASK: &str = r#"
import sys, sysconfig
from packaging import _manylinux, _musllinux, tags
_manylinux._is_linux_armhf = _manylinux._is_linux_i686 = lambda executable: True
for line in sys.argv[1:]:
    libc, major, minor, python, machine = line.split()
    version = (int(major), int(minor))
    python = tuple(map(int, python.split(".")[:2]))
    sysconfig.get_platform = lambda: f"linux-{machine}"
    _manylinux._get_glibc_version = lambda: version if libc == "glibc" else (-1, -1)
    _musllinux._get_musl_version = lambda _: _musllinux._MuslVersion(*version) if libc == "musl" else None
    # Since 26.3 `packaging` prefers `linux_*`; before that, and in uv, it comes last, and so it does here.
    platforms = sorted(tags._linux_platforms(is_32bit=False), key=lambda name: name.startswith("linux_"))
    interpreter = "cp" + "".join(map(str, python))
    found = list(tags.cpython_tags(python, platforms=platforms))
    found += tags.compatible_tags(python, interpreter, platforms)
    print(" ".join(map(str, found)))
"#;

#[test]
fn tags_equal_those_of_packaging() {
    let is_here = Command::new("python3").args(["-c", "from packaging import _musllinux"]).output();
    if !is_here.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: python3 has no `packaging` to compare with");
        return;
    }
    let libcs = [
        Libc::Glibc(2, 17),
        Libc::Glibc(2, 28),
        Libc::Glibc(2, 36),
        Libc::Glibc(2, 41),
        Libc::Musl(1, 1),
        Libc::Musl(1, 2),
    ];
    let machines = [
        ("amd64", None),
        ("arm64", None),
        ("arm", Some("v7")),
        ("arm", Some("v6")),
        ("386", None),
        ("ppc64le", None),
        ("s390x", None),
        ("riscv64", None),
    ];
    let mut targets = Vec::new();
    for python in ["3.7", "3.9", "3.11.2", "3.13", "3.14"] {
        for libc in libcs {
            for (architecture, variant) in machines {
                targets.push(Target {
                    python: python.parse().unwrap(),
                    architecture: architecture.into(),
                    variant: variant.map(Into::into),
                    libc,
                });
            }
        }
    }

    let output =
        Command::new("python3").args(["-c", ASK]).args(targets.iter().map(describe)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), targets.len());
    for (target, theirs) in targets.iter().zip(answers.lines()) {
        let ours: Vec<_> = Tags::of(target).list().iter().map(ToString::to_string).collect();
        assert_eq!(ours.join(" "), theirs, "{target:?}");
    }
}

fn describe(target: &Target) -> String {
    let (libc, major, minor) = match target.libc {
        Libc::Glibc(major, minor) => ("glibc", major, minor),
        Libc::Musl(major, minor) => ("musl", major, minor),
    };
    format!("{libc} {major} {minor} {} {}", target.python, target.machine())
}
