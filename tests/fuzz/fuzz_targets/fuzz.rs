//! Every target in one program, so that it is built once: `FUZZ_TARGET` names the one to run.
#![no_main]

use std::sync::OnceLock;

use wainwright_mutations::{TARGETS, Target, target};

static CHOSEN: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        let chosen = target(&name).unwrap_or_else(|| panic!("FUZZ_TARGET is `{name}`, not one of {names:?}"));
        CHOSEN.get_or_init(|| chosen);
    },
    |bytes: &[u8]| {
        if let Some(target) = CHOSEN.get() {
            (target.feed)(bytes);
        }
    }
);
