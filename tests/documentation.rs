//! The documentation: links lead somewhere, and the settings page is complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders with Markdown files of ours.
const FOLDERS: &[&str] = &["", "docs", "benches", "benches/planner", "crates/debian/keys"];
const FIXTURES: &[&str] = &["fixtures/locks", "fixtures/projects", "layers/component-runtime"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<PathBuf> {
    let folders = FOLDERS.iter().chain(FIXTURES).map(|folder| root().join(folder));
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The lines of a document outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The anchors that GitHub gives to the headings of a document.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            words.chars().filter(kept).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
        })
        .collect()
}

/// Where the links of a document lead, without those in code.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let text = prose(text).collect::<Vec<_>>().join("\n");
    // Every second piece is code; a link may have code as its text.
    for piece in text.split('`').step_by(2) {
        links.extend(piece.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    links.retain(|link| !link.contains("://"));
    links
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn document_links_resolve() {
    let mut broken = Vec::new();
    for document in documents() {
        for link in links(&read(&document)) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let is_document = target.extension().is_some_and(|extension| extension == "md");
            let leads_nowhere = !target.exists()
                || (is_document && !anchor.is_empty() && !anchors(&read(&target)).contains(anchor));
            if leads_nowhere {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert_eq!(broken, [] as [&str; 0]);
}

#[test]
fn settings_page_names_every_key() {
    let page = read(&root().join("docs/settings.md"));
    let mut missing = Vec::new();
    for entry in fs::read_dir(root().join("crates/project/src")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let source = read(&path);
        // `const KEYS: [&str; 2] = ["one", "two"];`
        let lists = source
            .split("const KEYS: ")
            .skip(1)
            .filter_map(|rest| rest.split_once("= [")?.1.split_once("];"));
        let keys = lists.flat_map(|(keys, _)| keys.split('"').skip(1).step_by(2));
        let is_named = |key: &str| page.contains(&format!("`{key}`")) || page.contains(&format!("`{key}."));
        missing.extend(keys.filter(|key| !is_named(key)).map(str::to_owned));
    }
    assert_eq!(missing, [] as [&str; 0], "docs/settings.md does not describe these keys");
}

#[test]
fn index_names_every_page() {
    let index = read(&root().join("docs/README.md"));
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let pages = pages
        .map(|name| name.into_string().unwrap())
        .filter(|name| name.ends_with(".md") && name != "README.md");
    let missing: Vec<String> = pages.filter(|page| !index.contains(&format!("]({page})"))).collect();
    assert_eq!(missing, [] as [&str; 0], "docs/README.md does not list these pages");
}
