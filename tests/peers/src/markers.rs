use std::str::FromStr as _;

use pep508_rs::MarkerTree;

/// A marker comes from whoever made a package; ours refuses this one.
///
/// How often the answers are those of PyPA's `packaging` is a table: see `examples/judge.rs`.
#[test]
fn pep508_rs_panics_at_a_marker() {
    assert!(std::panic::catch_unwind(|| MarkerTree::from_str("'posix' ~= os_name")).is_err());
}

/// Lockfiles of PEP 751 have such markers.
#[test]
fn pep508_rs_knows_no_sets_of_extras_and_groups() {
    for marker in ["'cli' in extras", "'test' in dependency_groups"] {
        assert!(MarkerTree::from_str(marker).is_err(), "{marker}");
    }
}
