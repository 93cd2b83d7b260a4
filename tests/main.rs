//! What the program promises, each promise in a file of its own, tried on the finished program.
//!
//! `sh tests/run.sh` installs what these tests need and runs them. Most need no network: their wheels, projects and base
//! images are made on the spot by `crates/testing`. Those that use real packages share what they fetch, in `target/tmp`.

mod analyze;
mod architecture;
mod archives;
mod bytecode;
mod cache;
mod clashes;
mod component_runtime;
mod diff;
mod disk;
mod docker;
mod documentation;
mod emit;
mod equality;
mod errors_page;
mod foreign;
mod golden;
mod help;
mod indexes;
mod lazy;
mod locks;
mod modules;
mod native;
mod outputs;
mod plans;
mod real;
mod refusals;
mod registry_ahead;
mod registry_base;
mod registry_cache;
mod registry_copy;
mod registry_faults;
mod registry_inspect;
mod registry_kill;
mod registry_login;
mod registry_peer;
mod registry_pull;
mod registry_push;
mod registry_reached;
mod registry_told;
mod removed;
mod runs;
mod sdists;
mod secrets;
mod slim;
mod sources;
mod system_packages;
mod trust;
mod unlocked;
mod verify;
mod version;
mod workflow_images;
mod workflow_outputs;
mod workflow_runs;
mod workflows;

use wainwright_testing::Workshop;

/// The program under test.
const WAIN: &str = env!("CARGO_BIN_EXE_wain");

/// A project that can be built without a network.
fn workshop() -> Workshop {
    Workshop::new(WAIN)
}
