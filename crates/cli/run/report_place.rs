//! Checks that the report of a build does not replace a file that the build writes.

use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::fstat;
use wainwright_engine::Output;

/// The files of a layout.
const OF_LAYOUT: [&str; 3] = ["oci-layout", "index.json", "blobs"];
/// The files that a build writes to a project.
const OF_PROJECT: [&str; 3] = ["wain.lock", ".wain/release.json", ".wain/deployment.json"];
/// The maximum length of a chain of links, as in the kernel (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The error if `report` is a file that a build of the project in `root` with these outputs writes.
pub(crate) fn conflict(report: &Path, root: &Path, outputs: &[Output]) -> Option<String> {
    let found = fs::metadata(report).ok();
    if found.as_ref().is_some_and(|found| found.file_type().is_char_device()) {
        // A device has no contents to replace.
        return None;
    }
    let places = places(report);
    let is_hit = |written: &Path| places.iter().any(|place| self::places(written).contains(place));
    let hit = outputs.iter().find(|output| match output {
        Output::Archive(file) => is_hit(file),
        Output::Layout(folder) => places.iter().any(|place| is_of_layout(place, &real(folder, MOST_LINKS))),
        Output::Stdout => match (&found, fstat(io::stdout().as_fd())) {
            (Some(found), Ok(stdout)) => (found.dev(), found.ino()) == (stdout.st_dev, stdout.st_ino),
            _ => false,
        },
        Output::Docker | Output::Registry => false,
    });
    let what = match hit {
        Some(output) => format!("`{output}`"),
        None => OF_PROJECT.iter().find(|name| is_hit(&root.join(name)))?.to_string(),
    };
    Some(format!("--metadata-file `{}` would replace {what}\n  hint: use another path", report.display()))
}

/// Whether a path is a file of a layout or the folder itself.
fn is_of_layout(place: &Path, folder: &Path) -> bool {
    match place.strip_prefix(folder).map(|rest| rest.components().next()) {
        Ok(Some(first)) => OF_LAYOUT.iter().any(|name| first.as_os_str() == *name),
        Ok(None) => true,
        Err(_) => folder.starts_with(place),
    }
}

/// The paths that writing to a path may replace: its target, and a dangling link at its end.
fn places(path: &Path) -> [PathBuf; 2] {
    [real(path, MOST_LINKS), beside(path, MOST_LINKS)]
}

/// The target of a path, whether it exists or not.
fn real(path: &Path, links: usize) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match path.read_link() {
        Ok(target) if links > 0 => real(&folder_of(path).join(target), links - 1),
        _ => beside(path, links),
    }
}

/// A path with all links resolved except one at its end.
fn beside(path: &Path, links: usize) -> PathBuf {
    let mut folder = match path.parent() {
        Some(_) if links > 0 => real(folder_of(path), links - 1),
        _ => return path.to_owned(),
    };
    match path.components().next_back() {
        Some(Component::ParentDir) => {
            folder.pop();
        }
        Some(Component::Normal(name)) => folder.push(name),
        _ => {}
    }
    folder
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Checks a report in a folder with `a.tar`, the layout `l`, links to both, and dangling links.
    fn check(report: &str, output: &str, is_refused: bool) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("l/blobs/sha256")).unwrap();
        fs::write(at("a.tar"), "").unwrap();
        fs::write(at("l/index.json"), "").unwrap();
        for (link, target) in [("to-a", "a.tar"), ("to-new", "new.tar"), ("to-l", "l"), ("to-next", "to-new")]
        {
            symlink(target, at(link)).unwrap();
        }
        let (kind, path) = output.split_once(':').unwrap();
        let output: Output = format!("{kind}:{}", at(path).display()).parse().unwrap();
        let found = conflict(&at(report), &at("project"), &[output]);
        assert_eq!(found.is_some(), is_refused, "{report} {kind}:{path}: {found:?}");
    }

    #[test]
    fn conflict_is_found_behind_links_and_dots() {
        for (report, output) in [
            ("a.tar", "archive:a.tar"),
            ("./l/../a.tar", "archive:a.tar"),
            ("to-a", "archive:a.tar"),
            ("a.tar", "archive:to-a"),
            ("new.tar", "archive:new.tar"),
            ("new.tar", "archive:gone/../new.tar"),
            ("to-new", "archive:new.tar"),
            ("new.tar", "archive:to-new"),
            ("to-next", "archive:new.tar"),
            ("to-new", "archive:to-next"),
            ("l/index.json", "layout:l"),
            ("to-l/oci-layout", "layout:l"),
            ("l/blobs/sha256/x", "layout:to-l"),
            ("new/index.json", "layout:new"),
            ("new", "layout:new"),
            ("new", "layout:new/deep"),
            ("project/wain.lock", "archive:a.tar"),
            ("project/.wain/release.json", "archive:a.tar"),
        ] {
            check(report, output, true);
        }
    }

    #[test]
    fn other_paths_do_not_conflict() {
        for (report, output) in [
            ("a.json", "archive:a.tar"),
            ("l/build.json", "layout:l"),
            ("l.json", "layout:l"),
            ("index.json", "layout:l"),
            ("project/build.json", "archive:project/a.tar"),
        ] {
            check(report, output, false);
        }
        let null = Path::new("/dev/null");
        assert_eq!(conflict(null, Path::new("."), &[Output::Archive(null.to_owned())]), None);
    }
}
