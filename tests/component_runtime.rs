//! The runtime of woodwork's components (`layers/component-runtime`), tried by its own tests, which are Python's.

use std::path::Path;
use std::process::Command;

use wainwright_testing::{need, run};

#[test]
fn components_serve_over_real_sockets() {
    let Some(python) = need("python3") else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("layers/component-runtime");
    let mut tests = Command::new(python);
    tests.current_dir(folder).args(["-B", "-m", "unittest", "discover", "--start-directory", "tests"]);
    run(&mut tests).ok();
}
