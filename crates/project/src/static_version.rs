//! Finds a dynamic version by reading, never by running code.

use std::path::Path;

use wainwright_python::Version;

use crate::Error;
use crate::document::{Item, Table};
use crate::layout::Layout;
use crate::read::read_named;

/// Files that hold a version are short.
const LIMIT: u64 = 1024 * 1024;

/// The version, where the build tool's table says it is, else where packages usually keep it; `None` when it cannot be
/// known without running code (or git).
pub(crate) fn find(root: &Path, pyproject: &Table<'_>, layout: &Layout) -> Result<Option<Version>, Error> {
    if let Some(item) = pyproject.look(&["tool", "hatch", "version", "path"]) {
        // Another source, or a pattern of the user's own, is hatch's business.
        let is_plain = ["source", "pattern", "expression"].iter().all(|key| {
            pyproject.look(&["tool", "hatch", "version", key]).is_none_or(|item| is(&item, "regex"))
        });
        return if is_plain { in_named_file(root, &item) } else { Ok(None) };
    }
    if let Some(item) = pyproject.look(&["tool", "poetry", "version"]) {
        return item.parse().map(Some);
    }
    if let Some(item) = pyproject.look(&["tool", "pdm", "version", "path"]) {
        return in_named_file(root, &item);
    }
    if let Some(item) = pyproject.look(&["tool", "setuptools", "dynamic", "version", "file"]) {
        let item = if item.is_string() { Some(item) } else { item.array()?.into_iter().next() };
        let Some(item) = item else { return Ok(None) };
        let text = read(root, &item, item.line()?)?;
        return text.map(|text| parse(&item, text.trim())).transpose();
    }
    if let Some(item) = pyproject.look(&["tool", "setuptools", "dynamic", "version", "attr"]) {
        return by_attribute(root, &item, layout);
    }
    in_packages(root, layout)
}

fn is(item: &Item<'_>, text: &str) -> bool {
    item.string().is_ok_and(|found| found == text)
}

fn read(root: &Path, item: &Item<'_>, file: &str) -> Result<Option<String>, Error> {
    read_named(root, file, LIMIT).map_err(|error| match error {
        Error::Read { .. } => error,
        error => item.refuse(error),
    })
}

fn parse(item: &Item<'_>, text: &str) -> Result<Version, Error> {
    text.parse().map_err(|error| item.refuse(format!("the version found there is invalid: {error}")))
}

fn in_named_file(root: &Path, item: &Item<'_>) -> Result<Option<Version>, Error> {
    let Some(text) = read(root, item, item.line()?)? else { return Ok(None) };
    let found = assigned(&text, "__version__").or_else(|| assigned(&text, "VERSION"));
    found.map(|text| parse(item, text.strip_prefix('v').unwrap_or(text))).transpose()
}

/// `attr = "shop.about.__version__"`.
fn by_attribute(root: &Path, item: &Item<'_>, layout: &Layout) -> Result<Option<Version>, Error> {
    let Some((module, name)) = item.line()?.rsplit_once('.') else { return Ok(None) };
    let module = module.replace('.', "/");
    for import_root in &layout.import_roots {
        for file in [format!("{module}.py"), format!("{module}/__init__.py")] {
            let text = read(root, item, join(import_root, &file).as_str())?;
            if let Some(found) = text.as_deref().and_then(|text| assigned(text, name)) {
                return parse(item, found).map(Some);
            }
        }
    }
    Ok(None)
}

/// `__version__ = "..."` in the files where it usually stands. A guess: what does not fit is passed over.
fn in_packages(root: &Path, layout: &Layout) -> Result<Option<Version>, Error> {
    for import_root in &layout.import_roots {
        let in_package = layout.packages.iter().flat_map(|package| {
            ["__init__", "__about__", "_version", "version", "__version__"]
                .map(|file| format!("{package}/{file}.py"))
        });
        for file in in_package.chain(layout.modules.iter().map(|module| format!("{module}.py"))) {
            let Ok(Some(text)) = read_named(root, &join(import_root, &file), LIMIT) else { continue };
            let found = assigned(&text, "__version__").or_else(|| assigned(&text, "version"));
            if let Some(version) = found.and_then(|text| text.parse().ok()) {
                return Ok(Some(version));
            }
        }
    }
    Ok(None)
}

fn join(folder: &str, file: &str) -> String {
    if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") }
}

/// The string that a line of Python assigns to `name`: `name = "1.0"`, `name: str = '1.0'`, `a = name = "1.0"`.
fn assigned<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let mut parts = line.split('=');
        let mut is_named = false;
        loop {
            let part = parts.next()?.trim();
            let target = part.split(':').next().unwrap_or_default().trim();
            is_named |= target == name && !line.starts_with(char::is_whitespace);
            let quote = part.chars().next().filter(|letter| matches!(letter, '"' | '\''));
            if let Some(quote) = quote {
                let value = part[1..].split(quote).next()?;
                return (is_named && part[1..].contains(quote)).then_some(value);
            }
        }
    })
}

#[cfg(test)]
mod tests;
