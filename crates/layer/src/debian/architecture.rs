//! The Debian architectures, and what the loader of each expects.

/// A Debian architecture.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Architecture {
    /// As Debian names it: `amd64`, `armhf`.
    pub(super) name: &'static str,
    /// The directory of its libraries: `x86_64-linux-gnu`.
    pub(super) triplet: &'static str,
    /// `e_machine` of its ELF files.
    pub(super) machine: u16,
    /// Whether they are of the 64-bit class.
    pub(super) is_64: bool,
    /// Whether numbers are written with their lowest byte first.
    pub(super) is_little: bool,
    /// Flags of its libraries in `ld.so.cache` (glibc, `sysdeps/generic/ldconfig.h`).
    pub(super) cache_flags: u32,
}

/// All that Debian builds bookworm or trixie for, apart from the MIPS ports and armel.
#[rustfmt::skip]
const ARCHITECTURES: &[Architecture] = &[
    Architecture { name: "amd64", triplet: "x86_64-linux-gnu", machine: 62, is_64: true, is_little: true, cache_flags: 0x0303 },
    Architecture { name: "arm64", triplet: "aarch64-linux-gnu", machine: 183, is_64: true, is_little: true, cache_flags: 0x0a03 },
    Architecture { name: "armhf", triplet: "arm-linux-gnueabihf", machine: 40, is_64: false, is_little: true, cache_flags: 0x0903 },
    Architecture { name: "i386", triplet: "i386-linux-gnu", machine: 3, is_64: false, is_little: true, cache_flags: 0x0003 },
    Architecture { name: "ppc64el", triplet: "powerpc64le-linux-gnu", machine: 21, is_64: true, is_little: true, cache_flags: 0x0503 },
    Architecture { name: "riscv64", triplet: "riscv64-linux-gnu", machine: 243, is_64: true, is_little: true, cache_flags: 0x1003 },
    Architecture { name: "s390x", triplet: "s390x-linux-gnu", machine: 22, is_64: true, is_little: false, cache_flags: 0x0403 },
];

impl Architecture {
    /// Finds an architecture by its Debian name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        ARCHITECTURES.iter().find(|architecture| architecture.name == name)
    }

    /// The directories the loader looks into on its own, in its order (Debian's glibc).
    pub(super) fn library_directories(&self) -> [String; 4] {
        [
            format!("/lib/{}", self.triplet),
            format!("/usr/lib/{}", self.triplet),
            "/lib".to_owned(),
            "/usr/lib".to_owned(),
        ]
    }
}
