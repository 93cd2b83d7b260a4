/// What an ELF file runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Machine {
    /// `e_machine`: 62 for x86-64, 183 for AArch64.
    pub number: u16,
    /// Whether it is of the 64-bit class.
    pub is_64: bool,
    /// Whether numbers are written with their lowest byte first.
    pub is_little: bool,
}

/// What the files of an architecture are for, as OCI names it (`amd64`, `arm64`); `None` for one we do not know.
#[rustfmt::skip]
pub fn machine(architecture: &str) -> Option<Machine> {
    let (number, is_64, is_little) = match architecture {
        "amd64" => (62, true, true),
        "arm64" => (183, true, true),
        "arm" => (40, false, true),
        "386" => (3, false, true),
        "ppc64le" => (21, true, true),
        "riscv64" => (243, true, true),
        "s390x" => (22, true, false),
        "loong64" => (258, true, true),
        _ => return None,
    };
    Some(Machine { number, is_64, is_little })
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bits = if self.is_64 { 64 } else { 32 };
        match self.number {
            3 => f.write_str("x86, 32 bits"),
            62 => f.write_str(if self.is_64 { "x86-64" } else { "x86-64 with 32-bit pointers" }),
            40 => f.write_str("ARM, 32 bits"),
            183 => f.write_str("AArch64"),
            21 => f.write_str(if self.is_little { "POWER, little-endian" } else { "POWER, big-endian" }),
            22 => f.write_str("IBM Z"),
            243 => write!(f, "RISC-V, {bits} bits"),
            258 => write!(f, "LoongArch, {bits} bits"),
            other => write!(f, "machine {other}, {bits} bits"),
        }
    }
}
