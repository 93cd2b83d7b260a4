use std::fmt::Write as _;
use std::io;

use clap::{Args, ValueHint};
use wainwright_audit::{Field, Finding, LayerVerdict, PlatformVerification, Verdict, Verification};
use wainwright_engine::ImageSource;

use crate::args::{
    BackendArguments, ContentArguments, InputArguments, JobsArguments, MachineArguments, OutputArguments,
    parse_image,
};
use crate::console::exit::WRONG;
use crate::console::{clean, describe, line, print};
use crate::run::request::{ProjectOptions, prepare};
use crate::run::session::run;
use crate::run::tidy::tidy;
use crate::run::workflow;
use crate::screen::{phase, retry_damaged};
use crate::units::bytes;

/// The number of findings of one kind in the text; JSON has all.
const MOST_SHOWN: usize = 30;

const EXAMPLES: &str = "\
Examples:
  wain verify .wain/image                  the default output of `wain build`
  wain verify archive:api.tar --locked     fail if a pin is missing
  wain verify layout:out:1 api --no-cache  the project in `api`; fetch all files again
  wain verify out --files                  list every file with its origin";

/// Build the project again and compare the result with an image
///
/// Builds every layer from the project and its lockfiles, and compares manifests, configs and layers with the image. Also
/// finds the origin of every file in the image: the RECORD of a wheel, a Debian package, the project or the base image.
/// Writes no output. The exit code is 0 if all digests are equal and every file has an origin, and 1 otherwise, even if
/// the files are equal and only their compressed bytes differ.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    /// Image: layout:DIR[:TAG], archive:FILE[:TAG], or a path
    #[arg(value_parser = parse_image, value_hint = ValueHint::AnyPath)]
    pub(crate) image: ImageSource,

    /// List every file with its origin
    #[arg(long)]
    pub(crate) files: bool,

    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) inputs: InputArguments,

    #[command(flatten)]
    pub(crate) content: ContentArguments,

    #[command(flatten)]
    pub(crate) backends: BackendArguments,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,

    #[command(flatten)]
    pub(crate) jobs: JobsArguments,
}

/// `wain verify`
pub(crate) fn verify(arguments: &Verify) -> u8 {
    let root = &arguments.inputs.project.path;
    if let Some(file) = workflow::find(None, root) {
        let image =
            io::Error::other(format!("cannot verify the images of the workflow `{}`", file.display()));
        let hint = "build it again with `--locked -o layout:DIR`, and compare the images with `wain diff`";
        line(&describe(&image, Some(hint.into())));
        return WRONG;
    }
    let options = ProjectOptions {
        inputs: &arguments.inputs,
        content: &arguments.content,
        output: &OutputArguments::default(),
        build_timeout: arguments.backends.build_timeout,
        config: None,
        workflow: None,
    };
    let setup = arguments.machine.setup(arguments.jobs.jobs);
    let (request, machine) = match prepare(&options, &setup) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let image = &arguments.image;
    run(&setup, &request, machine, async |project, session, screen| {
        let task = async || wainwright_audit::verify(image, &request, project, session).await;
        let found = phase(screen, "verify", retry_damaged(screen, task)).await?;
        tidy(&arguments.machine.limits(), session, screen);
        let text = match arguments.json {
            true => format!("{:#}\n", json(&found, arguments.files)),
            false => text(&image.to_string(), &found, arguments.files),
        };
        Ok(match (print(&text), found.verdict) {
            (0, Verdict::SameFiles | Verdict::Different) => WRONG,
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
        Verdict::Same => "is equal to the build of this project",
        Verdict::SameFiles => "has the same files as the build of this project, but other bytes",
        Verdict::Different => "differs from the build of this project",
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
            LayerVerdict::Recompressed => "has the same tar with another compression",
            LayerVerdict::Different => "differs",
            LayerVerdict::Extra => "is unexpected",
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
        let _ = writeln!(text, "  {} files and folders have different modification times", found.other_times);
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
        let _ = writeln!(text, "  and {} more (use --json for all)", count - MOST_SHOWN);
    }
}
