use std::fmt;

use serde::Serialize;
use wainwright_oci::Digest;

/// Where a file of an image comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// A member of a wheel, whose RECORD vouches for it.
    Wheel {
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// The member of the zip.
        member: String,
    },
    /// A file of a Debian package.
    Debian {
        /// The package.
        name: String,
        /// Its version.
        version: String,
    },
    /// A file of the project.
    Project,
    /// A file of the image that the build starts from.
    Base {
        /// The digest of its layer there.
        layer: Digest,
    },
    /// Made by us.
    Ours {
        /// What it is: `environment`, `installation`.
        what: &'static str,
        /// Of which package, where it is of one.
        #[serde(rename = "of", skip_serializing_if = "Option::is_none")]
        package: Option<String>,
    },
}

impl Origin {
    /// What it counts as in a table.
    pub fn group(&self) -> String {
        match self {
            Self::Wheel { .. } => "wheels".into(),
            Self::Debian { .. } => "debian packages".into(),
            Self::Project => "project".into(),
            Self::Base { .. } => "base image".into(),
            Self::Ours { what, .. } => format!("made by wain: {what}"),
        }
    }

    /// Which of its group it is: the package, the layer; `None` where there is one only.
    pub(super) fn member(&self) -> Option<String> {
        match self {
            Self::Wheel { name, version, .. } | Self::Debian { name, version } => {
                Some(format!("{name} {version}"))
            }
            Self::Base { layer } => Some(layer.to_string()),
            Self::Ours { package, .. } => package.clone(),
            Self::Project => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wheel { name, version, member } => write!(f, "wheel {name} {version}: {member}"),
            Self::Debian { name, version } => write!(f, "debian package {name} {version}"),
            Self::Project => f.write_str("project"),
            Self::Base { layer } => write!(f, "base image, layer {layer}"),
            Self::Ours { what, package: Some(package) } => write!(f, "made by wain: {what} of {package}"),
            Self::Ours { what, package: None } => write!(f, "made by wain: {what}"),
        }
    }
}
