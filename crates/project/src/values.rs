//! The words settings are made of; each is checked once, when it is read.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wainwright_fault::Classify as _;
use wainwright_oci::Reference;

/// A port a container listens on (OCI image-spec, "config", `ExposedPorts`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    /// 1 to 65535.
    pub number: u16,
    /// `tcp` unless written.
    pub protocol: Protocol,
}

/// The transport of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// `tcp`.
    Tcp,
    /// `udp`.
    Udp,
}

impl fmt::Display for Port {
    /// `8000/tcp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(f, "{}/{protocol}", self.number)
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("`{}` is not a port: write 8000, \"8000/tcp\" or \"53/udp\"", cut(text));
        let (number, protocol) = match text.split_once('/') {
            None => (text, Protocol::Tcp),
            Some((number, "tcp")) => (number, Protocol::Tcp),
            Some((number, "udp")) => (number, Protocol::Udp),
            Some(_) => return Err(refuse()),
        };
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refuse());
        }
        match number.parse() {
            Ok(number) if number > 0 => Ok(Self { number, protocol }),
            _ => Err(refuse()),
        }
    }
}

/// A number, or `"53/udp"`.
impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.protocol {
            Protocol::Tcp => serializer.serialize_u16(self.number),
            Protocol::Udp => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Port;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Port, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Port, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A numeric user and group (OCI image-spec, "config", `User`).
///
/// Numbers, because Kubernetes cannot verify that a name is not root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct User {
    /// Up to 2^31 - 1.
    pub uid: u32,
    /// Up to 2^31 - 1; absent: the user's group in the image, else 0.
    pub gid: Option<u32>,
}

impl fmt::Display for User {
    /// `1000` or `1000:1000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.uid)?;
        self.gid.map_or(Ok(()), |gid| write!(f, ":{gid}"))
    }
}

impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| is_number && *number <= i32::MAX as u32)
        };
        let (uid, gid) = match text.split_once(':') {
            None => (number(text), Some(None)),
            Some((uid, gid)) => (number(uid), number(gid).map(Some)),
        };
        match (uid, gid) {
            (Some(uid), Some(gid)) => Ok(Self { uid, gid }),
            _ => Err(format!(
                "`{}` is not a numeric user: write 1000 or \"1000:1000\", up to {}",
                cut(text),
                i32::MAX
            )),
        }
    }
}

/// The name of an environment variable, as Kubernetes allows it.
pub(crate) fn check_env_name(name: &str) -> Result<(), String> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() || !name.bytes().all(is_letter) {
        return Err(format!(
            "`{}` is not an environment variable name: use letters, digits, `_`, `.` and `-`, no digit first",
            cut(name)
        ));
    }
    Ok(())
}

/// The longest key of a ConfigMap in Kubernetes, and so the longest name of a variable there.
const LONGEST_VARIABLE: usize = 253;

/// Whether shells, Compose and Kubernetes all accept the name of an environment variable.
pub fn is_variable(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.len() <= LONGEST_VARIABLE
        && name.bytes().all(is_inner)
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

/// [`is_variable`] with a reason.
pub(crate) fn check_variable(name: &str) -> Result<(), String> {
    match is_variable(name) {
        true => Ok(()),
        false => Err(format!(
            "`{}` is not the name of a variable: letters, digits and `_`, no digit first",
            // What follows `=` may be a secret value.
            cut(name.split('=').next().unwrap_or_default())
        )),
    }
}

/// Whether a name is a DNS label as Kubernetes requires it for services (RFC 1035).
pub fn is_dns_label(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 63
        && name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(is_inner)
}

/// Checks that the image of a service is pinned: by a tag that is not `latest`, or by a digest; not by both, which some
/// readers of deployment files refuse.
///
/// # Errors
/// The reason, and a hint where there is one.
pub fn check_pinned(text: &str) -> Result<(), (String, Option<String>)> {
    let reference: Reference =
        text.parse().map_err(|error: wainwright_oci::Error| (error.to_string(), error.hint()))?;
    match (reference.tag(), reference.digest()) {
        (Some("latest"), _) => Err((
            format!("`{text}` is a moving tag"),
            Some("use a version or a digest: `redis:7.4`, `redis@sha256:...`".into()),
        )),
        (Some(_), Some(_)) => {
            Err((format!("`{text}` has both a tag and a digest"), Some("remove the tag".into())))
        }
        _ => Ok(()),
    }
}

/// The key of a label or annotation.
pub(crate) fn check_label_key(key: &str) -> Result<(), String> {
    if key.is_empty()
        || key.chars().any(|letter| letter.is_control() || letter.is_whitespace() || letter == '=')
    {
        return Err(format!("`{}` is not a label key: no spaces, `=` or control characters", cut(key)));
    }
    Ok(())
}

/// A signal by name or number: `SIGTERM`, `SIGRTMIN+3`, `15`.
pub(crate) fn check_signal(text: &str) -> Result<(), String> {
    const NAMES: [&str; 34] = [
        "ABRT", "ALRM", "BUS", "CHLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "KILL", "PIPE", "POLL",
        "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
        "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
    ];
    let is_number = text.parse().is_ok_and(|number: u8| (1..=64).contains(&number) && !text.starts_with('+'));
    let is_name = text.strip_prefix("SIG").is_some_and(|name| {
        let real_time =
            |sign, name: &str| name.strip_prefix(sign).is_some_and(|n| n.parse().is_ok_and(|n: u8| n <= 30));
        NAMES.contains(&name) || real_time("RTMIN+", name) || real_time("RTMAX-", name)
    });
    if is_number || is_name {
        return Ok(());
    }
    Err(format!("`{}` is not a signal: write `SIGTERM`, `SIGINT` or a number from 1 to 64", cut(text)))
}

/// An absolute path in the image, without `.`, `..`, empty parts or a final slash; `/` itself is one.
pub(crate) fn check_absolute(path: &str) -> Result<(), String> {
    let is_plain = path
        .strip_prefix('/')
        .is_some_and(|rest| rest.is_empty() || rest.split('/').all(|part| !matches!(part, "" | "." | "..")));
    if is_plain && path.len() <= 4096 {
        return Ok(());
    }
    Err(format!("`{}` is not an absolute path: write it as `/data`, without `..` or a final `/`", cut(path)))
}

/// The address of a package archive.
pub(crate) fn check_url(text: &str) -> Result<(), String> {
    let refuse = |reason| Err(format!("`{}` is not a server URL: {reason}", cut(text)));
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return refuse("it must start with `https://` or `http://`");
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.is_empty() || text.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return refuse("it needs a host, and no spaces");
    }
    if host.contains('@') {
        // The text is not shown: it holds the secret.
        return Err("the URL contains a user name or password, which must not be stored in a file".into());
    }
    Ok(())
}

/// The name of a Debian package (Debian Policy, 5.6.7).
pub(crate) fn check_debian_package(text: &str) -> Result<(), String> {
    let starts_well =
        text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    if text.len() >= 2 && text.len() <= 128 && starts_well && text.bytes().all(is_letter) {
        return Ok(());
    }
    Err(format!("`{}` is not the name of a Debian package", cut(text)))
}

/// A value for a message: short and printable.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(100).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_with_a_protocol() {
        for (text, expected) in [("8000", "8000/tcp"), ("53/udp", "53/udp"), ("65535/tcp", "65535/tcp")] {
            assert_eq!(text.parse::<Port>().map(|port| port.to_string()), Ok(expected.into()));
        }
        for text in ["0", "65536", "", "http", "80/", "80/sctp", "+80", "-1", "80:80", " 80"] {
            assert!(text.parse::<Port>().is_err(), "{text}");
        }
    }

    #[test]
    fn port_in_json_is_number_or_text() {
        let read = |text: &str| serde_json::from_str::<Port>(text);
        for text in ["8000", "\"53/udp\""] {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
        assert_eq!(read("\"80/tcp\"").unwrap(), read("80").unwrap());
        for text in ["0", "-1", "65536", "true", "null", "\"80/sctp\""] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn label_and_variable_names() {
        for (name, is_label, is_name) in [
            ("db", true, true),
            ("a-1", true, false),
            ("1a", false, false),
            ("a-", false, false),
            ("A_1", false, true),
            ("", false, false),
            (&"a".repeat(63), true, true),
            (&"a".repeat(64), false, true),
            (&"a".repeat(254), false, false),
        ] {
            assert_eq!((is_dns_label(name), is_variable(name)), (is_label, is_name), "{name}");
        }
    }

    #[test]
    fn users_are_numbers() {
        for text in ["0", "1000", "1000:1000", "2147483647"] {
            assert_eq!(text.parse::<User>().map(|user| user.to_string()), Ok(text.into()));
        }
        for text in ["", "nobody", "1000:", ":1", "2147483648", "1:2:3", "+1", "-1"] {
            assert!(text.parse::<User>().is_err(), "{text}");
        }
    }

    #[test]
    fn small_values_follow_their_grammar() {
        type Check = fn(&str) -> Result<(), String>;
        let cases: [(Check, &[&str], &[&str]); 6] = [
            (check_env_name, &["PATH", "_x", "a.b-c"], &["", "A=B", "1A", "A B", "É"]),
            (
                check_signal,
                &["SIGTERM", "15", "SIGRTMIN+3"],
                &["TERM", "0", "65", "SIGFOO", "SIGRTMIN+99", "+5"],
            ),
            (check_absolute, &["/", "/app", "/a b/c"], &["", "app", "/a/", "/a/../b", "//a", "/./a"]),
            (
                check_url,
                &["https://deb.debian.org/debian", "http://localhost:8080"],
                &["", "ftp://x", "https://", "https:///x", "https://a b", "https://u:p@host/"],
            ),
            (check_debian_package, &["libpq5", "g++", "python3.11"], &["", "a", "Lib", "-x", "a b", "a;b"]),
            (check_label_key, &["org.opencontainers.image.title"], &["", "a b", "a=b", "a\n"]),
        ];
        for (check, good, bad) in cases {
            for text in good {
                assert_eq!(check(text), Ok(()), "{text}");
            }
            for text in bad {
                assert!(check(text).is_err(), "{text:?}");
            }
        }
        assert!(!check_url("https://user:hunter2@host/").unwrap_err().contains("hunter2"));
    }
}
