//! What the language says.

use serde_json::json;

use crate::{json, resolved};

/// A component of this body, as JSON; `m` is another component.
fn check(body: &str, config: serde_json::Value) {
    let verdict = resolved(&format!("a = kind one {{\n{body}\n}}\nm = kind two {{}}\n"));
    let found = json(&verdict);
    assert_eq!(found["result"], "ok", "{body}: {:?}", verdict.show("main.ww"));
    assert_eq!(found["components"][0]["config"], config, "{body}");
}

#[test]
fn values() {
    check(r#"k: "v""#, json!({"k": "v"}));
    check(r#"k: 'say "hi"'"#, json!({"k": "say \"hi\""}));
    check(r#"k: """#, json!({"k": ""}));
    check(r#"k: "a:b, c=d # e""#, json!({"k": "a:b, c=d # e"}));
    check(r#"k: "C:\new\t""#, json!({"k": "C:\\new\\t"}));
    check("k: $NAME", json!({"k": {"$env": "NAME"}}));
    check(r#"k: "$NAME""#, json!({"k": "$NAME"}));
    check("k: m", json!({"k": {"$ref": "m"}}));
    check(r#"k: "m""#, json!({"k": "m"}));
    check("k: true\nj: FALSE\ni: tRuE", json!({"k": true, "j": false, "i": true}));
    check(r#"k: "true""#, json!({"k": "true"}));
    check("k: 30\nj: -1\ni: 1.5\nh: 2e3", json!({"k": 30, "j": -1, "i": 1.5, "h": 2000.0}));
    check("k: -0", json!({"k": 0}));
}

#[test]
fn lists_and_dictionaries() {
    check("k: []", json!({"k": []}));
    check("k: [m, 'a b', 1, true, $X,]", json!({"k": [{"$ref": "m"}, "a b", 1, true, {"$env": "X"}]}));
    check("k: [\n  'x',\n\n  # note\n  'y'\n]", json!({"k": ["x", "y"]}));
    check("k: ['m', 'n']", json!({"k": [{"$ref": "m"}, "n"]}));
    check("k: [[m], {a: 1}]", json!({"k": [[{"$ref": "m"}], {"a": 1}]}));
    check("k: {}", json!({"k": {}}));
    check("k: { a: 1, b: { c: m } }", json!({"k": {"a": 1, "b": {"c": {"$ref": "m"}}}}));
    check("k: {\n a: 1 # one\n , b: 2,\n}", json!({"k": {"a": 1, "b": 2}}));
    // The items of this key are names of packages.
    check("requirements: ['m']", json!({"requirements": ["m"]}));
}

#[test]
fn keys() {
    check("my-key: 1\n_k2: 2", json!({"my-key": 1, "_k2": 2}));
    check("\"a b\": 1\n'c\"d': 2", json!({"a b": 1, "c\"d": 2}));
    check("k:1, j\t:\t2", json!({"k": 1, "j": 2}));
    check("z: 1\na: 2", json!({"z": 1, "a": 2}));
}

#[test]
fn layouts() {
    let found = |text: &str| {
        let found = json(&resolved(text));
        let components = found["components"].as_array().unwrap_or_else(|| panic!("{found:#}")).clone();
        let names = components
            .iter()
            .map(|it| format!("{} {} {} {}", it["name"], it["component"], it["type"], it["line"]));
        names.collect::<Vec<_>>().join("; ").replace('"', "")
    };
    assert_eq!(found(""), "");
    assert_eq!(found("# nothing\n\n"), "");
    assert_eq!(found("a=kind one{}b=kind two{}"), "a kind one 1; b kind two 1");
    assert_eq!(found("\u{feff}a = kind one {\r\n}\r\n"), "a kind one 1");
    assert_eq!(found("a\n= # c\nkind\none\n{\n}"), "a kind one 1");
    assert_eq!(found("\n\n  in = in in {}"), "in in in 3");
    assert_eq!(found("A = a a {}\na = a a {}"), "A a a 1; a a a 2");
}

#[test]
fn dependencies_come_first_and_once() {
    let text = "top = k t {\n l: [left, right, left]\n}\nleft = k t {\n d: {\n b: base\n }\n}\nright = k t {\n b: base\n e: $E\n}\nbase = k t {\n e: $C\n f: $E\n}\n";
    let found = json(&resolved(text));
    assert_eq!(found["construct_order"], json!(["base", "left", "right", "top"]));
    assert_eq!(found["components"][0]["depends_on"], json!(["left", "right"]));
    assert_eq!(found["env_names"], json!(["C", "E"]));
}

#[test]
fn a_chain_may_be_as_long_as_the_file() {
    let mut text = String::new();
    for number in 0..900 {
        text += &format!("a{number} = k t {{\n next: a{}\n}}\n", number + 1);
    }
    text += "a900 = k t {}\n";
    let found = json(&resolved(&text));
    assert_eq!(found["construct_order"][0], "a900");
    assert_eq!(found["construct_order"][900], "a0");
}

#[test]
fn stages_report_their_problems() {
    use wainwright_woodwork::{Compat, Stage, check};
    let text = b"a = api functions {\n path: 'f.py'\n to: b\n}\nb = output voice {}\n";
    let at = |stage| json(&check(text, stage, Compat::Strict))["components"][0].clone();
    assert_eq!(at(Stage::Parse)["depends_on"], json!(null));
    assert_eq!(at(Stage::Resolve)["depends_on"], json!(["b"]));
    assert_eq!(at(Stage::Validate)["service"], json!("a"));
}
