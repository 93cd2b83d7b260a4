use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::programs::{ask, folders};

/// Names of compilers, by themselves and behind a triple: `x86_64-linux-gnu-gcc`.
const NAMES: [&str; 6] = ["cc", "gcc", "clang", "c++", "g++", "clang++"];

/// Puts stand-ins for the compilers of the `PATH` into a folder. They call the real ones, and tell them to write another
/// name for `hidden`: the folder of a build is another one each time, and must not reach what is built.
///
/// Variables such as `CFLAGS` would do the same, and take away the flags that some builds have when there are none.
pub(crate) async fn stand_in(
    folder: &Path,
    hidden: &Path,
    vars: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let failed = |source| Error::Write { path: folder.to_owned(), source };
    fs::create_dir(folder).map_err(failed)?;
    let option = format!("-ffile-prefix-map={}=/build", hidden.display());
    for (name, program) in compilers(vars) {
        // Compilers before gcc 8 and clang 10 do not know it.
        let answer = ask(&program, &[&option, "-E", "-x", "c", "/dev/null"], vars).await;
        if !answer.is_ok_and(|answer| answer.status.success()) {
            continue;
        }
        let path = folder.join(&name);
        let text = format!(
            "#!/bin/sh\nexec {} {} \"$@\"\n",
            quoted(&program.display().to_string()),
            quoted(&option)
        );
        fs::write(&path, text).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    Ok(())
}

/// The first program of each name.
fn compilers(vars: &BTreeMap<String, String>) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for folder in folders(vars) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_compiler = NAMES.iter().any(|end| {
                let before = name.strip_suffix(end);
                before.is_some_and(|before| {
                    before.is_empty() || before.contains("-linux") && before.ends_with('-')
                })
            });
            if is_compiler && entry.path().is_file() {
                found.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    found
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn compilers_map_the_build_folder() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("it's/bin");
        fs::create_dir_all(&bin).unwrap();
        for (name, body) in [
            ("gcc", "echo \"$@\""),
            ("x86_64-linux-gnu-g++", "echo \"$@\""),
            ("clang", "exit 1"),
            ("tcc", "echo no"),
        ] {
            fs::write(bin.join(name), format!("#!/bin/sh\n{body}\n")).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let vars = [("PATH".to_owned(), format!("{}:/usr/bin:/bin", bin.display()))].into();
        let made = folder.path().join("made");
        stand_in(&made, Path::new("/a b"), &vars).await.unwrap();
        let run = |name: &str| {
            wainwright_testing::run(std::process::Command::new(made.join(name)).args(["-c", "x.c"]))
        };
        assert_eq!(run("gcc").ok().stdout, "-ffile-prefix-map=/a b=/build -c x.c\n");
        assert_eq!(run("x86_64-linux-gnu-g++").ok().stdout, "-ffile-prefix-map=/a b=/build -c x.c\n");
        assert!(!made.join("tcc").exists() && !made.join("clang").exists());
    }
}
