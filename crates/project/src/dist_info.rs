use std::collections::BTreeMap;
use std::fmt::Write;

use crate::metadata::{License, Person, PythonProject};

/// The files of the project's own `.dist-info`, except `RECORD`, which needs to know what else is installed
/// (PyPA, "Recording installed projects" and "Core metadata specifications" 2.4).
///
/// Paths are relative to the folder of installed packages. A version that is not known is written as `0`.
pub fn dist_info(project: &PythonProject) -> Vec<(String, Vec<u8>)> {
    let version = version_text(project);
    let folder = format!("{}-{}.dist-info", project.name.escaped(), version.replace('-', "_"));
    let mut files = vec![
        ("INSTALLER", "wainwright\n".to_owned()),
        ("METADATA", metadata(project)),
        (
            "WHEEL",
            "Wheel-Version: 1.0\nGenerator: wainwright\nRoot-Is-Purelib: true\nTag: py3-none-any\n".into(),
        ),
    ];
    let entry_points = entry_points(project);
    if !entry_points.is_empty() {
        files.push(("entry_points.txt", entry_points));
    }
    let top_level: String = project
        .layout
        .packages
        .iter()
        .chain(&project.layout.modules)
        .map(|name| format!("{name}\n"))
        .collect();
    if !top_level.is_empty() {
        files.push(("top_level.txt", top_level));
    }
    files.into_iter().map(|(name, text)| (format!("{folder}/{name}"), text.into_bytes())).collect()
}

fn version_text(project: &PythonProject) -> String {
    project.version.as_ref().map_or("0".to_owned(), ToString::to_string)
}

fn metadata(project: &PythonProject) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        // A field is one line; a following line begins with white space (core metadata, "License").
        let value = value.replace("\r\n", "\n").replace('\r', "\n").trim_end().replace('\n', "\n        ");
        let _ = writeln!(text, "{name}: {value}");
    };
    field("Metadata-Version", "2.4");
    field("Name", &project.written_name);
    field("Version", &version_text(project));
    if let Some(description) = &project.description {
        field("Summary", &description.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if !project.keywords.is_empty() {
        field("Keywords", &project.keywords.join(","));
    }
    for (people, name, email) in [
        (&project.authors, "Author", "Author-email"),
        (&project.maintainers, "Maintainer", "Maintainer-email"),
    ] {
        let names = people.iter().filter(|person| person.email.is_none()).filter_map(|p| p.name.clone());
        let names: Vec<String> = names.collect();
        if !names.is_empty() {
            field(name, &names.join(", "));
        }
        let addresses: Vec<String> = people.iter().filter_map(address).collect();
        if !addresses.is_empty() {
            field(email, &addresses.join(", "));
        }
    }
    match &project.license {
        Some(License::Expression(expression)) => field("License-Expression", expression),
        Some(License::Text(text)) => field("License", text),
        None => {}
    }
    for classifier in &project.classifiers {
        field("Classifier", classifier);
    }
    for (label, url) in &project.urls {
        field("Project-URL", &format!("{label}, {url}"));
    }
    if let Some(requires) = &project.requires_python {
        field("Requires-Python", &requires.to_string());
    }
    for requirement in &project.dependencies {
        field("Requires-Dist", requirement);
    }
    for (extra, requirements) in &project.optional_dependencies {
        field("Provides-Extra", extra.as_str());
        for requirement in requirements {
            field("Requires-Dist", &with_extra(requirement, extra.as_str()));
        }
    }
    if let Some(readme) = &project.readme {
        field("Description-Content-Type", &readme.content_type);
        text.push('\n');
        text.push_str(&readme.text);
    }
    text
}

/// `Name <address>`, the name in quotes where it holds more than words (RFC 5322).
fn address(person: &Person) -> Option<String> {
    let email = person.email.as_ref()?;
    let Some(name) = &person.name else { return Some(email.clone()) };
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || " !#$%&'*+-/=?^_`{|}~".contains(c));
    if is_plain {
        return Some(format!("{name} <{email}>"));
    }
    Some(format!("\"{}\" <{email}>", name.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// A requirement that counts only when an extra is asked for.
fn with_extra(requirement: &str, extra: &str) -> String {
    // After an address the marker begins with a space and a semicolon, since the address may hold one.
    let separator = if requirement.contains('@') { " ;" } else { ";" };
    match requirement.split_once(separator) {
        None => format!("{} ; extra == '{extra}'", requirement.trim()),
        Some((before, marker)) => {
            format!("{} ; ({}) and extra == '{extra}'", before.trim(), marker.trim())
        }
    }
}

fn entry_points(project: &PythonProject) -> String {
    let mut groups: BTreeMap<&str, &BTreeMap<String, String>> = BTreeMap::new();
    groups.insert("console_scripts", &project.scripts);
    groups.insert("gui_scripts", &project.gui_scripts);
    groups.extend(project.entry_points.iter().map(|(group, points)| (group.as_str(), points)));
    let mut text = String::new();
    for (group, points) in groups.into_iter().filter(|(_, points)| !points.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "[{group}]");
        for (name, object) in points {
            let _ = writeln!(text, "{name} = {object}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::load;
    use insta::assert_snapshot;

    fn files(pyproject: &str) -> BTreeMap<String, String> {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("pyproject.toml"), pyproject).unwrap();
        std::fs::write(root.path().join("README.md"), "# Shop\n\nSells.\n").unwrap();
        let project = load(root.path()).unwrap().python_project.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        dist_info(&project).into_iter().map(|(path, bytes)| (path, text(bytes))).collect()
    }

    #[test]
    fn metadata_follows_the_project_table() {
        let files = files(
            r#"
            [project]
            name = "My.Shop"
            version = "1.0.RC1"
            description = "Sells\nthings"
            readme = "README.md"
            license = {text = "Free.\nReally."}
            keywords = ["a", "b"]
            authors = [{name = "A. B", email = "a@example.org"}, {name = "C"}, {email = "d@example.org"}]
            requires-python = ">=3.11,<4"
            urls = {Home = "https://example.org"}
            dependencies = ["flask>=3"]
            optional-dependencies = {fast = ["orjson", "x; os_name == 'nt'", "y @ https://e.org/y;z.whl ; os_name == 'nt'"]}
            "#,
        );
        assert_snapshot!(files["my_shop-1.0rc1.dist-info/METADATA"], @r#"
        Metadata-Version: 2.4
        Name: My.Shop
        Version: 1.0rc1
        Summary: Sells things
        Keywords: a,b
        Author: C
        Author-email: "A. B" <a@example.org>, d@example.org
        License: Free.
                Really.
        Project-URL: Home, https://example.org
        Requires-Python: >=3.11, <4
        Requires-Dist: flask>=3
        Provides-Extra: fast
        Requires-Dist: orjson ; extra == 'fast'
        Requires-Dist: x ; (os_name == 'nt') and extra == 'fast'
        Requires-Dist: y @ https://e.org/y;z.whl ; (os_name == 'nt') and extra == 'fast'
        Description-Content-Type: text/markdown

        # Shop

        Sells.
        "#);
    }

    #[test]
    fn entry_points_are_sorted() {
        let files = files(
            "[project]\nname = \"a\"\nversion = \"1\"\nscripts = {z = \"a:z\", b = \"a:b\"}\n\
             entry-points.plug = {x = \"a.x\"}\n",
        );
        assert_snapshot!(files["a-1.dist-info/entry_points.txt"], @r"
        [console_scripts]
        b = a:b
        z = a:z

        [plug]
        x = a.x
        ");
        assert_eq!(files["a-1.dist-info/INSTALLER"], "wainwright\n");
    }

    #[test]
    fn metadata_field_cannot_inject_another() {
        let files = files("[project]\nname = \"a\"\nlicense = {text = \"x\\nName: b\\r\\rVersion: 9\"}\n");
        let text = &files["a-0.dist-info/METADATA"];
        assert_eq!(
            text.lines().filter(|line| line.starts_with("Name:") || line.starts_with("Version:")).count(),
            2
        );
    }
}
