//! The help text is read as a whole when it changes.

use std::fmt::Write as _;
use std::process::Command;

use wainwright_testing::run;

use crate::WAIN;

#[test]
fn the_whole_help() {
    let mut text = String::new();
    let commands: [&[&str]; 9] = [
        &["-h"],
        &["--help"],
        &["build", "-h"],
        &["build", "--help"],
        &["plan", "-h"],
        &["plan", "--help"],
        &["lock", "--help"],
        &["completions", "--help"],
        &["--version"],
    ];
    for words in commands {
        let ran = run(Command::new(WAIN).args(words).env_clear()).ok();
        let _ = write!(text, "$ wain {}\n{}\n", words.join(" "), ran.stdout);
    }
    insta::assert_snapshot!("help", text);
}

#[test]
fn every_shell_gets_completions() {
    for (shell, mark) in [("bash", "complete -F"), ("fish", "complete -c wain"), ("zsh", "#compdef wain")] {
        let script = run(Command::new(WAIN).args(["completions", shell])).ok().stdout;
        assert!(script.contains(mark) && script.contains("find-links"), "{shell}: {script}");
    }
}

#[test]
fn wrong_usage_is_told_and_ends_with_2() {
    let check = |words: &[&str]| {
        let ran = run(Command::new(WAIN).args(words).env_clear());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}");
        ran.stderr
    };
    insta::assert_snapshot!(check(&["bild"]), @"
    error: unrecognized subcommand 'bild'

      tip: a similar subcommand exists: 'build'

    Usage: wain <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(check(&["build", "--output", "registry.example/a"]), @"
    error: invalid value 'registry.example/a' for '--output <WHERE>': `registry.example/a` is not an output; write `layout:DIR`, `archive:FILE` or `docker`

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(check(&["build", "--base", "python:3.13"]), @"
    error: invalid value 'python:3.13' for '--base <BASE>': `python:3.13` is not a base; write `debian:trixie`, `debian:bookworm`, `layout:DIR` or `archive:FILE`

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(check(&["build", "--platform", "windows/amd64"]), @"
    error: invalid value 'windows/amd64' for '--platform <LIST>': only images for Linux can be built

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(check(&["build", "-t", "Upper/Case"]), @"
    error: invalid value 'Upper/Case' for '--tag <REF>': `Upper/Case` is not the name of an image: names are lower-case; write it as `name:tag` or `registry.example/team/name:tag`

    For more information, try '--help'.
    ");
}
