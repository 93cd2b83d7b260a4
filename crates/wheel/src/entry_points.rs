use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Fault, printable};
use crate::rules::E_SCRIPT;

/// A script an entry point asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) module: String,
    /// `main`, or an attribute path `Class.main`.
    pub(crate) function: String,
}

/// The scripts of `entry_points.txt` by name (PyPA, "Entry points specification"): `[console_scripts]` and
/// `[gui_scripts]`, which on Linux are the same; of one name in both, the graphical one counts. Extras are ignored.
pub(crate) fn read_scripts(file: &str, bytes: &[u8]) -> Result<BTreeMap<String, Script>, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::member(E_SCRIPT, file, "it is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut console = BTreeMap::new();
    let mut graphical = BTreeMap::new();
    let mut section = Section::Before;
    for (number, line) in (1..).zip(text.lines()) {
        let refuse = |reason: String| Fault::member(E_SCRIPT, file, format!("line {number}: {reason}"));
        let line = line.split(['#', ';']).next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name =
                name.strip_suffix(']').ok_or_else(|| refuse("a section does not end with `]`".into()))?;
            section = match name.trim() {
                "console_scripts" => Section::Scripts(&mut console),
                "gui_scripts" => Section::Scripts(&mut graphical),
                _ => Section::Other,
            };
            continue;
        }
        let scripts = match &mut section {
            Section::Scripts(scripts) => scripts,
            Section::Other => continue,
            Section::Before => return Err(refuse("it is outside a section".into())),
        };
        let Some((name, value)) = line.split_once('=') else {
            return Err(refuse(format!("`{}` is not `name = module:function`", printable(line))));
        };
        let (name, value) = (name.trim(), value.trim());
        check_script_name(name).map_err(refuse)?;
        let script = read_value(value).ok_or_else(|| {
            refuse(format!("`{}` does not name a function as `module:function`", printable(value)))
        })?;
        // Which of two would count depends on the reader.
        if scripts.get(name).is_some_and(|other| *other != script) {
            return Err(refuse(format!("`{}` is defined twice, for different functions", printable(name))));
        }
        scripts.insert(name.to_owned(), script);
    }
    console.append(&mut graphical);
    Ok(console)
}

/// The modules that entry points of any group name; what does not read as one is passed over.
pub(crate) fn read_modules(bytes: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(bytes);
    let values = text.lines().filter_map(|line| line.split(['#', ';']).next()?.split_once('='));
    let modules = values.filter_map(|(_, value)| value.split([':', '[']).next());
    modules.map(|module| module.trim().to_owned()).filter(|module| !module.is_empty()).collect()
}

/// Where the reader of entry points is.
enum Section<'a> {
    Before,
    Scripts(&'a mut BTreeMap<String, Script>),
    Other,
}

fn check_script_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    let shown = printable(name);
    if name.is_empty()
        || !name.bytes().all(is_plain)
        || name.starts_with(".wh.")
        || matches!(name, "." | "..")
    {
        return Err(format!("a script cannot be called `{shown}`"));
    }
    if name.len() > 255 {
        return Err("the name of a script is longer than 255 bytes".into());
    }
    if is_reserved(name) {
        return Err(format!("a script called `{shown}` would replace the interpreter"));
    }
    Ok(())
}

/// `module:function [extras]`, with spaces around each part. Nothing else may reach the text of a launcher.
fn read_value(value: &str) -> Option<Script> {
    let value = match value.split_once('[') {
        Some((value, extras)) => {
            let extras = extras.trim_end().strip_suffix(']')?;
            if extras.trim().is_empty() {
                return None;
            }
            value
        }
        None => value,
    };
    let (module, function) = value.split_once(':')?;
    let (module, function) = (module.trim(), function.trim());
    let is_identifier = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    let is_dotted = |text: &str| text.split('.').all(is_identifier);
    (is_dotted(module) && is_dotted(function))
        .then(|| Script { module: module.into(), function: function.into() })
}

/// Whether a file of this name in the scripts directory would pose as the interpreter, in any case and with the endings
/// Windows runs: `python`, `python3`, `python3.N`, `python3.Nt`, `pythonw`, `pypy`, `graalpy`.
pub(crate) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    let name = name.strip_suffix(".py").unwrap_or(name);
    if matches!(name, "python" | "pythonw" | "python2" | "python3" | "graalpy" | "pypy" | "pypy2" | "pypy3") {
        return true;
    }
    let minor =
        ["python3.", "pythonw3.", "python2.", "pypy3."].iter().find_map(|prefix| name.strip_prefix(prefix));
    minor.is_some_and(|minor| minor.strip_suffix('t').unwrap_or(minor).parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<String>> {
        let scripts = read_scripts("entry_points.txt", text.as_bytes()).ok()?;
        Some(
            scripts
                .iter()
                .map(|(name, script)| format!("{name}={}:{}", script.module, script.function))
                .collect(),
        )
    }

    #[test]
    fn entry_points_reads_scripts_only() {
        let text = "\u{feff}; comment\r\n[console_scripts]\r\nB = b.c : D.main [x, y]  # note\r\n  a=a:main\n\n\
            [other]\nanything goes\nx = y z\n[gui_scripts]\na = gui:main\n";
        assert_eq!(read(text).unwrap(), ["B=b.c:D.main", "a=gui:main"]);
    }

    #[test]
    fn values_that_are_not_functions_are_refused() {
        for value in [
            "",
            "a",
            "a:",
            ":b",
            "a:b [x",
            "a:b []",
            "a:b()",
            "a b:c",
            "a:b\\n;import os",
            "a: b c",
            "a-b:c",
            ".a:b",
            "a..b:c",
            "a:1",
        ] {
            let value = value.split(';').next().unwrap();
            assert_eq!(read(&format!("[console_scripts]\nx = {value}\n")), None, "{value}");
        }
        assert_eq!(read("[console_scripts]\nx: a:main\n"), None);
        assert_eq!(read("x = a:main\n"), None);
        assert_eq!(read("[console_scripts\nx = a:main\n"), None);
        assert_eq!(read("[console_scripts]\nx = a:main\nx = b:main\n"), None);
        assert!(read("[console_scripts]\nx = a:main\nx = a:main\n").is_some());
    }

    #[test]
    fn names_must_be_plain_and_leave_the_interpreter_alone() {
        for name in [
            "",
            "a b",
            "a;$(id)",
            "a/b",
            "..",
            ".wh.a",
            "python",
            "Python3.EXE",
            "python3.11",
            "python3.14t",
            "pypy3",
        ] {
            assert_eq!(read(&format!("[console_scripts]\n{name} = a:b\n")), None, "{name}");
        }
        for name in ["g++", "a.b_c-d", "python3-config", "pythonic", "python3.x", "2to3"] {
            assert!(read(&format!("[console_scripts]\n{name} = a:b\n")).is_some(), "{name}");
        }
    }
}
