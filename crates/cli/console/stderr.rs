use std::io::Write as _;

use super::clean::clean;

/// Writes a line to standard error. A failure of that cannot be reported anywhere.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", clean(text));
}
