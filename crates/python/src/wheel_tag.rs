use std::fmt;

/// One compatibility tag: `cp311-cp311-manylinux_2_17_x86_64`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WheelTag {
    /// `cp311`, `py3` ...
    pub python: String,
    /// `cp311`, `abi3`, `none` ...
    pub abi: String,
    /// `manylinux_2_17_x86_64`, `any` ...
    pub platform: String,
}

impl fmt::Display for WheelTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.python, self.abi, self.platform)
    }
}
