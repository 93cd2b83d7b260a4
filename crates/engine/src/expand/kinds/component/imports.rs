use std::collections::BTreeSet;

/// The modules at the top that a Python file imports, as far as its text tells: `a` for `import a.b` and for `from a.b import c`.
///
/// Lines inside texts are taken for code: what is named by mistake is looked for and not found.
pub(crate) fn imports(text: &str) -> BTreeSet<String> {
    let joined = text.replace("\\\n", " ");
    let statements = joined.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split(';'));
    let names = statements.flat_map(|statement| {
        let words = statement.trim();
        let list = match (words.strip_prefix("import "), words.strip_prefix("from ")) {
            (Some(list), _) => list,
            (None, Some(rest)) => rest.split_once(" import").map_or("", |(module, _)| module),
            (None, None) => "",
        };
        list.split(',').filter_map(top)
    });
    names.collect()
}

/// The first name of the first word, if it can be a module.
fn top(text: &str) -> Option<String> {
    let name = text.split_whitespace().next()?.split('.').next()?;
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found() {
        let text = "import os, shared.words as w  # x\nfrom helpers import (\n    one,  # first\n    two as zwei,\n)\n\
                    def f():\n    from .near import z\n    import late; x = 1\nfrom a.b \\\n  import c\n";
        assert_eq!(imports(text), ["a", "helpers", "late", "os", "shared"].map(str::to_owned).into());
        assert_eq!(imports("important = 1\nfrom x\nimport\n'import a'\nimport 1a\n"), BTreeSet::new());
    }
}
