use std::collections::BTreeMap;

use crate::codes::{self, Code};
use crate::path;
use crate::problem::{Problem, Stage};
use crate::requirement;
use crate::span::Span;
use crate::syntax::{Content, Dict, Entry, Node, Value};
use crate::table::{Accepts, Kind};
use crate::workflow::{NamedFile, Resources};

/// Judges the keys of components.
pub(crate) struct Keys<'a> {
    pub(crate) source: &'a str,
    /// Kind and type of every component.
    pub(crate) kinds: &'a BTreeMap<&'a str, (&'a str, &'a str)>,
    pub(crate) problems: &'a mut Vec<Problem>,
    pub(crate) warnings: &'a mut Vec<Problem>,
}

/// Keys that name files, with the kinds and types where they do; no type is every type.
const FILES: &[(&str, &str, &str)] = &[
    ("api", "functions", "path"),
    ("api", "web", "documentation"),
    ("knowledge_base", "chroma", "file_to_embed"),
    ("knowledge_base", "text_file", "path"),
];
/// Replicas of one component.
const MOST_REPLICAS: i64 = 1000;
/// Units of memory of Kubernetes that make sense here.
const UNITS: &[&str] = &["", "k", "K", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"];

impl Keys<'_> {
    /// Tells the keys that a kind wants and that are not there.
    pub(crate) fn required(&mut self, node: &Node, kind: &Kind) {
        let missing = kind.keys.iter().filter(|key| key.is_required && node.body.get(key.name).is_none());
        for key in missing.collect::<Vec<_>>() {
            let text = format!(
                "`{}` has no `{}`, which `{} {}` requires",
                node.name.text, key.name, kind.kind, kind.kind_type
            );
            let text = if vowel(kind.kind) { text } else { text.replace("; an `", "; a `") };
            let hint = match key.accepts {
                Accepts::OfKind(kinds) => match self.first_of(kinds) {
                    Some(name) => format!("add `{}: {name}`", key.name),
                    None => format!(
                        "add a component of the kind `{}`, and `{}: ` with its name",
                        kinds.join("` or `"),
                        key.name
                    ),
                },
                Accepts::Components(_) => {
                    format!("add `{}: [...]` with the names of components; `[]` is none", key.name)
                }
                Accepts::Secret => {
                    format!("add `{}: $NAME`, with the name of an environment variable", key.name)
                }
                _ => format!("add `{}: \"...\"`", key.name),
            };
            self.wrong(codes::E_KEY_MISSING, node.name.at, text, hint);
        }
    }

    fn first_of(&self, kinds: &[&str]) -> Option<&str> {
        self.kinds.iter().find(|(_, (kind, _))| kinds.contains(kind)).map(|(name, _)| *name)
    }

    /// Judges the values of the keys that the kind knows.
    pub(crate) fn known(&mut self, node: &Node, kind: &Kind) {
        for entry in &node.body.entries {
            let Some(accepts) = kind.accepts(&entry.key) else { continue };
            self.value(entry, accepts);
        }
    }

    fn value(&mut self, entry: &Entry, accepts: Accepts) {
        let value = &entry.value;
        let wanted = match accepts {
            Accepts::Any | Accepts::Path | Accepts::Port => return,
            Accepts::Text | Accepts::Secret => "a string or `$NAME`",
            Accepts::Boolean => "true or false",
            Accepts::Dictionary => "a dictionary",
            Accepts::TextOrDictionary => "a string or a dictionary",
            Accepts::List => "a list",
            Accepts::OfKind(kinds) => return self.component_of(entry, value, kinds),
            Accepts::Components(kinds) => return self.components(entry, kinds),
        };
        let fits = match (&value.content, accepts) {
            (Content::Text(_), Accepts::Secret) => {
                let text =
                    format!("the value of `{}` is written in the file and would be in the image", entry.key);
                let warning = Problem::new(self.source, Stage::Validate, codes::W_SECRET, value.at, text);
                self.warnings.push(warning.hint("write `$NAME` and set the variable at run time"));
                true
            }
            (Content::Text(_), Accepts::Text | Accepts::TextOrDictionary)
            | (
                Content::Env(_),
                Accepts::Text | Accepts::Secret | Accepts::Boolean | Accepts::TextOrDictionary,
            )
            | (Content::Boolean(_), Accepts::Boolean)
            | (Content::Dict(_), Accepts::Dictionary | Accepts::TextOrDictionary)
            | (Content::List(_), Accepts::List) => true,
            _ => false,
        };
        if !fits {
            let text = format!("`{}` must be {wanted}, not {}", entry.key, value.sort());
            let hint = match &value.content {
                Content::Reference { name, .. } => format!("if it is text, write it in quotes: \"{name}\""),
                Content::Text(text) if accepts == Accepts::Boolean && is_boolean(text) => {
                    "remove the quotes".into()
                }
                Content::Number(_) if accepts != Accepts::Boolean => "write it in quotes".into(),
                _ => format!("write {wanted}"),
            };
            self.wrong(codes::E_VALUE, value.at, text, hint);
        }
    }

    fn component_of(&mut self, entry: &Entry, value: &Value, kinds: &[&str]) {
        let Some(name) = value.as_reference() else {
            let hint = match value.as_text().filter(|text| self.kinds.contains_key(text)) {
                Some(name) => format!("remove the quotes: {name}"),
                None => "write the name of a component, without quotes".into(),
            };
            let text = format!("`{}` must be a component, not {}", entry.key, value.sort());
            return self.wrong(codes::E_VALUE, value.at, text, hint);
        };
        let Some((kind, kind_type)) = self.kinds.get(name) else { return };
        if !kinds.is_empty() && !kinds.contains(kind) {
            let text = format!(
                "`{}` must be a component of the kind `{}`; `{name}` is `{kind} {kind_type}`",
                entry.key,
                kinds.join("` or `")
            );
            let hint = match self.first_of(kinds) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "add a component of this kind".into(),
            };
            self.wrong(codes::E_VALUE, value.at, text, hint);
        }
    }

    fn components(&mut self, entry: &Entry, kinds: &[&str]) {
        match entry.value.as_list() {
            Some(items) => items.iter().for_each(|item| self.component_of(entry, item, kinds)),
            None => self.component_of(entry, &entry.value, kinds),
        }
    }

    /// The files that keys name.
    pub(crate) fn files(&mut self, body: &Dict, kind: &Kind) -> Vec<NamedFile> {
        let mut files = Vec::new();
        for (_, _, key) in
            FILES.iter().filter(|(of, kind_type, _)| (*of, *kind_type) == (kind.kind, kind.kind_type))
        {
            files.extend(body.get(key).and_then(|value| self.file(key, value)));
        }
        if kind.accepts("prompt").is_some() {
            let file = body.get("prompt").and_then(Value::as_dict).and_then(|prompt| prompt.get("file"));
            files.extend(file.and_then(|value| self.file("prompt.file", value)));
        }
        files
    }

    fn file(&mut self, key: &'static str, value: &Value) -> Option<NamedFile> {
        match &value.content {
            Content::Text(text) => match path::check(text) {
                Ok(()) => return Some(NamedFile { key, path: path::normal(text), at: value.at }),
                Err(why) => {
                    let text = format!("`{text}` is not a file of the project: {why}");
                    self.wrong(
                        codes::E_PATH,
                        value.at,
                        text,
                        "write a path relative to the folder of the project, with `/`",
                    );
                }
            },
            Content::Env(name) => {
                let text = format!(
                    "the file in `${name}` is unknown before run time, so the image will not contain it"
                );
                let warning = Problem::new(self.source, Stage::Validate, codes::W_FILE, value.at, text);
                self.warnings.push(warning.hint("write the path here"));
            }
            _ => {
                let text = format!("`{key}` must be the name of a file, not {}", value.sort());
                self.wrong(codes::E_VALUE, value.at, text, "write it in quotes");
            }
        }
        None
    }

    /// `requirements: [...]`, or what the kind needs.
    pub(crate) fn requirements(&mut self, body: &Dict, kind: &Kind) -> Vec<String> {
        let Some(value) = body.get("requirements") else {
            return kind.requirements.iter().map(|name| (*name).to_owned()).collect();
        };
        let hint = "write a list of requirements: [\"requests>=2\"], or `[]` for none";
        let Some(items) = value.as_list() else {
            let text = format!("`requirements` must be a list, not {}", value.sort());
            self.wrong(codes::E_VALUE, value.at, text, hint);
            return Vec::new();
        };
        let mut requirements = Vec::new();
        for item in items {
            match item.as_text().map(|text| (text, requirement::check(text))) {
                Some((text, Ok(()))) => requirements.push(text.trim().to_owned()),
                Some((text, Err(why))) => {
                    self.wrong(
                        codes::E_REQUIREMENT,
                        item.at,
                        format!("`{text}` is not a requirement: {why}"),
                        hint,
                    );
                }
                None => {
                    let text = format!("a requirement must be a string, not {}", item.sort());
                    self.wrong(codes::E_VALUE, item.at, text, hint);
                }
            }
        }
        requirements
    }

    /// `resources: { cpu: .. memory: .. cpu_limit: .. memory_limit: .. }`
    pub(crate) fn resources(&mut self, body: &Dict) -> Resources {
        let mut resources = Resources::default();
        let Some(value) = body.get("resources") else { return resources };
        let Some(dict) = value.as_dict() else {
            let text = format!("`resources` must be a dictionary, not {}", value.sort());
            self.wrong(
                codes::E_VALUE,
                value.at,
                text,
                "write `resources: {`, `cpu: \"250m\"` and `memory: \"256Mi\"`",
            );
            return resources;
        };
        for entry in &dict.entries {
            let (field, is_memory) = match entry.key.as_str() {
                "cpu" => (&mut resources.cpu, false),
                "memory" => (&mut resources.memory, true),
                "cpu_limit" => (&mut resources.cpu_limit, false),
                "memory_limit" => (&mut resources.memory_limit, true),
                key => {
                    let text = format!("`{key}` has no effect here");
                    let warning =
                        Problem::new(self.source, Stage::Validate, codes::W_RESOURCE, entry.key_at, text);
                    self.warnings
                        .push(warning.hint("the resources are cpu, memory, cpu_limit and memory_limit"));
                    continue;
                }
            };
            let text = match &entry.value.content {
                Content::Text(text) => text.as_str(),
                Content::Number(number) => number.as_str(),
                _ => "",
            };
            if is_quantity(text, if is_memory { UNITS } else { &["", "m"] }) {
                *field = Some(text.to_owned());
                continue;
            }
            let hint = if is_memory {
                "write it as \"256Mi\" or \"1Gi\""
            } else {
                "write it as \"250m\" or \"0.5\""
            };
            self.wrong(codes::E_VALUE, entry.value.at, format!("`{}` is not an amount", entry.key), hint);
        }
        resources
    }

    /// `replicas: 2`
    pub(crate) fn replicas(&mut self, body: &Dict) -> Option<u32> {
        let value = body.get("replicas")?;
        match integer(value).filter(|number| (0..=MOST_REPLICAS).contains(number)) {
            Some(number) => u32::try_from(number).ok(),
            None => {
                let text = format!("`replicas` must be a number from 0 to {MOST_REPLICAS}");
                self.wrong(codes::E_VALUE, value.at, text, "write `replicas: 2`");
                None
            }
        }
    }

    /// `port: 8000`
    pub(crate) fn port(&mut self, value: Option<&Value>, accepts: Option<Accepts>) -> Option<u16> {
        let value = value.filter(|_| accepts == Some(Accepts::Port))?;
        if let Content::Env(name) = &value.content {
            let text = format!("the port in `${name}` is unknown before run time");
            self.wrong(codes::E_PORT, value.at, text, "write the number of the port");
            return None;
        }
        let port = integer(value).and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0);
        if port.is_none() {
            let text = "a port must be a number from 1 to 65535".to_owned();
            self.wrong(codes::E_PORT, value.at, text, "write `port: 8000`");
        }
        port
    }

    fn wrong(&mut self, code: &'static Code, at: Span, text: String, hint: impl Into<String>) {
        self.problems.push(Problem::new(self.source, Stage::Validate, code, at, text).hint(hint));
    }
}

fn vowel(word: &str) -> bool {
    word.starts_with(['a', 'e', 'i', 'o', 'u']) || word == "llm" || word == "mcp"
}

fn is_boolean(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

/// A number, or a text of digits: the `woodwork` command reads no numbers without quotes.
fn integer(value: &Value) -> Option<i64> {
    match &value.content {
        Content::Number(number) => number.as_integer(),
        Content::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// Digits, perhaps with a point, and a unit.
fn is_quantity(text: &str, units: &[&str]) -> bool {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let mut parts = number.split('.');
    let is_number = parts.clone().count() <= 2 && parts.all(|part| !part.is_empty() && part.len() <= 15);
    is_number && units.contains(&unit)
}
