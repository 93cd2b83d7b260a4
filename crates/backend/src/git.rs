use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::Command;
use wainwright_http::{Secret, without_secrets};

use crate::Error;
use crate::programs::named;
use crate::unpack::inside;

/// A commit to check out.
pub struct Checkout<'a> {
    /// The package, for errors: `foo 1.0`.
    pub what: &'a str,
    /// Where the repository is, as the lockfile has it.
    pub url: &'a str,
    /// The full commit.
    pub commit: &'a str,
    /// The environment of git: it logs in as its user does.
    pub vars: &'a BTreeMap<String, String>,
    /// What must not be repeated when it fails.
    pub secrets: &'a [Secret],
    /// A folder that is not there yet.
    pub into: &'a Path,
}

/// What git must not do here, whatever its settings say: run hooks or filters, change bytes, fetch submodules.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.symlinks=true",
    "core.attributesFile=/dev/null",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "filter.lfs.smudge=",
    "filter.lfs.process=",
    "filter.lfs.required=false",
    "advice.detachedHead=false",
    "init.defaultBranch=main",
    "gc.auto=0",
];

/// Fetches one commit of a repository into a folder; nothing of it is run. Returns whether it has submodules, which are
/// left out.
pub async fn checkout(wanted: &Checkout<'_>) -> Result<bool, Error> {
    let git =
        named("git", wanted.vars).next().ok_or_else(|| Error::NoGit { what: wanted.what.to_owned() })?;
    let failed =
        |said: String| Error::Git { what: wanted.what.to_owned(), commit: wanted.commit.to_owned(), said };
    let written = |source| Error::Write { path: wanted.into.to_owned(), source };
    std::fs::create_dir(wanted.into).map_err(written)?;
    let run = async |words: &[&str]| {
        let mut all: Vec<OsString> = Vec::new();
        for setting in SETTINGS {
            all.extend(["-c", setting].map(OsString::from));
        }
        all.extend(words.iter().map(OsString::from));
        let output = call(&git, &all, wanted.into, wanted.vars).await;
        output.map_err(|source| Error::Start { program: git.clone(), source })
    };
    let good = async |words: &[&str]| {
        let output = run(words).await?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(failed(last_words(&output, wanted.secrets))),
        }
    };
    good(&["init", "--quiet", "--template="]).await?;
    let one = ["fetch", "--quiet", "--no-tags", "--depth", "1", "--", wanted.url, wanted.commit];
    if !run(&one).await?.status.success() {
        // Not every server gives a commit by its name. The branch that is checked out, which has no commit yet, is not written to.
        let branches = "+refs/heads/*:refs/remotes/origin/*";
        good(&["fetch", "--quiet", "--", wanted.url, branches, "+refs/tags/*:refs/tags/*"]).await?;
    }
    let spelled = format!("{}^{{commit}}", wanted.commit);
    let found = good(&["rev-parse", "--verify", "--quiet", &spelled])
        .await
        .map_err(|_| failed("    the repository does not contain it".into()))?;
    if found != wanted.commit {
        let (what, commit) = (wanted.what.to_owned(), wanted.commit.to_owned());
        return Err(Error::OtherCommit { what, commit, found });
    }
    good(&["checkout", "--quiet", "--force", "--detach", wanted.commit]).await?;
    // The address may hold a password, and the next reader is code of the package.
    for name in ["FETCH_HEAD", "ORIG_HEAD", "logs"] {
        let path = wanted.into.join(".git").join(name);
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
    }
    if let Some(link) = link_out(wanted.into) {
        let reason = format!("the link `{}` in its repository points outside it", link.display());
        return Err(Error::System { what: wanted.what.to_owned(), reason });
    }
    Ok(wanted.into.join(".gitmodules").is_file())
}

/// The first link below a folder that does not end below it.
fn link_out(root: &Path) -> Option<PathBuf> {
    let real = root.canonicalize().ok()?;
    let mut folders = vec![real.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if kind.is_dir() && path != real.join(".git") {
                folders.push(path);
            } else if kind.is_symlink() {
                let own = path.strip_prefix(&real).unwrap_or(&path).to_owned();
                let stays = match path.canonicalize() {
                    Ok(end) => end.starts_with(&real),
                    // A link to nothing, as test data have them, leads nowhere.
                    Err(_) => std::fs::read_link(&path).is_ok_and(|target| {
                        let above = own.parent().unwrap_or(Path::new(""));
                        inside(&above.join(target)).is_some()
                    }),
                };
                if !stays {
                    return Some(own);
                }
            }
        }
    }
    None
}

async fn call(
    git: &Path,
    words: &[OsString],
    folder: &Path,
    vars: &BTreeMap<String, String>,
) -> std::io::Result<Output> {
    let mut command = Command::new(git);
    command.args(words).current_dir(folder).env_clear();
    // Variables such as GIT_DIR would lead it elsewhere.
    let is_harmless =
        |name: &str| !name.starts_with("GIT_") || name.starts_with("GIT_SSH") || name == "GIT_ASKPASS";
    command.envs(vars.iter().filter(|(name, _)| is_harmless(name)));
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_LFS_SKIP_SMUDGE", "1").env("LC_ALL", "C");
    command.stdin(Stdio::null()).kill_on_drop(true).output().await
}

fn last_words(output: &Output, secrets: &[Secret]) -> String {
    let text = without_secrets(&String::from_utf8_lossy(&output.stderr), secrets);
    let hide = |word: &str| match word.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => {
            format!("{scheme}://***@{}", rest.rsplit('@').next().unwrap_or_default())
        }
        _ => word.to_owned(),
    };
    let lines = text.lines().take(20);
    let lines = lines.map(|line| format!("    {}", line.split(' ').map(hide).collect::<Vec<_>>().join(" ")));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;
    use wainwright_testing::{Reply, Server};

    use super::*;

    fn git(folder: &Path, words: &[&str]) -> String {
        let mut command = std::process::Command::new("git");
        command.current_dir(folder).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(words);
        wainwright_testing::run(&mut command).ok().stdout.trim().to_owned()
    }

    async fn fetch(url: &str, commit: &str, into: &Path) -> Result<bool, Error> {
        let path = std::env::var("PATH").unwrap();
        let vars = [("PATH".to_owned(), path), ("NO_PROXY".to_owned(), "*".to_owned())].into();
        checkout(&Checkout { what: "foo 1.0", url, commit, vars: &vars, secrets: &[], into }).await
    }

    #[tokio::test]
    async fn a_commit_is_checked_out_and_no_hook_or_filter_runs() {
        if wainwright_testing::need("git").is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let origin = folder.path().join("origin");
        std::fs::create_dir(&origin).unwrap();
        git(&origin, &["init", "--quiet", "--initial-branch=main"]);
        std::fs::write(origin.join("a.txt"), "one\r\n").unwrap();
        std::fs::write(origin.join(".gitattributes"), "*.txt filter=evil\n").unwrap();
        git(&origin, &["add", "."]);
        git(&origin, &["commit", "--quiet", "-m", "one"]);
        let first = git(&origin, &["rev-parse", "HEAD"]);
        std::fs::write(origin.join("a.txt"), "two").unwrap();
        std::fs::write(origin.join(".gitmodules"), "[submodule \"x\"]\n\tpath = x\n\turl = ../x\n").unwrap();
        git(&origin, &["add", "."]);
        git(&origin, &["commit", "--quiet", "-m", "two"]);
        let second = git(&origin, &["rev-parse", "HEAD"]);

        let url = format!("file://{}", origin.display());
        let into = folder.path().join("first");
        assert!(!fetch(&url, &first, &into).await.unwrap());
        assert_eq!(std::fs::read_to_string(into.join("a.txt")).unwrap(), "one\r\n");
        assert!(into.join(".git").is_dir() && !into.join(".git/FETCH_HEAD").exists());
        assert!(fetch(&url, &second, &folder.path().join("second")).await.unwrap());

        std::os::unix::fs::symlink("a.txt", origin.join("good")).unwrap();
        std::os::unix::fs::symlink("nothing", origin.join("dangling")).unwrap();
        git(&origin, &["add", "."]);
        git(&origin, &["commit", "--quiet", "-m", "three"]);
        let third = git(&origin, &["rev-parse", "HEAD"]);
        assert!(fetch(&url, &third, &folder.path().join("good")).await.is_ok());
        std::os::unix::fs::symlink("../../..", origin.join("evil")).unwrap();
        git(&origin, &["add", "."]);
        git(&origin, &["commit", "--quiet", "-m", "four"]);
        let fourth = git(&origin, &["rev-parse", "HEAD"]);
        let error = fetch(&url, &fourth, &folder.path().join("evil")).await.unwrap_err();
        assert!(error.to_string().contains("the link `evil`"), "{error}");

        // A server of files knows no commits, only branches; its first one is called like ours.
        let bare = folder.path().join("bare");
        git(&origin, &["clone", "--quiet", "--bare", ".", &bare.display().to_string()]);
        git(&bare, &["update-server-info"]);
        let server = Server::start(move |asked| {
            let path = asked.target.split('?').next().unwrap_or_default();
            std::fs::read(bare.join(path.trim_start_matches('/'))).map_or(Reply::status(404), Reply::ok)
        });
        let served = server.url("/").to_string();
        let into = folder.path().join("served");
        assert!(!fetch(&served, &first, &into).await.unwrap());
        assert_eq!(std::fs::read_to_string(into.join("a.txt")).unwrap(), "one\r\n");

        let missing = "0123456789012345678901234567890123456789";
        let error = fetch(&url, missing, &folder.path().join("third")).await.unwrap_err();
        assert!(error.to_string().contains("failed to fetch the commit 0123"), "{error}");
        let nowhere = format!("file://ann:CANARY@{}", folder.path().join("nothing").display());
        let error = fetch(&nowhere, &first, &folder.path().join("fourth")).await.unwrap_err();
        assert!(error.is_outside() && !error.to_string().contains("CANARY"), "{error}");
    }
}
