//! What dpkg is told to leave out when it unpacks: `path-exclude` and `path-include` (dpkg(1)).

/// The rules of an image, in the order in which they were read; the last that fits decides.
#[derive(Debug, Default)]
pub(super) struct Filters(Vec<Rule>);

/// Rules that are read, and bytes of a pattern; more exist in no image.
const MOST_RULES: usize = 500;
const LONGEST: usize = 500;

#[derive(Debug, PartialEq, Eq)]
struct Rule {
    is_include: bool,
    pattern: Vec<u8>,
}

impl Filters {
    /// Reads one more file of dpkg's configuration. Other options are passed over.
    pub(super) fn read(&mut self, text: &str) {
        for line in text.lines().map(str::trim) {
            let (name, value) = line.split_once(['=', ' ', '\t']).unwrap_or((line, ""));
            let is_include = match name {
                "path-include" => true,
                "path-exclude" => false,
                _ => continue,
            };
            let value = value.trim_start_matches(['=', ' ', '\t']);
            let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
            let inner =
                quote.and_then(|quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value);
            if self.0.len() == MOST_RULES || inner.len() > LONGEST {
                continue;
            }
            self.0.push(Rule { is_include, pattern: inner.as_bytes().to_vec() });
        }
    }

    /// Whether a path, without its leading slash, is unpacked.
    ///
    /// A directory that is left out stays nevertheless where something below it may be wanted, as dpkg has it.
    pub(super) fn keep(&self, path: &[u8], is_directory: bool) -> bool {
        let path = [b"/", path].concat();
        let last = self.0.iter().rev().find(|rule| fits(&rule.pattern, &path));
        last.is_none_or(|rule| rule.is_include)
            || is_directory && self.0.iter().any(|rule| rule.is_include && path.starts_with(rule.plain()))
    }
}

impl Rule {
    /// The directory that its pattern begins with.
    fn plain(&self) -> &[u8] {
        let end = self.pattern.iter().position(|byte| b"*?[\\".contains(byte)).unwrap_or(self.pattern.len());
        let plain = &self.pattern[..end];
        let slashes = plain.iter().rev().take_while(|byte| **byte == b'/').count();
        &plain[..plain.len() - slashes]
    }
}

/// fnmatch(3) without flags: `*` and `?` stand for slashes as well. Takes at most the product of both lengths.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    // The last `*`: what follows it, and how much of the path it has swallowed.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, here));
            at += 1;
            continue;
        }
        if here == path.len() && at == pattern.len() {
            return true;
        }
        let step = path.get(here).and_then(|byte| one(&pattern[at..], *byte));
        if let Some(length) = step {
            (at, here) = (at + length, here + 1);
            continue;
        }
        match star {
            Some((behind, swallowed)) if swallowed < path.len() => {
                star = Some((behind, swallowed + 1));
                (at, here) = (behind, swallowed + 1);
            }
            _ => return false,
        }
    }
}

/// How long the first element of a pattern is, if it stands for this byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => match set(rest, byte) {
            Some((is_in, length)) => is_in.then_some(1 + length),
            None => (byte == b'[').then_some(1),
        },
        [plain, ..] => (*plain == byte).then_some(1),
        [] => None,
    }
}

/// Whether a byte is in a set such as `a-z]`, and how long that is; `None` where it is not closed.
fn set(text: &[u8], byte: u8) -> Option<(bool, usize)> {
    let is_negated = matches!(text.first(), Some(b'!' | b'^'));
    let start = usize::from(is_negated);
    // A bracket in the first place is a member.
    let end = start + 1 + text.get(start + 1..)?.iter().position(|byte| *byte == b']')?;
    let mut members = &text[start..end];
    let mut is_in = false;
    while let Some((first, rest)) = members.split_first() {
        members = match rest {
            [b'-', last, rest @ ..] => {
                is_in |= (*first..=*last).contains(&byte);
                rest
            }
            rest => {
                is_in |= *first == byte;
                rest
            }
        };
    }
    Some((is_in != is_negated, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_slim_images_are_understood() {
        let mut filters = Filters::default();
        filters.read(
            "# comment\nforce-unsafe-io\npath-exclude /usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n\
             path-exclude \"/usr/share/man/*\"\npath-exclude /usr/share/locale/[!e]*",
        );
        for (path, is_directory, expected) in [
            ("usr/share/doc/libgl1/changelog.gz", false, false),
            ("usr/share/doc/libgl1/copyright", false, true),
            ("usr/share/doc/libgl1/deep/copyright", false, true),
            ("usr/share/doc/libgl1", true, true),
            ("usr/share/man/man1", true, false),
            ("usr/share/locale/de", true, false),
            ("usr/share/locale/en", true, true),
            ("usr/lib/libGL.so.1", false, true),
        ] {
            assert_eq!(filters.keep(path.as_bytes(), is_directory), expected, "{path}");
        }
    }

    #[test]
    fn patterns_mean_what_fnmatch_says() {
        for (pattern, path, expected) in [
            ("*", "/a/b", true),
            ("/a*c*e", "/abcde", true),
            ("/a*c*e", "/abcdf", false),
            ("/a?c", "/a/c", true),
            ("/a\\*c", "/a*c", true),
            ("/a\\*c", "/abc", false),
            ("/[]x]", "/]", true),
            ("/[a-c]", "/b", true),
            ("/[a-c]", "/d", false),
            ("/[", "/[", true),
            ("", "/a", false),
            ("/a**", "/a", true),
        ] {
            assert_eq!(fits(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
        assert!(!fits("*a".repeat(500).as_bytes(), "a".repeat(499).as_bytes()));
    }
}
