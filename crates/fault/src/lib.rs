//! What every error of Wainwright can say: what to do next, and who has to act.
//!
//! Implementations match every variant of their error, without `_ =>`: a new variant does not compile until somebody has
//! classified it.

/// The classification of an error, for the user and for the exit code.
pub trait Classify {
    /// What the user can do about it: a command, a setting, a place to look.
    fn hint(&self) -> Option<String>;

    /// Who has to act.
    fn kind(&self) -> Kind;

    /// Whether the world outside failed and not the input, so that the same command may succeed later.
    fn is_outside(&self) -> bool {
        matches!(self.kind(), Kind::Outside | Kind::Damaged)
    }
}

/// Who has to act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The project, a lockfile, a package or an image is wrong.
    Input,
    /// The command line is wrong.
    Usage,
    /// The network, a server, the disk or a permission failed.
    Outside,
    /// The cache had lost or damaged a file and has dropped it: the same work succeeds when it is repeated.
    Damaged,
    /// Wainwright is wrong.
    Bug,
}

impl Kind {
    /// The exit code of a command that ends with such an error.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Input => 1,
            Self::Usage => 2,
            Self::Outside | Self::Damaged => 3,
            Self::Bug => 70,
        }
    }
}
