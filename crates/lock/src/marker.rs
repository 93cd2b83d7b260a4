use wainwright_python::{PackageName, Version, VersionSpecifier, VersionSpecifiers};

use crate::MarkerEnvironment;

/// A condition on the environment: `python_version < '3.11' and sys_platform == 'linux'`
/// (PyPA, "Dependency specifiers"; `extras` and `dependency_groups` come from PEP 751).
///
/// Reading and evaluating take time linear in the length of the text, and nesting is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker(pub(crate) Node);

impl Marker {
    /// Whether the condition holds.
    pub fn applies(&self, environment: &MarkerEnvironment) -> bool {
        self.0.applies(environment)
    }

    /// The condition that Python is one of `versions` and `marker`, if there is one, holds.
    pub(crate) fn on_python(versions: &VersionSpecifiers, marker: Option<Self>) -> Self {
        let compare = |version: &VersionSpecifier| {
            Node::Is(Comparison::Version(VersionVariable::PythonFull, version.clone()))
        };
        Self(Node::All(versions.iter().map(compare).chain(marker.map(|marker| marker.0)).collect()))
    }

    /// Every comparison in the condition, from left to right.
    pub(crate) fn comparisons(&self) -> Vec<&Comparison> {
        let mut comparisons = Vec::new();
        self.0.collect(&mut comparisons);
        comparisons
    }
}

/// One node of the expression; the parser bounds how deep they nest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Any(Vec<Node>),
    All(Vec<Node>),
    Is(Comparison),
}

impl Node {
    fn applies(&self, environment: &MarkerEnvironment) -> bool {
        match self {
            Self::Any(nodes) => nodes.iter().any(|node| node.applies(environment)),
            Self::All(nodes) => nodes.iter().all(|node| node.applies(environment)),
            Self::Is(comparison) => comparison.holds(environment),
        }
    }

    fn collect<'a>(&'a self, comparisons: &mut Vec<&'a Comparison>) {
        match self {
            Self::Any(nodes) | Self::All(nodes) => {
                nodes.iter().for_each(|node| node.collect(comparisons));
            }
            Self::Is(comparison) => comparisons.push(comparison),
        }
    }
}

/// One comparison, with the variable on the left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// `python_version >= '3.9'`.
    Version(VersionVariable, VersionSpecifier),
    /// `'3.9' < python_version`: the text, as a version, against what the sign and the variable make.
    Against(String, &'static str, VersionVariable),
    /// `python_version === '3.11'`, and what is no version: the variable as it is written.
    VersionText(VersionVariable, Order, String),
    /// `python_version in '3.9 3.10'`: the variable, as it is written, is a part of the text (`true`) or is not.
    VersionPartOf(VersionVariable, String, bool),
    /// `'3.1' in python_version`.
    VersionHolds(VersionVariable, String, bool),
    /// `sys_platform == 'linux'`.
    Text(TextVariable, Order, String),
    /// `platform_machine in 'x86_64 aarch64'`: the variable is a part of the text (`true`) or is not.
    PartOf(TextVariable, String, bool),
    /// `'linux' in sys_platform`: the text is a part of the variable (`true`) or is not.
    Holds(TextVariable, String, bool),
    /// `extra == 'all'` or `'all' in extras`: the extra is asked for (`true`) or is not.
    Extra(PackageName, bool),
    /// `'test' in dependency_groups`.
    Group(PackageName, bool),
}

impl Comparison {
    fn holds(&self, environment: &MarkerEnvironment) -> bool {
        match self {
            Self::Version(variable, specifier) => specifier.contains(variable.of(environment)),
            Self::Against(text, sign, variable) => {
                let specifier = format!("{sign}{}", variable.of(environment)).parse::<VersionSpecifier>();
                match (specifier, text.parse::<Version>()) {
                    (Ok(specifier), Ok(version)) => specifier.contains(&version),
                    _ => false,
                }
            }
            Self::VersionText(variable, order, text) => {
                order.holds(&variable.of(environment).to_string(), text)
            }
            Self::VersionPartOf(variable, text, wanted) => {
                text.contains(&variable.of(environment).to_string()) == *wanted
            }
            Self::VersionHolds(variable, text, wanted) => {
                variable.of(environment).to_string().contains(text.as_str()) == *wanted
            }
            Self::Text(variable, order, text) => order.holds(variable.of(environment), text),
            Self::PartOf(variable, text, wanted) => text.contains(variable.of(environment)) == *wanted,
            Self::Holds(variable, text, wanted) => {
                variable.of(environment).contains(text.as_str()) == *wanted
            }
            Self::Extra(extra, wanted) => environment.extras.contains(extra) == *wanted,
            Self::Group(group, wanted) => environment.groups.contains(group) == *wanted,
        }
    }
}

/// A variable that holds a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionVariable {
    Python,
    PythonFull,
    Implementation,
}

impl VersionVariable {
    fn of(self, environment: &MarkerEnvironment) -> &Version {
        match self {
            Self::Python => &environment.python_version,
            Self::PythonFull => &environment.python_full_version,
            Self::Implementation => &environment.implementation_version,
        }
    }
}

/// A variable that holds text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextVariable {
    OsName,
    SysPlatform,
    PlatformMachine,
    PlatformPythonImplementation,
    PlatformRelease,
    PlatformSystem,
    PlatformVersion,
    ImplementationName,
}

impl TextVariable {
    fn of(self, environment: &MarkerEnvironment) -> &str {
        match self {
            Self::OsName => &environment.os_name,
            Self::SysPlatform => &environment.sys_platform,
            Self::PlatformMachine => &environment.platform_machine,
            Self::PlatformPythonImplementation => &environment.platform_python_implementation,
            Self::PlatformRelease => &environment.platform_release,
            Self::PlatformSystem => &environment.platform_system,
            Self::PlatformVersion => &environment.platform_version,
            Self::ImplementationName => &environment.implementation_name,
        }
    }
}

/// How two texts are compared. Texts have no order: none is less than another, and `<=` means equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    NotEqual,
    Never,
}

impl Order {
    fn holds(self, left: &str, right: &str) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Never => false,
        }
    }
}
