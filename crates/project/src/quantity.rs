use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount as Kubernetes writes it: `250m` processors, `512Mi` of memory.
///
/// More than nothing, at most 2^63, written as the user wrote it. Exponents (`1e3`) are refused: YAML readers differ about
/// them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity {
    text: String,
    milli: u128,
}

/// Text that is not a [`Quantity`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an amount of CPU or memory")]
pub struct NotAQuantity {
    text: String,
}

impl NotAQuantity {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        "write it as `250m`, `2`, `512Mi` or `1Gi`"
    }
}

/// What the suffixes stand for, in thousandths.
const SUFFIXES: &[(&str, u128)] = &[
    ("m", 1),
    ("", 1_000),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
];

impl Quantity {
    /// The amount in thousandths.
    pub fn milli(&self) -> u128 {
        self.milli
    }

    /// The amount in whole units, rounded up.
    pub fn units(&self) -> u128 {
        self.milli.div_ceil(1000)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Quantity {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let refuse = || NotAQuantity { text: text.chars().take(40).collect() };
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (_, unit) = SUFFIXES.iter().find(|(known, _)| *known == suffix).ok_or_else(refuse)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        // Enough for every machine, and too few to overflow.
        if whole.is_empty() || fraction.is_empty() || whole.len() > 15 || fraction.len() > 3 {
            return Err(refuse());
        }
        let whole: u128 = whole.parse().map_err(|_| refuse())?;
        let digits = fraction.len();
        let fraction: u128 = fraction.parse().map_err(|_| refuse())?;
        let milli = whole * unit + fraction * unit / 10_u128.pow(u32::try_from(digits).unwrap_or(3));
        if milli == 0 || milli > 1_000 << 63 {
            return Err(refuse());
        }
        Ok(Self { text: text.to_owned(), milli })
    }
}

impl TryFrom<String> for Quantity {
    type Error = NotAQuantity;

    fn try_from(text: String) -> Result<Self, NotAQuantity> {
        text.parse()
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> Self {
        quantity.text
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_mean_what_kubernetes_means() {
        for (text, milli) in [
            ("250m", 250),
            ("1", 1000),
            ("0.5", 500),
            ("1.5Gi", 1_610_612_736_000),
            ("64Mi", 67_108_864_000),
            ("1k", 1_000_000),
        ] {
            assert_eq!(text.parse::<Quantity>().unwrap().milli(), milli, "{text}");
        }
    }

    #[test]
    fn invalid_amount_is_rejected() {
        for text in [
            "",
            "0",
            "0Mi",
            "-1",
            "1e3",
            "1E",
            ".5",
            "5.",
            "1 Mi",
            "Mi",
            "1mi",
            "1KiB",
            "0x1f",
            "1_000",
            "１",
            "99999999999999999999",
            "999999999999999Ti",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text} was read");
        }
    }
}
