//! Answers the questions of `tests/trust/markers.py` about markers with pep508_rs, and `none` to those about tags:
//!
//! ```text
//! cargo build --manifest-path tests/peers/Cargo.toml --target-dir target/peers --example judge
//! WAIN_JUDGE=target/peers/debug/examples/judge python3 tests/trust/markers.py
//! ```

use std::io::BufRead as _;
use std::str::FromStr as _;

use pep508_rs::{ExtraName, MarkerEnvironment, MarkerEnvironmentBuilder, MarkerTree};

/// Variables that hold no version.
const STRINGS: [&str; 8] = [
    "os_name",
    "sys_platform",
    "platform_machine",
    "platform_system",
    "platform_python_implementation",
    "implementation_name",
    "platform_release",
    "platform_version",
];

fn main() {
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let [what, python, architecture, extra, asked] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not a question: {line}");
        };
        if what != "marker" {
            println!("none");
            continue;
        }
        // It panics at these, and from then on at all others.
        if STRINGS.iter().any(|name| asked.contains(&format!("~= {name}"))) {
            println!("panic");
            continue;
        }
        match MarkerTree::from_str(asked) {
            Err(_) => println!("refused"),
            Ok(marker) => {
                let extra = ExtraName::from_str(extra).unwrap();
                println!("{}", marker.evaluate(&environment(python, architecture), &[extra]));
            }
        }
    }
}

fn environment(python: &str, architecture: &str) -> MarkerEnvironment {
    let machine = match architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "arm/v7" => "armv7l",
        "386" => "i686",
        other => other,
    };
    let short = python.rsplit_once('.').unwrap().0;
    MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: python,
        os_name: "posix",
        platform_machine: machine,
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system: "Linux",
        platform_version: "",
        python_full_version: python,
        python_version: short,
        sys_platform: "linux",
    })
    .unwrap()
}
