/// Whether a text is a path below the folder of the project; otherwise why not.
pub(crate) fn check(path: &str) -> Result<(), &'static str> {
    let has_drive =
        path.get(1..2) == Some(":") && path.starts_with(|letter: char| letter.is_ascii_alphabetic());
    match path {
        "" => Err("it is empty"),
        _ if path.contains('\\') => Err("it has a backslash"),
        _ if path.chars().any(char::is_control) => Err("it has a control character"),
        _ if path.starts_with(['/', '~']) || has_drive => Err("it is not a relative path"),
        _ if path.split('/').any(|part| part == "..") => Err("it leaves the project with `..`"),
        _ if normal(path).is_empty() => Err("it is the project itself"),
        _ => Ok(()),
    }
}

/// A path without `.` and doubled slashes.
pub(crate) fn normal(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_project() {
        for path in ["hooks.py", "./lib/hooks.py", "a..b/c.py", "a:b"] {
            // `a:b` could be a drive.
            assert_eq!(check(path).is_ok(), path != "a:b", "{path}");
        }
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a\\b", "~/x", "C:/x", ".", "./", "a\u{7}b"] {
            assert!(check(path).is_err(), "{path}");
        }
        assert_eq!(normal("./lib//hooks.py"), "lib/hooks.py");
    }
}
