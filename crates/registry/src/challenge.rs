use std::collections::BTreeMap;

/// How a registry wants to be asked (RFC 9110, section 11.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// In lower case: `bearer`, `basic`.
    pub(crate) scheme: String,
    /// Names in lower case.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// More is not read: a challenge names a realm, a service and a scope.
const LONGEST: usize = 16 * 1024;

/// Reads all challenges of one or more `WWW-Authenticate` headers. What cannot be read ends the reading.
pub(crate) fn read<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<Challenge> {
    let mut all = Vec::new();
    for header in headers.filter(|header| header.len() <= LONGEST) {
        let mut rest = header;
        while let Some(challenge) = next(&mut rest) {
            all.push(challenge);
        }
    }
    all
}

fn next(rest: &mut &str) -> Option<Challenge> {
    *rest = rest.trim_start_matches([' ', '\t', ',']);
    let scheme = token(rest)?.to_ascii_lowercase();
    let mut parameters = BTreeMap::new();
    loop {
        let mut ahead = rest.trim_start_matches([' ', '\t', ',']);
        let Some(name) = token(&mut ahead) else { break };
        ahead = ahead.trim_start();
        // A word without `=` is the scheme of the next challenge.
        let Some(value) = ahead.strip_prefix('=') else { break };
        let mut value = value.trim_start();
        let Some(text) = text(&mut value) else {
            *rest = "";
            break;
        };
        parameters.entry(name.to_ascii_lowercase()).or_insert(text);
        *rest = value;
    }
    Some(Challenge { scheme, parameters })
}

fn token<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    let end = rest.find(|letter| !is_token(letter)).unwrap_or(rest.len());
    let (token, tail) = rest.split_at(end);
    *rest = tail;
    (!token.is_empty()).then_some(token)
}

/// A quoted string, which may hold commas, or a bare word.
fn text(rest: &mut &str) -> Option<String> {
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', ' ', '\t']).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        *rest = tail;
        return Some(word.to_owned());
    };
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                *rest = &quoted[at + 1..];
                return Some(text);
            }
            '\\' => text.push(letters.next()?.1),
            _ => text.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str) -> Vec<(String, Vec<(String, String)>)> {
        read([header].into_iter())
            .into_iter()
            .map(|it| (it.scheme, it.parameters.into_iter().collect()))
            .collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect()
    }

    #[test]
    fn the_usual_challenge() {
        let found = check(
            r#"Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push""#,
        );
        let wanted = [
            ("realm", "https://auth.example/token"),
            ("scope", "repository:a/b:pull,push"),
            ("service", "reg"),
        ];
        assert_eq!(found, [("bearer".to_owned(), pairs(&wanted))]);
    }

    #[test]
    fn several_schemes_in_any_case() {
        let found = check(r#"NEGOTIATE, BASIC Realm="a \"b\"" , bearer REALM=x, service=y"#);
        assert_eq!(found[0], ("negotiate".to_owned(), vec![]));
        assert_eq!(found[1], ("basic".to_owned(), pairs(&[("realm", "a \"b\"")])));
        assert_eq!(found[2], ("bearer".to_owned(), pairs(&[("realm", "x"), ("service", "y")])));
    }

    #[test]
    fn parser_ends_on_garbage() {
        assert!(check("").is_empty());
        assert!(check("=,=").is_empty());
        assert_eq!(check("Bearer realm=\"never closed"), [("bearer".to_owned(), vec![])].to_vec());
        assert!(check(&"a".repeat(LONGEST + 1)).is_empty());
    }
}
