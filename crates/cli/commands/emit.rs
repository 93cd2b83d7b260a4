mod folder;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use clap::{Args, ValueHint};
use wainwright_emit::{Compat, Files, Options, Profile, Release};
use wainwright_fault::Classify;

use crate::args::Format;
use crate::console::exit::OUTSIDE;
use crate::console::{clean, describe, line, print, usage};
use folder::{Refusal, Written, check, write};

const EXAMPLES: &str = "\
Examples:
  wain emit docker-compose -o deploy       then: docker compose --file deploy/compose.yaml up
  wain emit kubernetes -o k8s --namespace support --values production.yaml
  wain emit helm -o chart                  then: helm upgrade --install support chart";

/// Write deployment files for Docker Compose, Kubernetes or Helm
///
/// Reads .wain/release.json, which every build writes. Images are pinned by digest, and secrets are referenced by
/// name. Writes all files or none. Files that you changed are not overwritten without --force; files of an earlier call
/// that are no longer needed are removed if you did not change them. docs/emit.md describes the release, the files and the
/// values.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Emit {
    /// Format of the files
    #[arg(value_name = "FORMAT", value_enum)]
    pub(crate) format: Format,

    /// Target folder; created if missing
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) output: PathBuf,

    /// Release file of the build [default: .wain/release.json]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) release: Option<PathBuf>,

    /// YAML or JSON file with overrides, by component
    ///
    /// Replicas, resources, autoscale, disruption, environment, published port, user and volumes of components; namespace,
    /// existingSecret and imagePullSecrets for all of them. An unknown key is an error.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) values: Option<PathBuf>,

    /// Kubernetes namespace; its Namespace is written too (for a chart, use Helm's own --namespace)
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// Put third-party services, such as databases, into a Compose profile, so that they start only with it
    #[arg(long, value_name = "PROFILE", value_parser = parse_profile)]
    pub(crate) services_profile: Option<String>,

    /// Write a file that docker-compose of this version reads: 1.29
    #[arg(long, value_name = "VERSION", value_parser = ["1.29"])]
    pub(crate) compose_compat: Option<String>,

    /// Overwrite files that were changed or that `wain emit` did not write
    #[arg(long)]
    pub(crate) force: bool,
}

/// More than the limit of either file, which its parser checks.
const MOST_BYTES: u64 = 32 << 20;

/// `wain emit`
pub(crate) fn emit(arguments: &Emit) -> u8 {
    let is_compose = arguments.format == Format::DockerCompose;
    if !is_compose && (arguments.compose_compat.is_some() || arguments.services_profile.is_some()) {
        return usage("--compose-compat and --services-profile need the format docker-compose");
    }
    let place = arguments.release.clone().unwrap_or_else(|| Path::new(".wain").join("release.json"));
    match prepare(arguments, &place).and_then(|files| {
        let written = write(&arguments.output, arguments.format.name(), &files, arguments.force);
        written.map_err(|refusal| refused_because(&refusal))
    }) {
        Ok(written) => show(arguments, &written),
        Err((message, code)) => {
            line(&message);
            code
        }
    }
}

/// Reads all inputs and renders the files; the error is a message and an exit code.
fn prepare(arguments: &Emit, place: &Path) -> Result<Files, (String, u8)> {
    let text = read(place, "run `wain build` first, or use --release FILE")?;
    files(arguments, place, Release::read(&text).map_err(|error| not_rendered(&error))?)
}

/// The error that [`emit`] would give for a release whose images are not built yet: a message and an exit code.
pub(crate) fn refused(arguments: &Emit, release: &Release) -> Result<(), (String, u8)> {
    let place = arguments.release.clone().unwrap_or_default();
    let files = files(arguments, &place, release.clone())?;
    let checked = check(&arguments.output, arguments.format.name(), &files, arguments.force);
    checked.map_err(|refusal| refused_because(&refusal))
}

fn not_rendered(error: &wainwright_emit::Error) -> (String, u8) {
    (describe(error, error.hint()), 1)
}

/// Renders the files of a release that is stored at `place`.
fn files(arguments: &Emit, place: &Path, mut release: Release) -> Result<Files, (String, u8)> {
    let way = way_to_project(place, &arguments.output);
    let is_mounted = |part: &wainwright_emit::Component| !part.sources.is_empty();
    if arguments.format == Format::DockerCompose
        && release.profile == Profile::Development
        && release.components.iter().any(is_mounted)
        && way.is_none()
    {
        let message = format!(
            "the development profile mounts files of the project, and `{}` is outside the project",
            arguments.output.display()
        );
        let hint = "use a folder in the project, for example `-o deploy`";
        return Err((describe(&io::Error::other(message), Some(hint.into())), 1));
    }
    let mut options = Options {
        compat: if arguments.compose_compat.is_some() { Compat::Compose129 } else { Compat::Specification },
        services_profile: arguments.services_profile.clone(),
        to_project: way.filter(|_| release.profile == Profile::Development),
        ..Options::default()
    };
    if let Some(file) = &arguments.values {
        let values = read(file, "use --values FILE with an existing file")?;
        let laid = wainwright_emit::overlay(&values, &mut release, &mut options);
        laid.map_err(|error| {
            let message = describe(&error, error.hint());
            (message.replacen("values, line", &format!("{}, line", file.display()), 1), 1)
        })?;
    }
    if let Some(namespace) = &arguments.namespace {
        release.namespace = Some(namespace.clone());
    }
    let made = match arguments.format {
        Format::DockerCompose => wainwright_emit::compose(&release, &options),
        Format::Kubernetes => wainwright_emit::kubernetes(&release, &options),
        Format::Helm => wainwright_emit::helm(&release, &options),
    };
    made.map_err(|error| not_rendered(&error))
}

fn read(path: &Path, remedy: &str) -> Result<Vec<u8>, (String, u8)> {
    let failed = |error: io::Error| {
        let code = if error.kind() == io::ErrorKind::NotFound { 1 } else { OUTSIDE };
        (format!("error: cannot read `{}`\n  cause: {error}\n  hint: {remedy}", path.display()), code)
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The path from a folder in the project to the project, `../..`. `None` outside of the project, where the path would contain
/// folders of this machine.
fn way_to_project(release: &Path, output: &Path) -> Option<String> {
    let folder = release.parent()?;
    let project = match folder.file_name() {
        Some(name) if name == ".wain" => folder.join(".."),
        _ => folder.to_owned(),
    };
    let project = std::path::absolute(if project.as_os_str().is_empty() { Path::new(".") } else { &project });
    let (project, output) = (plain(&project.ok()?), plain(&std::path::absolute(output).ok()?));
    let depth = output.strip_prefix(project).ok()?.components().count();
    (depth > 0).then(|| vec![".."; depth].join("/"))
}

/// A path without `.` and `..`; links are not followed.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

fn refused_because(refusal: &Refusal) -> (String, u8) {
    match refusal {
        Refusal::NotOurs(paths) => {
            let paths: Vec<String> = paths.iter().map(|path| format!("\n  {}", path.display())).collect();
            let message = format!(
                "error: refusing to overwrite modified files; nothing was written{}\n  hint: use another folder, or \
                 `wain emit --force`",
                paths.concat()
            );
            (message, 1)
        }
        Refusal::List(path) => {
            let message = format!(
                "error: `{}` is not a file list of `wain emit`\n  hint: remove it, and use --force once",
                path.display()
            );
            (message, 1)
        }
        Refusal::Busy(path) => {
            (format!("error: another `wain emit` is writing to `{}`", path.display()), OUTSIDE)
        }
        Refusal::Disk(what, path, error) => {
            (format!("error: cannot {what} `{}`\n  cause: {error}", path.display()), OUTSIDE)
        }
    }
}

fn show(arguments: &Emit, written: &Written) -> u8 {
    for path in &written.removed {
        line(&format!("removed {}: no longer needed", path.display()));
    }
    for path in &written.kept {
        line(&format!("note: kept {}: no longer needed, but changed", path.display()));
    }
    let folder = arguments.output.display();
    line(&match arguments.format {
        Format::DockerCompose => {
            format!("start it: docker compose --file {folder}/compose.yaml up --detach --wait")
        }
        Format::Kubernetes => format!("apply it: kubectl apply --kustomize {folder}"),
        Format::Helm => format!("install it: helm upgrade --install RELEASE {folder}"),
    });
    let paths: Vec<String> = written.paths.iter().map(|path| format!("{}\n", path.display())).collect();
    print(&clean(&paths.concat()))
}

/// Checks the name of a Compose profile.
fn parse_profile(text: &str) -> Result<String, String> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let is_first = text.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    match is_first && text.len() > 1 && text.bytes().all(is_inner) {
        true => Ok(text.to_owned()),
        false => Err("not a profile: it needs two or more letters, digits, `_`, `.` and `-`".into()),
    }
}
