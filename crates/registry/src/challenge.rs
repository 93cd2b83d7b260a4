use std::collections::BTreeMap;

use http_auth::{ChallengeParser, ChallengeRef};

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

/// Reads all challenges of one or more `WWW-Authenticate` headers. What cannot be read ends the reading of a header.
pub(crate) fn read<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<Challenge> {
    let headers = headers.filter(|header| header.len() <= LONGEST);
    headers
        .flat_map(|header| ChallengeParser::new(header).map_while(Result::ok))
        .map(Challenge::from)
        .collect()
}

impl From<ChallengeRef<'_>> for Challenge {
    fn from(found: ChallengeRef<'_>) -> Self {
        let mut parameters = BTreeMap::new();
        for (name, value) in found.params {
            parameters.entry(name.to_ascii_lowercase()).or_insert_with(|| value.to_unescaped());
        }
        Self { scheme: found.scheme.to_ascii_lowercase(), parameters }
    }
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
        assert!(check("Bearer realm=\"never closed").is_empty());
        assert_eq!(check("Basic, Bearer realm=\"never closed"), [("basic".to_owned(), vec![])]);
        assert!(check(&"a".repeat(LONGEST + 1)).is_empty());
    }
}
