use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use wainwright_emit::{Compat, Files, Options, Profile, Release};
use wainwright_fault::Classify;

use crate::args::{self, Format};
use crate::commands::{OUTSIDE, usage};
use crate::emit_folder::{Refusal, Written, foresee, write};
use crate::failure;
use crate::render::line;
use crate::stdout::print;

/// Larger than what either file may be; who reads it says how large that is.
const MOST_BYTES: u64 = 32 << 20;

/// `wain emit`
pub(crate) fn emit(arguments: &args::Emit) -> u8 {
    let is_compose = arguments.format == Format::DockerCompose;
    if !is_compose && (arguments.compose_compat.is_some() || arguments.services_profile.is_some()) {
        return usage("--compose-compat and --services-profile go with `docker-compose` alone");
    }
    let place = arguments.release.clone().unwrap_or_else(|| Path::new(".wain").join("release.json"));
    match prepare(arguments, &place).and_then(|files| {
        let written = write(&arguments.output, arguments.format.name(), &files, arguments.force);
        written.map_err(|refusal| told(&refusal))
    }) {
        Ok(written) => tell(arguments, &written),
        Err((message, code)) => {
            line(&message);
            code
        }
    }
}

/// Reads everything and makes the files; otherwise gives what to say, and the exit code.
fn prepare(arguments: &args::Emit, place: &Path) -> Result<Files, (String, u8)> {
    let text = read(place, "build the components first, or name the file with --release")?;
    files(arguments, place, Release::read(&text).map_err(|error| unmade(&error))?)
}

/// What [`emit`] will refuse of a release, before the images are made whose digests it is to have: what to say, and the exit code.
pub(crate) fn refused(arguments: &args::Emit, release: &Release) -> Result<(), (String, u8)> {
    let place = arguments.release.clone().unwrap_or_default();
    let files = files(arguments, &place, release.clone())?;
    let seen = foresee(&arguments.output, arguments.format.name(), &files, arguments.force);
    seen.map_err(|refusal| told(&refusal))
}

fn unmade(error: &wainwright_emit::Error) -> (String, u8) {
    (failure::tell(error, error.hint()), 1)
}

/// Makes the files of a release that is kept at `place`.
fn files(arguments: &args::Emit, place: &Path, mut release: Release) -> Result<Files, (String, u8)> {
    let way = way_to_project(place, &arguments.output);
    let is_mounted = |part: &wainwright_emit::Component| !part.sources.is_empty();
    if arguments.format == Format::DockerCompose
        && release.profile == Profile::Development
        && release.components.iter().any(is_mounted)
        && way.is_none()
    {
        let message = format!(
            "the images of the profile `development` have files of the project mounted, and `{}` is not in the project",
            arguments.output.display()
        );
        let hint = "choose a folder of the project, as `-o deploy`";
        return Err((failure::tell(&io::Error::other(message), Some(hint.into())), 1));
    }
    let mut options = Options {
        compat: if arguments.compose_compat.is_some() { Compat::Compose129 } else { Compat::Specification },
        services_profile: arguments.services_profile.clone(),
        to_project: way.filter(|_| release.profile == Profile::Development),
        ..Options::default()
    };
    if let Some(file) = &arguments.values {
        let values = read(file, "name a file with --values")?;
        let laid = wainwright_emit::overlay(&values, &mut release, &mut options);
        laid.map_err(|error| {
            let message = failure::tell(&error, error.hint());
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
    made.map_err(|error| unmade(&error))
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

/// The path from a folder inside the project to the project: `../..`. Nothing elsewhere, since that would name folders of this
/// machine.
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

/// A path without `.` and `..`, as it is written.
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

fn told(refusal: &Refusal) -> (String, u8) {
    match refusal {
        Refusal::NotOurs(paths) => {
            let paths: Vec<String> = paths.iter().map(|path| format!("\n  {}", path.display())).collect();
            let message = format!(
                "error: these are not as `wain emit` left them, and nothing was written{}\n  hint: choose another folder, \
                 or write over them with `wain emit --force`",
                paths.concat()
            );
            (message, 1)
        }
        Refusal::List(path) => {
            let message = format!(
                "error: `{}` is not a list of what `wain emit` wrote\n  hint: remove it, and give --force once",
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

fn tell(arguments: &args::Emit, written: &Written) -> u8 {
    for path in &written.removed {
        line(&format!("removed {}, which is no longer made", path.display()));
    }
    for path in &written.kept {
        line(&format!("note: {} is no longer made; it was changed, and stays", path.display()));
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
    print(&failure::clean(&paths.concat()))
}
