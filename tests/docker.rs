//! Docker gets what it lacks and no more, and the image is whole all the same.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use wainwright_testing::{Dockerd, Ran, Relay, With as _, Workshop, need, noise, run, wait_until, wheel};

use crate::disk::Disk;
use crate::workshop;

/// The size of what does not change, in bytes.
const HEAVY: usize = 30_000_000;

/// Prints the project's only line, from an image without a shell.
const SHOW: &str = r#"
#include <stdio.h>
int main(void) {
    char line[100];
    FILE *file = fopen("/app/line.txt", "r");
    return !(file && fgets(line, sizeof line, file) && fputs(line, stdout) >= 0);
}
"#;

/// A workshop whose images are heavy and can be run, and a daemon for them.
struct Bench {
    shop: Workshop,
    docker: Dockerd,
}

impl Bench {
    fn new() -> Option<Self> {
        let docker = Dockerd::start()?;
        Some(Self { shop: heavy_shop()?, docker })
    }

    /// A relay that interferes with nothing.
    fn relay(&self) -> Relay {
        Relay::start(&self.docker.socket(), |_, _| ())
    }

    /// Runs an image, and returns what it prints.
    fn printed(&self, image: &str) -> String {
        run(self.docker.docker().args(["run", "--rm", "--network=none", image])).ok().stdout
    }

    fn remove_everything(docker: &mut Command) {
        let ids = run(docker.args(["images", "--quiet"])).ok().stdout;
        let mut remove = Command::new(docker.get_program());
        remove.envs(docker.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(remove.args(["image", "rm", "--force"]).args(ids.split_whitespace())).ok();
    }
}

fn heavy_shop() -> Option<Workshop> {
    let compiler = need("cc")?;
    let shop = workshop();
    shop.write("show.c", SHOW);
    let mut compile = Command::new(compiler);
    compile.current_dir(shop.folder()).args(["-static", "-o", "show", "show.c"]);
    run(&mut compile).ok();
    let show = fs::read(shop.path("show")).unwrap();
    shop.lock(&[wheel("show").program("show-1.0.data/scripts/show", show)]);
    shop.lock(&[wheel("heavy").file("heavy/noise", noise(1, HEAVY))]);
    shop.write("project/wainwright.toml", "entrypoint = [\"/app/.venv/bin/show\"]\n");
    Some(shop)
}

/// Changes the line that the project consists of, and loads the image.
fn load(shop: &Workshop, line: &str, tag: &str, host: &str) -> Ran {
    shop.write("project/line.txt", format!("{line}\n"));
    let words = ["--tag", tag, "--load", "--metadata-file", "report.json"];
    run(shop.build().with(&words).env("DOCKER_HOST", host))
}

/// What the report says was sent and left out.
fn reported(shop: &Workshop) -> (u64, u64) {
    let report: Value = serde_json::from_slice(&fs::read(shop.path("report.json")).unwrap()).unwrap();
    let number = |key: &str| report["outputs"][0][key].as_u64().unwrap();
    (number("bytes"), number("skipped"))
}

#[test]
fn one_changed_line_moves_less_than_a_megabyte() {
    let Some(bench) = Bench::new() else { return };
    let relay = bench.relay();
    load(&bench.shop, "first", "demo/api:1", &relay.host()).ok();
    let whole = relay.sent();
    assert!(whole > HEAVY as u64, "{whole}");
    assert_eq!(bench.printed("demo/api:1"), "first\n");

    for (line, tag) in [("second", "demo/api:1"), ("third", "demo/api:2"), ("fourth", "elsewhere:1")] {
        let told = load(&bench.shop, line, tag, &relay.host()).ok().stderr;
        let sent = relay.sent();
        assert!(sent < 1_000_000, "{line}: {sent} bytes");
        assert_eq!(bench.printed(tag), format!("{line}\n"));
        let (bytes, skipped) = reported(&bench.shop);
        // The socket also carries questions, and chunks have lengths.
        assert!(bytes < sent && sent < bytes + 20_000, "{bytes} reported, {sent} sent");
        assert!(skipped > HEAVY as u64 && skipped + bytes < whole, "{skipped}");
        assert!(told.contains(" unchanged"), "{told}");
    }
}

#[test]
fn images_that_are_gone_are_sent_again() {
    let Some(bench) = Bench::new() else { return };
    let relay = bench.relay();
    load(&bench.shop, "first", "demo/api:1", &relay.host()).ok();
    Bench::remove_everything(&mut bench.docker.docker());
    relay.sent();
    load(&bench.shop, "second", "demo/api:1", &relay.host()).ok();
    assert!(relay.sent() > HEAVY as u64);
    assert_eq!(bench.printed("demo/api:1"), "second\n");

    // Removed at the worst moment: after we looked, before the upload.
    let (docker, host) = (bench.docker.socket(), bench.docker.host());
    let is_done = AtomicBool::new(false);
    let pruning = Relay::start(&docker, move |piece, _| {
        if piece.starts_with(b"POST ") && !is_done.swap(true, Ordering::SeqCst) {
            Bench::remove_everything(Command::new("docker").env("DOCKER_HOST", &host));
        }
    });
    let told = load(&bench.shop, "third", "demo/api:1", &pruning.host()).ok().stderr;
    assert!(told.contains("note: sent everything, as docker did not have the layers it seemed to"), "{told}");
    assert!(pruning.sent() > HEAVY as u64);
    assert_eq!(reported(&bench.shop).1, 0);
    assert_eq!(bench.printed("demo/api:1"), "third\n");
}

#[test]
fn a_daemon_that_dies_in_the_middle_is_named_and_can_be_tried_again() {
    let Some(mut bench) = Bench::new() else { return };
    let socket = bench.docker.socket();
    let pid = fs::read_to_string(socket.with_file_name("pid")).unwrap();
    let killing = Relay::start(&socket, move |_, before| {
        if before > HEAVY as u64 / 2 {
            // It may be dead already.
            run(Command::new("kill").args(["-KILL", pid.trim()]));
        }
    });
    let ran = load(&bench.shop, "first", "demo/api:1", &killing.host());
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{}", ran.stderr);
    for part in ["no complete response from the Docker daemon at", "--output archive:FILE"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    bench.docker.kill();
    bench.docker.restart();
    load(&bench.shop, "second", "demo/api:1", &bench.docker.host()).ok();
    assert_eq!(bench.printed("demo/api:1"), "second\n");
}

#[test]
fn a_full_disk_of_the_daemon_is_told_in_its_words() {
    let Some(shop) = heavy_shop() else { return };
    let Some(_disk) = Disk::mount(&shop.path("small"), c"size=20m,mode=755") else { return };
    let Some(docker) = Dockerd::start_on(Some(&shop.path("small"))) else { return };
    let ran = load(&shop, "first", "demo/api:1", &docker.host());
    drop(docker);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{}", ran.stderr);
    for part in ["failed to load the image: ", "no space left on device", "--output archive:FILE"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
}

#[test]
fn podman_is_sent_everything_and_takes_it() {
    let Some(podman) = need("podman") else { return };
    let Some(shop) = heavy_shop() else { return };
    let state = shop.path("podman").display().to_string();
    let command = || {
        let mut command = Command::new(&podman);
        command.args(["--root", &state, "--runroot", &state, "--storage-driver", "vfs"]);
        command
    };
    let socket = shop.path("podman.sock");
    let host = format!("unix://{}", socket.display());
    let mut service = command();
    service.args(["system", "service", "--time", "0", &host]).stderr(Stdio::null());
    let mut service = service.spawn().unwrap();
    wait_for(&socket);
    let relay = Relay::start(&socket, |_, _| ());
    for line in ["first", "second"] {
        let ran = load(&shop, line, "demo/api:1", &relay.host());
        let sent = relay.sent();
        if ran.code != 0 {
            let _ = service.kill();
        }
        ran.ok();
        assert!(sent > HEAVY as u64, "{line}: {sent}");
    }
    let _ = service.kill();
    let _ = service.wait();
    let names =
        run(command().args(["images", "--filter", "dangling=false", "--format", "{{.Repository}}:{{.Tag}}"]));
    assert_eq!(names.ok().stdout, "docker.io/demo/api:1\n");
}

fn wait_for(socket: &Path) {
    let listens = wait_until(|| std::os::unix::net::UnixStream::connect(socket).is_ok());
    assert!(listens, "nobody listens on {}", socket.display());
}
