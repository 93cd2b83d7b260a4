//! Removes control characters and passwords from text.

use std::fmt::Write as _;

/// Escapes control characters and hides passwords: messages quote names from packages and lines of settings.
pub(crate) fn clean(text: &str) -> String {
    let text = without_passwords(text);
    let is_harmful = |letter: char| {
        (letter.is_control() && letter != '\n' && letter != '\t')
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let escape = |letter: char| match is_harmful(letter) {
        true => letter.escape_unicode().to_string(),
        false => letter.to_string(),
    };
    text.chars().map(escape).collect()
}

/// Replaces `user:password@host` in URLs and image names with `***@host`. `ssh://git@host` has no password.
pub(crate) fn without_passwords(text: &str) -> String {
    let is_end = |letter: char| letter.is_whitespace() || "\"'`=".contains(letter);
    let hide = |word: &str| match word.rsplit_once('@') {
        Some((_, rest)) if starts_with_one(word) => format!("***@{rest}"),
        _ => word.to_owned(),
    };
    addresses_without_passwords(text).split_inclusive(is_end).map(hide).collect()
}

fn addresses_without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("://");
        let is_end = |letter: char| letter.is_whitespace() || "\"'`<>".contains(letter);
        let end = part.find(is_end).unwrap_or(part.len());
        match part[..end].rsplit_once('@') {
            Some((user, rest)) if is_login(user) => {
                let _ = write!(shown, "***@{rest}{}", &part[end..]);
            }
            _ => shown.push_str(part),
        }
    }
    shown
}

/// Whether the text before an `@` is a login, and not the example of a hint, or a host whose path has an `@`. Some passwords have
/// an unescaped `/`.
fn is_login(text: &str) -> bool {
    if ["user:password", "git"].contains(&text) {
        return false;
    }
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once(':') {
        Some((_, rest)) => !rest.split_once('/').is_some_and(|(port, _)| is_port(port)),
        None => !text.contains('/'),
    }
}

/// Whether the name of an image begins with a user and password.
pub(crate) fn starts_with_one(name: &str) -> bool {
    // These are paths.
    if ["layout:", "archive:", "last:"].iter().any(|place| name.starts_with(place)) {
        return false;
    }
    name.split_once('/').is_some_and(|(first, _)| is_host(first))
}

/// Whether the text is a host with a user and password before it.
pub(crate) fn is_host(text: &str) -> bool {
    match text.rsplit_once('@') {
        Some((user, host)) => user.contains(':') && !host.is_empty(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_replaced_by_stars() {
        let shown =
            without_passwords("1 | base = \"https://ann:a@b@h:5000/x\", 'ftp://ann@h', ssh://git@h/x, a://b");
        assert_eq!(shown, "1 | base = \"https://***@h:5000/x\", 'ftp://***@h', ssh://git@h/x, a://b");
        let shown =
            without_passwords("base=\"ann:pw@h:5000/x:1\" of `demo/x:1@sha256:00`, `h:5000/x@sha256:00`");
        assert_eq!(shown, "base=\"***@h:5000/x:1\" of `demo/x:1@sha256:00`, `h:5000/x@sha256:00`");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\n"), "a\\u{1b}[31mb\\u{202e}c\n");
    }
}
