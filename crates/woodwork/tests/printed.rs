//! What is printed is read again, and nothing that is read makes the reader panic.

use proptest::prelude::*;
use wainwright_woodwork::{Compat, Stage, check, parse, print};

use crate::json;

/// Bodies of any layout: entries one by one, with what may stand between.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "\"[^\"\r\n\0]{0,12}\"",
        "'[^'\r\n\0]{0,12}'",
        r"\$[a-zA-Z_][a-zA-Z0-9_]{0,6}",
        "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,4})?(e[+-]?[0-9]{1,2})?",
        "true|FALSE|tRue",
        "[a-z_][a-z0-9_]{0,6}",
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[ {}]", items.join(" ,\n"))),
            dict(inner),
        ]
    })
}

fn dict(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let key = prop_oneof!["[a-z_][a-z0-9_-]{0,8}", "\"[^\"\r\n\0]{0,8}\""];
    let between = prop_oneof![Just("\n"), Just(", "), Just("\n# note\n"), Just(" ,\n\n")];
    prop::collection::btree_map(key, (value, between), 0..4).prop_map(|entries| {
        let unquoted = |key: &str| key.trim_matches('"').to_owned();
        let mut seen = std::collections::BTreeSet::new();
        let entries = entries.iter().filter(|(key, _)| seen.insert(unquoted(key)));
        let entries: String =
            entries.map(|(key, (value, between))| format!("{key}: {value}{between}")).collect();
        format!("{{ {entries}}}")
    })
}

fn file() -> impl Strategy<Value = String> {
    let component = ("[a-z]{1,6}", "[a-z]{1,6}", dict(value()));
    prop::collection::vec(component, 0..4).prop_map(|components| {
        let texts = components
            .iter()
            .enumerate()
            .map(|(number, (kind, kind_type, body))| format!("a{number} = {kind} {kind_type} {body}\n"));
        texts.collect()
    })
}

/// Components as the parser has them, without their lines.
fn components(text: &str) -> serde_json::Value {
    let mut found = json(&check(text.as_bytes(), Stage::Parse, Compat::Strict));
    assert_eq!(found["result"], "ok", "{found:#}\n{text}");
    for component in found["components"].as_array_mut().unwrap() {
        component["line"] = 0.into();
    }
    found["components"].clone()
}

proptest! {
    #[test]
    fn printed_workflow_round_trips(text in file()) {
        let printed = print(&parse("main.ww", &text).unwrap());
        prop_assert_eq!(components(&text), components(&printed));
        prop_assert_eq!(&print(&parse("main.ww", &printed).unwrap()), &printed);
    }

    #[test]
    fn parser_never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes, Stage::Validate, Compat::Strict).show("main.ww");
    }

    #[test]
    fn parser_never_panics_on_its_alphabet(text in "[a-c \n\r\t=\\{\\}\\[\\]:,$#\"'0-9é-]{0,120}") {
        check(text.as_bytes(), Stage::Validate, Compat::Engine).show("main.ww");
    }
}

#[test]
fn printed_workflow_reads_alike_where_possible() {
    let text = "a=kind one{ k: 'x', d: { e: {}, s: 'it \"is\"' } l: [\n'a:b', b] hooks: [{event: 'x' script_path: 'h.py', function_name: 'f'}]\n}\nb = kind two {}";
    let text =
        text.replace(" l:", "\nl:").replace(" hooks", "\nhooks").replace(" script_path", ", script_path");
    let printed = print(&parse("main.ww", &text).unwrap());
    insta::assert_snapshot!(printed, @r#"
    a = kind one {
        k: "x"
        d: {
            e: {
            }
            s: 'it "is"'
        }
        l: ["a:b", b]
        hooks: [
            {
                event: "x"
                script_path: "h.py"
                function_name: "f"
            }
        ]
    }

    b = kind two {
    }
    "#);
    let verdict = check(printed.as_bytes(), Stage::Resolve, Compat::Engine);
    assert_eq!(verdict.show("main.ww"), [""; 0]);
}
