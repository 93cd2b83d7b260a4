use crate::error::Fault;
use crate::rules::{E_NAME, E_PATH, E_WHITEOUT};

/// Checks the name of a member, without a trailing slash, and gives it back as text.
pub(super) fn check_name(name: &[u8], is_marked_utf8: bool) -> Result<&str, Fault> {
    let refuse = |rule, reason| Err(Fault::member(rule, name, reason));
    if name.is_empty() {
        return refuse(E_NAME, "a name is empty");
    }
    let Ok(text) = std::str::from_utf8(name) else {
        return refuse(E_NAME, "its name is not UTF-8");
    };
    if !text.is_ascii() && !is_marked_utf8 {
        return refuse(E_NAME, "its name is not ASCII and not marked as UTF-8");
    }
    // Python splits RECORD at the separators of lines and paragraphs too.
    if text.chars().any(|letter| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')) {
        return refuse(E_NAME, "its name contains control characters");
    }
    if text.len() > 4096 || text.split('/').any(|component| component.len() > 255) {
        return refuse(E_NAME, "its name is longer than file systems allow");
    }
    if text.contains('\\') {
        return refuse(E_PATH, "its name contains a backslash, which is a separator on Windows");
    }
    if let [letter, b':', ..] = name
        && letter.is_ascii_alphabetic()
    {
        return refuse(E_PATH, "its name starts with a drive letter");
    }
    if text.starts_with('/') {
        return refuse(E_PATH, "its name is absolute");
    }
    for component in text.split('/') {
        match component {
            ".." => return refuse(E_PATH, "its name contains `..`"),
            "" | "." => return refuse(E_PATH, "its name is not canonical"),
            hidden if hidden.starts_with(".wh.") => {
                return refuse(E_WHITEOUT, "in an image this name deletes other files");
            }
            _ => {}
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_bad_name_has_its_rule() {
        for (rule, name) in [
            (E_NAME, &b""[..]),
            (E_NAME, b"caf\xe9"),
            (E_NAME, b"a\x1b[2J"),
            (E_NAME, b"a\0b"),
            (E_NAME, "a\u{2028}b".as_bytes()),
            (E_NAME, &[b'x'; 256]),
            (E_NAME, &b"x/".repeat(2100)),
            (E_PATH, b"../x"),
            (E_PATH, b"a/../b"),
            (E_PATH, b"/etc/passwd"),
            (E_PATH, b"C:/x"),
            (E_PATH, b"a\\b"),
            (E_PATH, b"a//b"),
            (E_PATH, b"./a"),
            (E_PATH, b"a//"),
            (E_WHITEOUT, b"a/.wh.b"),
            (E_WHITEOUT, b".wh..wh..opq"),
        ] {
            match check_name(name, true) {
                Err(Fault::Broken { rule: found, .. }) => assert_eq!(found, rule, "{}", name.escape_ascii()),
                other => panic!("{}: {other:?}", name.escape_ascii()),
            }
        }
    }

    #[test]
    fn utf8_names_need_the_flag() {
        assert!(check_name("größe.py".as_bytes(), true).is_ok());
        assert!(check_name("größe.py".as_bytes(), false).is_err());
        assert!(check_name(b"a/b c;d:e.py", false).is_ok());
    }
}
