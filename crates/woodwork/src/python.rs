/// Whether the text of a Python file defines `name` at its top: by `def`, `async def`, `class`, an assignment or an import.
///
/// Nothing is run, and no grammar is checked: logical lines are taken apart outside of strings, brackets and comments. What
/// stands below `if`, `try`, `with`, `for` or `while` at the top counts, as Python has no scope there; what stands in a
/// function or a class does not. `from x import *` may define anything, and counts.
pub fn defines(script: &str, name: &str) -> bool {
    // The indentation of the function or class that we are in; what is deeper is its own.
    let mut scope: Option<usize> = None;
    for line in logical_lines(script) {
        if scope.is_some_and(|margin| line.margin > margin) {
            continue;
        }
        scope = None;
        for statement in line.statements() {
            let words = words(&statement);
            let begins: Vec<&str> = words.iter().map(String::as_str).take(3).collect();
            match begins[..] {
                ["def" | "class", found, ..] | ["async", "def", found] => {
                    scope = Some(line.margin);
                    if found == name {
                        return true;
                    }
                    break;
                }
                ["import", ..] | ["from", ..] if imports(&words, name) => return true,
                ["import" | "from", ..] => {}
                _ if assigns(&words, name) => return true,
                _ => {}
            }
        }
    }
    false
}

/// A line as Python sees it: several of the file, where a bracket is open or the line ends with a backslash.
struct Line {
    margin: usize,
    /// Without comments; a string is `""`.
    text: String,
}

impl Line {
    /// The parts between `;`, and what follows the colon of `if x: y = 1`.
    fn statements(&self) -> Vec<String> {
        let mut statements = Vec::new();
        for part in split(&self.text, ';') {
            let first = words(&part).into_iter().next().unwrap_or_default();
            let is_compound = ["if", "elif", "else", "try", "except", "finally", "with", "for", "while"]
                .contains(&first.as_str());
            match is_compound {
                true => statements.extend(split(&part, ':').pop()),
                false => statements.push(part),
            }
            if first == "for" || first == "with" {
                statements.extend(bound(&self.text));
            }
        }
        statements
    }
}

/// What `for a in ..` and `with x as a` bind, as assignments.
fn bound(text: &str) -> Option<String> {
    let words = words(text);
    match words.first().map(String::as_str)? {
        "for" => {
            let end = words.iter().position(|word| word == "in")?;
            Some(format!("{} = x", words.get(1..end)?.join(" ")))
        }
        _ => {
            let at = words.iter().position(|word| word == "as")?;
            Some(format!("{} = x", words.get(at + 1)?))
        }
    }
}

/// Cuts at a letter outside of brackets; strings are empty already.
fn split(text: &str, at: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0usize;
    for letter in text.chars() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (letter == at && depth == 0, parts.last_mut()) {
            (false, Some(part)) => part.push(letter),
            _ => parts.push(String::new()),
        }
    }
    parts
}

/// Names, and every other letter that is no white space by itself.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut in_name = false;
    for letter in text.chars() {
        let is_of_name = letter.is_alphanumeric() || letter == '_';
        match words.last_mut() {
            Some(word) if is_of_name && in_name => word.push(letter),
            _ if !letter.is_whitespace() => words.push(letter.to_string()),
            _ => {}
        }
        in_name = is_of_name;
    }
    words
}

/// `import a.b as name`, `from a import (b, name)`, `from a import *`
fn imports(words: &[String], name: &str) -> bool {
    let is_from = words.first().is_some_and(|word| word == "from");
    let begin = if is_from { words.iter().position(|word| word == "import") } else { Some(0) };
    let Some(names) = begin.and_then(|begin| words.get(begin + 1..)) else { return false };
    if is_from && names.first().is_some_and(|word| word == "*") {
        return true;
    }
    let names: Vec<&str> =
        names.iter().map(String::as_str).filter(|word| !["(", ")"].contains(word)).collect();
    names.split(|word| *word == ",").any(|one| match one {
        [.., "as", bound] => *bound == name,
        // `import a.b` binds `a`.
        [first, ..] => *first == name,
        [] => false,
    })
}

/// `name = ..`, `a = name = ..`, `a, name = ..`, `name: int = ..`
fn assigns(words: &[String], name: &str) -> bool {
    let mut depth = 0usize;
    let mut target: Vec<&str> = Vec::new();
    for (number, word) in words.iter().enumerate() {
        let word = word.as_str();
        match word {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "=" if depth == 0 => {
                let next = words.get(number + 1).map(String::as_str);
                let before = number.checked_sub(1).and_then(|before| words.get(before)).map(String::as_str);
                // `==`, `<=`, `+=`: comparisons bind nothing, and `+=` nothing new.
                let is_other =
                    next == Some("=") || before.is_some_and(|word| "=!<>+-*/%&|^@:".contains(word));
                if is_other {
                    return false;
                }
                if binds(&target, name) {
                    return true;
                }
                target.clear();
                continue;
            }
            _ => {}
        }
        target.push(word);
    }
    false
}

/// Whether `name` is one of the names that a target binds; `a.name` and `a[name]` bind none.
fn binds(target: &[&str], name: &str) -> bool {
    // An annotation follows.
    let target = target.split(|word| *word == ":").next().unwrap_or_default();
    let is_plain = target.iter().all(|word| !matches!(*word, "." | "{" | "}"));
    let is_call = target.windows(2).any(|pair| match pair {
        [before, "(" | "["] => before.chars().all(|letter| letter.is_alphanumeric() || letter == '_'),
        _ => false,
    });
    is_plain && !is_call && target.contains(&name)
}

/// The logical lines of a file, without comments and contents of strings.
fn logical_lines(script: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = Line { margin: 0, text: String::new() };
    let mut depth = 0usize;
    let mut rest = script.strip_prefix('\u{feff}').unwrap_or(script);
    while let Some(letter) = rest.chars().next() {
        let after = rest.get(letter.len_utf8()..).unwrap_or_default();
        rest = match letter {
            '#' => rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default(),
            '"' | '\'' => {
                line.text.push_str("\"\"");
                behind_string(rest, letter)
            }
            '\\' if after.starts_with('\n') || after.starts_with("\r\n") => {
                line.text.push(' ');
                after.trim_start_matches('\r').get(1..).unwrap_or_default()
            }
            '\n' if depth == 0 => {
                finish(&mut line, &mut lines);
                after
            }
            ' ' if line.text.is_empty() => {
                line.margin += 1;
                after
            }
            '\t' if line.text.is_empty() => {
                // To the next multiple of eight, as Python counts.
                line.margin = (line.margin / 8 + 1) * 8;
                after
            }
            _ => {
                match letter {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                line.text.push(if letter == '\n' { ' ' } else { letter });
                after
            }
        };
    }
    finish(&mut line, &mut lines);
    lines
}

fn finish(line: &mut Line, lines: &mut Vec<Line>) {
    let done = std::mem::replace(line, Line { margin: 0, text: String::new() });
    if !done.text.trim().is_empty() {
        lines.push(done);
    }
}

/// The text behind the string it begins with; a string that does not end ends with its line, or with the file.
fn behind_string(text: &str, quote: char) -> &str {
    let triple: String = [quote; 3].iter().collect();
    let is_long = text.starts_with(&triple);
    let width = if is_long { 3 } else { 1 };
    let mut is_escaped = false;
    let body = text.get(width..).unwrap_or_default();
    for (at, letter) in body.char_indices() {
        let rest = body.get(at..).unwrap_or_default();
        if is_escaped {
            is_escaped = false;
        } else if letter == '\\' {
            is_escaped = true;
        } else if is_long && rest.starts_with(&triple) || !is_long && letter == quote {
            return rest.get(width..).unwrap_or_default();
        } else if !is_long && letter == '\n' {
            return rest;
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_level_functions_are_found() {
        for script in [
            "def seen(event): pass",
            "async def seen(): ...",
            "async  def  seen():\n  pass",
            "class seen: pass",
            "seen = print",
            "a = seen = 1",
            "a, seen = 1, 2",
            "(a, [seen]) = x",
            "seen: int = 1",
            "import seen",
            "import a, seen",
            "import a.b as seen",
            "import seen.other",
            "from a import seen",
            "from a import (\n  b,\n  seen,\n)",
            "from a import b as seen",
            "from a import *",
            "x = 1; seen = 2",
            "try:\n    import seen\nexcept ImportError:\n    seen = None",
            "if True: seen = 1",
            "if x == (1 if y else 2): seen = 1",
            "for seen in x: pass",
            "with open(p) as seen:\n    pass",
            "@decorate(1,\n 2)\ndef seen(): pass",
            "s = '''\n'''\ndef seen(): pass",
            "s = 'it\\'s'\ndef seen(): pass",
            "x = (1 +\n2)\ndef seen(): pass",
            "x = 1 + \\\n2\ndef seen(): pass",
            "\u{feff}def seen(): pass\r\n",
            "def other():\r\n    pass\r\n\r\ndef seen():\r\n    pass\r\n",
        ] {
            assert!(defines(script, "seen"), "{script}");
        }
    }

    #[test]
    fn nested_functions_are_not_found() {
        for script in [
            "",
            "# def seen(): pass",
            "'''\ndef seen(): pass\n'''",
            "\"\"\"\nseen = 1\n\"\"\"",
            "def other():\n    seen = 1\n\n    def seen(): pass",
            "class A:\n    def seen(self): pass",
            "def other(seen): pass",
            "def other(seen=1):\n    pass",
            "x = dict(seen=1)",
            "f(\nseen\n= 1)",
            "seen == 1",
            "seen.x = 1",
            "x[seen] = 1",
            "seen += 1",
            "seen",
            "seen: int",
            "import a.seen",
            "from seen import other",
            "import seen as other",
            "seen_too = 1",
            "s = 'def seen(): pass",
        ] {
            assert!(!defines(script, "seen"), "{script}");
        }
    }
}
