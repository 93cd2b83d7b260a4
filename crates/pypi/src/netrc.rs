use std::iter::Peekable;
use std::path::Path;
use std::str::Chars;

use wainwright_http::{Auth, Secret};

/// The machines of a `.netrc` file, in its order.
///
/// The `default` entry is not used: it would show a password to any server at all.
#[derive(Clone, Default)]
pub(crate) struct Netrc(Vec<(String, Auth)>);

impl Netrc {
    /// Reads a file as Python's `netrc` does. One that is absent or unreadable has no machines, as with pip.
    pub(crate) fn read(path: &Path) -> Self {
        std::fs::read_to_string(path).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let mut machines = Vec::new();
        let mut current: Option<(String, String, String)> = None;
        let mut words = Words { rest: text.chars().peekable() };
        let mut finish = |entry: Option<(String, String, String)>| {
            if let Some((machine, login, password)) = entry {
                machines.push((machine, Auth::basic(&login, &Secret::new(password))));
            }
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "machine" => {
                    finish(current.take());
                    current =
                        words.next().map(|machine| (machine.to_lowercase(), String::new(), String::new()));
                }
                "default" => finish(current.take()),
                "macdef" => words.skip_macro(),
                comment if comment.starts_with('#') => words.skip_line(),
                "login" | "user" => {
                    let login = words.next().unwrap_or_default();
                    if let Some(entry) = &mut current {
                        entry.1 = login;
                    }
                }
                "password" => {
                    let password = words.next().unwrap_or_default();
                    if let Some(entry) = &mut current {
                        entry.2 = password;
                    }
                }
                "account" => {
                    words.next();
                }
                _ => {}
            }
        }
        finish(current);
        Self(machines)
    }

    pub(crate) fn auth_for(&self, host: &str) -> Option<&Auth> {
        self.0.iter().find(|(machine, _)| machine == host).map(|(_, auth)| auth)
    }
}

/// Words between white space; quotes hold them together, `\` takes the next character as it is, and a word
/// that begins with `#` where a keyword could stand makes the line a comment.
struct Words<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Words<'_> {
    /// The last word of a line ends before its newline.
    fn skip_line(&mut self) {
        while self.rest.next_if(|letter| *letter != '\n').is_some() {}
    }

    /// A macro ends at an empty line.
    fn skip_macro(&mut self) {
        let mut was_newline = false;
        for letter in self.rest.by_ref() {
            match letter {
                '\n' if was_newline => return,
                '\n' => was_newline = true,
                '\r' => {}
                _ => was_newline = false,
            }
        }
    }
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while self.rest.next_if(|letter| letter.is_whitespace()).is_some() {}
        let first = *self.rest.peek()?;
        let mut word = String::new();
        if first == '"' {
            self.rest.next();
            while let Some(letter) = self.rest.next() {
                match letter {
                    '"' => break,
                    '\\' => word.extend(self.rest.next()),
                    letter => word.push(letter),
                }
            }
            return Some(word);
        }
        while let Some(letter) = self.rest.next_if(|letter| !letter.is_whitespace()) {
            match letter {
                '\\' => word.extend(self.rest.next()),
                letter => word.push(letter),
            }
        }
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, host: &str, expected: Option<(&str, &str)>) {
        let netrc = Netrc::parse(text);
        let expected = expected.map(|(user, password)| Auth::basic(user, &Secret::new(password)));
        assert!(netrc.auth_for(host) == expected.as_ref(), "{host} in {text:?}");
    }

    #[test]
    fn netrc_machines_have_logins() {
        let text =
            "machine a.example login ann password p#1\nmachine B.example\n  login \"b o\" password q\\ r\n";
        check(text, "a.example", Some(("ann", "p#1")));
        check(text, "b.example", Some(("b o", "q r")));
        check(text, "c.example", None);
    }

    #[test]
    fn netrc_default_entry_is_ignored() {
        check("default login ann password secret", "a.example", None);
        check(
            "machine a.example login x password y default login z password w",
            "a.example",
            Some(("x", "y")),
        );
    }

    #[test]
    fn macros_and_comments_are_skipped() {
        let text = "# machine c.example\nmacdef init\nmachine c.example login no password no\n\nmachine c.example login yes password p";
        check(text, "c.example", Some(("yes", "p")));
    }
}
