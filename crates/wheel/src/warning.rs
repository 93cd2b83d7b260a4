use std::fmt;

use crate::error::printable;

/// Something worth knowing about a wheel that is installed all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The id of the rule: `W-PTH`.
    pub rule: &'static str,
    /// The member it is about, unprintable characters escaped.
    pub member: Option<String>,
    /// What was found.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.member {
            Some(member) => write!(f, "{}: `{member}`: {}", self.rule, self.text),
            None => write!(f, "{}: {}", self.rule, self.text),
        }
    }
}

/// Collects warnings; a hostile wheel cannot make it hold a million of them.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    list: Vec<Warning>,
    /// Warnings of a rule beyond [`Self::PER_RULE`].
    unsaid: Vec<(&'static str, usize)>,
}

impl Warnings {
    const PER_RULE: usize = 20;

    pub(crate) fn add(&mut self, rule: &'static str, member: Option<&str>, text: impl Into<String>) {
        if self.list.iter().filter(|warning| warning.rule == rule).count() < Self::PER_RULE {
            self.list.push(Warning { rule, member: member.map(printable), text: text.into() });
            return;
        }
        match self.unsaid.iter_mut().find(|(unsaid, _)| *unsaid == rule) {
            Some((_, count)) => *count += 1,
            None => self.unsaid.push((rule, 1)),
        }
    }

    pub(crate) fn finish(self) -> Vec<Warning> {
        let mut list = self.list;
        for (rule, count) in self.unsaid {
            list.push(Warning { rule, member: None, text: format!("and {count} more") });
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_warnings_are_counted() {
        let mut warnings = Warnings::default();
        for _ in 0..25 {
            warnings.add("W-SUID", Some("a"), "text");
        }
        let list = warnings.finish();
        assert_eq!(list.len(), 21);
        assert_eq!(list[20].to_string(), "W-SUID: and 5 more");
    }
}
