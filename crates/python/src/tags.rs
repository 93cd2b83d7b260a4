use std::collections::HashMap;

use crate::{Libc, PythonVersion, Target, WheelFilename, WheelTag};

/// How well a wheel fits: smaller is better. Compare only fits of one [`Tags`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fit(pub usize);

/// Every tag a target accepts, best first (PyPA, "Platform compatibility tags"; the order of `packaging.tags`).
#[derive(Clone, Debug)]
pub struct Tags {
    list: Vec<WheelTag>,
    /// The place of each tag in `list`; only ever asked for one tag, so its order reaches nobody.
    places: HashMap<WheelTag, usize>,
}

impl Tags {
    /// The tags of CPython on Linux for `target`.
    pub fn of(target: &Target) -> Self {
        let list = list(target.python, &platforms(target));
        let places = list.iter().cloned().zip(0..).collect();
        Self { list, places }
    }

    /// The tags, best first.
    pub fn list(&self) -> &[WheelTag] {
        &self.list
    }

    /// How well `wheel` fits: the place of the best of its tags, or `None` when the target accepts none of them.
    ///
    /// Of two wheels with one fit the higher [`build`](WheelFilename::build) wins; that is the caller's to compare.
    pub fn fit(&self, wheel: &WheelFilename) -> Option<Fit> {
        wheel.tags.iter().filter_map(|tag| self.places.get(tag)).min().copied().map(Fit)
    }
}

/// Interpreter and ABI, best first, each over all platforms; what works anywhere comes last.
fn list(python: PythonVersion, platforms: &[String]) -> Vec<WheelTag> {
    let PythonVersion { major, minor, .. } = python;
    let cpython = |minor: u8| format!("cp{major}{minor}");
    let own = cpython(minor);

    // `py311`, `py3`, then `py310` down to `py30`.
    let mut generic = vec![format!("py{major}{minor}"), format!("py{major}")];
    generic.extend((0..minor).rev().map(|minor| format!("py{major}{minor}")));

    let has_stable_abi = (major, minor) >= (3, 2);
    let mut pairs = vec![(own.clone(), abi(python))];
    if has_stable_abi {
        pairs.push((own.clone(), "abi3".into()));
    }
    pairs.push((own.clone(), "none".into()));
    if has_stable_abi {
        pairs.extend((2..minor).rev().map(|minor| (cpython(minor), "abi3".into())));
    }
    pairs.extend(generic.iter().map(|python| (python.clone(), "none".into())));

    let tag = |python: &str, abi: &str, platform: &str| WheelTag {
        python: python.into(),
        abi: abi.into(),
        platform: platform.into(),
    };
    let mut tags = Vec::with_capacity(pairs.len() * platforms.len() + generic.len() + 1);
    for (python, abi) in &pairs {
        tags.extend(platforms.iter().map(|platform| tag(python, abi, platform)));
    }
    tags.push(tag(&own, "none", "any"));
    tags.extend(generic.iter().map(|python| tag(python, "none", "any")));
    tags
}

/// The ABI of a default build; before 3.8 it said that pymalloc is in.
fn abi(PythonVersion { major, minor, .. }: PythonVersion) -> String {
    let pymalloc = if (major, minor) < (3, 8) { "m" } else { "" };
    format!("cp{major}{minor}{pymalloc}")
}

/// The platform tags, the newest C library first.
///
/// Plain `linux_*` comes last, since it promises nothing about the C library: so do uv and `packaging` up to 26.2.
fn platforms(target: &Target) -> Vec<String> {
    let machine = target.machine();
    let mut platforms = match target.libc {
        Libc::Glibc(major, minor) => manylinux(machine, (major, minor)),
        Libc::Musl(major, minor) => {
            (0..=minor).rev().map(|minor| format!("musllinux_{major}_{minor}_{machine}")).collect()
        }
    };
    platforms.push(format!("linux_{machine}"));
    platforms
}

/// `manylinux_*` from `newest` down to the oldest glibc PEP 600 and its forerunners speak of.
fn manylinux(machine: &str, newest: (u16, u16)) -> Vec<String> {
    const MACHINES: [&str; 9] =
        ["x86_64", "i686", "aarch64", "armv7l", "ppc64", "ppc64le", "s390x", "riscv64", "loongarch64"];
    if !MACHINES.contains(&machine) || newest.0 != 2 {
        return Vec::new();
    }
    let oldest = if ["x86_64", "i686"].contains(&machine) { 5 } else { 17 };
    let mut platforms = Vec::new();
    for minor in (oldest..=newest.1).rev() {
        platforms.push(format!("manylinux_2_{minor}_{machine}"));
        let alias = match minor {
            17 => "manylinux2014",
            12 => "manylinux2010",
            5 => "manylinux1",
            _ => continue,
        };
        platforms.push(format!("{alias}_{machine}"));
    }
    platforms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(python: &str, architecture: &str, libc: Libc) -> Tags {
        Tags::of(&Target {
            python: python.parse().unwrap(),
            architecture: architecture.into(),
            variant: None,
            libc,
        })
    }

    fn fit(tags: &Tags, tag: &str) -> Option<Fit> {
        tags.fit(&format!("demo-1.0-{tag}.whl").parse().unwrap())
    }

    #[test]
    fn better_wheels_come_first() {
        let tags = tags("3.11.2", "amd64", Libc::Glibc(2, 36));
        let ladder = [
            "cp311-cp311-manylinux_2_36_x86_64",
            "cp311-cp311-manylinux_2_17_x86_64",
            "cp311-cp311-manylinux2014_x86_64",
            "cp311-cp311-manylinux2010_x86_64",
            "cp311-cp311-manylinux1_x86_64",
            "cp311-cp311-linux_x86_64",
            "cp311-abi3-manylinux_2_28_x86_64",
            "cp311-none-manylinux_2_28_x86_64",
            "cp310-abi3-manylinux_2_28_x86_64",
            "cp32-abi3-manylinux_2_28_x86_64",
            "py311-none-manylinux_2_28_x86_64",
            "py3-none-manylinux_2_28_x86_64",
            "cp311-none-any",
            "py311-none-any",
            "py3-none-any",
            "py310-none-any",
        ];
        for pair in ladder.windows(2) {
            let [better, worse] = [pair[0], pair[1]].map(|tag| fit(&tags, tag).expect(tag));
            assert!(better < worse, "{} is not better than {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn target_rejects_tags_it_cannot_load() {
        let tags = tags("3.11", "amd64", Libc::Glibc(2, 36));
        for tag in [
            "cp312-cp312-manylinux_2_17_x86_64",
            "cp312-abi3-manylinux_2_17_x86_64",
            "cp311-cp311t-manylinux_2_17_x86_64",
            "cp310-cp310-manylinux_2_17_x86_64",
            "cp311-cp311-manylinux_2_37_x86_64",
            "cp311-cp311-manylinux_2_17_aarch64",
            "cp311-cp311-musllinux_1_2_x86_64",
            "cp311-cp311-win_amd64",
            "py312-none-any",
            "py2-none-any",
        ] {
            assert_eq!(fit(&tags, tag), None, "{tag}");
        }
    }

    #[test]
    fn the_best_of_several_tags_counts() {
        let tags = tags("3.11", "arm64", Libc::Glibc(2, 36));
        let many = fit(&tags, "py2.py3-none-any");
        assert_eq!(many, fit(&tags, "py3-none-any"));
        assert!(fit(&tags, "cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64") < many);
    }

    #[test]
    fn musl_takes_musllinux_only() {
        let tags = tags("3.12", "arm64", Libc::Musl(1, 2));
        let platforms: Vec<_> = tags.list().iter().take(4).map(ToString::to_string).collect();
        assert_eq!(
            platforms,
            [
                "cp312-cp312-musllinux_1_2_aarch64",
                "cp312-cp312-musllinux_1_1_aarch64",
                "cp312-cp312-musllinux_1_0_aarch64",
                "cp312-cp312-linux_aarch64",
            ]
        );
        assert_eq!(fit(&tags, "cp312-cp312-manylinux_2_17_aarch64"), None);
    }

    #[test]
    fn only_x86_reaches_back_before_manylinux2014() {
        let arm = tags("3.11", "arm", Libc::Glibc(2, 36));
        assert!(fit(&arm, "cp311-cp311-manylinux2014_armv7l").is_some());
        assert_eq!(fit(&arm, "cp311-cp311-manylinux_2_16_armv7l"), None);
        let x86 = tags("3.11", "386", Libc::Glibc(2, 36));
        assert!(fit(&x86, "cp311-cp311-manylinux1_i686").is_some());
        assert_eq!(fit(&x86, "cp311-cp311-manylinux_2_4_i686"), None);
    }
}
