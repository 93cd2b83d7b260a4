//! Which files of a project go into an image.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use insta::assert_snapshot;
use tempfile::TempDir;
use wainwright_fault::Classify;
use wainwright_project::{Error, SourceKind, SourceTree, list_sources, list_sources_except, load};

/// A folder with these files; a final `/` makes a folder, `name=text` gives a file its text.
fn folder(files: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let (name, text) = file.split_once('=').unwrap_or((file, ""));
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name.ends_with('/') {
            fs::create_dir_all(&path).unwrap();
        } else {
            fs::write(path, text).unwrap();
        }
    }
    root
}

fn list(root: &Path) -> Result<SourceTree, Error> {
    list_sources(&load(root)?)
}

/// The files of a tree (not its folders), one line, and what was left out as a possible secret.
fn files(root: &Path) -> String {
    let tree = list(root).unwrap();
    let names = tree.files.iter().filter(|file| file.kind != SourceKind::Directory);
    let mut text = names.map(|file| file.path.to_string()).collect::<Vec<_>>().join(" ");
    for excluded in &tree.excluded {
        text += &format!(" -{}", excluded.path);
    }
    text
}

fn check(given: &[&str], expected: &str) {
    let root = folder(given);
    assert_eq!(files(root.path()), expected, "{given:?}");
}

fn refuse(root: &Path) -> String {
    list(root).unwrap_err().to_string()
}

#[test]
fn everything_is_listed_in_order_of_bytes() {
    let root = folder(&["b.py", "a/x.py", "a-b/x", "a.py", "empty/", "a/deep/er/x", "Z"]);
    fs::set_permissions(root.path().join("a.py"), PermissionsExt::from_mode(0o610)).unwrap();
    let tree = list(root.path()).unwrap();
    let lines: Vec<String> = tree
        .files
        .iter()
        .map(|file| match &file.kind {
            SourceKind::Directory => format!("{}/", file.path),
            SourceKind::File { is_executable: true, .. } => format!("{}*", file.path),
            _ => file.path.to_string(),
        })
        .collect();
    assert_eq!(lines.join(" "), "Z a/ a-b/ a-b/x a.py* a/deep/ a/deep/er/ a/deep/er/x a/x.py b.py");
    assert!(tree.has_file("a/x.py") && !tree.has_file("a"));
}

#[test]
fn junk_is_left_out() {
    check(
        &[
            "a.py",
            "a.pyc",
            ".git/config",
            ".venv/x",
            "env/pyvenv.cfg",
            "env/lib/x.py",
            "envs/x",
            "node_modules/x/y.js",
            "p/__pycache__/a.pyc",
            "p.egg-info/PKG-INFO",
            ".DS_Store",
            "wain.lock",
            "uv.lock",
            "Dockerfile",
            "sub/Dockerfile",
            "dist/p-1.0-py3-none-any.whl",
            "build/lib/p/a.py",
            "sub/dist/x.js",
            "out/oci-layout",
            "out/index.json",
            "out/blobs/sha256/x",
            "wainwright.toml",
            ".mypy_cache/x",
        ],
        "a.py envs/x sub/Dockerfile sub/dist/x.js uv.lock",
    );
    check(&["dist/app.js", "build/notes.txt"], "build/notes.txt dist/app.js");
}

#[test]
fn image_archives_of_ours_are_left_out() {
    let root = folder(&["a.py"]);
    let archive = |first: &str| {
        let mut header = [0; 1024];
        header[..first.len()].copy_from_slice(first.as_bytes());
        header[257..262].copy_from_slice(b"ustar");
        header
    };
    fs::write(root.path().join("image.tar"), archive("blobs/sha256/00")).unwrap();
    fs::write(root.path().join("docker.tar"), archive("manifest.json")).unwrap();
    fs::write(root.path().join("data.tar"), archive("data/x.csv")).unwrap();
    fs::write(root.path().join("short.tar"), "x").unwrap();
    assert_eq!(files(root.path()), "a.py data.tar short.tar");
}

#[test]
fn outputs_of_this_build_are_left_out() {
    let root = folder(&["a.py", "deploy/compose.yaml", "deploy/keep.md"]);
    let project = load(root.path()).unwrap();
    let outputs = [root.path().join("deploy/compose.yaml"), root.path().join("not/there/yet"), "/tmp".into()];
    let outputs: Vec<&Path> = outputs.iter().map(AsRef::as_ref).collect();
    let tree = list_sources_except(&project, &outputs).unwrap();
    assert!(tree.has_file("deploy/keep.md") && !tree.has_file("deploy/compose.yaml"));
}

#[test]
fn possible_secrets_are_left_out_and_listed() {
    check(
        &[
            "a.py",
            ".env",
            ".env.example",
            "certs/tls.key",
            ".ssh/id_rsa",
            ".docker/config.json",
            "config.json",
        ],
        ".env.example a.py config.json -.docker/config.json -.env -.ssh/ -certs/tls.key",
    );
    check(&["a.py", ".gitignore=.env", ".env"], "a.py");
    check(&["wainwright.toml=include = [\".env\"]", ".env", "a.pem"], ".env -a.pem");
    check(
        &["wainwright.toml=include = [\"certs\"]", "certs/a.txt", "certs/a.pem"],
        "certs/a.txt -certs/a.pem",
    );
    check(&["wainwright.toml=include = [\"certs/*.pem\"]", "certs/a.pem", "b.pem"], "certs/a.pem -b.pem");
}

#[test]
fn gitignore_is_read_as_git_reads_it() {
    check(
        &[
            ".gitignore=*.log\r\n!keep.log\r\n/top\n# no\nbuilt/\n",
            "a.log",
            "keep.log",
            "top",
            "sub/top",
            "sub/a.log",
            "built/x",
            "sub/built/x",
            "sub/.gitignore=!a.log\nlocal",
            "sub/local",
            "local",
        ],
        "keep.log local sub/a.log sub/top",
    );
    // A file cannot be taken back out of an ignored folder.
    check(&[".gitignore=data\n!data/x\n", "data/x"], "");
    check(&[".gitignore=\u{feff}x\n", "x", "y"], "y");
}

#[test]
fn only_files_of_the_project_decide() {
    let outer = folder(&[".gitignore=*", "project/a.py", "project/.git/info/exclude=a.py"]);
    assert_eq!(files(&outer.path().join("project")), "a.py");
    // As for git, a link is no ignore file.
    let root = folder(&["a.py", "rules=*"]);
    symlink("rules", root.path().join(".gitignore")).unwrap();
    assert_eq!(files(root.path()), "a.py rules");
}

#[test]
fn dockerignore_is_read_as_docker_reads_it() {
    check(&[".dockerignore=*.md\n!README.md\n", "a.md", "README.md", "sub/a.md"], "README.md sub/a.md");
    check(&[".dockerignore=*\n!src\nsrc/tmp\n", "a", "src/b", "src/tmp/c", "docs/d"], "src/b");
    check(&[".dockerignore=*\n!src/deep/x\n", "src/y", "src/deep/x", "src/deep/y"], "src/deep/x");
    check(&[".dockerignore=*\n!.env\n!src\n", ".env", "src/node_modules/x", "src/a"], "src/a -.env");
    check(&[".dockerignore=!x\n", ".gitignore=x\n", "x", "y"], "y");
}

#[test]
fn include_takes_and_exclude_wins() {
    check(
        &[
            "wainwright.toml=include = [\"dist/*.js\", \"node_modules/bootstrap\"]\nexclude = [\"*.map\", \"/docs\"]",
            ".gitignore=dist\nnode_modules\n",
            "dist/a.js",
            "dist/a.map",
            "dist/sub/b.js",
            "node_modules/bootstrap/x.css",
            "node_modules/bootstrap/x.map",
            "node_modules/other/x.css",
            "docs/x",
            "sub/docs/x",
        ],
        "dist/a.js node_modules/bootstrap/x.css sub/docs/x",
    );
    check(&["wainwright.toml=include = [\"a\"]\nexclude = [\"a\"]", "a", "b"], "b");
    // A pattern without a folder does not search what is left out, even where another one leads into it.
    check(
        &[
            "wainwright.toml=include = [\"*.json\", \"node_mod*/a/x.css\"]",
            "node_modules/a/x.css",
            "node_modules/a/y.json",
        ],
        "node_modules/a/x.css",
    );
    check(
        &["wainwright.toml=include = [\"*.json\"]", ".gitignore=*.json", "node_modules/x.json", "sub/y.json"],
        "sub/y.json",
    );
}

#[test]
fn bad_patterns_are_pointed_at() {
    let root = folder(&["sub/.gitignore=ok\n[z-a]\n"]);
    assert_snapshot!(refuse(root.path()), @r"
    sub/.gitignore:2:1: not a pattern: invalid range; 'z' > 'a'
      |
    2 | [z-a]
      | ^^^^^
    ");
    let root = folder(&[".dockerignore=a\n!\n"]);
    assert_snapshot!(refuse(root.path()), @r"
    .dockerignore:2:1: not a pattern: `!` needs a pattern
      |
    2 | !
      | ^
    ");
    let root = folder(&[]);
    fs::write(root.path().join(".gitignore"), "x\n".repeat(1 << 20)).unwrap();
    assert_snapshot!(refuse(root.path()), @"`.gitignore` is larger than 1048576 bytes");
}

#[test]
fn links_stay_links_inside_the_project() {
    let root = folder(&["a/b/x", "top"]);
    let link = |name: &str, target: &str| symlink(target, root.path().join(name)).unwrap();
    link("a/b/up", "../../top");
    link("folder", "a/b");
    link("loop", "loop");
    link("round", "a/./b/..");
    link("dangling", "nowhere");
    link("a/here", root.path().to_str().unwrap());
    symlink(root.path().join("top"), root.path().join("a/absolute")).unwrap();
    let tree = list(root.path()).unwrap();
    let links: Vec<String> = tree
        .files
        .iter()
        .filter_map(|file| match &file.kind {
            SourceKind::Symlink { target } => {
                Some(format!("{}->{}", file.path, String::from_utf8_lossy(target)))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        links.join(" "),
        "a/absolute->../top a/b/up->../../top a/here->../ dangling->nowhere folder->a/b loop->loop round->a/./b/.."
    );
}

#[test]
fn links_that_leave_the_project_are_refused() {
    for target in ["/etc/passwd", "..", "../../x", "sub/../../x", "a/b/../../../x"] {
        let root = folder(&["sub/x"]);
        symlink(target, root.path().join("link")).unwrap();
        assert_eq!(refuse(root.path()), format!("the link `link` points outside the project, to `{target}`"));
    }
    let root = folder(&["a", ".gitignore=link"]);
    symlink("/etc/passwd", root.path().join("link")).unwrap();
    assert_eq!(files(root.path()), "a", "one that is left out does no harm");
}

#[test]
fn pipes_and_sockets_are_refused_without_opening() {
    let root = folder(&["a"]);
    let pipe = root.path().join("data.tar");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_snapshot!(
        refuse(root.path()),
        @"`data.tar` is a named pipe; images contain only files, folders and links"
    );
    fs::remove_file(&pipe).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("s")).unwrap();
    assert_snapshot!(refuse(root.path()), @"`s` is a socket; images contain only files, folders and links");
}

#[test]
fn names_that_would_delete_are_refused() {
    for (name, shown) in
        [(".wh.x", ".wh.x"), ("sub/.wh..wh..opq", "sub/.wh..wh..opq"), (".wh.d/x", ".wh.d/x")]
    {
        let root = folder(&[name]);
        let error = list(root.path()).unwrap_err();
        assert!(matches!(error, Error::Whiteout { .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("E-WHITEOUT: cannot add `{shown}` ")), "{error}");
        assert!(error.hint().unwrap().contains("exclude"));
    }
    check(&["wainwright.toml=exclude = [\".wh.*\"]", ".wh.x", "a"], "a");
}

#[test]
fn odd_file_names_are_accepted_and_escaped() {
    let root = folder(&["a\nb", "c\u{1b}[2J"]);
    fs::write(root.path().join(OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
    let tree = list(root.path()).unwrap();
    assert_eq!(tree.files.len(), 3);
    assert_eq!(tree.files[2].path.as_bytes(), b"\xff\xfe");
    assert!(tree.disk(&tree.files[2]).exists());
    symlink("/\u{1b}]0;x", root.path().join("d\u{202e}")).unwrap();
    assert_eq!(refuse(root.path()), r"the link `d\u{202e}` points outside the project, to `/\u{1b}]0;x`");
}

#[test]
fn almost_equal_names_are_a_warning() {
    let root = folder(&["README", "readme", "caf\u{e9}", "cafe\u{301}", "sub/Readme"]);
    let warnings: Vec<String> = list(root.path()).unwrap().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "`cafe\u{301}` and `caf\u{e9}` are the same name on some systems",
            "`README` and `readme` are the same name on some systems"
        ]
    );
}

#[test]
fn set_id_bits_are_dropped_with_a_warning() {
    let root = folder(&["tool"]);
    fs::set_permissions(root.path().join("tool"), PermissionsExt::from_mode(0o4755)).unwrap();
    let tree = list(root.path()).unwrap();
    assert_eq!(tree.warnings.len(), 1);
    assert_eq!(tree.files[0].kind, SourceKind::File { size: 0, is_executable: true });
}

#[test]
fn unreadable_file_is_named() {
    // Root reads everything: only a user can see this fail.
    let root = folder(&["sub/a"]);
    let file = root.path().join("sub/a");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o000)).unwrap();
    if fs::File::open(&file).is_ok() {
        return;
    }
    let error = list(root.path()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read `{}`", file.display()));
    assert!(error.is_outside());
}

#[test]
fn the_same_tree_gives_the_same_list() {
    let names: Vec<String> = (0..300).map(|n| format!("d{}/f{}", n % 7, n * 7919 % 300)).collect();
    let forward: Vec<&str> = names.iter().map(String::as_str).collect();
    let backward: Vec<&str> = forward.iter().rev().copied().collect();
    let (one, two) = (folder(&forward), folder(&backward));
    fs::set_permissions(two.path().join("d0/f0"), PermissionsExt::from_mode(0o640)).unwrap();
    fs::hard_link(two.path().join("d0/f0"), two.path().join("d0/extra")).unwrap();
    fs::write(one.path().join("d0/extra"), "").unwrap();
    assert_eq!(list(one.path()).unwrap().files, list(two.path()).unwrap().files);
}

#[test]
fn deep_trees_do_not_exhaust_the_stack() {
    let root = folder(&["a"]);
    let deep = root.path().join("d/".repeat(400)).join("x");
    fs::create_dir_all(deep.parent().unwrap()).unwrap();
    fs::write(deep, "").unwrap();
    assert_eq!(list(root.path()).unwrap().files.len(), 402);
}
