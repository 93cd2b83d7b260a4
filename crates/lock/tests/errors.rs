use std::fs;

use wainwright_fault::Classify;
use wainwright_lock::{Error, Location, Selection, Source};
use wainwright_oci::Digest;

use crate::{list, packages, read, target};

const HASH: &str = "--hash=sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
const OTHER: &str = "--hash=sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9";

/// The message and the hint, with the folder of the test cut off.
fn show(error: &Error) -> String {
    let message = error.to_string();
    let words = message.split(' ').map(|word| match (word.find('/'), word.rsplit_once('/')) {
        (Some(start), Some((folder, name))) if folder.contains("/.tmp") => {
            format!("{}{name}", &word[..start])
        }
        _ => word.to_owned(),
    });
    let mut text = words.collect::<Vec<_>>().join(" ");
    if let Some(hint) = error.hint() {
        text += &format!("\n{hint}");
    }
    assert!(!error.is_outside());
    text
}

/// What is said about a requirements file.
fn refused(text: &str) -> String {
    show(&packages("requirements.txt", text).unwrap_err())
}

/// What is said about a `uv.lock` with one package and what follows its name.
fn refused_uv(package: &str) -> String {
    let text = format!(
        "version = 1\n[[package]]\nname = 'p'\nversion = '1'\nsource = {{ virtual = '.' }}\n\
         dependencies = [{{ name = 'foo' }}]\n[[package]]\nname = 'foo'\n{package}\n"
    );
    show(&packages("uv.lock", &text).unwrap_err())
}

#[test]
fn a_requirement_without_a_sha256_is_refused() {
    insta::assert_snapshot!(refused("foo==1.0"), @"
    requirements.txt:1: `foo` has no hash
    lock with sha256 hashes: `uv pip compile --generate-hashes`, or `uv export` in a uv project
    ");
    insta::assert_snapshot!(refused("# x\n\nfoo==1.0 --hash=md5:00"), @"
    requirements.txt:3: `foo` has only md5 hashes
    lock again with sha256 hashes (`uv lock`, `uv pip compile --generate-hashes`), from an index that offers them
    ");
    let both = packages("requirements.txt", &format!("foo==1 {HASH} --hash=md5:00")).unwrap();
    assert_eq!(both[0].hashes, [Digest::of("foo")].into());
}

#[test]
fn requirement_must_be_pinned_consistently() {
    insta::assert_snapshot!(refused(&format!("foo>=1.0 {HASH}")), @"
    requirements.txt:1: `foo` is not pinned to one version
    pin every package: `uv pip compile --generate-hashes requirements.in -o requirements.txt`
    ");
    insta::assert_snapshot!(refused(&format!("foo==1.* {HASH}")), @"
    requirements.txt:1: `foo` is not pinned to one version
    pin every package: `uv pip compile --generate-hashes requirements.in -o requirements.txt`
    ");
    insta::assert_snapshot!(refused(&format!("foo==1.0 {HASH}\nfoo==2.0 {HASH}")), @"requirements.txt:2: `foo` is locked twice for the same target, as 1.0 and as ==2.0 (first at requirements.txt:1)");
    insta::assert_snapshot!(refused(&format!("foo==1.0 {HASH}\nFOO==1 {OTHER}")), @"
    requirements.txt:2: `foo` is locked with two hashes, sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae and sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9
    one of the hashes is wrong; lock again and review the change
    ");
}

#[test]
fn one_name_in_two_spellings_is_one_package() {
    let text = format!(
        "Foo.Bar==1.0 {HASH}\nfoo-bar==1.0.0 {HASH}\nwin==1 ; sys_platform == 'win32' --hash=md5:00\n\
         old==1 ; python_version < '3.9' {HASH}\nold==2 ; python_version >= '3.9' {HASH}\n"
    );
    assert_eq!(list(&packages("requirements.txt", &text).unwrap()), ["foo-bar==1.0", "old==2"]);
}

#[test]
fn locks_reject_packages_without_wheels() {
    let hint = "build a wheel (`uv build --wheel`) and lock the wheel file, or make it a workspace member; `uv export --no-emit-project` omits the project itself";
    for (line, message) in [
        (
            "--editable=git+https://u:p@h/x",
            "`git+https://***@h/x` comes from a source tree, not from a wheel",
        ),
        (
            "foo @ s3://u:p@h/foo-1-py3-none-any.whl",
            "`foo` comes from `s3://***@h/foo-1-py3-none-any.whl`, not from a wheel",
        ),
    ] {
        assert_eq!(refused(line), format!("requirements.txt:1: {message}\n{hint}"), "{line}");
    }
}

#[test]
fn moving_sources_are_rejected() {
    for (line, message) in [
        ("-e .", "requirements.txt:1: `.` comes from a source tree without a name, not from a wheel"),
        ("./lib", "requirements.txt:1: `./lib` comes from a source tree without a name, not from a wheel"),
        (
            "git+https://h/x@main#egg=foo",
            "requirements.txt:1: `foo` comes from a git repository without a full commit, not from a wheel",
        ),
        (
            "foo @ git+https://h/x",
            "requirements.txt:1: `foo` comes from a git repository without a full commit, not from a wheel",
        ),
    ] {
        assert_eq!(refused(line).lines().next(), Some(message));
    }
}

#[test]
fn named_editable_accepts_any_path() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("b-c lib")).unwrap();
    fs::write(dir.path().join("b-c lib/pyproject.toml"), "[tool.poetry]\nname = 'lib'\n").unwrap();
    for (line, expected) in [
        ("./b-c lib", Some("b-c lib")),
        ("-e ./b-c lib[extra] ; python_version >= '3'", Some("b-c lib")),
        ("./b-c lib; python_version >= '3'", Some("b-c lib")),
        ("./b-c lib ; python_version < '3'", None),
    ] {
        fs::write(dir.path().join("requirements.txt"), line).unwrap();
        let lock = wainwright_lock::read(&dir.path().join("requirements.txt")).unwrap();
        let members = lock.local_members(&Selection::default(), &target("3.11.2", "amd64")).unwrap();
        let found: Vec<_> =
            members.iter().map(|member| (member.name.as_str(), member.path.clone())).collect();
        let expected: Vec<_> = expected.iter().map(|path| ("lib", dir.path().join(path))).collect();
        assert_eq!(found, expected, "{line}");
    }
    let both = format!("lib==1 {HASH}\n./b-c lib\n");
    fs::write(dir.path().join("requirements.txt"), both).unwrap();
    let lock = wainwright_lock::read(&dir.path().join("requirements.txt")).unwrap();
    let error = lock.local_members(&Selection::default(), &target("3.11.2", "amd64")).unwrap_err();
    insta::assert_snapshot!(show(&error), @"requirements.txt:2: `lib` is required twice, from different sources (first at requirements.txt:1)");
    let packages =
        packages("requirements.txt", &format!("./my wheels/foo-1.0-py3-none-any.whl {HASH}")).unwrap();
    assert!(
        matches!(&packages[0].source, Source::Path(path) if path.ends_with("my wheels/foo-1.0-py3-none-any.whl"))
    );
}

#[test]
fn lock_reader_rejects_pipes() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("lib")).unwrap();
    for (line, pipe) in [("-r more.txt", "more.txt"), ("-e ./lib", "lib/pyproject.toml")] {
        let made = std::process::Command::new("mkfifo").arg(dir.path().join(pipe)).status().unwrap();
        assert!(made.success());
        fs::write(dir.path().join("requirements.txt"), line).unwrap();
        let error = wainwright_lock::read(&dir.path().join("requirements.txt")).unwrap_err();
        assert!(error.to_string().ends_with(&format!("{pipe}:1: it is not a regular file")), "{error}");
    }
}

#[test]
fn pdm_lock_contains_selected_groups() {
    let dir = tempfile::tempdir().unwrap();
    let lock = "[metadata]\ngroups = ['default']\nstrategy = []\nlock_version = '4.5.0'\n";
    let pyproject = "[project]\nname = 'p'\nversion = '1'\n[project.optional-dependencies]\nx = ['foo']\n\
                     [tool.pdm.dev-dependencies]\ndev = ['-e file:///${PROJECT_ROOT}/bar#egg=bar']\n";
    fs::write(dir.path().join("pdm.lock"), lock).unwrap();
    fs::write(dir.path().join("pyproject.toml"), pyproject).unwrap();
    let lock = wainwright_lock::read(&dir.path().join("pdm.lock")).unwrap();
    let all = Selection { all_extras: true, all_groups: true, ..Selection::default() };
    assert_eq!(lock.packages(&all, &target("3.11.2", "amd64")).unwrap(), []);
    let one = Selection { extras: ["x".parse().unwrap()].into(), ..Selection::default() };
    insta::assert_snapshot!(show(&lock.packages(&one, &target("3.11.2", "amd64")).unwrap_err()), @"
    `pdm.lock` has no extra `x`
    available: none; add this one with `pdm lock --group x`
    ");
}

#[test]
fn the_project_itself_may_be_listed() {
    for (name, text) in [
        ("requirements.txt", format!("-e .\nfoo==1 {HASH}\n")),
        (
            "Pipfile.lock",
            "{\"_meta\": {}, \"default\": {\"p\": {\"editable\": true, \"path\": \".\"}}}".into(),
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), text).unwrap();
        fs::write(dir.path().join("pyproject.toml"), "[project]\nname = 'p'\n").unwrap();
        let lock = wainwright_lock::read(&dir.path().join(name)).unwrap();
        let members = lock.local_members(&Selection::default(), &target("3.11.2", "amd64")).unwrap();
        let [member] = &members[..] else { panic!("{name}: {members:?}") };
        assert!(
            member.is_root && member.name.as_str() == "p" && member.path == dir.path(),
            "{name}: {member:?}"
        );
    }
}

#[test]
fn indexes_of_other_tools() {
    let beside = |name: &str, lock: &str, other: &str, text: &str| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), lock).unwrap();
        fs::write(dir.path().join(other), text).unwrap();
        let mut indexes = wainwright_lock::read(&dir.path().join(name)).unwrap().indexes();
        let vars = [("TOKEN".to_owned(), "CANARY".to_owned())].into();
        let missing = indexes.replace_variables(&vars);
        let here = dir.path().to_str().unwrap();
        let here = |text: &String| text.replace(here, "HERE");
        (
            indexes.index,
            indexes.extra,
            indexes.links.iter().map(here).collect::<Vec<_>>(),
            indexes.named,
            missing,
        )
    };
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let pdm = "[[tool.pdm.source]]\nname = 'own'\nurl = 'https://u:${TOKEN}@own/'\n\
               [[tool.pdm.source]]\nname = 'pypi'\nurl = 'https://mirror/${NOT_SET}'\n\
               [[tool.pdm.source]]\nname = 'l'\ntype = 'find_links'\nurl = 'file:///${PROJECT_ROOT}/w'\n";
    let found = beside("pdm.lock", "[metadata]\nlock_version = '4.5'\n", "pyproject.toml", pdm);
    let (index, extra, links, named, missing) = found;
    assert_eq!(index.as_deref(), Some("https://mirror/${NOT_SET}"));
    assert_eq!((extra, links), (texts(&["https://u:CANARY@own/"]), texts(&["file://HERE/w"])));
    assert!(named.is_empty() && missing.iter().eq(["NOT_SET"]));
    let poetry =
        "[[tool.poetry.source]]\nname = 'own'\nurl = 'https://own/'\n[[tool.poetry.source]]\nname = 'PyPI'\n";
    let lock = "[metadata]\nlock-version = '2.1'\npython-versions = '*'\n";
    let (index, extra, _, named, _) = beside("poetry.lock", lock, "pyproject.toml", poetry);
    assert_eq!((index, extra), (None, vec![]), "packages say themselves that they are from there");
    assert_eq!(named, [("own".into(), "https://own/".into())]);
}

#[test]
fn wheels_may_be_named_by_address_or_path() {
    let text = format!(
        "foo @ https://h/a/foo-1.0-py3-none-any.whl#sha256={}\n./wheels/bar-2.0-py3-none-any.whl {HASH}\n\
         https://h/baz-3-py3-none-any.whl {HASH} # comment\nqux @ https://h/qux-4.0.tar.gz {HASH}\n",
        Digest::of("foo").hex()
    );
    let packages = packages("requirements.txt", &text).unwrap();
    assert_eq!(list(&packages), ["bar==2.0", "baz==3", "foo==1.0", "qux==4.0"]);
    for package in &packages {
        let file = package.wheels.first().or(package.sdist.as_ref()).unwrap();
        assert_eq!(file.digest, Some(Digest::of("foo")));
        match (&file.location, &package.source) {
            (Location::Path(path), Source::Path(_)) => {
                assert!(path.ends_with("wheels/bar-2.0-py3-none-any.whl") && path.is_absolute());
            }
            (Location::Url(url), Source::Url(_)) => assert!(url.starts_with("https://h/")),
            other => panic!("{other:?}"),
        }
    }
    assert!(packages[3].wheels.is_empty() && packages[3].sdist.is_some());
}

#[test]
fn options_are_recognised_or_refused() {
    let text = format!(
        "--index-url https://one/simple --extra-index-url=https://two/simple\n-f https://links/\n--no-index\n\
         --require-hashes\n--trusted-host h\n--only-binary :all:\n--no-binary=:none:\n--pre\nfoo==1 {HASH} --config-settings=a=b\n"
    );
    let lock = read("requirements.txt", &text).unwrap();
    let indexes = lock.indexes();
    assert_eq!(indexes.index.as_deref(), Some("https://one/simple"));
    assert_eq!(indexes.extra, ["https://two/simple"]);
    assert_eq!(indexes.links, ["https://links/"]);
    assert!(indexes.no_index);
    for (line, message) in [
        ("--no-binary foo", "`--no-binary` is not supported: only wheels are installed"),
        ("--frobnicate", "`--frobnicate` is not supported: it is unknown"),
        ("-i", "`-i` is not supported: its value is missing"),
        ("-rhttps://h/r.txt", "`-r` is not supported: only local files can be included"),
        ("foo==1 --fast", "`--fast` is not supported: it cannot follow a requirement"),
        ("foo==1 --hash=sha256:12", "`12` is not a sha256: it must have 64 hexadecimal digits"),
        ("foo==1 --hash=crc:12", "`crc` is not a hash algorithm"),
        ("foo==${V}", "variables such as `${NAME}` are not replaced in requirements"),
        ("--pre foo", "expected one requirement or option per line"),
        (
            "\u{0441}ryptography==1",
            "`\u{0441}ryptography==1` is not a requirement: `\\u{441}ryptography` is not a package name (package names contain ASCII letters, digits, `.`, `-` and `_`)",
        ),
        (
            "foo\u{0}==1",
            "`foo==1` is not a requirement: `foo\\u{0}` is not a package name (package names contain ASCII letters, digits, `.`, `-` and `_`)",
        ),
    ] {
        assert_eq!(refused(line), format!("requirements.txt:1: {message}"));
    }
}

#[test]
fn files_are_included_and_constraints_apply() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    write("requirements.txt", "-r sub/more.txt\n-c pins.txt\nfoo\n");
    write("sub/more.txt", &format!("./bar-1-py3-none-any.whl {HASH}\n"));
    write("pins.txt", &format!("foo==3 {HASH}\nunused==1\n"));
    let read = || {
        wainwright_lock::read(&dir.path().join("requirements.txt"))?
            .packages(&Selection::default(), &target("3.11", "amd64"))
    };
    let found = read().unwrap();
    assert_eq!(list(&found), ["bar==1", "foo==3"]);
    assert!(matches!(&found[0].source, Source::Path(path) if path.ends_with("sub/bar-1-py3-none-any.whl")));
    assert!(found[1].origin.file.ends_with("pins.txt"));

    write("sub/more.txt", "-r ../sub/more.txt\n");
    insta::assert_snapshot!(show(&read().unwrap_err()), @"more.txt:1: `../sub/more.txt` includes itself");
    write("sub/more.txt", "\n-r none.txt\n");
    insta::assert_snapshot!(show(&read().unwrap_err()), @"`none.txt` does not exist (included by more.txt:2)");
}

#[test]
fn other_formats_and_versions_are_named() {
    insta::assert_snapshot!(show(&read("uv.lock", "version = 2\npackage = 7").unwrap_err()), @"
    `uv.lock` uses version 2 of its format; Wainwright supports version 1
    use a newer Wainwright, or lock with an older uv
    ");
    insta::assert_snapshot!(show(&read("pylock.toml", "lock-version = '2.0'").unwrap_err()), @"
    `pylock.toml` uses version 2.0 of its format; Wainwright supports version 1.0
    use a newer Wainwright, or lock with an older version of the tool that wrote it
    ");
    insta::assert_snapshot!(show(&read("uv.lock", "version = 1\r\n\r\npackage = [1\r\n").unwrap_err()), @"uv.lock:3:13: unclosed array, expected `]`");
    insta::assert_snapshot!(show(&read("uv.lock", "version = 1\n[[package]]\nname = '-'").unwrap_err()), @"uv.lock:3:8: `-` is not a package name");
    insta::assert_snapshot!(show(&read("uv.lock", "version = 1\nversion = 1").unwrap_err()), @"uv.lock:2:1: duplicate key");
}

#[test]
fn a_uv_lock_is_checked_where_it_is_used() {
    let registry = "version = '1'\nsource = { registry = 'https://i/simple' }\n";
    let hex = Digest::of("foo").hex();
    insta::assert_snapshot!(refused_uv(&format!("{registry}wheels = [{{ url = 'https://h/foo-1-py3-none-any.whl', hash = 'md5:00' }}]")), @"
    uv.lock:8: `foo` has only md5 hashes
    lock again with sha256 hashes (`uv lock`, `uv pip compile --generate-hashes`), from an index that offers them
    ");
    insta::assert_snapshot!(refused_uv(&format!("{registry}wheels = [{{ url = 'https://h/bar-1-py3-none-any.whl', hash = 'sha256:{hex}' }}]")), @"uv.lock:8: `bar-1-py3-none-any.whl` is listed as a wheel of `foo` 1");
    insta::assert_snapshot!(refused_uv(&format!("{registry}sdist = {{ url = 'https://h/%2e%2e%2ffoo-1.tar.gz', hash = 'sha256:{hex}' }}")), @"uv.lock:8: `../foo-1.tar.gz` is not a file name");
    let two = format!(
        "{registry}wheels = [{{ url = 'https://h/foo-1-py3-none-any.whl', hash = 'sha256:{hex}' }}, \
         {{ url = 'https://m/foo-1-py3-none-any.whl', hash = 'sha256:{}' }}]",
        Digest::of("bar").hex()
    );
    insta::assert_snapshot!(refused_uv(&two), @"
    uv.lock:8: `foo-1-py3-none-any.whl` is locked with two hashes, sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae and sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9
    one of the hashes is wrong; lock again and review the change
    ");
    insta::assert_snapshot!(refused_uv("version = '1'\nsource = { git = 'https://h/x?rev=1#abc' }"), @"
    uv.lock:8: `foo` comes from a git repository without a full commit, not from a wheel
    branches and tags can move: lock the full commit, as `uv lock`, `pdm lock`, `poetry lock`, `pipenv lock` and `pip freeze` do (`name @ git+https://host/repository@0123abcd...`)
    ");
    insta::assert_snapshot!(refused_uv(&format!("{registry}dependencies = [{{ name = 'bar' }}]")), @"uv.lock:8: no package in the lockfile matches the dependency `bar`");
    insta::assert_snapshot!(refused_uv(&format!("{registry}dependencies = [{{ name = 'p', marker = 'x' }}]")), @"uv.lock:8: `x` is not a marker: expected a marker variable or a quoted string at character 1");
    let second = "[[package]]\nname = 'foo'\nversion = '2'\nsource = { registry = 'https://i/simple' }\n";
    insta::assert_snapshot!(refused_uv(&format!("{registry}{second}")), @"uv.lock:3: several packages in the lockfile match the dependency `foo`");
}

#[test]
fn files_of_a_uv_lock_may_be_local() {
    let hex = Digest::of("foo").hex();
    let text = format!(
        "version = 1\n[[package]]\nname = 'p'\nsource = {{ editable = '.' }}\n\
         dependencies = [{{ name = 'foo' }}, {{ name = 'bar' }}, {{ name = 'baz' }}]\n\
         [[package]]\nname = 'foo'\nversion = '1'\nsource = {{ path = 'w/foo-1-py3-none-any.whl' }}\n\
         wheels = [{{ filename = 'foo-1-py3-none-any.whl', hash = 'sha256:{hex}', size = 7 }}]\n\
         [[package]]\nname = 'bar'\nversion = '1'\nsource = {{ registry = 'links' }}\n\
         wheels = [{{ path = 'bar-1-py3-none-any.whl' }}]\n\
         [[package]]\nname = 'baz'\nversion = '1'\nsource = {{ registry = 'https://i/simple' }}\n\
         sdist = {{ filename = 'baz-1.tar.gz', hash = 'sha256:{hex}' }}\n"
    );
    let found = packages("uv.lock", &text).unwrap();
    let file = |index: usize| found[index].wheels.first().or(found[index].sdist.as_ref()).unwrap();
    assert!(
        matches!(&file(0).location, Location::Path(path) if path.ends_with("links/bar-1-py3-none-any.whl"))
    );
    assert_eq!(file(0).digest, None);
    assert_eq!((file(1).location.clone(), found[1].is_listed()), (Location::Index, true));
    assert!(found[1].wheels.is_empty());
    assert!(matches!(&file(2).location, Location::Path(path) if path.ends_with("w/foo-1-py3-none-any.whl")));
    assert_eq!((file(2).digest, file(2).size), (Some(Digest::of("foo")), Some(7)));
}

#[test]
fn two_entries_for_one_file_have_one_hash() {
    let entry = |text: &str| {
        format!(
            "[[package]]\nname = 'foo'\nversion = '1'\nsource = {{ registry = 'https://i/simple' }}\n\
             wheels = [{{ url = 'https://h/foo-1-py3-none-any.whl', hash = 'sha256:{}' }}]\n",
            Digest::of(text).hex()
        )
    };
    let refused = |first, second| {
        let text = format!("version = 1\n{}{}", entry(first), entry(second));
        read("uv.lock", &text).unwrap_err()
    };
    assert!(matches!(refused("foo", "bar"), Error::HashConflict { place, .. } if place.line == 8));
    insta::assert_snapshot!(show(&refused("foo", "foo")), @"uv.lock:8: `foo` is locked twice");
}

#[test]
fn index_passwords_keep_their_place() {
    let error = refused(&format!("foo @ https://me:secret@h/foo-1-py3-none-any.whl {HASH}"));
    assert_eq!(
        error,
        "requirements.txt:1: the URL of `foo-1-py3-none-any.whl` contains a user name or password"
    );
    let error = refused("foo @ https://me:secret@h/x y");
    assert!(error.contains("https://***@h/x y"), "{error}");
    let lock = read("requirements.txt", "-i https://me:secret@h/simple").unwrap();
    assert_eq!(lock.indexes().index.as_deref(), Some("https://me:secret@h/simple"));
    assert!(!format!("{lock:?}").contains("secret"));
}

#[test]
fn a_lock_is_for_certain_pythons_and_platforms() {
    let text = "version = 1\nrequires-python = '>=3.11.4'\n\
                supported-markers = [\"platform_machine == 'x86_64'\"]\n\
                [[package]]\nname = 'p'\nsource = { virtual = '.' }\n";
    let lock = read("uv.lock", text).unwrap();
    let show = |python: &str, architecture: &str| {
        lock.packages(&Selection::default(), &target(python, architecture)).map_err(|error| show(&error))
    };
    assert_eq!(show("3.11", "amd64"), Ok(vec![]), "3.11 may be 3.11.4");
    assert_eq!(show("3.11.4", "amd64"), Ok(vec![]));
    insta::assert_snapshot!(show("3.11.3", "amd64").unwrap_err(), @"
    `uv.lock` is locked for Python >=3.11.4; the image has Python 3.11.3
    choose a base image with Python >=3.11.4, or widen `requires-python` and lock again
    ");
    insta::assert_snapshot!(show("3.12", "arm64").unwrap_err(), @"
    `uv.lock` is not locked for linux/arm64 with Python 3.12
    add the platform to `environments` under `[tool.uv]` and run `uv lock`
    ");
}

#[test]
fn a_pylock_chooses_by_extra_and_group() {
    let package = |name: &str, marker: &str| {
        format!(
            "[[packages]]\nname = '{name}'\nversion = '1'\nmarker = \"{marker}\"\n\
             wheels = [{{ name = '{name}-1-py3-none-any.whl', hashes = {{ md5 = '00', sha256 = '{}' }} }}]\n",
            Digest::of(name).hex()
        )
    };
    let text = format!(
        "lock-version = '1.0'\nextras = ['fast']\ndependency-groups = ['dev', 'default']\n\
         default-groups = ['default']\n{}{}{}\
         [[packages]]\nname = 'project'\ndirectory = {{ path = '.' }}\n",
        package("base", "'default' in dependency_groups"),
        package("extra", "'fast' in extras"),
        package("group", "'dev' in dependency_groups and 'fast' not in extras"),
    );
    let lock = read("pylock.toml", &text).unwrap();
    let of = |selection: Selection| list(&lock.packages(&selection, &target("3.11", "amd64")).unwrap());
    let dev = || ["dev".parse().unwrap()].into();
    assert_eq!(of(Selection::default()), ["base==1"]);
    let all = Selection { all_extras: true, groups: dev(), ..Selection::default() };
    assert_eq!(of(all), ["base==1", "extra==1"]);
    let only = Selection { groups: dev(), include_project_deps: false, ..Selection::default() };
    assert_eq!(of(only), ["group==1"]);
    let members = lock.local_members(&Selection::default(), &target("3.11", "amd64")).unwrap();
    assert_eq!(members.len(), 1);
}

#[test]
fn missing_extras_and_groups_are_named() {
    let lock = wainwright_lock::read(&crate::fixture("conflicts/uv.lock")).unwrap();
    let refused = |change: fn(&mut Selection), python: &str| {
        let mut selection = Selection::default();
        change(&mut selection);
        let error = lock.packages(&selection, &target(python, "amd64")).unwrap_err();
        format!("{error}\n{}", error.hint().unwrap_or_default())
            .replace(&crate::fixture("").display().to_string(), "")
    };
    insta::assert_snapshot!(refused(|s| s.extras = ["none".parse().unwrap()].into(), "3.11"), @"
    `conflicts/uv.lock` has no extra `none`
    available: `new`, `old`
    ");
    insta::assert_snapshot!(refused(|s| s.groups = ["dev".parse().unwrap()].into(), "3.11"), @"
    `conflicts/uv.lock` has no dependency group `dev`
    available: `docs`, `test`
    ");
    insta::assert_snapshot!(refused(|s| s.all_extras = true, "3.11"), @"
    extra `new` of `reports` and extra `old` of `reports` conflict with each other (`conflicts` in `conflicts/uv.lock`)
    select only one of them
    ");
    insta::assert_snapshot!(refused(|s| s.all_groups = true, "3.11"), @"
    dependency group `docs` of `reports` and dependency group `test` of `reports` conflict with each other (`conflicts` in `conflicts/uv.lock`)
    select only one of them
    ");
    insta::assert_snapshot!(refused(|s| s.project = Some("idna".parse().unwrap()), "3.11"), @"`conflicts/uv.lock` contains no project named `idna`");
    insta::assert_snapshot!(refused(|_| (), "3.10"), @"
    `conflicts/uv.lock` is locked for Python >=3.11; the image has Python 3.10
    choose a base image with Python >=3.11, or widen `requires-python` and lock again
    ");
}

/// What is said about a lockfile of another tool, with a project file beside it.
fn refused_beside(name: &str, text: &str, beside: &str, project: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name), text).unwrap();
    fs::write(dir.path().join(beside), project).unwrap();
    let packages = wainwright_lock::read(&dir.path().join(name)).and_then(|lock| {
        lock.check_fresh()?;
        lock.packages(&Selection::default(), &target("3.11.2", "amd64"))
    });
    show(&packages.unwrap_err())
}

/// What is said about a `poetry.lock` with one package and what follows its version.
fn refused_poetry(package: &str) -> String {
    let text = format!(
        "[[package]]\nname = 'foo'\nversion = '1.0'\noptional = false\npython-versions = '>=3.8'\n\
         groups = ['main']\n{package}\n[metadata]\nlock-version = '2.1'\npython-versions = '*'\n"
    );
    refused_beside("poetry.lock", &text, "pyproject.toml", "")
}

/// What is said about a `pdm.lock` with one package and what follows its version.
fn refused_pdm(package: &str) -> String {
    let text = format!(
        "[metadata]\ngroups = ['default']\nstrategy = ['inherit_metadata']\nlock_version = '4.5.0'\n\
         [[package]]\nname = 'foo'\nversion = '1.0'\ngroups = ['default']\n{package}\n"
    );
    refused_beside("pdm.lock", &text, "pyproject.toml", "")
}

/// What is said about a `Pipfile.lock` with one package.
fn refused_pipfile(package: &str) -> String {
    let text = format!("{{\n\"_meta\": {{}},\n\"default\": {{\n\"foo\": {{{package}}}\n}}\n}}");
    refused_beside("Pipfile.lock", &text, "Pipfile", "")
}

#[test]
fn locks_name_packages_without_wheels() {
    let all = [
        refused_poetry("files = []\n[package.source]\ntype = 'git'\nurl = 'https://u:p@example.org/foo.git'"),
        refused_pdm("git = 'https://example.org/foo.git'"),
        refused_pipfile("\"git\": \"https://example.org/foo.git\", \"ref\": \"abc\""),
        refused_pipfile("\"file\": \"https://u:p@example.org/foo.zip\""),
        refused_pipfile("\"file\": \"https://example.org/foo.zip\""),
        refused_pipfile("\"hg\": \"https://example.org/foo\""),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    poetry.lock:2: `foo` comes from a git repository without a full commit, not from a wheel
    branches and tags can move: lock the full commit, as `uv lock`, `pdm lock`, `poetry lock`, `pipenv lock` and `pip freeze` do (`name @ git+https://host/repository@0123abcd...`)
    pdm.lock:6: `foo` comes from a git repository without a full commit, not from a wheel
    branches and tags can move: lock the full commit, as `uv lock`, `pdm lock`, `poetry lock`, `pipenv lock` and `pip freeze` do (`name @ git+https://host/repository@0123abcd...`)
    Pipfile.lock:4: `foo` comes from a git repository without a full commit, not from a wheel
    branches and tags can move: lock the full commit, as `uv lock`, `pdm lock`, `poetry lock`, `pipenv lock` and `pip freeze` do (`name @ git+https://host/repository@0123abcd...`)
    Pipfile.lock:4: `foo` has no hash
    lock again (`pipenv lock`), from an index that offers sha256 hashes
    Pipfile.lock:4: `foo` has no hash
    lock again (`pipenv lock`), from an index that offers sha256 hashes
    Pipfile.lock:4: `foo` comes from a Mercurial repository, not from a wheel
    build a wheel (`pip wheel --no-deps ...`), publish it on an index or use its URL, and lock again
    ");
}

#[test]
fn other_tools_locks_need_sha256() {
    let all = [
        refused_poetry("files = []"),
        refused_poetry("files = [{file = 'foo-1.0-py3-none-any.whl', hash = 'md5:00'}]"),
        refused_pdm("files = [{file = 'foo-1.0-py3-none-any.whl'}]"),
        refused_pipfile("\"version\": \"==1.0\""),
        refused_pipfile("\"version\": \"*\""),
        refused_pipfile("\"version\": \"==1.0\", \"hashes\": [\"md5:00\"]"),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    poetry.lock:2: `foo` has no hash
    lock again (`poetry lock`), from an index that offers sha256 hashes
    poetry.lock:2: `foo` has only md5 hashes
    lock again (`poetry lock`), from an index that offers sha256 hashes
    pdm.lock:6: `foo` has no hash
    lock again (`pdm lock`), from an index that offers sha256 hashes
    Pipfile.lock:4: `foo` has no hash
    lock again (`pipenv lock`), from an index that offers sha256 hashes
    Pipfile.lock:4: `foo` is not pinned to one version
    lock it for this platform too (`pipenv lock`), or remove it
    Pipfile.lock:4: `foo` has only md5 hashes
    lock again (`pipenv lock`), from an index that offers sha256 hashes
    ");
}

#[test]
fn unsupported_lock_versions_are_named() {
    let poetry = "[metadata]\nlock-version = '3.0'\ncontent-hash = 'x'\n";
    let all = [
        refused_beside("poetry.lock", poetry, "pyproject.toml", ""),
        refused_beside("pdm.lock", "[metadata]\nlock_version = '4.3'\n", "pyproject.toml", ""),
        refused_beside("Pipfile.lock", "{\"_meta\": {\"pipfile-spec\": 7}}", "Pipfile", ""),
        refused_beside("Pipfile.lock", "{\"_meta\": ", "Pipfile", ""),
        refused_beside("poetry.lock", "[metadata]\nlock-version = '2.0'\n", "README.md", ""),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    `poetry.lock` uses version 3.0 of its format; Wainwright supports version 1.1 and 2
    use a newer Wainwright, or lock with Poetry 1.1 to 2
    `pdm.lock` uses version 4.3 of its format; Wainwright supports version 4.4 or a later 4.x
    use a newer Wainwright, or lock with PDM 2.10 or a later 2.x
    `Pipfile.lock` uses version 7 of its format; Wainwright supports version 6
    use a newer Wainwright, or lock with pipenv
    Pipfile.lock:1:10: EOF while parsing a value
    `pyproject.toml` does not exist (included by poetry.lock:1)
    ");
}

#[test]
fn other_tools_locks_are_stale_when_the_project_changed() {
    let all = [
        refused_beside(
            "poetry.lock",
            "[metadata]\nlock-version = '2.1'\ncontent-hash = '00'\n",
            "pyproject.toml",
            "",
        ),
        refused_beside(
            "pdm.lock",
            "[metadata]\nlock_version = '4.5'\ncontent_hash = 'sha256:00'\n",
            "pyproject.toml",
            "",
        ),
        refused_beside("Pipfile.lock", "{\"_meta\": {\"hash\": {\"sha256\": \"00\"}}}", "Pipfile", ""),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    `poetry.lock` does not match `pyproject.toml`: the project's dependencies have changed since it was locked
    run `poetry lock`
    `pdm.lock` does not match `pyproject.toml`: the project's dependencies have changed since it was locked
    run `pdm lock`
    `Pipfile.lock` does not match `Pipfile`: its requirements have changed since it was locked
    run `pipenv lock`
    ");
}

#[test]
fn folders_and_commits_are_found_in_every_format() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let poetry = format!(
        "[[package]]\nname = 'foo'\nversion = '1.0'\noptional = false\npython-versions = '*'\ngroups = ['main']\n\
         files = []\ndevelop = true\n[package.source]\ntype = 'directory'\nurl = '../foo'\n\
         [[package]]\nname = 'bar'\nversion = '1.0'\noptional = false\npython-versions = '*'\ngroups = ['main']\n\
         files = []\n[package.source]\ntype = 'git'\nurl = 'https://h/bar.git'\nreference = 'main'\n\
         resolved_reference = '{commit}'\nsubdirectory = 'python'\n\
         [metadata]\nlock-version = '2.1'\npython-versions = '*'\n"
    );
    let pdm = format!(
        "[metadata]\ngroups = ['default']\nstrategy = ['inherit_metadata']\nlock_version = '4.5.0'\n\
         [[package]]\nname = 'foo'\nversion = '1.0'\ngroups = ['default']\npath = '../foo'\neditable = true\n\
         [[package]]\nname = 'bar'\nversion = '1.0'\ngroups = ['default']\ngit = 'https://h/bar.git'\nref = 'main'\n\
         revision = '{commit}'\nsubdirectory = 'python'\n"
    );
    let pylock = format!(
        "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'foo'\n\
         directory = {{ path = '../foo', editable = true }}\n[[packages]]\nname = 'bar'\nversion = '1.0'\n\
         vcs = {{ type = 'git', url = 'https://h/bar.git', commit-id = '{commit}', subdirectory = 'python' }}\n"
    );
    let uv = format!(
        "version = 1\n[[package]]\nname = 'p'\nversion = '1'\nsource = {{ virtual = '.' }}\n\
         dependencies = [{{ name = 'foo' }}, {{ name = 'bar' }}]\n\
         [[package]]\nname = 'foo'\nversion = '1.0'\nsource = {{ directory = '../foo' }}\n\
         [[package]]\nname = 'bar'\nversion = '1.0'\n\
         source = {{ git = 'https://h/bar.git?subdirectory=python&branch=main#{commit}' }}\n"
    );
    let pipfile = format!(
        "{{\"_meta\": {{}}, \"default\": {{\"foo\": {{\"editable\": true, \"path\": \"../foo\"}}, \
         \"bar\": {{\"git\": \"https://h/bar.git\", \"ref\": \"{commit}\", \"subdirectory\": \"python\"}}}}}}"
    );
    let requirements = format!(
        "foo @ ../foo\nbar @ git+https://h/bar.git@{commit}#subdirectory=python ; os_name == 'posix'\n"
    );
    for (name, text) in [
        ("poetry.lock", poetry),
        ("pdm.lock", pdm),
        ("pylock.toml", pylock.replace("'bar'\nversion = '1.0'\n", "'bar'\n")),
        ("pylock.toml", pylock),
        ("uv.lock", uv),
        ("Pipfile.lock", pipfile),
        ("requirements.txt", requirements),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), text).unwrap();
        fs::write(dir.path().join("pyproject.toml"), "").unwrap();
        let lock = wainwright_lock::read(&dir.path().join(name)).unwrap();
        let target = target("3.11.2", "amd64");
        let members = lock.local_members(&Selection::default(), &target).unwrap();
        let folders: Vec<_> = members
            .iter()
            .filter(|member| !member.is_root)
            .map(|member| (member.name.to_string(), member.path.clone(), member.is_package))
            .collect();
        assert_eq!(folders, [("foo".to_owned(), dir.path().join("../foo"), true)], "{name}");
        let packages = lock.packages(&Selection::default(), &target).unwrap();
        let [bar] = &packages[..] else { panic!("{name}: {packages:?}") };
        let wainwright_lock::Source::Git(git) = &bar.source else { panic!("{name}: {bar:?}") };
        assert_eq!(
            (git.url.as_str(), git.commit.as_str(), git.subdirectory.as_deref()),
            ("https://h/bar.git", commit, Some("python")),
            "{name}"
        );
    }
}
