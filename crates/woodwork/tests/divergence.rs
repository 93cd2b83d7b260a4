//! What the `woodwork` command reads differently. Each text was given to it: `alike` lists what gave the same components in
//! the same order, `different` what did not.

use wainwright_woodwork::{Compat, Stage, check};

use crate::{codes, resolved};

const HOOK: &str = "{\n event: \"x.y\"\n script_path: \"h.py\"\n function_name: \"f\"\n}";

/// A component with this body; `m` is another.
fn component(body: &str) -> String {
    format!("m = kind one {{\n}}\na = kind two {{\n{}\n}}\n", body.replace("HOOK", HOOK))
}

fn warned(text: &str) -> Vec<&'static str> {
    let verdict = resolved(text);
    assert!(verdict.problems.is_empty(), "{:?}\n{text}", verdict.show("main.ww"));
    codes(&verdict)
}

fn alike(body: &str) {
    let warned = warned(&component(body));
    assert!(!warned.iter().any(|code| code.starts_with("D-")), "{warned:?}: {body}");
}

fn different(code: &str, body: &str) {
    let warned = warned(&component(body));
    assert!(warned.contains(&code), "{warned:?} instead of {code}: {body}");
}

/// A whole file with a warning; an empty code is none.
fn file(code: &str, text: &str) {
    let warned = warned(text);
    match code {
        "" => assert_eq!(warned, [""; 0], "{text}"),
        code => assert!(warned.contains(&code), "{warned:?} instead of {code}: {text}"),
    }
}

#[test]
fn first_lines() {
    for header in [
        "a = kind one {",
        "a = kind one{",
        "a= kind one {",
        "a  = kind one {",
        "a\t= kind one {",
        "  a = kind  one {",
        "a = kind \tone\t{",
        "a = onekin one {",
        "in = in two {",
        "a = kind one { # note: x",
    ] {
        file("", &format!("{header}\n k: \"v\"\n}}\n"));
    }
    for header in ["a =kind one {", "a=kind one {", "a =  kind one {", "a = kind\tone {", "a =\tkind one {"] {
        file("D-HEADER-BLANKS", &format!("{header}\n k: \"v\"\n}}\n"));
    }
    for header in ["a = kind one\n{", "a = kind\none {", "a =\nkind one {", "a\n= kind one {"] {
        file("D-HEADER-LINE", &format!("{header}\n k: \"v\"\n}}\n"));
    }
    file("D-HEADER-LINE", "a = kind one {\n} b = kind one {\n}\n");
    file("D-HEADER-LINE", "a = kind one {} b = kind one {}\n");
    file("D-HEADER-TYPE", "a = api api_web {\n}\n");
    file("D-HEADER-TYPE", "a = memory my_memory {\n}\n");
    file("D-HEADER-TYPE", "a = one one {\n}\n");
    file("D-BOM", "\u{feff}a = kind one {\n}\n");
    // The mark belongs to the line before.
    file("", "\u{feff}\na = kind one {\n}\n");
    file("", "a = kind one {}\n\nb = kind one { }\nc = kind one {\n\n}");
    file("", "a = kind one {\r\n\tk :\"v\"  \r\n}\r\n");
}

#[test]
fn bodies_of_one_line() {
    file("D-BODY-LINE", "a = kind one { k: \"v\" }\n");
    file("D-BODY-LINE", "a = kind one { k: \"v\"\n}\n");
    file("D-BODY-LINE", "a = kind one {\n k: \"v\" }\n");
    file("D-BODY-LINE", "a = kind one {\n k: [\n \"a b\"\n ] }\n");
    file("", "a = kind one {\n d: {\n  s: \"1\"\n } }\n");
    different("D-DICT-LINE", "d: { s: \"1\" }");
    different("D-DICT-LINE", "d: {}");
    different("D-DICT-LINE", "d: {\n s: \"1\" }");
    different("D-DICT-LINE", "d: { s: \"1\"\n}");
    different("D-DICT-LINE", "d: {\n e: {\n s: \"1\"\n} }\nj: \"w\"");
    alike("d: {\n}\nj: \"w\"");
    alike("d   :   {   \n s: \"1\"\n}   ");
    different("D-COMMA", "k: \"v\",\nj: \"w\"");
    different("D-COMMA", "k: \"v\", j: \"w\"");
    different("D-COMMA", "l: [m],\nj: \"w\"");
    different("D-COMMA", "k: \"v\"\n, j: \"w\"");
    different("D-COMMA", "d: {\n s: \"1\"\n}, j: \"w\"");
    alike("d: {\n s: \"1\"\n},\nj: \"w\"");
    alike("k: \"v\"\n,\nj: \"w\"");
    different("D-KEY-QUOTED", "\"k\": \"v\"");
    different("D-KEY-QUOTED", "d: {\n 'k': \"v\"\n}");
    alike("my-key: \"v\"");
}

#[test]
fn strings() {
    for text in
        ["v", "", " ", "a:b", "x, y; z", "a = b", "#x", "a # b", "\\d+\\n", "true", "m", "[x]", "a]b", "é"]
    {
        alike(&format!("k: \"{text}\"\nj: \"w\""));
    }
    different("D-STRING-BRACE", "k: \"hi {name}\"\nj: \"w\"");
    different("D-STRING-BRACE", "k: \"a}b\"");
    different("D-STRING-BRACE", "k: \"a{b\"");
    different("D-STRING-EQUALS", "k: \"x = y {z\"");
    different("D-STRING-BRACKET", "k: \"a[b\"\nj: \"w\"");
    different("D-STRING-BRACKET", "d: {\n s: \"[x]\"\n}");
    different("D-STRING-BRACKET", "l: [\n \"a]\",\n \"b c\"\n]");
    different("D-STRING-EVENT", "d: {\n s: \"an event: x\"\n}");
    alike("d: {\n s: \"an event\"\n}");
    alike("l: [\"{x}\"]");
    different("D-STRING-BRACE", "l: [\"{x\"]");
}

#[test]
fn numbers_and_booleans() {
    different("D-NUMBER", "k: 30");
    different("D-NUMBER", "d: {\n s: -1.5\n}");
    different("D-NUMBER", "l: [1]");
    different("D-LIST-BOOLEAN", "l: [true]");
    alike("k: TRUE\nd: {\n s: false\n}");
    different("D-LIST-ENV", "l: [$NAME]");
    alike("k: $NAME\nd: {\n s: $NAME\n}");
}

#[test]
fn lists() {
    for list in [
        "[]",
        "[\n]",
        "[m]",
        "[ m , \"a b\", 'c-d',]",
        "[\n m,\n m\n]",
        "[\n m\n ,m]",
        "[\"a:b\", \"c:d\"]",
        "[\"a:b\",\n m]",
        "[\"1a\", \"x.y\", \"é\", \"\"]",
        "[\"m\"]",
    ] {
        alike(&format!("l: {list}\nj: \"w\""));
    }
    different("D-LIST-NAME", "l: [\"get\", \"post\"]");
    different("D-LIST-NAME", "l: ['true']");
    different("D-LIST-NESTED", "l: [[\"p q\"]]");
    different("D-LIST-COLON", "l: [\n \"http://a\",\n \"b c\"\n]");
    different("D-LIST-COLON", "l: [\"a b\",\n \"pipes.py::f\"]");
    different("D-DICT-LIST", "d: {\n l: [m]\n}");
}

#[test]
fn hooks() {
    for hooks in [
        "[\nHOOK\n]",
        "[\nHOOK,\nHOOK,\n]",
        "[HOOK]",
        "[\nHOOK, HOOK\n]",
        "[\nm,\nHOOK,\n\"a b\"\n]",
        "[\n{\n # note\n event: \"x\" # here\n script_path: 'h.py',\n\n function_name: \"f\" }\n]",
        "[{ event: \"x\", script_path: \"h.py\", function_name: \"f\" }]",
        "[\n{\n event: \"a:b\"\n script_path: \"h.py\"\n function_name: \"f\"\n}\n]",
        "[\"pipes.py::shape\"]",
        "[{}]",
    ] {
        alike(&format!("hooks: {hooks}\nj: \"w\""));
    }
    for item in [
        "{ event: \"x\", script_path: \"h.py\", function_name: \"f\" }",
        "{\n script_path: \"h.py\"\n event: \"x\"\n function_name: \"f\"\n}",
        "{\n event: \"x\"\n script_path: \"h.py\"\n function_name: \"f\"\n note: \"n\"\n}",
        "{\n event: \"x\"\n script_path: \"h.py\"\n}",
        "{\n event: \"x\"\n script: \"h.py\"\n function: \"f\"\n}",
        "{\n event: $X\n script_path: \"h.py\"\n function_name: \"f\"\n}",
        "{\n event: \"it's\"\n script_path: \"h.py\"\n function_name: \"f\"\n}",
        "{\n event: \"a:b\"\n script_path: \"h.py\"\n function_name: \"f\"\n},\nHOOK",
        "{\n path: \"/w/s.sh\"\n}",
    ] {
        different("D-LIST-DICT", &format!("hooks: [\n{item}\n]"));
    }
    different("D-DICT-BEHIND", "hooks: [\nHOOK\n]\nd: {\n s: \"1\"\n}\nj: \"w\"");
    different("D-DICT-BEHIND", "hooks: [\nHOOK\n]\nd: {\n s: \"1\"\n e: {\n t: \"1\"\n }\n u: \"3\"\n}");
    alike("hooks: [\nHOOK\n]\nj: \"w\"\nd: {\n s: \"1\"\n}\npipes: [\nHOOK\n]");
    alike("d: {\n s: \"1\"\n}\nhooks: [\nHOOK\n]\nj: \"w\"");
}

#[test]
fn dictionaries() {
    different("D-DICT-EVENT", "d: {\n event: \"x\"\n}");
    different("D-DICT-EVENT", "d: {\n e: {\n my_event: true\n }\n}");
    alike("event: \"x\"\nd: {\n eventual: \"x\"\n script: \"y\"\n}");
    different("D-DICT-KEY", "d: {\n e: {\n s: \"1\"\n }\n}\ne: {\n s: \"2\"\n}");
    different("D-DICT-KEY", "my_env: {\n s: \"1\"\n}\nenv: {\n s: \"2\"\n}");
    alike("env: {\n s: \"1\"\n}\nmy_env: {\n s: \"2\"\n}");
    alike("e: {\n s: \"1\"\n}\nd: {\n e: {\n s: \"2\"\n }\n}");
    alike("d: {\n d: {\n s: \"1\"\n }\n s: \"2\"\n}\ns: \"3\"");
}

#[test]
fn comments() {
    for comment in ["# note", "#", "# don't \"x\"", "# a = b, $X", "# [x]", "# {x}", "# x: {a}"] {
        alike(&format!("{comment}\nk: \"v\""));
    }
    for comment in ["# note", "# a: b", "# ]"] {
        alike(&format!("d: {{ {comment}\n s: \"1\"\n}} # note: x\nk: \"v\""));
    }
    different("D-COMMENT-KEY", "# note: hello\nk: \"v\"");
    different("D-COMMENT-KEY", "d: {\n # note: hello\n k: \"v\"\n}");
    different("D-COMMENT-BRACKET", "# }\nk: \"v\"");
    different("D-COMMENT-BRACKET", "d: { # [x]\n k: \"v\"\n}");
    different("D-COMMENT-BRACKET", "d: {\n k: \"v\"\n} # {\nj: \"w\"");
    different("D-COMMENT-TRAILING", "k: \"v\" # why");
    different("D-COMMENT-TRAILING", "l: [m] # why");
    different("D-COMMENT-LIST", "l: [\n m, # why\n m\n]");
    different("D-COMMENT-LIST", "l: [\n # why\n m\n]");
    different(
        "D-COMMENT-LIST",
        "hooks: [\n{\n # don't\n event: \"x\"\n script_path: \"h.py\"\n function_name: \"f\"\n}\n]",
    );
    different("D-DICT-BEHIND", "# {x}\nd: {\n e: {\n s: \"1\"\n }\n k: \"v\"\n}");
    for comment in ["# note", "# a: b", "# {", "# a = b", "# old = llm one", "#={"] {
        file("", &format!("{comment}\na = kind one {{\n}} {comment}\n"));
    }
    file("D-COMMENT-COMPONENT", "# old = kind one {\n# }\na = kind one {}\n");
    file("D-COMMENT-COMPONENT", "a = kind one {\n} # b = kind one {}\n");
}

#[test]
fn ambiguous_strings_are_warned_about() {
    assert_eq!(warned(&component("l: [\"m\"]")), ["W-QUOTED-REF"]);
    assert_eq!(warned(&component("k: \"$NAME\"")), ["W-QUOTED-ENV"]);
    assert_eq!(warned(&component("k: \"m\"\nj: \"$NAME/x\"")), [""; 0]);
}

#[test]
fn divergence_is_error_with_engine_compat() {
    let at = |stage, text: &str| check(text.as_bytes(), stage, Compat::Engine);
    let refused = at(Stage::Parse, &component("k: 30\nj: \"$X\""));
    assert_eq!(refused.problems.iter().map(|it| it.code).collect::<Vec<_>>(), ["D-NUMBER"]);
    assert_eq!(codes(&refused), ["W-QUOTED-ENV"]);
    assert!(at(Stage::Resolve, &component("k: \"30\"")).problems.is_empty());
    // The form is read alike, and then ignored.
    let pipes = "a = input api {\n pipes: [\"p.py::f\"]\n}\n";
    assert!(at(Stage::Resolve, pipes).problems.is_empty());
    assert_eq!(at(Stage::Validate, pipes).problems.first().map(|it| it.code), Some("W-HOOK-FORM"));
}

#[test]
fn warnings_are_limited() {
    let numbers = "1, ".repeat(100_000);
    let verdict = resolved(&component(&format!("l: [{numbers}]")));
    assert_eq!(verdict.warnings.len(), 200);
}
