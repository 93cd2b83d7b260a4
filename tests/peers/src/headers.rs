use mailparse::{MailHeaderMap as _, parse_headers};

/// What Python's `email`, by which pip reads METADATA, says of `Name`.
fn python(text: &str) -> String {
    let program = "import email, sys; print(email.message_from_string(sys.argv[1])['Name'], end='')";
    crate::python(program, &[text.as_ref()])
}

#[test]
fn mailparse_decodes_words_that_python_leaves() {
    let text = "Name: =?utf-8?q?b?=\n\n";
    assert_eq!(python(text), "=?utf-8?q?b?=");
    assert_eq!(parse_headers(text.as_bytes()).unwrap().0.get_first_value("Name").as_deref(), Some("b"));
}

#[test]
fn mailparse_takes_the_body_for_headers() {
    let text = "nonsense\nName: a\n\n";
    assert_eq!(python(text), "None");
    assert_eq!(parse_headers(text.as_bytes()).unwrap().0.get_first_value("Name").as_deref(), Some("a"));
}

/// Ours refuses it.
#[test]
fn mailparse_reads_broken_utf8_as_latin1() {
    let (headers, _) = parse_headers(b"Name: \xff\n\n").unwrap();
    assert_eq!(headers.get_first_value("Name").as_deref(), Some("\u{ff}"));
}
