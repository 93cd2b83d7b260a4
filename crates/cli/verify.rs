use std::fmt::Write as _;
use std::io;

use wainwright_engine::{Field, Finding, LayerVerdict, PlatformVerification, Verdict, Verification};

use crate::args;
use crate::commands::{mended, phase, prepare, run, tidy, usage};
use crate::failure::{clean, tell};
use crate::render::line;
use crate::report::bytes;
use crate::stdout::print;
use crate::workflow;

const NOT_THE_SAME: u8 = 1;
/// Findings of one kind that are shown; JSON has them all.
const MOST_SHOWN: usize = 30;

/// `wain verify`
pub(crate) fn verify(arguments: &args::Verify) -> u8 {
    let project = &arguments.project;
    if let Some(file) = workflow::file(None, project) {
        let image = io::Error::other(format!(
            "`{}` makes an image for each component, and only the image of a project is built again and compared",
            file.display()
        ));
        let hint = "build it once more with `--locked -o layout:DIR`: the digests are the same, or `wain diff` says what is not";
        line(&tell(&image, Some(hint.into())));
        return NOT_THE_SAME;
    }
    let (request, machine) = match prepare(project, None) {
        Ok(ready) => ready,
        Err(message) => return usage(&message),
    };
    let image = &arguments.image;
    run(project, &request, machine, async |tools, screen| {
        let task = async || wainwright_engine::verify(image, &request, tools).await;
        let found = phase(screen, "verify", mended(screen, task)).await?;
        tidy(&project.machine, tools, screen);
        let text = match arguments.json {
            true => format!("{:#}\n", json(&found, arguments.files)),
            false => text(&image.to_string(), &found, arguments.files),
        };
        Ok(match (print(&text), found.verdict) {
            (0, Verdict::SameFiles | Verdict::Different) => NOT_THE_SAME,
            (code, _) => code,
        })
    })
}

fn json(found: &Verification, with_files: bool) -> serde_json::Value {
    let mut value = serde_json::to_value(found).unwrap_or_default();
    value["version"] = 1.into();
    if with_files {
        for (at, platform) in found.platforms.iter().enumerate() {
            let files = platform.files.iter();
            let files = files.map(|(path, origin)| serde_json::json!({ "path": path, "origin": origin }));
            value["platforms"][at]["files"] = files.collect();
        }
    }
    value
}

fn text(image: &str, found: &Verification, with_files: bool) -> String {
    let mut text = String::new();
    let verdict = match found.verdict {
        Verdict::Same => "is what this project builds",
        Verdict::SameFiles => "holds the same files as this project builds, in other bytes",
        Verdict::Different => "is not what this project builds",
    };
    let _ = writeln!(text, "{} {verdict}", clean(image));
    match (found.expected, found.found) {
        (Some(one), Some(two)) if one == two => {
            let _ = writeln!(text, "digest    {one}");
        }
        (one, two) => {
            let digest = |digest: Option<_>| {
                digest.map_or("-".to_owned(), |digest: wainwright_oci::Digest| digest.to_string())
            };
            let _ = writeln!(text, "expected  {}\nfound     {}", digest(one), digest(two));
        }
    }
    for problem in &found.problems {
        let _ = writeln!(text, "problem   {}", clean(problem));
    }
    fields(&mut text, "index", &found.index);
    for platform in &found.platforms {
        of_platform(&mut text, platform, with_files);
    }
    for platform in &found.not_compared {
        let _ = writeln!(text, "\n{platform} was not compared");
    }
    text
}

fn of_platform(text: &mut String, found: &PlatformVerification, with_files: bool) {
    let _ = writeln!(text, "\n{}", found.platform);
    fields(text, "manifest", &found.manifest);
    fields(text, "config", &found.config);
    for layer in &found.layers {
        let place = layer.position.map_or("a layer".to_owned(), |at| format!("layer {at}"));
        let name = layer.name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
        let what = match layer.state {
            LayerVerdict::Same => continue,
            LayerVerdict::Recompressed => "holds the same tar, compressed in another way",
            LayerVerdict::Different => "is another",
            LayerVerdict::Extra => "is not expected",
            LayerVerdict::Missing => "is missing",
            LayerVerdict::Damaged => "is damaged",
        };
        let _ = writeln!(text, "  {place}{} {what}", clean(&name));
        if let Some(problem) = &layer.problem {
            let _ = writeln!(text, "    {}", clean(problem));
        } else {
            let digest = |digest: &wainwright_oci::Digest| digest.to_string();
            both(
                text,
                layer.expected.as_ref().map(digest).as_deref(),
                layer.found.as_ref().map(digest).as_deref(),
            );
        }
    }
    findings(text, "unexplained", &found.unexplained);
    findings(text, "differs", &found.differing);
    findings(text, "missing", &found.missing);
    if found.other_times > 0 {
        let _ = writeln!(text, "  {} files and folders have another modification time", found.other_times);
    }
    let _ = writeln!(text, "  {:>7}  {:>9}  origin", "files", "size");
    for count in &found.origins {
        let members = match (count.members, count.origin.as_str()) {
            (0, _) => String::new(),
            (1, "base image") => " (1 layer)".into(),
            (members, "base image") => format!(" ({members} layers)"),
            (members, _) => format!(" ({members})"),
        };
        let _ = writeln!(text, "  {:>7}  {:>9}  {}{members}", count.files, bytes(count.bytes), count.origin);
    }
    let _ = writeln!(
        text,
        "  {:>7}  {:>9}  unexplained or different",
        found.unexplained.len() + found.differing.len(),
        ""
    );
    if with_files {
        for (path, origin) in &found.files {
            let _ = writeln!(text, "  {}  <- {}", clean(path), clean(&origin.to_string()));
        }
    }
}

fn fields(text: &mut String, document: &str, fields: &[Field]) {
    for field in fields.iter().take(MOST_SHOWN) {
        let _ = writeln!(text, "  {document}: {}", clean(&field.field));
        both(text, field.expected.as_deref(), field.found.as_deref());
    }
    more(text, fields.len());
}

fn findings(text: &mut String, what: &str, findings: &[Finding]) {
    for finding in findings.iter().take(MOST_SHOWN) {
        let place = finding.layer.map_or(String::new(), |at| format!(" in layer {at}"));
        let name = finding.layer_name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
        let _ = writeln!(text, "  {what}: {}{place}{}", clean(&finding.path), clean(&name));
        both(text, finding.expected.as_deref(), finding.found.as_deref());
        if let Some(origin) = &finding.origin {
            let _ = writeln!(text, "    origin    {}", clean(&origin.to_string()));
        }
    }
    more(text, findings.len());
}

fn both(text: &mut String, expected: Option<&str>, found: Option<&str>) {
    let value = |value: Option<&str>| value.map_or("nothing".to_owned(), clean);
    let _ = writeln!(text, "    expected  {}\n    found     {}", value(expected), value(found));
}

fn more(text: &mut String, count: usize) {
    if count > MOST_SHOWN {
        let _ = writeln!(text, "  and {} more; --json has them all", count - MOST_SHOWN);
    }
}
