//! `wain ww check` as a person and a program meet it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use wainwright_testing::run;

use crate::WAIN;

const SOUND: &str =
    "model = llm openai {\n    api_key: $OPENAI_API_KEY\n}\n\nin = input api {\n    to: model\n}\n";

/// Exit code, standard output and standard error of a check of `text` in `main.ww`.
fn check(text: impl AsRef<[u8]>, words: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("main.ww"), text).unwrap();
    let mut command = Command::new(WAIN);
    let ran = run(command.args(["ww", "check", "main.ww"]).args(words).current_dir(&folder).env_clear());
    (ran.code, ran.stdout, ran.stderr)
}

#[test]
fn a_sound_workflow_is_told_in_a_line() {
    assert_eq!(check(SOUND, &[]), (0, "ok                 main.ww: 2 components\n".into(), String::new()));
    let (code, stdout, stderr) = check(SOUND, &["--json"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&stdout).unwrap();
    let expected = json!({
        "result": "ok",
        "components": [
            {"name": "model", "component": "llm", "type": "openai", "line": 1, "service": "model",
             "config": {"api_key": {"$env": "OPENAI_API_KEY"}}, "depends_on": []},
            {"name": "in", "component": "input", "type": "api", "line": 5, "service": "in",
             "config": {"to": {"$ref": "model"}}, "depends_on": ["model"]},
        ],
        "construct_order": ["model", "in"],
        "env_names": ["OPENAI_API_KEY"],
        "warnings": [],
    });
    assert_eq!(found, expected);
}

#[test]
fn errors_have_a_place_a_line_and_a_way_out() {
    let text = SOUND.replace("to: model", "to: modle # why");
    let (code, stdout, stderr) = check(&text, &[]);
    assert_eq!((code, stdout.as_str()), (1, "refused            main.ww: 1 error, 1 warning\n"));
    insta::assert_snapshot!(stderr, @r"
    main.ww:6:15: D-COMMENT-TRAILING: engine-divergence: `woodwork` reads a comment after a value as part of the value
      6 |     to: modle # why
        |               ^^^^^
      hint: put the comment on its own line
    main.ww:6:9: E-REF-UNKNOWN: `in` refers to `modle`, which does not exist
      6 |     to: modle # why
        |         ^^^^^
      hint: did you mean `model`?
    ");
    let (code, stdout, _) = check(&text, &["--json"]);
    let found: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &found["result"]), (1, &json!("error")));
    let error = &found["error"];
    assert_eq!(
        (&error["code"], &error["stage"], &error["line"]),
        (&json!("E-REF-UNKNOWN"), &json!("resolve"), &json!(6))
    );
    assert_eq!(found["warnings"][0]["class"], "engine-divergence");
    assert_eq!(found.get("components"), None);
}

#[test]
fn the_last_stage_is_chosen() {
    let text = "a = kind one {\n    k: ghost\n}\n";
    assert_eq!(check(text, &["--stage", "parse"]).0, 0);
    assert_eq!(check(text, &["--stage", "resolve"]).0, 1);
    let text = text.replace("ghost", "\"v\"");
    assert_eq!(check(&text, &["--stage", "resolve"]).0, 0);
    assert_eq!(check(&text, &["--stage", "validate"]).0, 1);
    assert_eq!(check(&text, &["--stage", "later"]).0, 2);
}

#[test]
fn a_file_for_both_has_no_divergence() {
    let text = SOUND.replace("to: model", "port: 8001");
    assert_eq!(check(&text, &[]).0, 0);
    let (code, stdout, stderr) = check(&text, &["--ww-compat", "engine", "--json"]);
    assert!(stderr.starts_with("main.ww:6:11: D-NUMBER: engine-divergence: "), "{stderr}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &found["error"]["code"]), (1, &json!("D-NUMBER")));
}

#[test]
fn what_is_shown_cannot_steer_the_terminal() {
    let (code, _, stderr) = check("a = kind one {\n k: \u{1b}[31mred\n}\n", &[]);
    assert_eq!(code, 1);
    assert!(!stderr.contains('\u{1b}') && stderr.contains("\\u{1b}"), "{stderr}");
}

#[test]
fn what_is_no_workflow_is_told() {
    assert_eq!(check([0xff], &[]).0, 1);
    assert_eq!(check("", &[]), (0, "ok                 main.ww: 0 components\n".into(), String::new()));
    let folder = tempfile::tempdir().unwrap();
    for path in ["gone.ww", ".", "/dev/null"] {
        let ran = run(Command::new(WAIN).args(["ww", "check", path]).current_dir(&folder).env_clear());
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{path}");
        assert!(
            ran.stderr.starts_with("error: cannot read `") && ran.stderr.contains("hint: "),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(run(Command::new(WAIN).args(["ww", "check"]).env_clear()).code, 2);
}
