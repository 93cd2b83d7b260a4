//! Every reader of what strangers write, as a function of bytes: it may refuse them, but not panic, hang, or accept what
//! another reader understands differently.
//!
//! `cargo test` gives each some thousand changed samples, the same ones every time. `sh tests/fuzz/run.sh TARGET SECONDS`
//! lets libFuzzer look for others, guided by coverage.

#[cfg(test)]
mod changes;
mod images;
mod inflate;
mod packages;
mod scratch;
mod wheels;
mod workflows;

/// A reader, and samples to begin with.
pub struct Target {
    /// `zip`, as `tests/fuzz/run.sh` takes it.
    pub name: &'static str,
    /// Feeds it; panics when a promise is broken.
    pub feed: fn(&[u8]),
    /// Sound inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "zip", feed: wheels::zip, seeds: wheels::zips },
    Target { name: "record", feed: wheels::record, seeds: wheels::records },
    Target { name: "entry-points", feed: wheels::entry_points, seeds: wheels::entry_point_files },
    Target { name: "metadata", feed: wheels::metadata, seeds: wheels::metadata_files },
    Target { name: "inflate", feed: inflate::inflate, seeds: inflate::streams },
    Target { name: "tar", feed: images::tar, seeds: images::tars },
    Target { name: "archive", feed: images::archive, seeds: images::archives },
    Target { name: "oci", feed: images::documents, seeds: images::documents_of_an_image },
    Target { name: "uv-lock", feed: packages::uv_lock, seeds: packages::uv_locks },
    Target { name: "pylock", feed: packages::pylock, seeds: packages::pylocks },
    Target { name: "poetry-lock", feed: packages::poetry_lock, seeds: packages::poetry_locks },
    Target { name: "pdm-lock", feed: packages::pdm_lock, seeds: packages::pdm_locks },
    Target { name: "pipfile-lock", feed: packages::pipfile_lock, seeds: packages::pipfile_locks },
    Target { name: "requirements", feed: packages::requirements, seeds: packages::requirement_files },
    Target { name: "marker", feed: packages::marker, seeds: packages::markers },
    Target { name: "deb", feed: packages::deb, seeds: packages::debs },
    Target { name: "control", feed: packages::control, seeds: packages::controls },
    Target { name: "workflow", feed: workflows::workflow, seeds: workflows::workflows },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Runs the sound inputs, then changes of them.
    fn check(name: &str, count: u64) {
        let target = target(name).unwrap();
        let seeds = (target.seeds)();
        seeds.iter().for_each(|seed| (target.feed)(seed));
        for number in 0..count {
            let input = changes::change(&seeds, number);
            let start = Instant::now();
            (target.feed)(&input);
            let took = start.elapsed();
            assert!(took < Duration::from_secs(20), "{name}: change {number} took {took:?}");
        }
    }

    macro_rules! targets {
        ($($test:ident: $name:literal, $count:literal;)*) => {
            $(#[test] fn $test() { check($name, $count); })*

            #[test]
            fn no_target_is_left_out() {
                assert_eq!([$($name),*], TARGETS.iter().map(|target| target.name).collect::<Vec<_>>()[..]);
            }
        };
    }

    targets! {
        zip: "zip", 4000;
        record: "record", 3000;
        entry_points: "entry-points", 3000;
        metadata: "metadata", 3000;
        inflate: "inflate", 2000;
        tar: "tar", 1500;
        archive: "archive", 1500;
        oci: "oci", 2000;
        uv_lock: "uv-lock", 1000;
        pylock: "pylock", 1000;
        poetry_lock: "poetry-lock", 1000;
        pdm_lock: "pdm-lock", 1000;
        pipfile_lock: "pipfile-lock", 1000;
        requirements: "requirements", 3000;
        marker: "marker", 5000;
        deb: "deb", 300;
        control: "control", 3000;
        workflow: "workflow", 5000;
    }
}
