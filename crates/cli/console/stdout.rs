//! Standard output: results or an archive.

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

/// Prints a result, and returns the exit code. A closed pipe is no error, a full disk is.
pub(crate) fn print(text: &str) -> u8 {
    print_bytes(text.as_bytes())
}

/// [`print()`] of bytes.
pub(crate) fn print_bytes(bytes: &[u8]) -> u8 {
    let mut out = io::stdout().lock();
    printed(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Prints help, the version, or an error of the command line, and returns the exit code.
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
            let hint = "check the free space, or redirect the output";
            line(&format!("error: cannot write to standard output\n  cause: {error}\n  hint: {hint}"));
            OUTSIDE
        }
    }
}

/// Whether a path stands for standard output, as in `archive:-`.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Standard output as a file, for an archive; `None` if it is closed.
pub(crate) fn file() -> Option<Arc<fs::File>> {
    io::stdout().as_fd().try_clone_to_owned().ok().map(|fd| Arc::new(fd.into()))
}

/// Checks that standard output gets only one archive or the report, and that an archive does not go to a terminal. Reports an
/// error, and returns its exit code.
pub(crate) fn claim(outputs: &[Output], has_report: bool) -> Result<(), u8> {
    let archives = outputs.iter().filter(|output| **output == Output::Stdout).count();
    match (archives, has_report) {
        (0, false) => Ok(()),
        (2.., _) => Err(usage("`archive:-` is given more than once")),
        (1, true) => Err(usage(
            "`archive:-` and `--metadata-file -` both use standard output\n  hint: use a file for one of them",
        )),
        _ if is_closed() => {
            line(
                "error: standard output is closed\n  hint: redirect it to a file or a program, or to /dev/null to discard it",
            );
            Err(OUTSIDE)
        }
        (1, false) if io::stdout().is_terminal() => Err(usage(
            "refusing to write an archive to a terminal\n  hint: use a pipe, `wain build -o archive:- | docker load`",
        )),
        _ => Ok(()),
    }
}

/// Whether standard output was closed at the start of the program: Rust then opens `/dev/null` for reading and writing,
/// whereas a redirection opens it for writing only.
///
/// Some programs open it for both to discard output, like `subprocess.DEVNULL` of Python. So this is checked only for an
/// archive, which nobody requests in order to discard it.
fn is_closed() -> bool {
    let stdout = io::stdout();
    let (Ok(found), Ok(null)) = (fstat(stdout.as_fd()), fs::metadata("/dev/null")) else { return true };
    let is_null = found.st_dev == null.dev() && found.st_ino == null.ino();
    is_null && fcntl_getfl(stdout.as_fd()).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR)
}
