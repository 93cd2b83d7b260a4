//! What gives a secret away: its name, or what it looks like.

/// The last words of names that hold secrets.
const NAMES: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "APIKEY",
    "API_KEY",
    "ACCESS_KEY",
    "SECRET_KEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "AUTH",
];

/// How keys of well-known issuers begin, and the fewest characters that follow.
const BEGINNINGS: &[(&str, usize)] = &[
    ("sk-", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("hf_", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("AKIA", 16),
    ("AIza", 30),
];

/// Why a value must not stand in a file, as half a sentence.
pub(crate) fn why(name: &str, value: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    let ends =
        |word: &str| name.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
    if !value.is_empty() && NAMES.iter().any(|word| ends(word)) {
        return Some("its name looks like that of a secret");
    }
    text(value)
}

/// [`why`] for a text without a name, as an argument of a command.
pub(crate) fn text(value: &str) -> Option<&'static str> {
    let begins = |(beginning, fewest): &(&str, usize)| {
        value.strip_prefix(beginning).is_some_and(|rest| {
            rest.len() >= *fewest
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
    };
    if BEGINNINGS.iter().any(begins) {
        return Some("it looks like an API key");
    }
    if value.contains("-----BEGIN ") && value.contains("PRIVATE KEY-----") {
        return Some("it is a private key");
    }
    has_password(value).then_some("it is a URL that contains a password")
}

/// Whether a text has an address like `redis://:password@host`.
fn has_password(value: &str) -> bool {
    value.split("://").skip(1).any(|rest| {
        let end = rest.find(|letter: char| "/?#\"'".contains(letter) || letter.is_whitespace());
        let authority = &rest[..end.unwrap_or(rest.len())];
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_settings() {
        for (name, value) in [
            ("OPENAI_API_KEY", "x"),
            ("password", "x"),
            ("NEO4J_AUTH", "neo4j/x"),
            ("REDIS_URL", "redis://:hunter2@redis:6379/0"),
            ("KEY", "sk-proj-0123456789abcdef0123"),
            ("PEM", "-----BEGIN RSA PRIVATE KEY-----\n"),
        ] {
            assert!(why(name, value).is_some(), "{name} passed");
        }
        for (name, value) in [
            ("MAX_TOKENS", "4096"),
            ("TOKENIZERS_PARALLELISM", "false"),
            ("OPENAI_API_KEY", ""),
            ("REDIS_URL", "redis://redis:6379/0"),
            ("MODEL", "sk-learn"),
            ("AUTHOR", "ann"),
            ("WHERE", "https://ann@example.org/a:b@c"),
        ] {
            assert_eq!(why(name, value), None, "{name}");
        }
    }
}
