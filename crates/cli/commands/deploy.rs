//! `wain deploy`: runs the last build on this machine with a Compose tool.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueHint};
use wainwright_emit::{Compat, Options, Profile, Release};
use wainwright_engine::{Output, Request};
use wainwright_fault::Classify;

use crate::console::exit::OUTSIDE;
use crate::console::{describe, line, print};
use crate::run::signals::until_signal;

/// Run the last build on this machine
///
/// Uses `docker compose`, `docker-compose` or `podman-compose`, the first that is installed.
#[derive(Args)]
pub(crate) struct Deploy {
    #[command(subcommand)]
    command: DeployCommand,
}

#[derive(Subcommand)]
enum DeployCommand {
    /// Start all containers, wait until they are healthy, and print their URLs
    ///
    /// Writes the Compose file .wain/deploy/compose.yaml. Secrets are read from the environment or from the file `.env` in
    /// the project folder.
    #[command(after_help = "Example: wain deploy up --detach")]
    Up {
        #[command(flatten)]
        place: DeployPlace,

        /// Run in the background; without it, logs are shown until Ctrl-C, which stops all containers
        #[arg(long, short)]
        detach: bool,
    },
    /// Stop and remove all containers, networks and volumes
    Down {
        #[command(flatten)]
        place: DeployPlace,
    },
    /// Show the state of each component; the exit code is 1 unless all are healthy
    Status {
        #[command(flatten)]
        place: DeployPlace,
    },
    /// Show the logs of all containers
    Logs {
        #[command(flatten)]
        place: DeployPlace,

        /// Follow the logs until Ctrl-C
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Args)]
struct DeployPlace {
    /// Project folder
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    path: PathBuf,
}

/// The archive of a project, which has one image.
const IMAGE: &str = "image";
/// How long to wait until all containers are healthy.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(120);
/// The interval between health checks.
const INTERVAL: Duration = Duration::from_millis(500);

/// An error with its exit code.
struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

fn failure(code: u8, message: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure { message: message.into(), hint: Some(hint.into()), code }
}

/// A program that runs Compose files.
struct Tool {
    /// The program and its first arguments.
    words: Vec<&'static str>,
    /// The program that manages the containers.
    engine: &'static str,
    compat: Compat,
}

/// `wain deploy`
pub(crate) fn deploy(arguments: &Deploy) -> u8 {
    let done = match &arguments.command {
        DeployCommand::Up { place, detach } => up(&place.path, *detach),
        DeployCommand::Down { place } => down(place),
        DeployCommand::Status { place } => status(place),
        DeployCommand::Logs { place, follow } => logs(place, *follow),
    };
    report(done)
}

/// Starts the last build of a project.
pub(crate) fn start(root: &Path, detach: bool) -> u8 {
    report(up(root, detach))
}

/// The output from which the Compose tool can start images.
pub(crate) fn output(request: &Request) -> Output {
    match (Tool::find(), &request.workflow) {
        // One archive for each component.
        (Some(Tool { engine: "podman", .. }), Some(_)) => {
            Output::Archive(folder(&request.root).join("images"))
        }
        (Some(Tool { engine: "podman", .. }), None) => Output::Archive(archive(&request.root, IMAGE)),
        _ => Output::Docker,
    }
}

/// An archive that podman loads.
fn archive(root: &Path, name: &str) -> PathBuf {
    folder(root).join("images").join(format!("{name}.tar"))
}

fn report(done: Result<u8, Failure>) -> u8 {
    done.unwrap_or_else(|failure| {
        line(&describe(&io::Error::other(failure.message), failure.hint));
        failure.code
    })
}

fn up(root: &Path, detach: bool) -> Result<u8, Failure> {
    let release = release(root)?;
    demand_secrets(&release, root)?;
    let file = folder(root).join("compose.yaml");
    let tool = Tool::find().ok_or_else(|| {
        failure(
            OUTSIDE,
            "no Compose tool found; tried `docker compose`, `docker-compose` and `podman-compose`",
            format!(
                "install one of them and run `wain deploy up`, or write a Compose file with \
                 `wain emit docker-compose -o {}`",
                folder(root).display()
            ),
        )
    })?;
    let options = Options {
        compat: tool.compat,
        // From `.wain/deploy`.
        to_project: (release.profile == Profile::Development).then(|| "../..".to_owned()),
        ..Options::default()
    };
    let files = wainwright_emit::compose(&release, &options).map_err(|error| Failure {
        hint: error.hint(),
        message: error.to_string(),
        code: 1,
    })?;
    for file in files {
        let path = folder(root).join(&file.path);
        let written = fs::create_dir_all(path.parent().unwrap_or(root)).map_err(|error| error.to_string());
        let written = written
            .and_then(|()| wainwright_engine::replace(&path, &file.bytes).map_err(|error| error.to_string()));
        written
            .map_err(|error| failure(OUTSIDE, error, "check the free space and the permissions of .wain"))?;
    }
    if tool.engine == "podman" {
        load_into_podman(&release, root)?;
    }
    // Containers of an earlier workflow are removed too.
    tool.run(&release, root, &file, &["up", "-d", "--remove-orphans"], io::stderr())?;
    wait(&tool, &release, root, &file)?;
    let mut urls = String::new();
    for component in &release.components {
        if let Some(port) = component.published {
            let path = if component.type_.is_some() { "/input" } else { "/" };
            urls.push_str(&format!("http://127.0.0.1:{port}{path} {}\n", component.name));
        }
    }
    let printed = print(&urls);
    if detach || printed != 0 {
        return Ok(printed);
    }
    let mut logs = tool.command(&release, root, &file);
    logs.args(["logs", "--follow"]);
    follow(logs);
    down(&DeployPlace { path: root.to_owned() })
}

/// Shows the output of a command until it ends. A signal ends the command only, not this program.
fn follow(command: Command) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(until_signal(async {
        // A signal drops the child, which kills it.
        if let Ok(mut child) = tokio::process::Command::from(command).kill_on_drop(true).spawn() {
            let _ = child.wait().await;
        }
    }));
}

fn down(place: &DeployPlace) -> Result<u8, Failure> {
    let (tool, release, file) = deployed(place)?;
    tool.run(&release, &place.path, &file, &["down", "--volumes", "--remove-orphans"], io::stderr())?;
    line("all components are stopped");
    Ok(0)
}

fn status(place: &DeployPlace) -> Result<u8, Failure> {
    let (tool, release, file) = deployed(place)?;
    let mut text = String::new();
    let mut are_healthy = true;
    for (service, state) in tool.states(&release, &place.path, &file) {
        are_healthy &= matches!(state.as_str(), "healthy" | "running");
        text.push_str(&format!("{state:<10} {service}\n"));
    }
    let printed = print(&text);
    Ok(if printed == 0 && !are_healthy { 1 } else { printed })
}

fn logs(place: &DeployPlace, follow: bool) -> Result<u8, Failure> {
    let (tool, release, file) = deployed(place)?;
    let words: &[&str] = if follow { &["logs", "--follow"] } else { &["logs"] };
    tool.run(&release, &place.path, &file, words, Stdio::inherit())?;
    Ok(0)
}

/// The deployment of a project, and its Compose tool.
fn deployed(place: &DeployPlace) -> Result<(Tool, Release, PathBuf), Failure> {
    let release = release(&place.path)?;
    let file = folder(&place.path).join("compose.yaml");
    if !file.is_file() {
        return Err(failure(1, "this project is not deployed", "run `wain deploy up`"));
    }
    let tool = Tool::find().ok_or_else(|| {
        failure(OUTSIDE, "no Compose tool found", "install the tool that started this deployment")
    })?;
    Ok((tool, release, file))
}

/// The folder of the Compose file.
fn folder(root: &Path) -> PathBuf {
    root.join(".wain").join("deploy")
}

fn release(root: &Path) -> Result<Release, Failure> {
    let path = root.join(".wain").join("release.json");
    let text = fs::read(&path).map_err(|error| {
        failure(1, format!("cannot read `{}`: {error}", path.display()), "run `wain build` first")
    })?;
    Release::read(&text).map_err(|error| Failure {
        hint: Some("run `wain build` again".into()),
        message: format!("`{}`: {error}", path.display()),
        code: 1,
    })
}

/// The secrets that have no value, neither in the environment nor in `.env`.
fn missing_secrets<'a>(release: &'a Release, root: &Path) -> BTreeSet<&'a str> {
    let text = fs::read_to_string(root.join(".env")).unwrap_or_default();
    let lines = text.lines().map(|line| line.trim().trim_start_matches("export ").trim_start());
    let in_file: BTreeSet<&str> =
        lines.filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim()).collect();
    let of_services = release.services.iter().flat_map(|service| {
        service.secrets.iter().chain(service.prefixed.values().map(|value| &value.secret))
    });
    let names = release.components.iter().flat_map(|component| &component.secrets).chain(of_services);
    let is_missing = |name: &&str| std::env::var_os(name).is_none() && !in_file.contains(name);
    names.map(String::as_str).filter(is_missing).collect()
}

/// Checks that every secret has a value in the environment or in `.env`: a container without it ends at once.
fn demand_secrets(release: &Release, root: &Path) -> Result<(), Failure> {
    let names: Vec<&str> = missing_secrets(release, root).into_iter().collect();
    let Some(first) = names.first() else { return Ok(()) };
    Err(failure(
        1,
        format!("missing secrets: {}", names.join(", ")),
        format!(
            "run `export {first}=...`, or put it into a file `.env` in the project folder (no image contains that file)"
        ),
    ))
}

/// Loads the images into podman, which has no daemon to send them to.
fn load_into_podman(release: &Release, root: &Path) -> Result<(), Failure> {
    let names = release.components.iter().map(|component| match component.type_ {
        Some(_) => component.service.as_str(),
        None => IMAGE,
    });
    for archive in names.map(|name| archive(root, name)) {
        if !archive.is_file() {
            continue;
        }
        let status =
            Command::new("podman").arg("load").arg("--input").arg(&archive).stdout(io::stderr()).status();
        if !status.is_ok_and(|status| status.success()) {
            let message = format!("podman cannot load `{}`", archive.display());
            return Err(failure(OUTSIDE, message, "see its messages above"));
        }
    }
    Ok(())
}

/// Waits until every container is healthy.
fn wait(tool: &Tool, release: &Release, root: &Path, file: &Path) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        let states = tool.states(release, root, file);
        let unhealthy = |(_, state): &&(String, String)| !matches!(state.as_str(), "healthy" | "running");
        if !states.iter().any(|one| unhealthy(&one)) {
            return Ok(());
        }
        let has_ended = states.iter().any(|(_, state)| matches!(state.as_str(), "exited" | "dead"));
        if has_ended || start.elapsed() > HEALTH_TIMEOUT {
            let list: Vec<String> = states
                .iter()
                .filter(unhealthy)
                .map(|(service, state)| format!("{service} is {state}"))
                .collect();
            return Err(failure(
                OUTSIDE,
                list.join(", "),
                "see `wain deploy logs` for the reason; stop the rest with `wain deploy down`",
            ));
        }
        sleep(INTERVAL);
    }
}

/// The names of the services that are components.
fn services(release: &Release) -> Vec<String> {
    release.components.iter().map(|component| component.service.clone()).collect()
}

impl Tool {
    /// The first installed tool.
    fn find() -> Option<Self> {
        let answer = |words: &[&str]| {
            let (program, rest) = words.split_first()?;
            let output = Command::new(program).args(rest).stdin(Stdio::null()).output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        };
        if answer(&["docker", "compose", "version"]).is_some() {
            let words = vec!["docker", "compose"];
            return Some(Self { words, engine: "docker", compat: Compat::Specification });
        }
        if let Some(said) = answer(&["docker-compose", "--version"]) {
            let is_old = said.contains("version 1.");
            let compat = if is_old { Compat::Compose129 } else { Compat::Specification };
            return Some(Self { words: vec!["docker-compose"], engine: "docker", compat });
        }
        answer(&["podman-compose", "--version"])?;
        Some(Self { words: vec!["podman-compose"], engine: "podman", compat: Compat::Specification })
    }

    fn command(&self, release: &Release, root: &Path, file: &Path) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().copied().unwrap_or_default());
        command.args(words).arg("--project-name").arg(&release.project).arg("--file").arg(file);
        let environment = root.join(".env");
        if environment.is_file() {
            command.arg("--env-file").arg(environment);
        }
        // The Compose file demands a value for each; what runs already needs none to be shown or stopped.
        command.envs(missing_secrets(release, root).into_iter().map(|name| (name, "-")));
        command.stdin(Stdio::null());
        command
    }

    /// Runs a Compose command to its end.
    fn run(
        &self,
        release: &Release,
        root: &Path,
        file: &Path,
        words: &[&str],
        stdout: impl Into<Stdio>,
    ) -> Result<(), Failure> {
        let mut command = self.command(release, root, file);
        let name = self.words.join(" ");
        let failed = |what: String| {
            failure(OUTSIDE, format!("`{name} {}` {what}", words.join(" ")), "see its messages above")
        };
        let status = command.args(words).stdout(stdout).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(format!("failed ({status})"))),
            Err(error) => Err(failed(format!("cannot start: {error}"))),
        }
    }

    /// The state of each component: `healthy`, `starting`, `exited`, or `absent` without a container.
    fn states(&self, release: &Release, root: &Path, file: &Path) -> Vec<(String, String)> {
        let mut list = self.command(release, root, file);
        list.args(["ps", "-q"]);
        // Docker Compose 2 lists stopped containers only with this option; podman-compose lists all and has no such option.
        if self.engine == "docker" {
            list.arg("-a");
        }
        let ids = output_of(&mut list).unwrap_or_default();
        let format = "{{index .Config.Labels \"com.docker.compose.service\"}} \
                      {{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}} {{.State.Status}} {{.Id}}";
        let mut inspect = Command::new(self.engine);
        inspect.args(["inspect", "--format", format]).args(ids.lines());
        let found = if ids.is_empty() { String::new() } else { output_of(&mut inspect).unwrap_or_default() };
        let mut states: BTreeMap<&str, String> = BTreeMap::new();
        for line in found.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [service, health, state, id] = words[..] else { continue };
            let now = match (health, state) {
                ("starting", "running") if self.is_healthy(release, service, id) => "healthy",
                (health, "running") => health,
                (_, state) => state,
            };
            // Of several containers, the worst state counts.
            let worst = states.entry(service).or_insert_with(|| now.to_owned());
            if !matches!(now, "healthy" | "running") {
                *worst = now.to_owned();
            }
        }
        let of_component = |service: String| {
            let state = states.get(service.as_str()).cloned().unwrap_or_else(|| "absent".into());
            (service, state)
        };
        services(release).into_iter().map(of_component).collect()
    }

    /// Whether a container is healthy now; the engine checks only every few seconds.
    fn is_healthy(&self, release: &Release, service: &str, id: &str) -> bool {
        let component = release.components.iter().find(|component| component.service == service);
        let Some(words) = component.and_then(|component| component.health.as_ref()) else { return false };
        output_of(Command::new(self.engine).args(["exec", id]).args(words)).is_some()
    }
}

/// The output of a command, if it succeeds.
fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
