use std::fmt;
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifier, VersionSpecifiers};

use crate::Error;

/// Longer than any range people write.
const LIMIT: usize = 4096;

/// Versions as Poetry writes them: `^1.2`, `~1.2`, `1.*`, `>=1,<2 || >=3`.
///
/// Several ranges of which one has to fit; specifiers of PyPA alone cannot say that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRanges {
    /// The ranges; none of them holds more than one sign of Poetry's own any more.
    any: Vec<VersionSpecifiers>,
}

impl VersionRanges {
    /// Every version.
    pub fn all() -> Self {
        Self { any: vec![VersionSpecifiers::empty()] }
    }

    /// Whether one of the ranges holds `version`.
    pub fn contains(&self, version: &Version) -> bool {
        self.any.iter().any(|range| range.contains(version))
    }

    /// The ranges, one of which has to fit.
    pub fn ranges(&self) -> &[VersionSpecifiers] {
        &self.any
    }

    /// Specifiers that hold every version of the ranges: the range itself, when there is one; else from the lowest
    /// beginning to the highest end, with what lies between.
    pub fn hull(&self) -> VersionSpecifiers {
        use pep440_rs::Operator::{GreaterThan, GreaterThanEqual, LessThan, LessThanEqual};
        if let [only] = &self.any[..] {
            return only.clone();
        }
        let bound = |wanted: [pep440_rs::Operator; 2], is_low: bool| {
            let mut found: Option<VersionSpecifier> = None;
            for range in &self.any {
                let own = range.iter().find(|one| wanted.contains(one.operator()))?;
                let is_better = found.as_ref().is_none_or(|found| {
                    if is_low { own.version() < found.version() } else { own.version() > found.version() }
                });
                if is_better {
                    found = Some(own.clone());
                }
            }
            found
        };
        let low = bound([GreaterThanEqual, GreaterThan], true);
        let high = bound([LessThan, LessThanEqual], false);
        low.into_iter().chain(high).collect()
    }
}

impl From<VersionSpecifiers> for VersionRanges {
    fn from(range: VersionSpecifiers) -> Self {
        Self { any: vec![range] }
    }
}

impl FromStr for VersionRanges {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = || {
            let text = text.chars().take(100).flat_map(char::escape_debug).collect();
            Error::VersionRange { text }
        };
        if text.len() > LIMIT {
            return Err(refuse());
        }
        let any = text.replace("||", "|");
        let any = any.split('|').map(|range| read_range(range).ok_or_else(refuse));
        Ok(Self { any: any.collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for VersionRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<_> = self.any.iter().map(ToString::to_string).collect();
        f.write_str(&ranges.join(" || "))
    }
}

crate::serde_as_text!(VersionRanges);

/// `>=1,<2` or `>=1 <2`: every part has to fit.
fn read_range(text: &str) -> Option<VersionSpecifiers> {
    let is_sign = |letter: char| "<>=!~^".contains(letter);
    let mut specifiers = Vec::new();
    for part in text.split(',') {
        let mut sign = "";
        for word in part.split_whitespace() {
            if word.chars().all(is_sign) {
                sign = word;
                continue;
            }
            let version = word.trim_start_matches(is_sign);
            let own = &word[..word.len() - version.len()];
            read_part(if own.is_empty() { sign } else { own }, version, &mut specifiers)?;
            sign = "";
        }
        if !sign.is_empty() {
            return None;
        }
    }
    (!text.trim().is_empty()).then(|| specifiers.into_iter().collect())
}

fn read_part(sign: &str, text: &str, specifiers: &mut Vec<VersionSpecifier>) -> Option<()> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    if ["*", "*.*", "x"].contains(&text) && ["", "==", ">="].contains(&sign) {
        return Some(());
    }
    let mut push = |text: String| {
        specifiers.push(text.parse().ok()?);
        Some(())
    };
    match sign {
        "^" | "~" => {
            let version: Version = text.trim_end_matches(".*").parse().ok()?;
            push(format!(">={version}"))?;
            push(format!("<{}", if sign == "^" { after_caret(&version) } else { after_tilde(&version) }))
        }
        "" | "=" => push(format!("=={text}")),
        ">=" | "<=" | "==" | "!=" | "~=" | "<" | ">" | "===" => {
            // `>=3.*` is no specifier, but means what it says.
            let text = if ["==", "!="].contains(&sign) { text } else { text.trim_end_matches(".*") };
            push(format!("{sign}{text}"))
        }
        _ => None,
    }
}

/// The first number that is not 0 goes up by one; else the last one that is written.
fn after_caret(version: &Version) -> Version {
    let release = version.release();
    let at = release.iter().position(|&number| number != 0).unwrap_or(release.len().saturating_sub(1));
    after(version, at)
}

/// The second number goes up by one; the first, when it stands alone.
fn after_tilde(version: &Version) -> Version {
    after(version, 1.min(version.release().len().saturating_sub(1)))
}

fn after(version: &Version, at: usize) -> Version {
    let release = version.release().iter().take(at + 1).enumerate();
    let raised = release.map(|(index, &number)| if index == at { number.saturating_add(1) } else { number });
    Version::new(raised).with_epoch(version.epoch())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poetry_operators_become_specifiers() {
        for (written, meant) in [
            ("^1.2.3", ">=1.2.3, <2"),
            ("^1.2", ">=1.2, <2"),
            ("^1", ">=1, <2"),
            ("^0.2.3", ">=0.2.3, <0.3"),
            ("^0.0.3", ">=0.0.3, <0.0.4"),
            ("^0.0", ">=0.0, <0.1"),
            ("^0", ">=0, <1"),
            ("^1!2.0", ">=1!2.0, <1!3"),
            ("^2.0a1", ">=2.0a1, <3"),
            ("~1.2.3", ">=1.2.3, <1.3"),
            ("~1.2", ">=1.2, <1.3"),
            ("~1", ">=1, <2"),
            ("~=1.2", "~=1.2"),
            ("1.*", "==1.*"),
            ("!=1.3.*", "!=1.3.*"),
            ("*", ""),
            ("1.2", "==1.2"),
            ("= 1.2", "==1.2"),
            (">= 1, != 1.5 , <2", ">=1, !=1.5, <2"),
            (">=1 <2", ">=1, <2"),
            ("^1 || ^3.1", ">=1, <2 || >=3.1, <4"),
            ("<1|>2", "<1 || >2"),
        ] {
            assert_eq!(written.parse::<VersionRanges>().unwrap().to_string(), meant, "{written}");
        }
    }

    #[test]
    fn version_range_rejects_invalid_text() {
        for text in ["", "^", "^x", "1.2 ||", "new", ">>1", "^*", "1 >="] {
            assert!(text.parse::<VersionRanges>().is_err(), "{text}");
        }
        assert!(">=1,".repeat(2000).parse::<VersionRanges>().is_err());
    }

    #[test]
    fn one_of_several_ranges_is_enough() {
        let ranges: VersionRanges = "^1.2 || >=3,<3.5".parse().unwrap();
        let holds = |version: &str| ranges.contains(&version.parse().unwrap());
        assert!(holds("1.9") && holds("3.4") && !holds("2.0") && !holds("3.5"));
        assert_eq!(ranges.hull().to_string(), ">=1.2, <3.5");
        assert_eq!("<1 || >=2".parse::<VersionRanges>().unwrap().hull().to_string(), "");
    }
}
