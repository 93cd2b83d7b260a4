#![allow(clippy::print_stderr)]

use std::process::Command;

use wainwright_lock::{Marker, marker_environment};

use crate::target;

/// Evaluates each marker for each environment with PyPA's `packaging`; one line of `0` and `1` per environment.
const ASK: &str = r#"
import sys
from packaging.markers import Marker
markers = [Marker(line) for line in sys.argv[1].splitlines()]
for line in sys.argv[2:]:
    python, machine = line.split()
    environment = {
        "os_name": "posix", "sys_platform": "linux", "platform_machine": machine,
        "platform_python_implementation": "CPython", "platform_release": "", "platform_system": "Linux",
        "platform_version": "", "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python, "implementation_name": "cpython",
        "implementation_version": python, "extra": "",
    }
    print("".join("01"[marker.evaluate(environment)] for marker in markers))
"#;

#[test]
fn markers_mean_what_packaging_says() {
    let is_here = Command::new("python3").args(["-c", "import packaging.markers"]).output();
    if !is_here.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: python3 has no `packaging` to compare with");
        return;
    }
    let mut markers = Vec::new();
    for variable in ["python_version", "python_full_version", "implementation_version"] {
        for operator in ["==", "!=", "<", "<=", ">", ">=", "~="] {
            for version in ["3.9", "3.11", "3.11.2", "3.12.0", "3.13.5"] {
                markers.push(format!("{variable} {operator} '{version}'"));
                if operator != "~=" {
                    markers.push(format!("'{version}' {operator} {variable}"));
                }
            }
        }
        markers.push(format!("{variable} == '3.11.*'"));
        markers.push(format!("{variable} != '3.1.*'"));
    }
    for (variable, text) in [
        ("os_name", "posix"),
        ("sys_platform", "win32"),
        ("platform_machine", "aarch64"),
        ("platform_system", "Linux"),
        ("platform_python_implementation", "PyPy"),
        ("implementation_name", "cpython"),
    ] {
        for operator in ["==", "!=", "in", "not in"] {
            markers.push(format!("{variable} {operator} '{text}'"));
            markers.push(format!("'{text}' {operator} {variable}"));
        }
    }
    markers.push("os_name == 'nt' and os_name == 'posix' or python_version > '3'".into());
    markers.push("os_name == 'nt' and (os_name == 'posix' or python_version > '3')".into());
    markers.push("python_version<'3.11'or platform_machine in'x86_64 amd64'".into());

    let targets = [("3.9.18", "amd64"), ("3.11.2", "arm64"), ("3.12.0", "amd64"), ("3.13.5", "s390x")]
        .map(|(python, architecture)| target(python, architecture));
    let output = Command::new("python3")
        .args(["-c", ASK, &markers.join("\n")])
        .args(targets.iter().map(|target| format!("{} {}", target.python, target.machine())))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), targets.len());
    for (target, theirs) in targets.iter().zip(answers.lines()) {
        let environment = marker_environment(target);
        assert_eq!(theirs.len(), markers.len());
        for (marker, theirs) in markers.iter().zip(theirs.chars()) {
            let ours = marker.parse::<Marker>().unwrap().applies(&environment);
            assert_eq!(ours, theirs == '1', "{marker} for {target:?}");
        }
    }
}
