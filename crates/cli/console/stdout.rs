//! Standard output: results for programs and people, or an archive.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::{fs, sync::Arc};

use rustix::fs::{OFlags, fcntl_getfl, fstat};
use wainwright_engine::Output;

use super::clean::without_passwords;
use super::exit::OUTSIDE;
use super::failure::usage;
use super::stderr::line;

/// Prints a result. A reader that has gone away wants no more, and that is no failure; a full disk is.
pub(crate) fn print(text: &str) -> u8 {
    print_bytes(text.as_bytes())
}

/// [`print()`] of bytes as they are.
pub(crate) fn print_bytes(bytes: &[u8]) -> u8 {
    let mut out = io::stdout().lock();
    printed(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Prints help or the version, or says what is wrong with the command line.
pub(crate) fn answer(answer: &clap::Error) -> u8 {
    let text = answer.render().to_string();
    let shown = without_passwords(&text);
    if answer.use_stderr() && shown != text {
        line(shown.trim_end());
        return u8::try_from(answer.exit_code()).unwrap_or(OUTSIDE);
    }
    let done = answer.print().and_then(|()| io::stdout().flush());
    match answer.use_stderr() {
        true => u8::try_from(answer.exit_code()).unwrap_or(OUTSIDE),
        false => printed(done),
    }
}

fn printed(done: io::Result<()>) -> u8 {
    match done {
        Ok(()) => 0,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            let hint = "free some space where it goes, or send it somewhere else";
            line(&format!("error: cannot write to standard output\n  cause: {error}\n  hint: {hint}"));
            OUTSIDE
        }
    }
}

/// Whether a path stands for standard output, as in `archive:-`.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Standard output as a file, for an archive; `None` where it cannot be had.
pub(crate) fn file() -> Option<Arc<fs::File>> {
    io::stdout().as_fd().try_clone_to_owned().ok().map(|fd| Arc::new(fd.into()))
}

/// Checks that standard output can take what is wanted there: one archive or the report, and an archive only where no
/// person looks at it. Otherwise says what is wrong, and gives the exit code.
pub(crate) fn claim(outputs: &[Output], has_report: bool) -> Result<(), u8> {
    let archives = outputs.iter().filter(|output| **output == Output::Stdout).count();
    match (archives, has_report) {
        (0, false) => Ok(()),
        (2.., _) => Err(usage("`archive:-` is given more than once, and there is one standard output")),
        (1, true) => Err(usage(
            "`archive:-` and `--metadata-file -` both want standard output; give one of them a file",
        )),
        _ if is_closed() => {
            line(
                "error: standard output is closed\n  hint: send it to a file or a program; to throw it away, write \
                 `> /dev/null`",
            );
            Err(OUTSIDE)
        }
        (1, false) if io::stdout().is_terminal() => Err(usage(
            "an archive is not for a terminal; send it on: `wain build -o archive:- | docker load`",
        )),
        _ => Ok(()),
    }
}

/// Whether standard output was closed when the program began: Rust opens `/dev/null` in its place, for reading and writing,
/// and whoever wants to throw something away opens it for writing.
///
/// Some programs open it for both when they throw away what another says, as `subprocess.DEVNULL` of Python. So this is no
/// question for results that may be unwanted, and for an archive alone: whoever asks for one wants it.
fn is_closed() -> bool {
    let stdout = io::stdout();
    let (Ok(found), Ok(null)) = (fstat(stdout.as_fd()), fs::metadata("/dev/null")) else { return true };
    let is_null = found.st_dev == null.dev() && found.st_ino == null.ino();
    is_null && fcntl_getfl(stdout.as_fd()).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR)
}
