//! Judges markers and wheel tags, line by line, for `tests/trust/markers.py`.
//!
//! `marker PYTHON ARCHITECTURE EXTRA MARKER` is answered with `true`, `false` or `refused`; `tags PYTHON ARCHITECTURE LIBC
//! TAG` with the place of the tag among those the target accepts, or `none`. A tab stands between the words; an empty
//! EXTRA is none.

use std::io::{self, BufRead, Write};

use wainwright_lock::{Marker, marker_environment};
use wainwright_python::{Libc, Tags, Target};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    // Lists of tags are long, and asked for again and again.
    let mut last: Option<(String, Tags)> = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = judge(&line, &mut last).unwrap_or_else(|| panic!("not a question: {line}"));
        writeln!(out, "{answer}")?;
    }
    out.flush()
}

fn judge(line: &str, last: &mut Option<(String, Tags)>) -> Option<String> {
    let [what, python, architecture, more, asked] = line.split('\t').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (architecture, variant) = match architecture.split_once('/') {
        Some((architecture, variant)) => (architecture, Some(variant.to_owned())),
        None => (architecture, None),
    };
    let libc = match what {
        "marker" => Libc::Glibc(2, 36),
        _ => {
            let (name, version) = more.split_once('-')?;
            let (major, minor) = version.split_once('.')?;
            let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
            if name == "musl" { Libc::Musl(major, minor) } else { Libc::Glibc(major, minor) }
        }
    };
    let target =
        Target { python: python.parse().ok()?, architecture: architecture.to_owned(), variant, libc };
    if what == "marker" {
        let mut environment = marker_environment(&target);
        environment.extras.extend((!more.is_empty()).then(|| more.parse()).transpose().ok()?);
        return Some(match asked.parse::<Marker>() {
            Ok(marker) => marker.applies(&environment).to_string(),
            Err(_) => "refused".to_owned(),
        });
    }
    let key = format!("{target:?}");
    if last.as_ref().is_none_or(|(of, _)| *of != key) {
        *last = Some((key, Tags::of(&target)));
    }
    let (_, tags) = last.as_ref()?;
    let fit = tags.fit(&format!("demo-1.0-{asked}.whl").parse().ok()?);
    Some(fit.map_or_else(|| "none".to_owned(), |fit| fit.0.to_string()))
}
