/// Texts that yaml_serde writes without quotes, and what a reader of YAML 1.1 makes of them. Tools around Kubernetes and
/// Compose still have such readers.
const TAKEN_FOR_OTHERS: [(&str, &str); 6] = [
    ("22:22", "1342"),
    ("190:20:30.15", "685230.15"),
    ("on", "True"),
    ("NO", "False"),
    ("1_000", "1000"),
    ("2001-01-01", "datetime.date(2001, 1, 1)"),
];

#[test]
fn yaml_serde_writes_texts_that_others_take_for_numbers() {
    for (text, expected) in TAKEN_FOR_OTHERS {
        let written = yaml_serde::to_string(text).unwrap();
        let read = crate::python(
            "import sys, yaml; print(yaml.safe_load(sys.argv[1]).__repr__(), end='')",
            &[written.as_ref()],
        );
        assert_eq!(read, expected, "{written}");
    }
}
