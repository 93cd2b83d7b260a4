use wainwright_python::{PackageName, Version, WheelFilename, WheelTag};

use crate::error::{Fault, printable};
use crate::headers::Headers;
use crate::rules::{E_META, W_TAG, W_VERSION};
use crate::warning::Warnings;

/// What METADATA says about the package (PyPA, "Core metadata specifications").
///
/// Texts are as written, but without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The name, normalized; equal to that of the file name.
    pub name: PackageName,
    /// The name as the project spells it.
    pub written_name: String,
    /// The version; that of the file name, or the same without its local part.
    pub version: Version,
    /// `Requires-Python`, not parsed.
    pub requires_python: Option<String>,
    /// `Requires-Dist`, one requirement each, not parsed.
    pub requires_dist: Vec<String>,
    /// `Provides-Extra`.
    pub provides_extra: Vec<String>,
    /// `Summary`.
    pub summary: Option<String>,
    /// `License-Expression`, an SPDX expression.
    pub license_expression: Option<String>,
    /// `License`: a name, or the whole text.
    pub license: Option<String>,
    /// `Classifier`.
    pub classifiers: Vec<String>,
    /// `Home-page`.
    pub home_page: Option<String>,
    /// `Project-URL`: `label, url`.
    pub project_urls: Vec<String>,
    /// `Author`.
    pub author: Option<String>,
}

/// Reads METADATA; name and version must be those of the file name.
pub(crate) fn read_metadata(file: &str, bytes: &[u8], filename: &WheelFilename) -> Result<Metadata, Fault> {
    let headers = Headers::read(file, bytes)?;
    let refuse = |reason: String| Fault::member(E_META, file, reason);
    for key in ["Requires-Dist", "Requires-Python", "Provides-Extra"] {
        if headers.all(key).any(|value| value.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n'))) {
            return Err(refuse(format!("its {key} contains control characters")));
        }
    }

    // The specification: a greater minor version is read, a greater major version is not.
    let text = one(file, &headers, "Metadata-Version")?;
    match numbers(text) {
        Some((1 | 2, _)) => {}
        Some(_) => return Err(refuse(format!("it uses metadata format {text}; format 2 is supported"))),
        None => return Err(refuse(format!("its Metadata-Version `{}` is not a version", printable(text)))),
    }
    let written_name = one(file, &headers, "Name")?;
    let name: PackageName = written_name
        .parse()
        .map_err(|_| refuse(format!("its Name `{}` is not a package name", printable(written_name))))?;
    if name != filename.name {
        return Err(refuse(format!("its Name is `{name}`, the file name says `{}`", filename.name)));
    }
    let text = one(file, &headers, "Version")?;
    let version: Version =
        text.parse().map_err(|_| refuse(format!("its Version `{}` is not a version", printable(text))))?;
    if !is_same_version(&version, filename) {
        return Err(refuse(format!("its Version is {version}, the file name says {}", filename.version)));
    }

    let text = |key: &str| headers.first(key).map(without_controls);
    let texts = |key: &str| headers.all(key).map(without_controls).collect();
    Ok(Metadata {
        name,
        written_name: written_name.to_owned(),
        version,
        requires_python: text("Requires-Python"),
        requires_dist: texts("Requires-Dist"),
        provides_extra: texts("Provides-Extra"),
        summary: text("Summary"),
        license_expression: text("License-Expression"),
        license: text("License"),
        classifiers: texts("Classifier"),
        home_page: text("Home-page"),
        project_urls: texts("Project-URL"),
        author: text("Author"),
    })
}

/// The value of a key that must be there, and only once.
fn one<'a>(file: &str, headers: &'a Headers, key: &str) -> Result<&'a str, Fault> {
    let mut values = headers.all(key);
    let Some(value) = values.next() else {
        return Err(Fault::member(E_META, file, format!("it has no {key}")));
    };
    match values.any(|other| other != value) {
        true => Err(Fault::member(E_META, file, format!("it has two values for {key}"))),
        false => Ok(value),
    }
}

/// A repackaged wheel may carry a local version in its file name only, as installers allow.
pub(crate) fn is_same_version(version: &Version, filename: &WheelFilename) -> bool {
    *version == filename.version || *version == filename.version.clone().without_local()
}

fn without_controls(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// Reads WHEEL: the format's version must be one we know; tags are compared with the file name.
pub(crate) fn check_wheel_file(
    file: &str,
    bytes: &[u8],
    filename: &WheelFilename,
    warnings: &mut Warnings,
) -> Result<(), Fault> {
    let headers = Headers::read(file, bytes)?;
    let refuse = |reason: String| Fault::member(E_META, file, reason);
    let text = one(file, &headers, "Wheel-Version")?;
    match numbers(text) {
        Some((0, _) | (1, 0)) => {}
        Some((1, _)) => warnings.add(W_VERSION, Some(file), format!("it uses wheel format {text}")),
        Some(_) => return Err(refuse(format!("it uses wheel format {text}; format 1.0 is supported"))),
        None => return Err(refuse(format!("its Wheel-Version `{}` is not a version", printable(text)))),
    }
    // It decides between two directories that are one in every environment made here, so its value is not kept.
    let text = one(file, &headers, "Root-Is-Purelib")?;
    if !text.eq_ignore_ascii_case("true") && !text.eq_ignore_ascii_case("false") {
        return Err(refuse(format!("its Root-Is-Purelib is `{}`, not true or false", printable(text))));
    }

    let tags: Vec<WheelTag> = headers.all("Tag").filter_map(tags).flatten().collect();
    if let Some(tag) = filename.tags.iter().find(|tag| !tags.contains(tag)) {
        let tag = format!("{}-{}-{}", tag.python, tag.abi, tag.platform);
        warnings.add(W_TAG, Some(file), format!("it does not list the tag {tag} of the file name"));
    }
    Ok(())
}

/// The two numbers of `1.0`.
fn numbers(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The tags of one `Tag` line, which may be a compressed set.
fn tags(text: &str) -> Option<Vec<WheelTag>> {
    let mut parts = text.split('-');
    let (pythons, abis, platforms) = (parts.next()?, parts.next()?, parts.next()?);
    let mut tags = Vec::new();
    for python in pythons.split('.') {
        for abi in abis.split('.') {
            for platform in platforms.split('.') {
                if tags.len() == 1000 {
                    return None;
                }
                tags.push(WheelTag { python: python.into(), abi: abi.into(), platform: platform.into() });
            }
        }
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(metadata: &str, filename: &str) -> Result<Metadata, Fault> {
        let text = format!("Metadata-Version: 2.1\n{metadata}");
        read_metadata("METADATA", text.as_bytes(), &filename.parse().unwrap())
    }

    #[test]
    fn spellings_of_name_and_version_meet() {
        let wheel = "zope.interface-5.4.0-py3-none-any.whl";
        let metadata = read("Name: Zope_Interface\nVersion: 5.4\nLicense: a\x0cb\n", wheel).unwrap();
        assert_eq!(metadata.name.as_str(), "zope-interface");
        assert_eq!(metadata.license.as_deref(), Some("a b"));
        assert!(read("Name: torch\nVersion: 2.0\n", "torch-2.0+cpu-cp311-cp311-linux_x86_64.whl").is_ok());
    }

    #[test]
    fn wheel_rejects_other_identity() {
        let wheel = "a-1.0-py3-none-any.whl";
        for text in [
            "Name: b\nVersion: 1.0\n",
            "Name: a\nVersion: 1.1\n",
            "Name: a\n",
            "Version: 1.0\n",
            "Name: a\nVersion: 1.0\nVersion: 2.0\n",
            "Name: a\nVersion: 1.0\nMetadata-Version: 3.0\n",
            "Name: a\nVersion: 1.0\nRequires-Dist: x\u{1b}[2J\n",
        ] {
            assert!(read(text, wheel).is_err(), "{text}");
        }
    }

    #[test]
    fn newer_formats_are_refused_or_noted() {
        let check = |text: &str| {
            let mut warnings = Warnings::default();
            let filename = "a-1.0-py2.py3-none-any.whl".parse().unwrap();
            let text = format!("Root-Is-Purelib: true\n{text}");
            let result = check_wheel_file("WHEEL", text.as_bytes(), &filename, &mut warnings);
            result
                .ok()
                .map(|()| warnings.finish().into_iter().map(|warning| warning.rule).collect::<Vec<_>>())
        };
        let tags = "Tag: py3-none-any\nTag: py2-none-any\n";
        assert_eq!(check(&format!("Wheel-Version: 1.0\n{tags}")), Some(vec![]));
        assert_eq!(check("Wheel-Version: 1.0\nTag: py2.py3-none-any"), Some(vec![]));
        assert_eq!(check("Wheel-Version: 1.1\nTag: py3-none-any"), Some(vec![W_VERSION, W_TAG]));
        assert_eq!(check("Wheel-Version: 1.0\nWheel-Version: 2.0\n"), None);
        assert_eq!(check("Wheel-Version: 1.0\nRoot-Is-Purelib: false\n"), None);
        assert_eq!(check("Wheel-Version: 2.0\n"), None);
        assert_eq!(check("Tag: py3-none-any\n"), None);
    }
}
