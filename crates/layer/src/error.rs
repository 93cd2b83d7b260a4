use std::io;
use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};
use wainwright_oci::ImagePath;

/// Why the entries of a layer could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A wheel is refused.
    #[error(transparent)]
    Wheel(#[from] wainwright_wheel::Error),
    /// Two owners of one path do not agree what it holds.
    #[error("E-CLASH: `/{path}` is in both `{first}` and `{second}`, and not the same{}", also(*.more))]
    Clash {
        /// The path in the image.
        path: ImagePath,
        /// File name of one wheel.
        first: String,
        /// File name of the other.
        second: String,
        /// How many paths more they or others do not agree about.
        more: usize,
    },
    /// A path is a file for one wheel and a folder for another.
    #[error("E-CLASH: `/{path}` is a file of `{file}` and a folder of `{folder}`")]
    ClashOfKinds {
        /// The path in the image.
        path: ImagePath,
        /// Who has it as a file.
        file: String,
        /// Who has files below it.
        folder: String,
    },
    /// A wheel and the project own one path with different contents.
    #[error("E-CLASH: `/{path}` is in both the project and `{wheel}`, and not the same")]
    ClashWithProject {
        /// The path in the image.
        path: ImagePath,
        /// File name of the wheel.
        wheel: String,
    },
    /// A wheel would replace a part of the environment.
    #[error("E-BASE: `{wheel}` would replace `/{path}` of the Python environment")]
    ReplacesEnvironment {
        /// The path in the image.
        path: ImagePath,
        /// File name of the wheel.
        wheel: String,
    },
    /// A path of the project cannot stand in an image.
    #[error("a file of the project cannot go into the image")]
    Path {
        /// Which rule it breaks.
        #[source]
        source: wainwright_oci::Error,
    },
    /// A project file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A project file is not what it was when it was listed.
    #[error("`{}` changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A project file takes the place of something we make.
    #[error("the project has a file `{path}`, where the image keeps its Python environment")]
    Environment {
        /// The path in the image.
        path: ImagePath,
    },
}

fn also(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => "; nor is 1 path more".into(),
        more => format!("; nor are {more} paths more"),
    }
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Wheel(error) => error.hint(),
            Self::Clash { .. } => Some(
                "leave one of the packages out, or say whose file stays: --allow-clash PACKAGE (`wain explain E-CLASH`)"
                    .into(),
            ),
            Self::ClashOfKinds { .. } => {
                Some("the packages cannot be installed together: leave one of them out (`wain explain E-CLASH`)".into())
            }
            Self::ClashWithProject { .. } => {
                Some("rename the script or module of the project, or leave the package out (`wain explain E-CLASH`)".into())
            }
            Self::ReplacesEnvironment { .. } => {
                Some("no sound package does this: leave it out, or ask its authors (`wain explain E-BASE`)".into())
            }
            Self::Environment { .. } => Some("rename it, or leave it out with `exclude`".into()),
            Self::Path { source } => source.hint(),
            Self::Changed { .. } => Some("build again when nothing writes to the project".into()),
            Self::Read { .. } => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Wheel(error) => error.kind(),
            Self::Read { .. } => Kind::Outside,
            Self::Path { source } => source.kind(),
            Self::Clash { .. }
            | Self::ClashOfKinds { .. }
            | Self::ClashWithProject { .. }
            | Self::ReplacesEnvironment { .. }
            | Self::Changed { .. }
            | Self::Environment { .. } => Kind::Input,
        }
    }
}
