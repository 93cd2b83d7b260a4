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
    #[error("E-CLASH: `/{path}` differs between `{first}` and `{second}`{}", also(*.more))]
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
    #[error("E-CLASH: `/{path}` differs between the project and `{wheel}`")]
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
    #[error("cannot add a file of the project to the image")]
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
        1 => "; 1 more path differs".into(),
        more => format!("; {more} more paths differ"),
    }
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Wheel(error) => error.hint(),
            Self::Clash { .. } => Some(
                "remove one of the packages, or choose the package that wins with --allow-clash PACKAGE (`wain explain E-CLASH`)"
                    .into(),
            ),
            Self::ClashOfKinds { .. } => {
                Some("the packages cannot be installed together: remove one of them (`wain explain E-CLASH`)".into())
            }
            Self::ClashWithProject { .. } => {
                Some("rename the script or module of the project, or remove the package (`wain explain E-CLASH`)".into())
            }
            Self::ReplacesEnvironment { .. } => {
                Some("remove the package, or ask its authors: wheels must not do this (`wain explain E-BASE`)".into())
            }
            Self::Environment { .. } => Some("rename it, or exclude it with `exclude`".into()),
            Self::Path { source } => source.hint(),
            Self::Changed { .. } => Some("build again while no program changes the project".into()),
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
