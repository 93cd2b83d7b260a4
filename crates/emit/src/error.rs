use wainwright_fault::{Classify, Kind};
use wainwright_project::NotAQuantity;

/// Why files for a deployment cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The release is not JSON, or has other keys.
    #[error("invalid release file: {reason}")]
    Json {
        /// What is wrong, and where, as half a sentence.
        reason: String,
    },
    /// More than any deployment needs.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What is.
        what: &'static str,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Not an amount of processors or memory.
    #[error(transparent)]
    Quantity(#[from] NotAQuantity),
    /// Something in the release cannot be deployed.
    #[error("{place}: {reason}")]
    Invalid {
        /// Where: `component `assistant`, environment`.
        place: String,
        /// What is wrong, as half a sentence.
        reason: String,
        /// The way out, where one is known.
        remedy: Option<String>,
    },
    /// Something in the file of values is not as it must be.
    #[error("values, line {line}, column {column}: {reason}")]
    Values {
        /// The line; the first is 1.
        line: usize,
        /// The character in the line; the first is 1.
        column: usize,
        /// What is wrong, as half a sentence.
        reason: String,
        /// The way out, where one is known.
        remedy: Option<String>,
    },
    /// A cluster cannot fetch what no registry has.
    #[error("the images of {} are not in a registry", list(components))]
    NotPushed {
        /// The components whose images are in files alone.
        components: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Json { .. } => Some("build the components again (format of the file: docs/emit.md)".into()),
            Self::Quantity(error) => Some(error.hint().into()),
            Self::Invalid { remedy, .. } | Self::Values { remedy, .. } => remedy.clone(),
            Self::NotPushed { .. } => Some(
                "build with `--push` (a workflow with `--registry HOST/PATH`), or with `--load` for a cluster on this machine"
                    .into(),
            ),
            Self::TooLarge { .. } => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Json { .. }
            | Self::TooLarge { .. }
            | Self::Quantity { .. }
            | Self::Invalid { .. }
            | Self::Values { .. }
            | Self::NotPushed { .. } => Kind::Input,
        }
    }
}
