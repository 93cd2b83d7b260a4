//! What is refused, in the words a person reads.

use std::fmt::Write as _;

use wainwright_fault::Classify;
use wainwright_woodwork::{Compat, MOST_BYTES, read};

use crate::told;

/// Texts that the grammar refuses.
const PARSE: &[&str] = &[
    "a = claude {\n}\n",
    "a = llm openai extra {\n}\n",
    "a = kind one\n",
    "a = gpt-4 one {\n}\n",
    "a = \"x\"\n",
    "my-a = kind one {\n}\n",
    "1a = kind one {\n}\n",
    "my a = kind one {\n}\n",
    "// note\na = kind one {}\n",
    "a = kind one {}\n}\n",
    "model: \"x\"\n",
    "é = kind one {}\n",
    "a = kind one {\n\tk: \"v\"\n",
    "a = kind one {\n  k: [m,\n",
    "a = kind one {\n  k: \"v\"\n\nb = kind one {\n}\n",
    "a = kind one {\n  model = \"m\"\n}\n",
    "a = kind one {\n  hooks = [\n    { event: \"x\" }\n  ]\n}\n",
    "a = kind one {\n  k \"1\"\n}\n",
    "a = kind one {\n  k:\n    \"v\"\n}\n",
    "a = kind one {\n  k: # later\n}\n",
    "a = kind one {\n  k: \"1\"\n  k: \"2\"\n}\n",
    "a = kind one {\n  , k: \"1\"\n}\n",
    "a = kind one {\n  // k: \"1\"\n}\n",
    "a = kind one {\n  {\n  }\n}\n",
    "a = kind one {\n  1k: \"1\"\n}\n",
    "a = kind one {\n  k: ./tools/x.py\n}\n",
    "a = kind one {\n  k: gpt-4o\n}\n",
    "a = kind one {\n  k: v\"x\"\n}\n",
    "a = kind one {\n  k: 007\n}\n",
    "a = kind one {\n  k: 99999999999999999999\n}\n",
    "a = kind one {\n  k: 1e999\n}\n",
    "a = kind one {\n  k: ${WW_KEY}\n}\n",
    "a = kind one {\n  k: $BASE/path\n}\n",
    "a = kind one {\n  k: \"abc\n}\n",
    "a = kind one {\n  k: \"v'\n}\n",
    "a = kind one {\n  k: \"a\" \"b\"\n}\n",
    "a = kind one {\n  k: one two\n}\n",
    "a = kind one {\n  k: [\"a\" \"b\"]\n}\n",
    "a = kind one {\n  k: [,]\n}\n",
    "a = kind one {\n  k: [a\n  j: \"w\"\n}\n",
    "a = kind one {\n  k: [a}\n}\n",
    "a = kind one {\n  k: ]\n}\n",
];

/// Texts in which something is missing or there twice.
const RESOLVE: &[&str] = &[
    "FALSE = kind one {\n}\n",
    "a = kind one {}\nb = kind one {}\na = kind two {}\n",
    "agent = kind one {\n  k: agnet\n  l: [modle, 'x']\n  d: {\n    s: ghost\n  }\n}\nmodel = kind two {}\n",
    "a = kind one {\n  k: null\n}\n",
    "a = kind one {\n  k: a\n}\n",
    "a = kind one {\n  k: b\n}\nb = kind one {\n  k: [c]\n}\nc = kind one {\n  k: b\n  j: a\n}\n",
    "a = kind one {\n  name: \"x\"\n  type: \"y\"\n}\n",
    "a = kind one {\n  d: {\n    \"$env\": \"X\"\n  }\n}\n",
];

/// Texts whose components lack something.
const VALIDATE: &[&str] = &[
    "a = decomposer llm {\n}\n",
    "a = lm openai {\n}\n",
    "a = foo claude {\n}\n",
    "a = foo bar {\n}\n",
    "a = llm openia {\n}\n",
    "a = llm pytorch {\n}\n",
    "m = llm openai {\n  api_key: $KEY\n}\na = agent llm {\n  tools: [m]\n}\n",
    "a = agent llm {\n}\n",
    "a = api web {\n  url: 30\n  documentation: $DOC\n}\n",
    "a = llm openai {\n  api_key: \"sk-123\"\n  model: gpt\n  memory: \"gpt\"\n}\ngpt = memory short_term {}\n",
    "a = llm openai {\n  api_key: $KEY\n  memory: b\n}\nb = llm ollama {\n  model: \"x\"\n}\n",
    "a = agent llm {\n  model: b\n  tools: [\"a b\", 1]\n  cache: \"true\"\n}\nb = llm ollama {\n  model: \"x\"\n}\n",
    "a = input command_line {\n}\nb = input command_line {\n}\nc = nothing at_all {}\n",
    "Get_It = memory short_term {}\nget_it = memory short_term {}\n",
    "_a = memory short_term {}\nthis_name_is_much_too_long_for_the_name_of_a_service_in_any_cluster_at_all = memory short_term {}\n",
    "a = input api {\n  port: 0\n}\nb = input api {\n  port: \"70000\"\n}\nc = input api {\n  port: $PORT\n}\n",
    "a = input api {\n  to: \"b\"\n}\nb = memory short_term {}\n",
    "a = input api {\n  hooks: \"h.py::f\"\n  pipes: [\n    m,\n    \"h.py\",\n    \"::f\",\n    \"/etc/x.py::f\",\n    \"../x.py::f\",\n    \"a\\b.py::f\",\n    \"h.sh::f\",\n    \"h.py::f()\"\n  ]\n}\nm = memory short_term {}\n",
    "a = input api {\n  hooks: [\n    { event: \"\", script: \"h.py\", function: \"f\" },\n    { script: \"h.py\", script_path: \"h.py\", function: 1, event: \"x\" },\n    { event: \"x\", function: \"f\", script: \"h.py\", when: \"now\" }\n  ]\n}\n",
    "a = api functions {\n  path: \"../f.py\"\n}\nb = api functions {\n  path: [\"f.py\"]\n}\n",
    "a = memory short_term {\n  requirements: \"requests\"\n}\nb = memory short_term {\n  requirements: [\"-r x.txt\", \"requests 2\", 1]\n}\n",
    "a = memory short_term {\n  resources: {\n    cpu: \"lots\"\n    memory: \"1GB\"\n    gpu: 1\n  }\n  replicas: -1\n}\nb = memory short_term {\n  resources: 1\n  replicas: \"many\"\n}\n",
    "a = llm ollama {\n  model: \"x\"\n  memory: m\n}\nb = llm ollama {\n  model: \"x\"\n  memory: m\n}\nm = memory short_term {}\n",
    "a = knowledge_base text_file {\n  path: \"x.txt\"\n}\n",
    "a = memory short_term {\n  depends_on: [\"zz y\"]\n  deployment: true\n}\n",
];

fn all(texts: &[&str], stage: &str) -> String {
    let mut shown = String::new();
    for text in texts {
        let told = told(text);
        assert!(told.contains(": E-") || told.contains(": W-"), "{stage}: nothing wrong with {text}");
        let _ = writeln!(shown, "{told}\n");
    }
    shown
}

#[test]
fn errors_of_the_language() {
    insta::assert_snapshot!(all(PARSE, "parse"));
}

#[test]
fn errors_of_references() {
    insta::assert_snapshot!(all(RESOLVE, "resolve"));
}

#[test]
fn errors_of_components() {
    insta::assert_snapshot!(all(VALIDATE, "validate"));
}

#[test]
fn parser_rejects_binary_files() {
    insta::assert_snapshot!(told(b"a = kind one {\n k: \"\xff\"\n}"), @r"
    main.ww:2:6: E-UTF8: the file is not UTF-8 here
      hint: save the file as UTF-8
    ");
    insta::assert_snapshot!(told("a\0"), @r"
    main.ww:1:2: E-NUL: the file contains a NUL byte
      hint: check that it is a workflow
    ");
    insta::assert_snapshot!(told("a = kind one {\r}"), @r"
    main.ww:1:15: E-CR: a carriage return that does not end a line
      hint: end lines with LF or CRLF
    ");
    let told = told(vec![b' '; MOST_BYTES + 1]);
    assert!(told.contains("E-SIZE: the file has 1048577 bytes; the limit is 1048576"), "{told}");
}

#[test]
fn depth_and_number_are_limited() {
    let nested = |open: &str, close: &str, depth| {
        told(format!("a = kind one {{\n k: {}{}\n}}\n", open.repeat(depth), close.repeat(depth)))
    };
    assert!(!nested("[", "]", 63).contains("E-DEPTH"));
    assert!(nested("[", "]", 64).contains("E-DEPTH"));
    assert!(nested("{k: ", "}", 100_000).contains("E-DEPTH"));
    let many: String = (0..1001).map(|number| format!("a{number} = memory short_term {{}}\n")).collect();
    assert!(told(many).contains("main.ww:1001:1: E-LIMIT"));
}

#[test]
fn problems_of_a_stage_are_limited() {
    let text = format!("a = kind one {{\n k: [{}]\n}}\n", "ghost, ".repeat(50_000));
    let error = read("x/main.ww", text, Compat::Strict).unwrap_err();
    assert_eq!(error.problems().len(), 100);
    assert!(error.to_string().starts_with("x/main.ww:2:6: E-REF-UNKNOWN: `a` refers to `ghost`"), "{error}");
    assert_eq!(
        error.hint().as_deref(),
        Some("`wain ww check x/main.ww` checks the workflow without building")
    );
}

#[test]
fn secrets_are_not_shown() {
    for value in
        ["\"sk-hush\"", "\"sk-hush", "sk-hush", "\"sk-hush\" x", "sk_hush", "$sk-hush", "[\"sk-hush\"]"]
    {
        let told = told(format!("a = llm openai {{\n  api_key: {value}\n}}\n"));
        assert!(told.contains("main.ww:2:"), "{told}");
        assert!(!told.contains("hush") || value == "sk_hush", "{told}");
    }
}
