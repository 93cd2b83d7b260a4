//! What dpkg knows of packages: `/var/lib/dpkg/status` and `/var/lib/dpkg/info`, written anew for an image that has them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use super::alternatives::Choices;
use super::debian_tree::DebianTree;
use super::groups::Group;
use super::member::MemberKind;
use super::package::Package;
use super::tree::Tree;
use super::{Error, control};

/// Paths that packages of the image lose to packages that are added, each with the package that loses it.
pub(super) type Taken = Vec<(Vec<u8>, String)>;

/// Tells dpkg of packages: as if it had installed and configured them.
pub(super) fn write(
    tree: &mut Tree,
    ground: &DebianTree,
    packages: &[Package],
    taken: &Taken,
    links: &BTreeMap<String, Choices>,
) -> Result<(), Error> {
    let mut put = |path: &str, mode: u32, bytes: Vec<u8>| {
        tree.put(path, mode, MemberKind::File(bytes.into()), Group::Records)
    };
    put("var/lib/dpkg/status", 0o644, status(&ground.package_list()?, packages).into_bytes())?;
    for package in packages {
        let name = file_name(package);
        let info = |kind: &str| format!("var/lib/dpkg/info/{name}.{kind}");
        put(&info("list"), 0o644, list(package))?;
        for file in &package.control_files {
            put(&info(&file.name), file.mode, file.bytes.clone())?;
        }
    }
    for (path, text) in triggers(ground, packages) {
        put(&path, 0o644, text.into_bytes())?;
    }
    for (name, choices) in links {
        put(&format!("var/lib/dpkg/alternatives/{name}"), 0o644, choices.record().into_bytes())?;
    }
    let mut losers: Vec<&str> = taken.iter().map(|(_, owner)| owner.as_str()).collect();
    losers.sort_unstable();
    losers.dedup();
    for owner in losers {
        let lost = |line: &[u8], tree: &Tree| {
            let path = line.strip_prefix(b"/").and_then(|path| tree.resolve(path, false).ok());
            path.is_some_and(|path| taken.iter().any(|(taken, of)| *taken == path && of == owner))
        };
        for (path, bytes) in ground.lists_of(owner) {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            let left: Vec<u8> =
                lines.filter(|line| !lost(line.trim_ascii_end(), tree)).flatten().copied().collect();
            tree.put(&path, 0o644, MemberKind::File(left.into()), Group::Records)?;
        }
    }
    Ok(())
}

/// The name its files have, and dpkg calls it by: packages that can be there for several processors at once say for which.
fn file_name(package: &Package) -> String {
    match control::field(&package.control, "Multi-Arch") {
        Some("same") => {
            let architecture = control::field(&package.control, "Architecture").unwrap_or_default();
            format!("{}:{architecture}", package.name)
        }
        _ => package.name.clone(),
    }
}

/// Which files and events packages want to hear of (deb-triggers(5)): the files that change, with all their lines.
fn triggers(ground: &DebianTree, packages: &[Package]) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for package in packages {
        let text = String::from_utf8_lossy(package.control_file("triggers").unwrap_or_default());
        for line in text.lines() {
            let Some((directive, what)) = line.trim().split_once([' ', '\t']) else { continue };
            let waiting = match directive {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                _ => continue,
            };
            let (what, who) = (what.trim(), format!("{}{waiting}", file_name(package)));
            let is_name =
                !what.is_empty() && what.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
            let (file, line) = match what.starts_with('/') {
                true => ("File", format!("{what} {who}\n")),
                false if is_name && !what.starts_with('.') => (what, format!("{who}\n")),
                false => continue,
            };
            let path = format!("var/lib/dpkg/triggers/{file}");
            let before = || String::from_utf8_lossy(ground.bytes(&path).unwrap_or_default()).into_owned();
            files.entry(path.clone()).or_insert_with(before).push_str(&line);
        }
    }
    files
}

/// The paths of a package, those that were left out among them.
fn list(package: &Package) -> Vec<u8> {
    let mut list = b"/.\n".to_vec();
    for path in &package.listed {
        list.push(b'/');
        list.extend_from_slice(path);
        list.push(b'\n');
    }
    list
}

/// The stanzas of the image with those of the packages among them, sorted as dpkg sorts them; what it knew of an earlier
/// life of a package makes room.
fn status(before: &str, packages: &[Package]) -> String {
    let architecture = |stanza: &str| control::field(stanza, "Architecture").unwrap_or_default().to_owned();
    let name = |stanza: &str| control::field(stanza, "Package").unwrap_or_default().to_owned();
    let mut stanzas: Vec<String> = before
        .split("\n\n")
        .map(|stanza| stanza.trim_matches('\n'))
        .filter(|stanza| !stanza.is_empty())
        .filter(|stanza| {
            let again = packages.iter().find(|package| package.name == name(stanza));
            again.is_none_or(|package| {
                // Of another processor, it is another package.
                !["", "all", &architecture(&package.control)].contains(&architecture(stanza).as_str())
            })
        })
        .map(ToOwned::to_owned)
        .collect();
    stanzas.extend(packages.iter().map(stanza));
    stanzas.sort_by_key(|stanza| name(stanza));
    stanzas.join("\n\n") + "\n\n"
}

fn stanza(package: &Package) -> String {
    let mut text = String::new();
    for line in package.control.trim().lines().take_while(|line| !line.trim().is_empty()) {
        text.push_str(line);
        text.push('\n');
        if line.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("Package")) {
            text.push_str("Status: install ok installed\n");
        }
    }
    let conffiles: Vec<&str> = package.conffiles().collect();
    if !conffiles.is_empty() {
        text.push_str("Conffiles:\n");
    }
    for path in conffiles {
        let member = package.members.iter().find(|member| member.path.as_bytes() == path.as_bytes());
        let sum = match member.map(|member| &member.kind) {
            Some(MemberKind::File(bytes)) => Md5::digest(bytes),
            // Left out: dpkg then remembers that there is none.
            _ => {
                let _ = writeln!(text, " /{path} newconffile");
                continue;
            }
        };
        let _ = write!(text, " /{path} ");
        for byte in sum {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}
