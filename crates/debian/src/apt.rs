use std::path::Path;

use url::Url;

use crate::deb822::{self, Line};
use crate::{ArchiveId, Mirrors, Suite};

/// The most bytes of a file below `/etc/apt` that are read.
const LARGEST: u64 = 1 << 20;

/// The mirrors apt uses on a machine, out of its `/etc/apt`: `sources.list`, `sources.list.d/*.list` and `*.sources`.
///
/// Only entries that look like Debian's archive count: component `main`, a suite named after a release, and a keyring, where one is
/// named, of Debian's. Entries for `suite` come first. `None` when there is no such entry; what is missing of the two archives is
/// Debian's own.
pub fn mirrors_from_apt(etc_apt: &Path, suite: Suite) -> Option<Mirrors> {
    let sources = read_sources(etc_apt);
    let best = |archive: ArchiveId| {
        let candidates =
            sources.iter().filter_map(|source| Some((source.score(archive, suite)?, &source.url)));
        // The first of the best: apt prefers what stands first.
        candidates.rev().max_by_key(|(score, _)| *score).map(|(_, url)| url.clone())
    };
    let (main, security) = (best(ArchiveId::Main), best(ArchiveId::Security));
    if main.is_none() && security.is_none() {
        return None;
    }
    let standard = Mirrors::default();
    Some(Mirrors {
        main: main.unwrap_or(standard.main),
        security: security.unwrap_or(standard.security),
        snapshot: standard.snapshot,
    })
}

/// One entry of apt's sources.
#[derive(Debug, Default)]
struct Entry {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: String,
    is_off: bool,
}

/// One address of one entry.
#[derive(Debug)]
struct Source {
    url: Url,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: String,
}

impl Source {
    /// How well this serves an archive of `suite`; `None`: it is something else.
    fn score(&self, archive: ArchiveId, suite: Suite) -> Option<u8> {
        let names = |of: Suite| {
            let parts = of.parts().into_iter().filter(|(_, part)| *part == archive);
            parts.map(|(name, _)| name).any(|name| self.suites.contains(&name))
        };
        let is_foreign = !self.signed_by.is_empty() && !self.signed_by.contains("debian-archive");
        if is_foreign || !self.components.iter().any(|component| component == "main") {
            return None;
        }
        let is_named = names(suite);
        if !is_named && !Suite::all().any(names) {
            return None;
        }
        // Others publish for Debian's releases too, below longer paths.
        let path = self.url.path().trim_end_matches('/');
        let looks_official = matches!(path, "/debian" | "/debian-security")
            || self.url.host_str().is_some_and(|host| host.ends_with(".debian.org"))
            || !self.signed_by.is_empty();
        Some(u8::from(is_named) * 2 + u8::from(looks_official))
    }
}

fn read_sources(etc_apt: &Path) -> Vec<Source> {
    let mut entries = one_line_entries(&read(&etc_apt.join("sources.list")));
    let mut files: Vec<_> = std::fs::read_dir(etc_apt.join("sources.list.d"))
        .map(|folder| folder.filter_map(|file| Some(file.ok()?.path())).collect())
        .unwrap_or_default();
    files.sort();
    for file in files {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => entries.extend(one_line_entries(&read(&file))),
            Some("sources") => entries.extend(paragraph_entries(&read(&file))),
            _ => {}
        }
    }
    let mut sources = Vec::new();
    for entry in entries.into_iter().filter(|entry| !entry.is_off) {
        for url in entry.uris.iter().filter_map(|uri| resolve(uri, etc_apt)) {
            sources.push(Source {
                url,
                suites: entry.suites.clone(),
                components: entry.components.clone(),
                signed_by: entry.signed_by.clone(),
            });
        }
    }
    sources
}

/// An unreadable file is no file: these are only hints where a mirror might be.
fn read(path: &Path) -> String {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path).map(|file| file.take(LARGEST));
    match file.and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

/// `deb [signed-by=/usr/share/keyrings/x.gpg] http://deb.debian.org/debian bookworm main contrib` (sources.list(5)).
fn one_line_entries(text: &str) -> Vec<Entry> {
    let read_line = |line: &str| {
        let rest =
            line.split('#').next()?.trim().strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let signed_by = options.split_ascii_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        let mut words = rest.split_ascii_whitespace().map(str::to_owned);
        Some(Entry {
            uris: vec![words.next()?],
            suites: vec![words.next()?],
            components: words.collect(),
            signed_by: signed_by.unwrap_or_default().to_owned(),
            is_off: false,
        })
    };
    text.lines().filter_map(read_line).collect()
}

/// Paragraphs of `Types:`, `URIs:`, `Suites:`, `Components:` ... (sources.list(5), "DEB822-style format").
fn paragraph_entries(text: &str) -> Vec<Entry> {
    let (mut entries, mut entry, mut field) = (Vec::new(), Entry::default(), String::new());
    let mut types = Vec::new();
    let add = |entry: &mut Entry, types: &mut Vec<String>, field: &str, value: &str| {
        let words = || value.split_ascii_whitespace().map(str::to_owned);
        match field {
            "types" => types.extend(words()),
            "uris" => entry.uris.extend(words()),
            "suites" => entry.suites.extend(words()),
            "components" => entry.components.extend(words()),
            "signed-by" => entry.signed_by.push_str(value),
            "enabled" => entry.is_off = matches!(value, "no" | "false" | "0" | "off"),
            _ => {}
        }
    };
    // What comes before a malformed line counts.
    let _ = deb822::read(text.as_bytes(), "sources", |_, line| {
        match line {
            Line::Field(name, value) => {
                field = name.to_ascii_lowercase();
                add(&mut entry, &mut types, &field, value);
            }
            Line::More(value) => add(&mut entry, &mut types, &field, value),
            Line::End => {
                let entry = std::mem::take(&mut entry);
                if std::mem::take(&mut types).iter().any(|kind| kind == "deb") {
                    entries.push(entry);
                }
            }
        }
        Ok(())
    });
    entries
}

/// The address an entry stands for: itself, or the first of a list of mirrors (apt-transport-mirror(1)).
fn resolve(uri: &str, etc_apt: &Path) -> Option<Url> {
    let listed;
    let uri = match uri.strip_prefix("mirror+file:") {
        None => uri,
        Some(list) => {
            listed = read(&etc_apt.join(list.trim_start_matches("//").strip_prefix("/etc/apt/")?));
            listed.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?
        }
    };
    let url = Url::parse(uri.split_ascii_whitespace().next()?).ok()?;
    let is_usable = matches!(url.scheme(), "http" | "https" | "file") && !url.cannot_be_a_base();
    is_usable.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files below `/etc/apt`, and the mirrors found for bookworm: main and security.
    fn check(files: &[(&str, &str)], expected: Option<(&str, &str)>) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("sources.list.d")).expect("a folder");
        for (name, text) in files {
            std::fs::create_dir_all(folder.path().join(name).parent().expect("a parent")).expect("a folder");
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let suite = "bookworm".parse().expect("known");
        let found = mirrors_from_apt(folder.path(), suite)
            .map(|found| (found.main.to_string(), found.security.to_string()));
        assert_eq!(found, expected.map(|(main, security)| (main.to_owned(), security.to_owned())));
    }

    const SECURITY: &str = "https://deb.debian.org/debian-security";

    #[test]
    fn the_one_line_form_is_read() {
        let list = "# deb http://old/debian bookworm main\n\
            deb-src http://src/debian bookworm main\n\
            deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian/ bookworm main contrib # near\n\
            deb\thttp://sec.example/debian-security bookworm-security main\n";
        check(
            &[("sources.list", list)],
            Some(("http://mirror.example/debian/", "http://sec.example/debian-security")),
        );
    }

    #[test]
    fn the_paragraph_form_is_read() {
        let sources = "Types: deb deb-src\n# moved\nURIs: http://one.example/debian\n http://two.example/debian\n\
            Suites: bookworm bookworm-updates\nComponents: main\nSigned-By:\n -----BEGIN PGP\n .\n\n\
            Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n\n\
            Types: deb\nURIs: https://three.example/debian\nSuites: bookworm\nComponents: main contrib\n";
        // The first is signed by a key of its own.
        check(&[("sources.list.d/x.sources", sources)], Some(("https://three.example/debian", SECURITY)));
    }

    #[test]
    fn other_apt_sources_are_skipped() {
        let list = "deb https://download.docker.com/linux/debian bookworm stable\n\
            deb https://deb.nodesource.com/node_20.x nodistro main\n\
            deb https://apt.postgresql.org/pub/repos/apt bookworm-pgdg main\n\
            deb http://archive.ubuntu.com/ubuntu noble main\n\
            deb cdrom:[Debian]/ bookworm main\n\
            deb tor+http://x.onion/debian bookworm main\n\
            deb [signed-by=/etc/gitlab.gpg] https://packages.gitlab.com/debian bookworm main\n";
        check(&[("sources.list", list), ("sources.list.d/broken.sources", "nonsense")], None);
        check(&[], None);
    }

    #[test]
    fn the_release_asked_for_and_usual_paths_come_first() {
        let list = "deb https://pkgs.example/tool/debian bookworm main\n\
            deb http://a.example/debian trixie main\n\
            deb http://b.example/debian bookworm main\n\
            deb http://c.example/debian bookworm main\n";
        check(&[("sources.list.d/x.list", list)], Some(("http://b.example/debian", SECURITY)));
        check(
            &[("sources.list", "deb http://a.example/debian trixie main")],
            Some(("http://a.example/debian", SECURITY)),
        );
    }

    #[test]
    fn a_list_of_mirrors_stands_for_its_first() {
        let sources = "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: bookworm\nComponents: main\n";
        check(
            &[
                ("sources.list.d/d.sources", sources),
                ("mirrors/debian.list", "# near\nhttp://near.example/debian\tpriority:1\n"),
            ],
            Some(("http://near.example/debian", SECURITY)),
        );
    }
}
