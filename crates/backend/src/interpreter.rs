use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wainwright_python::{Libc, PythonVersion};

use crate::programs::{ask, named};

/// What an interpreter says of itself, in one line of JSON.
const ASK: &str = "\
import json, os, platform, sys, sysconfig
try:
    libc = os.confstr('CS_GNU_LIBC_VERSION')
except (AttributeError, ValueError, OSError):
    libc = None
print(json.dumps({
    'program': sys.executable,
    'version': '%d.%d.%d' % sys.version_info[:3],
    'implementation': sys.implementation.name,
    'machine': platform.machine(),
    'bits': 64 if sys.maxsize > 2**32 else 32,
    'glibc': libc,
    'freeThreaded': bool(sysconfig.get_config_var('Py_GIL_DISABLED')),
}))
";
/// The oldest Python that today's backends run on.
const OLDEST: (u8, u8) = (3, 9);
const NEWEST: (u8, u8) = (3, 20);

/// A CPython of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interpreter {
    /// The program.
    pub program: PathBuf,
    /// Its version, with the patch level.
    pub version: PythonVersion,
    /// The processor as `platform.machine()` has it: `x86_64`.
    pub machine: String,
    /// Its C library; `None` where that is not GNU's.
    pub glibc: Option<Libc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    program: PathBuf,
    version: PythonVersion,
    implementation: String,
    machine: String,
    bits: u8,
    glibc: Option<String>,
    free_threaded: bool,
}

impl Interpreter {
    /// The interpreter to build with: of the wanted minor version where there is one on the `PATH`, or among those that uv
    /// knows; else any that backends run on, which will do for wheels that are for every Python.
    pub async fn find(
        vars: &BTreeMap<String, String>,
        wanted: PythonVersion,
        uv: Option<&Path>,
    ) -> Option<Self> {
        let is_wanted =
            |found: &Self| (found.version.major, found.version.minor) == (wanted.major, wanted.minor);
        let own = format!("python{}", wanted.short());
        for program in named(&own, vars).chain(named("python3", vars)) {
            if let Some(found) = about(&program, vars).await.filter(is_wanted) {
                return Some(found);
            }
        }
        if let Some(uv) = uv
            && let Some(program) = managed(uv, wanted, vars).await
            && let Some(found) = about(&program, vars).await.filter(is_wanted)
        {
            return Some(found);
        }
        let numbered = (OLDEST.1..=NEWEST.1).rev().map(|minor| format!("python3.{minor}"));
        for name in ["python3".to_owned()].into_iter().chain(numbered) {
            for program in named(&name, vars) {
                let found = about(&program, vars).await;
                let is_new = |found: &Self| (found.version.major, found.version.minor) >= OLDEST;
                if let Some(found) = found.filter(is_new) {
                    return Some(found);
                }
            }
        }
        None
    }
}

/// What a program says; `None` for one that is no CPython of the usual build.
async fn about(program: &Path, vars: &BTreeMap<String, String>) -> Option<Interpreter> {
    let output = ask(program, &["-I", "-S", "-c", ASK], vars).await.ok()?;
    let answer: Answer = serde_json::from_slice(&output.stdout).ok()?;
    let is_usual = answer.implementation == "cpython" && !answer.free_threaded;
    // A 32-bit interpreter on a 64-bit kernel is told the kernel's machine.
    let machine = match (answer.machine.as_str(), answer.bits) {
        ("x86_64", 32) => "i686".to_owned(),
        ("aarch64", 32) => "armv7l".to_owned(),
        _ => answer.machine,
    };
    let glibc = answer.glibc.as_deref().and_then(|text| {
        let mut numbers = text.strip_prefix("glibc ")?.split('.').map(|number| number.parse().ok());
        Some(Libc::Glibc(numbers.next()??, numbers.next()??))
    });
    let Answer { program, version, .. } = answer;
    (output.status.success() && is_usual && program.is_absolute()).then_some(Interpreter {
        program,
        version,
        machine,
        glibc,
    })
}

/// An interpreter that uv installed earlier.
async fn managed(uv: &Path, wanted: PythonVersion, vars: &BTreeMap<String, String>) -> Option<PathBuf> {
    let wanted = wanted.short();
    let words = ["python", "find", "--no-python-downloads", "--no-project", "--system", &wanted];
    let output = ask(uv, &words, vars).await.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_wanted_version_is_found_else_any() {
        if wainwright_testing::need("python3").is_none() {
            return;
        }
        let path = std::env::var("PATH").unwrap();
        let vars = [("PATH".to_owned(), path)].into();
        let any = Interpreter::find(&vars, PythonVersion::new(3, 99), None).await.unwrap();
        assert!(any.program.is_file() && any.version.patch.is_some(), "{any:?}");
        let same = Interpreter::find(&vars, any.version, None).await.unwrap();
        assert_eq!(same.version.short(), any.version.short());
        let nobody = [("PATH".to_owned(), "/nonexistent".to_owned())].into();
        assert_eq!(Interpreter::find(&nobody, any.version, None).await, None);
    }
}
