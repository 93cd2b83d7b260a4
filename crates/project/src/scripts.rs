//! Scripts and entry points of a project (PyPA, "Entry points specification").

use std::collections::BTreeMap;

use crate::Error;
use crate::document::{Item, Table};
use crate::values::cut;

/// Scripts become files in `bin` whose text holds the object: both are kept to their grammar.
pub(crate) fn read_scripts(item: &Item<'_>) -> Result<BTreeMap<String, String>, Error> {
    let mut scripts = BTreeMap::new();
    for (name, (_, item)) in item.table()?.items() {
        check_script_name(name).map_err(|what| item.refuse(what))?;
        let object = item.line()?;
        if !is_object(object, true) {
            let what = format!("`{}` is not a function to call", cut(object));
            return Err(item.refuse_with(what, "write it as `package.module:function`"));
        }
        scripts.insert(name.to_owned(), object.to_owned());
    }
    Ok(scripts)
}

fn check_script_name(name: &str) -> Result<(), String> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > 200 || name.starts_with(['.', '-']) || !name.bytes().all(is_letter) {
        return Err(format!("`{}` is not a script name: use letters, digits, `.`, `_` and `-`", cut(name)));
    }
    let folded = name.to_ascii_lowercase();
    let version = |prefix: &str| {
        folded
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.trim_end_matches('t').bytes().all(|b| b.is_ascii_digit() || b == b'.'))
    };
    if ["python", "pythonw", "pypy"].iter().any(|prefix| version(prefix)) || folded == "graalpy" {
        return Err(format!("a script named `{name}` would replace the interpreter"));
    }
    Ok(())
}

/// The other entry points: group -> name -> object.
pub(crate) fn read_entry_points(
    project: &Table<'_>,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, Error> {
    read_entry_points_of(project.get("entry-points"))
}

/// The same, wherever they stand.
pub(crate) fn read_entry_points_of(
    item: Option<Item<'_>>,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, Error> {
    let Some(item) = item else { return Ok(BTreeMap::new()) };
    let mut groups = BTreeMap::new();
    for (group, (_, item)) in item.table()?.items() {
        let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        if group == "console_scripts" || group == "gui_scripts" {
            let key = if group == "gui_scripts" { "gui-scripts" } else { "scripts" };
            return Err(item.refuse(format!("`{group}` belongs under [project.{key}]")));
        }
        if !group.split('.').all(is_word) {
            return Err(item.refuse(format!("`{}` is not an entry point group name", cut(group))));
        }
        let mut points = BTreeMap::new();
        for (name, (_, item)) in item.table()?.items() {
            let object = item.line()?;
            let is_plain = !name.is_empty() && !name.starts_with(['[', '#', ';']) && name.trim() == name;
            if !is_plain || name.contains(|letter: char| letter == '=' || letter.is_control()) {
                return Err(item.refuse(format!("`{}` is not an entry point name", cut(name))));
            }
            if !is_object(object, false) {
                let what = format!("`{}` is not an object in a module", cut(object));
                return Err(item.refuse_with(what, "write it as `package.module` or `package.module:object`"));
            }
            points.insert(name.to_owned(), object.to_owned());
        }
        groups.insert(group.to_owned(), points);
    }
    Ok(groups)
}

/// `module.path:object.path [extras]` (PyPA, "Entry points specification").
fn is_object(text: &str, needs_object: bool) -> bool {
    let is_path = |path: &str| path.split('.').all(is_identifier);
    let text = match text.split_once('[') {
        None => text,
        Some((text, extras)) if extras.trim_end().ends_with(']') => text,
        Some(_) => return false,
    };
    match text.split_once(':') {
        Some((module, object)) => is_path(module.trim()) && is_path(object.trim()),
        None => !needs_object && is_path(text.trim()),
    }
}

pub(crate) fn is_identifier(text: &str) -> bool {
    let starts_well = text.chars().next().is_some_and(|letter| letter.is_alphabetic() || letter == '_');
    starts_well && text.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_bin_or_replace_the_interpreter() {
        for name in ["shop", "Shop-2", "a.b_c", "pythonic", "python-shop"] {
            assert_eq!(check_script_name(name), Ok(()), "{name}");
        }
        for name in
            ["", "..", ".x", "-x", "a/b", "a b", "é", "python", "Python3", "python3.13t", "pypy3", "graalpy"]
        {
            assert!(check_script_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn objects_are_identifiers_and_nothing_else() {
        for (text, with_object, without) in [
            ("a.b:c.d", true, true),
            ("a : b [x, y]", true, true),
            ("a.b", false, true),
            ("é:ü", true, true),
            ("a:b;import os", false, false),
            ("a:b()", false, false),
            ("a:", false, false),
            (":a", false, false),
            ("a..b:c", false, false),
            ("1a:b", false, false),
            ("a:b [x", false, false),
        ] {
            assert_eq!((is_object(text, true), is_object(text, false)), (with_object, without), "{text}");
        }
    }
}
