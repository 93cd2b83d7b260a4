/// Whether a text begins as a dependency specifier (PEP 508) does: a name, extras, versions or a URL, a marker.
///
/// Who resolves it judges versions and markers; here typing errors and options of pip are found.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err("pip options are not supported");
    }
    if text.chars().any(char::is_control) {
        return Err("it has a control character");
    }
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let end = text.find(|letter| !is_of_name(letter)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    if !begins || !name.ends_with(|letter: char| letter.is_ascii_alphanumeric()) {
        return Err("it does not start with a package name");
    }
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        None => rest,
        Some(rest) => {
            let (extras, rest) = rest.split_once(']').ok_or("its extras do not end with `]`")?;
            if !extras.chars().all(|letter| is_of_name(letter) || matches!(letter, ' ' | ',')) {
                return Err("its extras are not names");
            }
            rest.trim_start()
        }
    };
    match rest.chars().next() {
        None | Some(';') => Ok(()),
        Some('@') if rest.contains("://") => Ok(()),
        Some('@') => Err("there is no URL after `@`"),
        Some('(' | '<' | '>' | '=' | '!' | '~') => versions(rest.split(';').next().unwrap_or_default()),
        Some(_) => Err("expected a version comparison after the name"),
    }
}

/// `>=1,<2`
fn versions(text: &str) -> Result<(), &'static str> {
    let text = text.trim();
    let text = text
        .strip_prefix('(')
        .map_or(Some(text), |text| text.strip_suffix(')'))
        .ok_or("`(` is not closed")?;
    for part in text.split(',') {
        let part = part.trim();
        let operator = ["===", "==", ">=", "<=", "!=", "~=", ">", "<"]
            .iter()
            .find(|operator| part.starts_with(**operator));
        let version = operator
            .and_then(|operator| part.strip_prefix(operator))
            .ok_or("a version has no comparison")?
            .trim();
        let is_version = |letter: char| {
            letter.is_ascii_alphanumeric() || matches!(letter, '.' | '*' | '+' | '!' | '-' | '_')
        };
        if version.is_empty() || !version.chars().all(is_version) {
            return Err("a comparison has no version");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements() {
        for text in [
            "requests",
            "langchain-core>=0.3,<2",
            "uvicorn[standard, x] ~= 0.30",
            "pkg @ https://example.org/pkg.whl",
            "tomli>=2 ; python_version < \"3.11\"",
            "zope.interface (>=5)",
            "a==1.*",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "-r other.txt",
            "./local",
            "requests =1",
            "requests>",
            "a b",
            "a[b",
            "a[!]",
            "pkg @ x",
            "a>=1 2",
            "_a",
            "a>=1,",
            "a\n",
        ] {
            // A line end at the end is white space.
            assert_eq!(check(text).is_err(), text != "a\n", "{text}");
        }
    }
}
