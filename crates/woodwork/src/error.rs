use std::fmt;

use wainwright_fault::{Classify, Kind};

use crate::problem::Problem;

/// Why a workflow file cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something in it is wrong.
    #[error("{}", Shown { file, problems })]
    Refused {
        /// The name of the file, as it was given.
        file: String,
        /// What is wrong; there is at least one, and the first counts.
        problems: Vec<Problem>,
    },
}

impl Error {
    /// What is wrong; the first counts.
    pub fn problems(&self) -> &[Problem] {
        let Self::Refused { problems, .. } = self;
        problems
    }
}

impl Classify for Error {
    /// What to do next. Each problem shows its own hint, where it has one.
    fn hint(&self) -> Option<String> {
        let Self::Refused { file, .. } = self;
        Some(format!("`wain ww check {file}` checks the workflow without building"))
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Refused { .. } => Kind::Input,
        }
    }
}

/// Every problem with its line and its hint.
struct Shown<'a> {
    file: &'a str,
    problems: &'a [Problem],
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&problem.show(self.file))?;
        }
        Ok(())
    }
}
