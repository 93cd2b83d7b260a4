use std::cmp::Ordering;
use std::fmt;

use crate::version;

/// One alternative of a dependency: a name and perhaps a bound on its version (Debian policy 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relation<'a> {
    pub(crate) name: &'a str,
    pub(crate) bound: Option<(Operator, &'a str)>,
}

/// How a version is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Earlier,
    EarlierEqual,
    Equal,
    LaterEqual,
    Later,
}

impl<'a> Relation<'a> {
    /// Whether a package of this name and version is meant.
    pub(crate) fn accepts(&self, version: &str) -> bool {
        let Some((operator, wanted)) = self.bound else { return true };
        let order = version::compare(version, wanted);
        match operator {
            Operator::Earlier => order == Ordering::Less,
            Operator::EarlierEqual => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::LaterEqual => order != Ordering::Less,
            Operator::Later => order == Ordering::Greater,
        }
    }

    /// Whether something provided is meant: a bound is met only by a version stated in `Provides` (policy 7.5).
    pub(crate) fn accepts_provided(&self, version: Option<&str>) -> bool {
        version.map_or(self.bound.is_none(), |version| self.accepts(version))
    }

    /// Reads `name[:architecture] [(operator version)]`. Restrictions to architectures or build profiles do not occur in binary packages.
    fn parse(text: &'a str) -> Option<Self> {
        let (name, bound) = match text.split_once('(') {
            None => (text, None),
            Some((name, bound)) => (name, Some(bound.trim_ascii().strip_suffix(')')?.trim_ascii())),
        };
        // One architecture is assembled at a time, so `:any` and `:amd64` say nothing new.
        let name = name.trim_ascii();
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        let bound = match bound {
            None => None,
            Some(bound) => Some(parse_bound(bound)?),
        };
        is_package_name(name).then_some(Self { name, bound })
    }
}

fn parse_bound(text: &str) -> Option<(Operator, &str)> {
    // `<` and `>` are old spellings of `<=` and `>=`, which dpkg still reads.
    const OPERATORS: [(&str, Operator); 7] = [
        ("<<", Operator::Earlier),
        ("<=", Operator::EarlierEqual),
        (">>", Operator::Later),
        (">=", Operator::LaterEqual),
        ("=", Operator::Equal),
        ("<", Operator::EarlierEqual),
        (">", Operator::LaterEqual),
    ];
    let (operator, version) = OPERATORS
        .into_iter()
        .find_map(|(sign, operator)| Some((operator, text.strip_prefix(sign)?.trim_ascii())))?;
    let is_version = !version.is_empty() && version.bytes().all(|b| b.is_ascii_graphic());
    is_version.then_some((operator, version))
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((operator, version)) = self.bound else { return f.write_str(self.name) };
        let sign = match operator {
            Operator::Earlier => "<<",
            Operator::EarlierEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterEqual => ">=",
            Operator::Later => ">>",
        };
        write!(f, "{} ({sign} {version})", self.name)
    }
}

/// Whether a text can name a package: lower-case letters, digits, `+`, `-` and `.` (Debian policy 5.6.1), at most 200 bytes.
pub(crate) fn is_package_name(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    starts_well && text.len() <= 200 && text.bytes().all(is_allowed)
}

/// The groups of a dependency field (`a | b, c`): each must be met by one of its alternatives. `None` where the text is malformed.
pub(crate) fn groups(field: &str) -> impl Iterator<Item = Option<Vec<Relation<'_>>>> {
    field
        .split(',')
        .map(str::trim_ascii)
        .filter(|group| !group.is_empty())
        .map(|group| group.split('|').map(|text| Relation::parse(text.trim_ascii())).collect())
}

/// The entries of a `Conflicts`, `Breaks` or `Provides` field, which has no alternatives. `None` where the text is malformed.
pub(crate) fn entries(field: &str) -> impl Iterator<Item = Option<Relation<'_>>> {
    field.split(',').map(str::trim_ascii).filter(|entry| !entry.is_empty()).map(Relation::parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(field: &str) -> Vec<String> {
        groups(field)
            .map(|group| match group {
                None => "malformed".into(),
                Some(group) => group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
            })
            .collect()
    }

    #[test]
    fn a_field_is_groups_of_alternatives() {
        assert_eq!(
            shown(
                "libc6 (>= 2.36), debconf (>=0.5)|debconf-2.0, python3:any (<< 3.12) ,g++ ( = 4:12.2.0-3 ),"
            ),
            ["libc6 (>= 2.36)", "debconf (>= 0.5) or debconf-2.0", "python3 (<< 3.12)", "g++ (= 4:12.2.0-3)"]
        );
        assert_eq!(shown(""), Vec::<String>::new());
    }

    #[test]
    fn invalid_relation_is_rejected() {
        for field in ["Upper", "a (1.0)", "a (>= )", "a (>= 1", "a (>= 1 2)", "a b", "|", "-a"] {
            assert_eq!(shown(field)[0], "malformed", "{field}");
        }
    }

    #[test]
    fn bounds_compare_versions_not_text() {
        let accepts = |relation: &str, version: &str| {
            Relation::parse(relation).is_some_and(|relation| relation.accepts(version))
        };
        assert!(accepts("a (>= 1.9)", "1.10"));
        assert!(accepts("a (<< 1.0)", "1.0~rc1"));
        assert!(accepts("a (= 1.0)", "0:1.0"));
        assert!(accepts("a (<= 1.0)", "1.0") && accepts("a (< 1.0)", "1.0") && accepts("a (> 1.0)", "1.0"));
        assert!(!accepts("a (>> 1.0)", "1.0") && !accepts("a (<< 1.0)", "1.0"));
    }

    #[test]
    fn only_a_versioned_provides_meets_a_bound() {
        let bounded = Relation::parse("mail (>= 2)").expect("well formed");
        assert!(!bounded.accepts_provided(None));
        assert!(bounded.accepts_provided(Some("2")) && !bounded.accepts_provided(Some("1")));
        assert!(Relation::parse("mail").expect("well formed").accepts_provided(None));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,60}") {
            let _ = (groups(&text).count(), entries(&text).count());
        }
    }
}
