use super::{Finder, Inside};
use crate::span::Span;
use crate::syntax::{Content, Dict, Value};

/// The keys of a dictionary in a list that is read alike, in this order.
const OF_HOOK: [&str; 3] = ["event", "script_path", "function_name"];

/// Lists: their lines are put together, and each loses what is before its first `:`.
pub(super) fn find(finder: &mut Finder<'_>, value: &Value, items: &[Value], inside: Inside) {
    if inside.list {
        let text = "it takes a list in a list for text";
        return finder.tell("D-LIST-NESTED", value.at, text, "give the inner list a key of its own");
    }
    if inside.dict {
        let text = "it copies a list in a dictionary to the top of the component";
        finder.tell("D-DICT-LIST", value.at, text, "give the list a key of the component");
    }
    for item in items {
        match &item.content {
            Content::Dict(dict) if !is_hook(finder, dict, item.at) => {
                let text = "it reads dictionaries in lists by position: `event`, `script_path` and `function_name`, each \
                            in a line of its own; this one is empty or wrong";
                finder.tell(
                    "D-LIST-DICT",
                    item.at,
                    text,
                    "bring it into that form, or give it a key of its own",
                );
            }
            Content::Text(text)
                if text.contains(':') && !finder.is_one_line(value.at.start, item.at.start) =>
            {
                let text = "it cuts lines of a list at the first `:`";
                finder.tell("D-LIST-COLON", item.at, text, "write the list in one line");
            }
            _ => {}
        }
    }
}

/// Whether a dictionary is three strings in order, each in a line of its own.
fn is_hook(finder: &Finder<'_>, dict: &Dict, at: Span) -> bool {
    let keys: Vec<&str> = dict.entries.iter().map(|entry| entry.key.as_str()).collect();
    let mut end = dict.open.end;
    let is_spread = dict.entries.iter().all(|entry| {
        let is_next = !finder.is_one_line(end, entry.key_at.start);
        end = entry.value.at.end;
        is_next && entry.value.as_text().is_some()
    });
    keys == OF_HOOK && is_spread && !finder.is_one_line(end, at.end)
}
