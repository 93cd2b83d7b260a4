//! `docs/errors.md` lists every code that `wain explain` knows.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use wainwright_fault::Kind;
use wainwright_testing::run;
use wainwright_wheel::RULES;
use wainwright_woodwork::CODES;

use crate::WAIN;

/// The command that writes the page, for the message of the test and for the page itself.
const COMMAND: &str = "UPDATE_DOCS=1 cargo test --test promises errors_page";

const HEAD: &str = "\
An error is one line that says what failed, on what and why, then its causes, and a `hint:` with the command or the setting to use.
Some errors and warnings have a code. `wain explain CODE` prints its entry of this page, `wain explain` a list of all codes.
";

fn page() -> String {
    let mut page = format!(
        "# Errors and warnings\n\n{HEAD}\n## Exit codes\n\n| code | meaning |\n|---|---|\n| 0 | success |\n"
    );
    for (kind, meaning) in [
        (Kind::Input, "the input is wrong: the project, a lockfile, a package or an image"),
        (Kind::Usage, "the command line is wrong"),
        (
            Kind::Outside,
            "the network, a server, the disk or a permission failed; the same command may succeed later",
        ),
        (Kind::Bug, "an error in Wainwright itself; please report it"),
    ] {
        let _ = writeln!(page, "| {} | {meaning} |", kind.exit_code());
    }
    page.push_str("\n## Wheels\n\n`E-` codes reject a wheel, `W-` codes are warnings. `wain check FILE...` applies them to files.\n");
    for rule in RULES {
        entry(&mut page, rule.id, [rule.meaning, rule.why, rule.advice]);
    }
    page.push_str(
        "\n## Workflows\n\n`E-` codes reject a workflow, `W-` codes are warnings, `D-` codes warn of text that the `woodwork` command reads \
         differently\n(an error with `--ww-compat engine`). `wain ww check FILE` applies them to a file.\n",
    );
    for code in CODES {
        entry(&mut page, code.id, [code.meaning, code.why, code.advice]);
    }
    let _ = write!(page, "\n<!-- Generated: {COMMAND} -->\n");
    page
}

fn entry(page: &mut String, id: &str, [meaning, why, advice]: [&str; 3]) {
    let _ = write!(page, "\n### {id}\n\n{meaning}\n\n* Why: {why}\n* What to do: {advice}\n");
}

#[test]
fn errors_page_matches_the_codes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let expected = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/errors.md is out of date; run `{COMMAND}` and commit the change");
}

#[test]
fn errors_page_lists_every_code_of_the_program() {
    let listed = run(std::process::Command::new(WAIN).arg("explain")).ok().stdout;
    let codes: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let is_code = |word: &&str| matches!(word.as_bytes(), [_, b'-', b'A'..=b'Z', ..]);
    let codes: Vec<&str> = codes.into_iter().filter(is_code).collect();
    assert_eq!(codes.len(), RULES.len() + CODES.len());
    let page = page();
    for code in codes {
        assert!(page.contains(&format!("\n### {code}\n")), "{code}");
    }
}
