//! Help texts, completions, and errors of the command line.

use std::fmt::Write as _;
use std::process::Command;

use wainwright_testing::run;

use crate::WAIN;

#[test]
fn help_of_all_commands_matches_the_snapshot() {
    let mut text = String::new();
    let commands: &[&[&str]] = &[
        &["-h"],
        &["--help"],
        &["build", "-h"],
        &["build", "--help"],
        &["plan", "-h"],
        &["plan", "--help"],
        &["lock", "-h"],
        &["lock", "--help"],
        &["check", "--help"],
        &["explain", "--help"],
        &["cache", "--help"],
        &["cache", "status", "--help"],
        &["cache", "prune", "--help"],
        &["cache", "clear", "--help"],
        &["verify", "--help"],
        &["diff", "--help"],
        &["analyze", "--help"],
        &["push", "--help"],
        &["pull", "--help"],
        &["copy", "--help"],
        &["tag", "--help"],
        &["inspect", "--help"],
        &["login", "--help"],
        &["logout", "--help"],
        &["registry", "--help"],
        &["registry", "probe", "--help"],
        &["emit", "--help"],
        &["deploy", "--help"],
        &["deploy", "up", "--help"],
        &["deploy", "logs", "--help"],
        &["init", "--help"],
        &["ww", "--help"],
        &["ww", "check", "--help"],
        &["completions", "--help"],
        &["version", "--help"],
        &["--version"],
    ];
    for words in commands {
        let ran = run(Command::new(WAIN).args(*words).env_clear()).ok();
        let _ = write!(text, "$ wain {}\n{}\n", words.join(" "), ran.stdout);
    }
    insta::assert_snapshot!("help", text);
}

#[test]
fn completions_exist_for_every_shell() {
    for (shell, mark) in [("bash", "complete -F"), ("fish", "complete -c wain"), ("zsh", "#compdef wain")] {
        let script = run(Command::new(WAIN).args(["completions", shell])).ok().stdout;
        assert!(script.contains(mark) && script.contains("find-links"), "{shell}: {script}");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let check = |words: &[&str]| {
        let ran = run(Command::new(WAIN).args(words).env_clear());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}");
        ran.stderr
    };
    insta::assert_snapshot!(check(&["bild"]), @"
    error: unrecognized subcommand 'bild'

      tip: a similar subcommand exists: 'build'

    Usage: wain [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(check(&["build", "--output", "registry.example/a"]), @"
    error: invalid value 'registry.example/a' for '--output <WHERE>': `registry.example/a` is not an output; write `layout:DIR`, `archive:FILE`, `archive:-`, `docker` or `registry`

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(check(&["build", "--base", "Python:3.13"]), @"
    error: invalid value 'Python:3.13' for '--base <BASE>': `Python:3.13` is not a base: `Python:3.13` is not an image reference: repository names are lower-case; write `debian:trixie`, `debian:bookworm`, `layout:DIR`, `archive:FILE` or a reference like `ghcr.io/acme/python:3.13`

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(check(&["build", "--platform", "windows/amd64"]), @"
    error: invalid value 'windows/amd64' for '--platform <LIST>': only linux is supported

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(check(&["build", "-t", "Upper/Case"]), @"
    error: invalid value 'Upper/Case' for '--tag <REF>': `Upper/Case` is not an image reference: repository names are lower-case; write it as `name:tag` or `registry.example/team/name:tag`

    For more information, try '--help'.
    ");
}

#[test]
fn check_reports_a_missing_file_as_unread() {
    let folder = tempfile::tempdir().unwrap();
    for (path, cause) in [("gone", "No such file or directory"), (".", "is a directory")] {
        let ran = run(Command::new(WAIN).args(["check", path]).current_dir(&folder).env_clear());
        assert_eq!((ran.code, ran.stdout), (3, format!("unread             {path}\n")));
        assert!(ran.stderr.contains(cause) && ran.stderr.contains("  hint: "), "{}", ran.stderr);
    }
}

#[test]
fn lazy_rejects_other_compressions_than_gzip() {
    let words = ["plan", "--lazy", "estargz", "--compression", "zstd"];
    let ran = run(Command::new(WAIN).args(words).env_clear());
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("hint: use `--compression splice` or `--compression gzip`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn explain_shows_meaning_reason_and_fix() {
    let explain = |words: &[&str]| run(Command::new(WAIN).arg("explain").args(words).env_clear());
    insta::assert_snapshot!(explain(&["e-zipdiff"]).ok().stdout, @"
    E-ZIPDIFF (wheels): The directory, the headers of members with their extra fields and data descriptors, and the end records agree; compressed data ends where its size says.
    A wheel that breaks this rule is rejected.

    Reason: Where two headers differ, two readers install two different programs.
    Fix: Do not install it by other means before someone has inspected it: no build tool writes this by accident.
    ");
    insta::assert_snapshot!(explain(&["W-PTH"]).ok().stdout, @"
    W-PTH (wheels): A `.pth` file, `sitecustomize` or `usercustomize` is at the top of site-packages.
    A warning.

    Reason: Its code runs at every start of the interpreter.
    Fix: Look at it if you did not expect it.
    ");
    // A name of two rules.
    insta::assert_snapshot!(explain(&["E-PATH"]).ok().stdout, @"
    E-PATH (wheels): Names are relative paths of plain components with `/` between them.
    A wheel that breaks this rule is rejected.

    Reason: `..`, a drive letter, a backslash or a leading `/` can point outside the directory.
    Fix: Do not install it by other means before someone has inspected it: no build tool writes this by accident.

    E-PATH (workflows): File paths are relative to the folder of the workflow, with `/`, and inside it.
    A workflow that breaks it is rejected.

    Reason: Images contain the files of the project at the same paths below `/app`.
    Fix: Move the file into the project, or correct the path.
    ");
    insta::assert_snapshot!(explain(&["d-comma"]).ok().stdout, @"
    D-COMMA (workflows): No comma follows a value.
    It is a warning, and an error with `--ww-compat engine`.

    Reason: The `woodwork` command reads the comma as part of the value, or drops the next key.
    Fix: Write every key on its own line, without a comma.
    ");
    insta::assert_snapshot!("rules", explain(&[]).ok().stdout);
    let unknown = explain(&["E-ZIPDIF"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""));
    insta::assert_snapshot!(unknown.stderr, @"
    error: invalid value 'E-ZIPDIF' for '[RULE]'
      [possible values: D-BODY-LINE, D-BOM, D-COMMA, D-COMMENT-BRACKET, D-COMMENT-COMPONENT, D-COMMENT-KEY, D-COMMENT-LIST, D-COMMENT-TRAILING, D-DICT-BEHIND, D-DICT-EVENT, D-DICT-KEY, D-DICT-LINE, D-DICT-LIST, D-HEADER-BLANKS, D-HEADER-LINE, D-HEADER-TYPE, D-KEY-QUOTED, D-LIST-BOOLEAN, D-LIST-COLON, D-LIST-DICT, D-LIST-ENV, D-LIST-NAME, D-LIST-NESTED, D-NUMBER, D-STRING-BRACE, D-STRING-BRACKET, D-STRING-EQUALS, D-STRING-EVENT, E-BARE, E-BASE, E-CLASH, E-CR, E-CRC, E-CYCLE, E-DATA, E-DEPTH, E-DUP, E-EMPTY-VALUE, E-ENC, E-ENV, E-EQUALS, E-FRAME, E-HEADER, E-HOOK, E-KEY, E-KEY-DUP, E-KEY-MISSING, E-KEY-RESERVED, E-KIND-UNKNOWN, E-LIMIT, E-LIST, E-META, E-METHOD, E-MULTI-CLI, E-NAME, E-NAME-CLASH, E-NAME-DUP, E-NAME-FORBIDDEN, E-NAME-LONG, E-NAME-SERVICE, E-NO-COLON, E-NOTZIP, E-NUL, E-NUMBER, E-PATH, E-PORT, E-RECORD, E-REF-UNKNOWN, E-REQUIREMENT, E-SCRIPT, E-SHARED-MEMORY, E-SIZE, E-STRAY, E-STRING, E-TRAILING, E-TYPE, E-TYPE-UNKNOWN, E-UNCLOSED, E-UTF8, E-VALUE, E-WHITEOUT, E-ZIPDIFF, W-CASE, W-CLASH, W-EVENT, W-FILE, W-HOOK-FORM, W-HOOK-KEY, W-PTH, W-QUOTED-ENV, W-QUOTED-REF, W-RATIO, W-RESOURCE, W-SECRET, W-SUID, W-TAG, W-UNUSED, W-VERSION]

      tip: a similar value exists: 'E-ZIPDIFF'

    For more information, try '--help'.
    ");
}
