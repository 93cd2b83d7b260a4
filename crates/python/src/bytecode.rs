use std::fmt;
use std::str::FromStr;

/// Whether modules are compiled before they are first imported, and how the interpreter trusts what comes of it (PEP 552).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bytecode {
    /// They are not.
    #[default]
    None,
    /// They are, and bytecode is taken without a look at its source.
    UncheckedHash,
}

impl fmt::Display for Bytecode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::UncheckedHash => "unchecked-hash",
        })
    }
}

impl FromStr for Bytecode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::None, Self::UncheckedHash];
        let known = all.into_iter().find(|bytecode| bytecode.to_string() == text);
        known.ok_or_else(|| "bytecode is `none` or `unchecked-hash`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytecode_setting_round_trips() {
        for bytecode in [Bytecode::None, Bytecode::UncheckedHash] {
            assert_eq!(bytecode.to_string().parse(), Ok(bytecode));
        }
        assert!("checked-hash".parse::<Bytecode>().is_err());
    }
}
