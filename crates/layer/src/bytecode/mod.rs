//! Bytecode of the Python sources in a layer, for a layer of its own.
//!
//! A container whose files cannot be written compiles every module it imports at every start. The bytecode is unchecked: the
//! interpreter takes it without looking at the source, which does not change in an image (PEP 552). It is made by a Python of
//! exactly the image's version, and brought into one form, so that it depends on the source, its path and that version alone.

mod error;
mod interpreter;
mod marshal;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use flate2::read::DeflateDecoder;
use wainwright_blob::{Content, Entry, Kind, Span};
use wainwright_oci::ImagePath;
use wainwright_python::PythonVersion;
use wainwright_wheel::Layout;

pub use self::error::Error;
pub use self::interpreter::{Interpreter, is_needed};
use crate::layout::directories;

/// The oldest Python whose bytecode depends on nothing but its source.
pub const OLDEST: (u8, u8) = (3, 11);

/// Raised when the same sources give other bytecode.
pub const FORMAT: u32 = 2;

const SCRIPT: &str = include_str!("compile_files.py");
/// The header of bytecode: magic number, flags, hash of the source.
const HEADER: usize = 16;
/// Sources larger than this are left out; the largest of any known package is a tenth of it.
const LARGEST_SOURCE: u64 = 32 << 20;
/// No source takes longer: then the interpreter hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The bytecode of all sources among the entries of a layer that Python finds in `site-packages`, as a layer of its own.
///
/// `scratch` is an empty folder that has to stay until the layer is written: the bytecode lies there. Sources that are not
/// valid Python have none, as with pip. At most `jobs` interpreters run at a time; all of them end with this process.
pub fn bytecode_entries(
    entries: &[Entry],
    layout: &Layout,
    interpreter: &Interpreter,
    version: PythonVersion,
    scratch: &Path,
    jobs: usize,
) -> Result<Vec<Entry>, Error> {
    let sources = sources(entries, layout);
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let mut shares: Vec<Vec<Source>> = Vec::new();
    shares.resize_with(jobs.clamp(1, sources.len().div_ceil(16)), Vec::new);
    let count = shares.len();
    for (number, (path, target, content)) in sources.into_iter().enumerate() {
        let source = Source {
            target,
            from: scratch.join(format!("{number}.py")),
            to: scratch.join(format!("{number}.pyc")),
            path: path.clone(),
        };
        let mut file = File::create(&source.from).map_err(|error| disk(&source.from, error))?;
        let mut bytes = read(content).map_err(|error| Error::Source { path: path.clone(), source: error })?;
        io::copy(&mut bytes, &mut file)
            .map_err(|error| Error::Source { path: path.clone(), source: error })?;
        shares[number % count].push(source);
    }
    let done: Vec<Result<Vec<Entry>, Error>> = std::thread::scope(|scope| {
        let work = |(number, share): (usize, &Vec<Source>)| {
            compile(interpreter, share, &scratch.join(format!("list-{number}")), version)
        };
        let running: Vec<_> =
            shares.iter().enumerate().map(|share| scope.spawn(move || work(share))).collect();
        let died = || Err(Error::CannotRun { reason: "a thread died".into() });
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| died())).collect()
    });
    let mut files = Vec::new();
    for share in done {
        files.extend(share?);
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let mut folders = directories(files.iter().map(|entry| &entry.path));
    folders.retain(|folder| folder.starts_with(&layout.prefix));
    Ok(folders.into_iter().map(Entry::directory).chain(files).collect())
}

/// A source on the way to its bytecode.
struct Source {
    path: ImagePath,
    target: ImagePath,
    from: PathBuf,
    to: PathBuf,
}

/// The sources with the paths of their bytecode. Nothing takes the place of bytecode that a package brings itself.
fn sources<'a>(entries: &'a [Entry], layout: &Layout) -> Vec<(&'a ImagePath, ImagePath, &'a Content)> {
    let known: BTreeSet<&ImagePath> = entries.iter().map(|entry| &entry.path).collect();
    let Ok(home) = layout.prefix.join(format!("lib/python{}/site-packages", layout.python.short())) else {
        return Vec::new();
    };
    let tag = format!("cpython-{}{}", layout.python.major, layout.python.minor);
    let found = entries.iter().filter_map(|entry| {
        let Kind::File(content) = &entry.kind else { return None };
        let text = std::str::from_utf8(entry.path.as_bytes()).ok()?;
        let stem = text.rsplit('/').next()?.strip_suffix(".py")?;
        let is_source = entry.path.starts_with(&home)
            && content.size() <= LARGEST_SOURCE
            && !text.chars().any(char::is_control);
        let target = entry.path.parent()?.join(format!("__pycache__/{stem}.{tag}.pyc")).ok()?;
        (is_source && !known.contains(&target)).then_some((&entry.path, target, content))
    });
    found.collect()
}

/// Compiles a share of the sources with one interpreter.
fn compile(
    interpreter: &Interpreter,
    share: &[Source],
    list: &Path,
    version: PythonVersion,
) -> Result<Vec<Entry>, Error> {
    let absolute = |path: &Path| {
        let absolute = std::path::absolute(path).map_err(|error| disk(path, error));
        absolute.map(|path| path.into_os_string().into_encoded_bytes())
    };
    let mut bytes = Vec::new();
    for source in share {
        let name = format!("/{}", source.path).into_bytes();
        for word in [absolute(&source.from)?, name, absolute(&source.to)?] {
            bytes.extend_from_slice(&word);
            bytes.push(0);
        }
    }
    fs::write(list, bytes).map_err(|error| disk(list, error))?;
    let started = interpreter
        .command(SCRIPT)
        .and_then(|mut command| command.arg(list).stderr(std::process::Stdio::null()).spawn());
    let mut child = Killed(started.map_err(|error| Error::CannotRun { reason: error.to_string() })?);
    let Some(stdout) = child.0.stdout.take() else {
        return Err(Error::CannotRun { reason: "it has no output".into() });
    };
    let answers = listen(stdout);
    let found = first_line(&answers).ok_or_else(|| Error::CannotRun { reason: child.end() })?;
    let wanted = format!("cpython {}", version.full());
    if version.patch.is_some() && found != wanted
        || !found.starts_with(&format!("cpython {}.", version.short()))
    {
        return Err(Error::OtherVersion { found, wanted });
    }
    let mut entries = Vec::new();
    for source in share {
        let is_valid = match answers.recv_timeout(PATIENCE) {
            Ok(b'.') => true,
            Ok(b'-') => false,
            Ok(_) => return Err(Error::Malformed { path: source.path.clone() }),
            Err(RecvTimeoutError::Timeout) => {
                let what = format!("was idle for {} seconds", PATIENCE.as_secs());
                return Err(Error::Died { path: source.path.clone(), what });
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::Died {
                    path: source.path.clone(),
                    what: format!("ended ({})", child.end()),
                });
            }
        };
        if is_valid {
            entries.push(finish(source)?);
        }
    }
    Ok(entries)
}

/// Brings bytecode into its one form.
fn finish(source: &Source) -> Result<Entry, Error> {
    let raw = fs::read(&source.to).map_err(|error| disk(&source.to, error))?;
    let malformed = || Error::Malformed { path: source.path.clone() };
    let (header, code) = raw.split_at_checked(HEADER).ok_or_else(malformed)?;
    let code = marshal::canonical(code).ok_or_else(malformed)?;
    let bytes = [header, &code].concat();
    fs::write(&source.to, &bytes).map_err(|error| disk(&source.to, error))?;
    let content = Content::Disk {
        path: source.to.clone(),
        size: bytes.len() as u64,
        digest: Some(wainwright_oci::Digest::of(&bytes)),
    };
    Ok(Entry::file(source.target.clone(), false, content))
}

fn disk(path: &Path, source: io::Error) -> Error {
    Error::Scratch { path: path.to_owned(), source }
}

/// A process that does not outlive its owner.
struct Killed(Child);

impl Killed {
    /// How it ended, in words.
    fn end(&mut self) -> String {
        // It says nothing more, so it has ended or is about to.
        let _ = self.0.kill();
        self.0.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Hands on what a process says, byte by byte, so that one can wait for it for a while.
fn listen(mut stdout: ChildStdout) -> Receiver<u8> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count) = stdout.read(&mut bytes) {
            // Nobody listens any more when something else went wrong.
            if count == 0 || bytes[..count].iter().any(|byte| send.send(*byte).is_err()) {
                break;
            }
        }
    });
    receive
}

/// The line that an interpreter begins with: which one it is.
fn first_line(answers: &Receiver<u8>) -> Option<String> {
    let mut line = Vec::new();
    while line.len() < 200 {
        match answers.recv_timeout(PATIENCE).ok()? {
            b'\n' => return String::from_utf8(line).ok(),
            byte => line.push(byte),
        }
    }
    None
}

/// The bytes of a content, one after the other, and no more than it says.
fn read(content: &Content) -> io::Result<Box<dyn Read + '_>> {
    Ok(match content {
        Content::Bytes(bytes) => Box::new(&bytes[..]),
        Content::Disk { path, size, .. } => Box::new(File::open(path)?.take(*size)),
        Content::Stored { span, .. } => Box::new(Part::of(span)),
        Content::Deflated(deflated) => {
            Box::new(DeflateDecoder::new(Part::of(&deflated.span)).take(deflated.size))
        }
    })
}

/// A part of a file that others read as well.
struct Part<'a> {
    span: &'a Span,
    read: u64,
}

impl<'a> Part<'a> {
    fn of(span: &'a Span) -> Self {
        Self { span, read: 0 }
    }
}

impl Read for Part<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.span.length.saturating_sub(self.read);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let count =
            self.span.file.read_at(&mut into[..wanted], self.span.offset.saturating_add(self.read))?;
        self.read += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
