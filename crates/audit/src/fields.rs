use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// A field in which two JSON documents differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Where it is: `config.Env PATH`, `history[3].created_by`.
    pub field: String,
    /// What the first document says, as JSON; absent where it says nothing.
    pub expected: Option<String>,
    /// What the second document says.
    pub found: Option<String>,
}

/// The fields in which two documents differ, in the order of their names.
///
/// Environment variables are compared by name, lists of words as a whole, and other lists element by element behind
/// what they begin with in common.
pub(crate) fn differences(expected: &Value, found: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    compare("", Some(expected), Some(found), &mut fields);
    fields
}

fn compare(at: &str, expected: Option<&Value>, found: Option<&Value>, fields: &mut Vec<Field>) {
    match (expected, found) {
        (Some(expected), Some(found)) if expected == found => {}
        (Some(Value::Object(expected)), Some(Value::Object(found))) => {
            let keys: BTreeMap<&String, ()> =
                expected.keys().chain(found.keys()).map(|key| (key, ())).collect();
            for key in keys.into_keys() {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                compare(&at, expected.get(key), found.get(key), fields);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(two))) => match (variables(one), variables(two)) {
            (Some(one), Some(two)) if at.ends_with("Env") && one != two => {
                let names: BTreeMap<&str, ()> =
                    one.keys().chain(two.keys()).map(|name| (*name, ())).collect();
                for name in names.into_keys() {
                    let value =
                        |variables: &BTreeMap<&str, &str>| variables.get(name).map(|value| (*value).into());
                    let (one, two): (Option<Value>, Option<Value>) = (value(&one), value(&two));
                    compare(&format!("{at} {name}"), one.as_ref(), two.as_ref(), fields);
                }
            }
            _ if one.iter().chain(two).all(|value| value.is_object()) => elements(at, one, two, fields),
            _ => fields.push(field(at, expected, found)),
        },
        _ => fields.push(field(at, expected, found)),
    }
}

/// Lists that begin alike and end alike differ in the middle.
fn elements(at: &str, one: &[Value], two: &[Value], fields: &mut Vec<Field>) {
    let start = one.iter().zip(two).take_while(|(one, two)| one == two).count();
    let (one, two) = (one.get(start..).unwrap_or_default(), two.get(start..).unwrap_or_default());
    let end = one.iter().rev().zip(two.iter().rev()).take_while(|(one, two)| one == two).count();
    let (one, two) = (&one[..one.len() - end], &two[..two.len() - end]);
    for index in 0..one.len().max(two.len()) {
        compare(&format!("{at}[{}]", start + index), one.get(index), two.get(index), fields);
    }
}

/// `NAME=value` lines by name; `None` when a line is none, or a name stands twice.
fn variables(lines: &[Value]) -> Option<BTreeMap<&str, &str>> {
    let mut variables = BTreeMap::new();
    for line in lines {
        let (name, value) = line.as_str()?.split_once('=')?;
        if variables.insert(name, value).is_some() {
            return None;
        }
    }
    Some(variables)
}

fn field(at: &str, expected: Option<&Value>, found: Option<&Value>) -> Field {
    Field {
        field: at.to_owned(),
        expected: expected.map(ToString::to_string),
        found: found.map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(expected: Value, found: Value, lines: &[&str]) {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
        let fields: Vec<String> = differences(&expected, &found)
            .iter()
            .map(|field| format!("{}: {} -> {}", field.field, text(&field.expected), text(&field.found)))
            .collect();
        assert_eq!(fields, lines);
    }

    #[test]
    fn fields_are_named_from_the_top() {
        check(
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"b": 1, "c": 3}, "d": true}),
            &["a.c: 2 -> 3", "d: nothing -> true"],
        );
        check(json!({"a": [1]}), json!({"a": [1]}), &[]);
        check(json!({"a": {}}), json!({"a": "x"}), &["a: {} -> \"x\""]);
    }

    #[test]
    fn words_are_one_field_and_variables_many() {
        check(json!({"Cmd": ["a", "b"]}), json!({"Cmd": ["a"]}), &[r#"Cmd: ["a","b"] -> ["a"]"#]);
        check(
            json!({"Env": ["A=1", "B=2"]}),
            json!({"Env": ["B=3", "C=4"]}),
            &[r#"Env A: "1" -> nothing"#, r#"Env B: "2" -> "3""#, r#"Env C: nothing -> "4""#],
        );
        let order = r#"Env: ["A=1","B=2"] -> ["B=2","A=1"]"#;
        check(json!({"Env": ["A=1", "B=2"]}), json!({"Env": ["B=2", "A=1"]}), &[order]);
    }

    #[test]
    fn an_element_more_is_one_difference() {
        let lines = |names: &[&str]| names.iter().map(|name| json!({"by": name})).collect::<Vec<_>>();
        check(
            json!(lines(&["a", "b", "c"])),
            json!(lines(&["a", "x", "b", "c"])),
            &[r#"[1]: nothing -> {"by":"x"}"#],
        );
        check(json!(lines(&["a", "b"])), json!(lines(&["a", "c"])), &[r#"[1].by: "b" -> "c""#]);
    }
}
