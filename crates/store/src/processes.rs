use std::fmt;

/// Processes in a sentence.
pub(crate) struct Names<'a>(pub(crate) &'a [u32]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("another process"),
            [one] => write!(f, "process {one}"),
            [first, more @ ..] => {
                write!(f, "processes {first}")?;
                more.iter().try_for_each(|process| write!(f, ", {process}"))
            }
        }
    }
}
