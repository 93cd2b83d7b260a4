use std::str::FromStr;

use wainwright_python::VersionSpecifier;

use crate::Invalid;
use crate::marker::{Comparison, Marker, Node, Order, TextVariable, VersionVariable};

/// No tool nests markers deeper than this, and the stack is not endless.
const DEPTH: usize = 64;

impl FromStr for Marker {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Parser::new(text).marker().map(Self)
    }
}

/// Reads a marker from left to right.
pub(crate) struct Parser<'a> {
    text: &'a str,
    /// Byte offset of what is read next.
    at: usize,
    depth: usize,
}

/// One side of a comparison.
enum Side<'a> {
    Literal(&'a str),
    Version(VersionVariable),
    Text(TextVariable),
    Extra,
    Extras,
    Groups,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is(&'static str),
    In,
    NotIn,
}

/// Longest first, so that `<` does not hide `<=`.
const OPERATORS: [&str; 8] = ["===", "==", "!=", "<=", ">=", "~=", "<", ">"];

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// The whole text as one marker.
    pub(crate) fn marker(mut self) -> Result<Node, Invalid> {
        let node = self.any()?;
        if self.rest().is_empty() { Ok(node) } else { Err(self.wrong("expected `and`, `or` or the end")) }
    }

    fn any(&mut self) -> Result<Node, Invalid> {
        let mut nodes = vec![self.all()?];
        while self.word("or") {
            nodes.push(self.all()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Any(nodes) })
    }

    fn all(&mut self) -> Result<Node, Invalid> {
        let mut nodes = vec![self.one()?];
        while self.word("and") {
            nodes.push(self.one()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::All(nodes) })
    }

    fn one(&mut self) -> Result<Node, Invalid> {
        if !self.symbol("(") {
            return self.comparison().map(Node::Is);
        }
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.wrong("brackets nest deeper than 64"));
        }
        let node = self.any()?;
        self.depth -= 1;
        if self.symbol(")") { Ok(node) } else { Err(self.wrong("expected `)`")) }
    }

    fn comparison(&mut self) -> Result<Comparison, Invalid> {
        let start = self.at;
        let left = self.side()?;
        let operator = self.operator()?;
        let right = self.side()?;
        compare(left, operator, right).map_err(|reason| {
            self.at = start;
            self.wrong(&reason)
        })
    }

    fn side(&mut self) -> Result<Side<'a>, Invalid> {
        for quote in ["'", "\""] {
            if self.symbol(quote) {
                let rest = &self.text[self.at..];
                let Some(length) = rest.find(quote) else {
                    return Err(self.wrong("unclosed quote"));
                };
                self.at += length + 1;
                return Ok(Side::Literal(&rest[..length]));
            }
        }
        let rest = self.rest();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        let side =
            variable(word).ok_or_else(|| self.wrong("expected a marker variable or a quoted string"))?;
        self.at += word.len();
        Ok(side)
    }

    fn operator(&mut self) -> Result<Operator, Invalid> {
        if self.word("in") {
            return Ok(Operator::In);
        }
        if self.word("not") {
            return if self.word("in") {
                Ok(Operator::NotIn)
            } else {
                Err(self.wrong("expected `in` after `not`"))
            };
        }
        OPERATORS
            .into_iter()
            .find(|operator| self.symbol(operator))
            .map(Operator::Is)
            .ok_or_else(|| self.wrong("expected a comparison such as `==` or `in`"))
    }

    /// What is left, without the white space before it.
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_ascii_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    /// Steps over `symbol` if it comes next.
    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    /// Steps over `word` if it comes next and ends there.
    fn word(&mut self, word: &str) -> bool {
        let found = self.rest().strip_prefix(word).is_some_and(|rest| {
            !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.')
        });
        if found {
            self.at += word.len();
        }
        found
    }

    fn wrong(&self, reason: &str) -> Invalid {
        let column = self.text[..self.at].chars().count() + 1;
        Invalid::new("marker", self.text, format!("{reason} at character {column}"))
    }
}

/// The variables, with the old names PEP 345 and early setuptools gave them.
fn variable(word: &str) -> Option<Side<'static>> {
    Some(match word {
        "python_version" => Side::Version(VersionVariable::Python),
        "python_full_version" => Side::Version(VersionVariable::PythonFull),
        "implementation_version" => Side::Version(VersionVariable::Implementation),
        "os_name" | "os.name" => Side::Text(TextVariable::OsName),
        "sys_platform" | "sys.platform" => Side::Text(TextVariable::SysPlatform),
        "platform_machine" | "platform.machine" => Side::Text(TextVariable::PlatformMachine),
        "platform_python_implementation" | "platform.python_implementation" | "python_implementation" => {
            Side::Text(TextVariable::PlatformPythonImplementation)
        }
        "platform_release" => Side::Text(TextVariable::PlatformRelease),
        "platform_system" => Side::Text(TextVariable::PlatformSystem),
        "platform_version" | "platform.version" => Side::Text(TextVariable::PlatformVersion),
        "implementation_name" => Side::Text(TextVariable::ImplementationName),
        "extra" => Side::Extra,
        "extras" => Side::Extras,
        "dependency_groups" => Side::Groups,
        _ => return None,
    })
}

fn compare(left: Side, operator: Operator, right: Side) -> Result<Comparison, String> {
    use Operator::{In, Is, NotIn};
    let is_in = operator == In;
    match (left, operator, right) {
        (Side::Version(variable), In | NotIn, Side::Literal(text)) => {
            Ok(Comparison::VersionPartOf(variable, text.into(), is_in))
        }
        (Side::Literal(text), In | NotIn, Side::Version(variable)) => {
            Ok(Comparison::VersionHolds(variable, text.into(), is_in))
        }
        (Side::Version(_), Is("==="), Side::Literal(text))
            if text.trim_ascii().contains(char::is_whitespace) =>
        {
            Err(format!("`{text}` is not a single version"))
        }
        (Side::Version(variable), Is("==="), Side::Literal(text))
        | (Side::Literal(text), Is("==="), Side::Version(variable)) => {
            Ok(Comparison::VersionText(variable, Order::Equal, text.trim_ascii().into()))
        }
        (Side::Version(variable), Is(operator), Side::Literal(text)) => match specifier(operator, text) {
            Some(specifier) => Ok(Comparison::Version(variable, specifier)),
            None => Ok(Comparison::VersionText(variable, order(operator)?, text.into())),
        },
        (Side::Literal(text), Is(operator), Side::Version(variable)) => {
            Ok(Comparison::Against(text.into(), operator, variable))
        }
        (Side::Text(variable), In | NotIn, Side::Literal(text)) => {
            Ok(Comparison::PartOf(variable, text.into(), is_in))
        }
        (Side::Literal(text), In | NotIn, Side::Text(variable)) => {
            Ok(Comparison::Holds(variable, text.into(), is_in))
        }
        // The release of a kernel is compared as a version. That of an image is not known, and no version.
        (Side::Text(variable @ TextVariable::PlatformRelease), Is("==="), Side::Literal(text))
        | (Side::Literal(text), Is("==="), Side::Text(variable @ TextVariable::PlatformRelease)) => {
            Ok(Comparison::Text(variable, Order::Equal, text.into()))
        }
        (Side::Text(variable @ TextVariable::PlatformRelease), Is(operator), Side::Literal(text))
            if specifier(operator, text).is_some() =>
        {
            Ok(Comparison::Text(variable, Order::Never, text.into()))
        }
        (Side::Text(variable), Is(operator), Side::Literal(text)) => {
            Ok(Comparison::Text(variable, order(operator)?, text.into()))
        }
        (Side::Literal(text), Is(operator), Side::Text(variable)) => {
            Ok(Comparison::Text(variable, order(operator)?, text.into()))
        }
        (Side::Extra, Is(operator), Side::Literal(text))
        | (Side::Literal(text), Is(operator), Side::Extra) => {
            let wanted = match operator {
                "==" => true,
                "!=" => false,
                _ => return Err(format!("`extra` cannot be compared with `{operator}`")),
            };
            Ok(Comparison::Extra(name(text)?, wanted))
        }
        (Side::Literal(text), In | NotIn, Side::Extras) => Ok(Comparison::Extra(name(text)?, is_in)),
        (Side::Literal(text), In | NotIn, Side::Groups) => Ok(Comparison::Group(name(text)?, is_in)),
        _ => Err("these two cannot be compared".into()),
    }
}

fn specifier(operator: &str, version: &str) -> Option<VersionSpecifier> {
    format!("{operator}{}", version.trim_ascii()).parse().ok()
}

fn name(text: &str) -> Result<wainwright_python::PackageName, String> {
    text.parse().map_err(|error: wainwright_python::Error| error.to_string())
}

fn order(operator: &str) -> Result<Order, String> {
    Ok(match operator {
        "==" | "<=" | ">=" => Order::Equal,
        "!=" => Order::NotEqual,
        "<" | ">" => Order::Never,
        _ => return Err(format!("`{operator}` compares versions only")),
    })
}

#[cfg(test)]
mod tests {
    use crate::{Marker, marker_environment};
    use wainwright_python::{Libc, Target};

    fn holds(marker: &str) -> bool {
        let mut environment = marker_environment(&Target {
            python: "3.11.2".parse().unwrap(),
            architecture: "arm64".into(),
            variant: None,
            libc: Libc::Glibc(2, 36),
        });
        environment.extras.insert("all-of-it".parse().unwrap());
        environment.groups.insert("test".parse().unwrap());
        marker.parse::<Marker>().unwrap().applies(&environment)
    }

    #[test]
    fn markers_of_the_target_apply() {
        for marker in [
            "python_version >= '3.9'",
            "python_version == \"3.11\"",
            "python_version=='3.11.*'and os_name=='posix'",
            "'3.9' < python_version",
            "python_full_version < '3.11.3'",
            "python_version in '3.10 3.11'",
            "python_version not in '3.1, 3.12'",
            "python_version === '3.11'",
            "python_version != 'new'",
            "sys_platform <= 'linux'",
            "platform_machine in 'aarch64 x86_64'",
            "'win' not in sys_platform",
            "sys_platform == 'win32' or (platform_system == 'Linux' and implementation_name == 'cpython')",
            "python_implementation != 'PyPy'",
            "extra == 'All_of.it' and 'all-of-it' in extras",
            "'test' in dependency_groups and 'docs' not in dependency_groups",
            "platform_release == ''",
            "platform_version == ''",
            "platform_python_implementation == 'CPython'",
            "implementation_version == '3.11.2'",
            "'3.1' in python_version",
            "'3.9' not in python_version",
            "platform_machine not in 'x86_64 i686'",
            "'lin' in sys_platform",
            "'3.11.2' == python_full_version",
            "python_version != '3.12'",
            "extra != 'other'",
        ] {
            assert!(holds(marker), "{marker}");
        }
    }

    #[test]
    fn markers_of_other_targets_do_not_apply() {
        for marker in [
            "python_version < '3.11'",
            "python_version > '3.11'",
            "python_full_version == '3.11.1'",
            "sys_platform == 'win32' and os_name == 'posix' or platform_machine == 'x86_64'",
            "extra == 'all'",
            "extra != 'all-of-it'",
            "python_version in '3.1 3.12'",
            "platform_release != '4'",
            "sys_platform < 'linux2'",
            "sys_platform != 'linux'",
            "implementation_name == 'pypy'",
            "implementation_version < '3.11'",
            "'3.9' in python_version",
            "'3.1' not in python_version",
            "python_version not in '3.10 3.11'",
            "python_version === '3.10'",
            "python_version == 'new'",
            "'3.12' < python_version",
            "'3.11' != python_version",
            "platform_machine in 'x86_64 i686'",
            "platform_machine not in 'aarch64 x86_64'",
            "'win' in sys_platform",
            "'lin' not in sys_platform",
            "'other' in extras",
            "'all-of-it' not in extras",
            "'docs' in dependency_groups",
            "'test' not in dependency_groups",
        ] {
            assert!(!holds(marker), "{marker}");
        }
    }

    #[test]
    fn what_is_not_a_marker_is_refused_with_a_reason() {
        let check = |marker: &str, reason: &str| {
            let message = marker.parse::<Marker>().unwrap_err().to_string();
            assert!(message.ends_with(reason), "{message}");
        };
        check("", "expected a marker variable or a quoted string at character 1");
        check("python == '3'", "expected a marker variable or a quoted string at character 1");
        check("os_name == 'posix", "unclosed quote at character 13");
        check("os_name = 'posix'", "expected a comparison such as `==` or `in` at character 9");
        check("(os_name == 'a'", "expected `)` at character 16");
        check("os_name == 'a' sys_platform == 'b'", "expected `and`, `or` or the end at character 16");
        check("python_version ~= 'new'", "`~=` compares versions only at character 1");
        check("python_version === '3 4'", "`3 4` is not a single version at character 1");
        check("sys_platform ~= 'linux'", "`~=` compares versions only at character 1");
        check("os_name == sys_platform", "these two cannot be compared at character 1");
        check(&"(".repeat(1_000_000), "brackets nest deeper than 64 at character 66");
    }

    #[test]
    fn many_alternatives_take_no_longer_than_few() {
        let pairs: Vec<_> = (0..5000).map(|n| format!("(extra == 'a{n}' and extra == 'b{n}')")).collect();
        assert!(!holds(&pairs.join(" or ")));
    }
}
