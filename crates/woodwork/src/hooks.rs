use serde::Serialize;

use crate::codes;
use crate::path;
use crate::problem::{Problem, Stage};
use crate::span::Span;
use crate::syntax::{Content, Dict, Entry, Value};

/// A function of a script of the project that is called when something happens.
///
/// A hook watches; what a pipe returns takes the place of what it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// As `input.received`.
    pub event: String,
    /// The script, relative to the project.
    pub script: String,
    /// A name at the top of the script.
    pub function: String,
    /// Where it is written.
    #[serde(skip)]
    pub at: Span,
}

/// What a form without an event is called for: all that a component receives from outside.
const RECEIVED: &str = "input.received";
/// The events that are known to happen.
pub(crate) const EVENTS: &[&str] = &[
    "agent.action",
    "agent.error",
    "agent.response",
    "agent.step_complete",
    "agent.thought",
    "component.response",
    RECEIVED,
    "tool.call",
    "tool.observation",
];
const FORMS: &str = "write `{ event: \"input.received\" script_path: \"hooks.py\" function_name: \"log\" }`, each key on its own line";

/// The hooks or pipes of a component, in the one form.
pub(crate) fn read(
    source: &str,
    entry: &Entry,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Vec<Hook> {
    let key = entry.key.as_str();
    let Some(items) = entry.value.as_list() else {
        let text = format!("`{key}` must be a list, not {}", entry.value.sort());
        problems.push(Problem::new(source, Stage::Validate, codes::E_HOOK, entry.value.at, text).hint(FORMS));
        return Vec::new();
    };
    let mut reader = Reader { source, key, problems, warnings };
    items.iter().filter_map(|item| reader.item(item)).collect()
}

struct Reader<'a> {
    source: &'a str,
    key: &'a str,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn item(&mut self, item: &Value) -> Option<Hook> {
        let hook = match &item.content {
            Content::Dict(dict) => self.dict(dict, item.at)?,
            Content::Text(text) => self.text(text, item.at)?,
            _ => {
                let text = format!("an item of `{}` must be a dictionary, not {}", self.key, item.sort());
                self.wrong(item.at, text, FORMS);
                return None;
            }
        };
        if !EVENTS.contains(&hook.event.as_str()) {
            let text = format!("unknown event `{}`", hook.event);
            let hint = format!("the events are {}", EVENTS.join(", "));
            let warning = Problem::new(self.source, Stage::Validate, codes::W_EVENT, item.at, text);
            self.warnings.push(warning.hint(hint));
        }
        Some(hook)
    }

    /// `{ event: .. script_path: .. function_name: .. }`, or `script` and `function`.
    fn dict(&mut self, dict: &Dict, at: Span) -> Option<Hook> {
        let event = self.part(dict, &["event"], at);
        let script = self.part(dict, &["script_path", "script"], at);
        let function = self.part(dict, &["function_name", "function"], at);
        for entry in &dict.entries {
            if !["event", "script_path", "script", "function_name", "function"].contains(&entry.key.as_str())
            {
                let text = format!("`{}` has no effect here", entry.key);
                let warning =
                    Problem::new(self.source, Stage::Validate, codes::W_HOOK_KEY, entry.key_at, text);
                self.warnings.push(warning.hint("remove it: a hook has an event, a script and a function"));
            }
        }
        let (event, script, function) = (event?, script?, function?);
        let parts = [self.script(&script), self.function(&function)];
        let is_sound = parts.iter().all(|is_sound| *is_sound);
        is_sound.then(|| Hook { event: event.0, script: path::normal(&script.0), function: function.0, at })
    }

    /// The text under one of the names of a part; exactly one of them is there.
    fn part(&mut self, dict: &Dict, names: &[&str], at: Span) -> Option<(String, Span)> {
        let mut found = dict.entries.iter().filter(|entry| names.contains(&entry.key.as_str()));
        let (first, second) = (found.next(), found.next());
        if let Some(second) = second {
            let text = format!("`{}` repeats an earlier key", second.key);
            self.wrong(second.key_at, text, "keep one of the two");
            return None;
        }
        let Some(entry) = first else {
            let name = names.first().copied().unwrap_or_default();
            self.wrong(at, format!("an item of `{}` without `{name}`", self.key), FORMS);
            return None;
        };
        match entry.value.as_text() {
            Some("") => self.wrong(entry.value.at, format!("`{}` is empty", entry.key), FORMS),
            Some(text) => return Some((text.to_owned(), entry.value.at)),
            None => {
                let text = format!("`{}` must be a string, not {}", entry.key, entry.value.sort());
                self.wrong(entry.value.at, text, "write it in quotes");
            }
        }
        None
    }

    /// `"script.py::function"`, split at the last `::`.
    fn text(&mut self, text: &str, at: Span) -> Option<Hook> {
        let Some((script, function)) = text.rsplit_once("::") else {
            self.wrong(at, format!("`{text}` does not name a function"), "write `\"script.py::function\"`");
            return None;
        };
        if script.is_empty() || function.is_empty() {
            self.wrong(at, format!("a part of `{text}` is missing"), "write `\"script.py::function\"`");
            return None;
        }
        let (script, function) = ((script.to_owned(), at), (function.to_owned(), at));
        let parts = [self.script(&script), self.function(&function)];
        if parts.contains(&false) {
            return None;
        }
        let said = format!("the `woodwork` command ignores this form; Wainwright calls it for `{RECEIVED}`");
        self.warnings
            .push(Problem::new(self.source, Stage::Validate, codes::W_HOOK_FORM, at, said).hint(FORMS));
        Some(Hook { event: RECEIVED.into(), script: path::normal(&script.0), function: function.0, at })
    }

    fn script(&mut self, (script, at): &(String, Span)) -> bool {
        if let Err(why) = path::check(script) {
            let text = format!("`{script}` is not a script of the project: {why}");
            self.wrong(*at, text, "write a path relative to the folder of the project, with `/`");
            return false;
        }
        if !script.ends_with(".py") {
            self.wrong(*at, format!("`{script}` does not end with `.py`"), "use a Python file");
            return false;
        }
        true
    }

    fn function(&mut self, (function, at): &(String, Span)) -> bool {
        let begins = function.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
        let is_name = begins && function.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        if !is_name {
            let text = format!("`{function}` is not the name of a function");
            self.wrong(*at, text, "use a top-level function of the script, without `()`");
        }
        is_name
    }

    fn wrong(&mut self, at: Span, text: String, hint: &str) {
        self.problems.push(Problem::new(self.source, Stage::Validate, codes::E_HOOK, at, text).hint(hint));
    }
}
