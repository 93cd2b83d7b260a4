use configparser::ini::Ini;
use ini::{Ini as RustIni, ParseOption};

const CONTINUED: &str = "[global]\nextra-index-url =\n    https://b/\n    # why\n    https://c/\n";
/// An indented `[x]` goes on with the value before it.
const INDENTED_SECTION: &str = "[global]\na = b\n  [x]\nc = d\n";

/// What `configparser` of Python, which pip uses, reads: sections, keys and values; `refused` for an error.
fn python(text: &str) -> String {
    let program = "
import configparser, sys
parser = configparser.RawConfigParser()
try:
    parser.read_string(sys.argv[1])
    print(sorted((section, *item) for section in parser.sections() for item in parser.items(section)), end='')
except configparser.Error:
    print('refused', end='')
";
    crate::python(program, &[text.as_ref()])
}

fn configparser(text: &str) -> Result<Vec<(String, String, Option<String>)>, String> {
    let mut ini = Ini::new();
    ini.set_multiline(true);
    ini.set_inline_comment_symbols(Some(&[]));
    let sections = ini.read(text.to_owned())?;
    let mut found: Vec<_> = sections
        .into_iter()
        .flat_map(|(section, keys)| keys.into_iter().map(move |(key, value)| (section.clone(), key, value)))
        .collect();
    found.sort();
    Ok(found)
}

#[test]
fn configparser_reads_what_python_refuses() {
    for text in ["x = y\n", "[global]\nnonsense\n"] {
        assert_eq!(python(text), "refused");
        assert!(configparser(text).is_ok());
    }
}

#[test]
fn configparser_begins_a_section_inside_a_value() {
    assert_eq!(python(INDENTED_SECTION), r"[('global', 'a', 'b\n[x]'), ('global', 'c', 'd')]");
    let found = configparser(INDENTED_SECTION).unwrap();
    assert!(found.contains(&("x".into(), "c".into(), Some("d".into()))), "{found:?}");
}

#[test]
fn rust_ini_takes_comments_for_values() {
    assert_eq!(python(CONTINUED), r"[('global', 'extra-index-url', '\nhttps://b/\nhttps://c/')]");
    let option = ParseOption { enabled_indented_mutiline_value: true, ..ParseOption::default() };
    let found = RustIni::load_from_str_opt(CONTINUED, option).unwrap();
    assert_eq!(found.get_from(Some("global"), "extra-index-url"), Some("https://b/\n# why\nhttps://c/"));
}
