//! An archive goes where it is sent: a file, a pipe, standard output. What cannot be written is not half-written.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use wainwright_oci::Digest;
use wainwright_testing::{Dockerd, Tree, With as _, Workshop, noise, run, write_base};

use crate::workshop;

/// Builds with standard output going to `out`; returns the exit code and what was said.
fn build_to(build: &mut Command, out: impl Into<Stdio>) -> (i32, String) {
    let child = build.stdin(Stdio::null()).stdout(out).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn standard_output_carries_the_archive_and_nothing_else() {
    let shop = workshop();
    let digest = run(&mut shop.build().with(&["--output", "archive:file.tar"])).digest();
    let words = ["--output", "archive:-", "--output", "layout:out", "--metadata-file", "report.json"];
    let piped = File::create(shop.path("piped.tar")).unwrap();
    let (code, told) = build_to(&mut shop.build().with(&words), piped);
    assert_eq!(code, 0, "{told}");
    assert_eq!(fs::read(shop.path("piped.tar")).unwrap(), fs::read(shop.path("file.tar")).unwrap());
    // The digest is found where words are.
    assert!(told.contains(&digest) && told.contains("archive:-: "), "{told}");
    assert!(fs::read_to_string(shop.path("report.json")).unwrap().contains(&digest));
}

#[test]
fn docker_loads_from_a_pipe() {
    let Some(docker) = Dockerd::start() else { return };
    let shop = workshop();
    let mut build = shop.build().with(&["--tag", "demo/api:1", "--output", "archive:-"]);
    let mut child = build.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let archive = child.stdout.take().unwrap();
    let loaded = docker.docker().args(["load", "--quiet"]).stdin(archive).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&loaded.stdout), "Loaded image: demo/api:1\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_is_left_in_peace() {
    let shop = workshop();
    shop.write("project/noise", noise(1, 2_000_000));
    let mut build = shop.build().with(&["--output", "archive:-", "--progress", "quiet"]);
    let mut child = build.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(141), ""));
}

#[test]
fn a_damaged_layer_in_the_middle_of_a_pipe_is_not_followed_by_a_second_archive() {
    let shop = workshop();
    let whole = run(&mut shop.build().with(&["--output", "archive:file.tar"])).digest();
    damage_blobs(&shop);
    let piped = File::create(shop.path("piped.tar")).unwrap();
    let build = || shop.build().with(&["--output", "archive:-", "--progress", "quiet"]);
    let (code, told) = build_to(&mut build(), piped);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("the archive in `-` is incomplete: "), "{told}");
    let (broken, file) =
        (fs::read(shop.path("piped.tar")).unwrap(), fs::read(shop.path("file.tar")).unwrap());
    assert!(broken.len() < file.len() && broken[..500] == file[..500], "{}", broken.len());
    // What is damaged is removed when it is found: one try for each layer at most.
    for _ in 0..10 {
        let piped = File::create(shop.path("piped.tar")).unwrap();
        if build_to(&mut build(), piped).0 == 0 {
            assert_eq!(fs::read(shop.path("piped.tar")).unwrap(), file);
            assert_eq!(run(&mut shop.build()).digest(), whole);
            return;
        }
    }
    panic!("the cache is not mended");
}

/// Changes a byte in the middle of every layer in the cache.
fn damage_blobs(shop: &Workshop) {
    for path in Tree::read(&shop.path("store")).0.keys().filter(|path| path.contains("/blobs/")) {
        let path = shop.path("store").join(path);
        if path.is_file() {
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        }
    }
}

#[test]
fn what_is_in_the_way_is_named_and_left_alone() {
    let shop = workshop();
    fs::create_dir(shop.path("folder")).unwrap();
    shop.write("read-only.tar", "precious");
    let read_only = shop.path("read-only.tar");
    let mut permissions = fs::metadata(&read_only).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&read_only, permissions).unwrap();
    shop.write("file", "precious");
    for (output, code, words) in [
        ("archive:folder", 1, "`folder` is a folder and cannot be replaced by a file"),
        ("archive:read-only.tar", 3, "cannot replace `read-only.tar`: it is read-only"),
        ("archive:file/x.tar", 3, "cannot write `file/x.tar`"),
        ("archive:/dev/full", 3, "no space left to write `/dev/full`"),
        ("layout:file", 1, "`file` is a file and cannot be replaced by an OCI layout"),
        ("layout:project", 1, "`project` is not an OCI layout"),
        ("layout:-", 2, "`layout:-` is not an output"),
    ] {
        let ran = run(&mut shop.build().with(&["--output", output, "--progress", "quiet"]));
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{output}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{output}: {}", ran.stderr);
        assert!(code == 2 || ran.stderr.contains("hint: "), "{output}: {}", ran.stderr);
    }
    assert_eq!(fs::read(read_only).unwrap(), b"precious");
    assert_eq!(fs::read(shop.path("file")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(shop.path("folder")).unwrap().count(), 0);
}

#[test]
fn more_layers_than_docker_stacks_are_told() {
    let shop = workshop();
    let told = |layers| {
        write_tall_base(&shop, layers);
        run(&mut shop.build().with(&["--output", "archive:out.tar"])).ok().stderr
    };
    // Three more are ours: greet and fast are one, the environment, the project.
    let tall = told(123);
    assert!(tall.contains("the image has 126 layers; Docker's own store takes 125 at most"), "{tall}");
    assert!(!told(122).contains("Docker's own store"));
}

/// Makes a base whose only layer is there many times.
fn write_tall_base(shop: &Workshop, layers: usize) {
    write_base(&shop.path("base"), "python", "3.13", &["amd64"]);
    let path =
        |digest: &Value| shop.path("base/blobs").join(digest["digest"].as_str().unwrap().replace(':', "/"));
    let read = |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let write = |document: &Value| {
        let bytes = document.to_string();
        let digest = Digest::of(&bytes);
        shop.write(&format!("base/blobs/sha256/{}", digest.hex()), &bytes);
        (json!(digest), json!(bytes.len()))
    };
    let repeat = |list: &Value| Value::from(vec![list[0].clone(); layers]);
    let mut root = read(shop.path("base/index.json"));
    let mut index = read(path(&root["manifests"][0]));
    let mut manifest = read(path(&index["manifests"][0]));
    let mut config = read(path(&manifest["config"]));
    config["rootfs"]["diff_ids"] = repeat(&config["rootfs"]["diff_ids"]);
    manifest["layers"] = repeat(&manifest["layers"]);
    (manifest["config"]["digest"], manifest["config"]["size"]) = write(&config);
    (index["manifests"][0]["digest"], index["manifests"][0]["size"]) = write(&manifest);
    (root["manifests"][0]["digest"], root["manifests"][0]["size"]) = write(&index);
    shop.write("base/index.json", root.to_string());
}

#[test]
fn a_full_standard_output_is_the_fault_of_the_outside() {
    let shop = workshop();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let archive = shop.build().with(&["--output", "archive:-", "--progress", "quiet"]);
    for (mut build, words) in
        [(archive, "no space left to write `-`"), (shop.build(), "cannot write to standard output")]
    {
        let (code, told) = build_to(&mut build, full());
        assert_eq!(code, 3, "{told}");
        assert!(told.contains(words), "{told}");
    }
    let twice = run(&mut shop.build().with(&["--output", "archive:-", "--output", "archive:-"]));
    assert_eq!((twice.code, twice.stdout.as_str()), (2, ""), "{}", twice.stderr);
    for words in [["--help"], ["--version"], ["explain"]] {
        let (code, told) = build_to(&mut shop.wain(&words), full());
        assert_eq!(code, 3, "{words:?}: {told}");
        assert!(told.contains("cannot write to standard output") && told.contains("hint: "), "{told}");
    }
}

/// The same command with standard output as a shell leaves it after `redirection`.
fn redirected(command: &Command, redirection: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec \"$0\" \"$@\" {redirection}")]);
    shell.arg(command.get_program()).args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

#[test]
fn a_closed_standard_output_swallows_no_archive() {
    let shop = workshop();
    for words in [["--output", "archive:-"], ["--metadata-file", "-"]] {
        let build = shop.build().with(&words);
        let closed = run(&mut redirected(&build, ">&-"));
        assert_eq!(closed.code, 3, "{words:?}: {}", closed.stderr);
        assert!(closed.stderr.starts_with("error: standard output is closed\n  hint: "), "{}", closed.stderr);
        assert!(!shop.path("store").exists(), "nothing was begun");
    }
    let build = shop.build().with(&["--output", "archive:-"]);
    run(&mut redirected(&build, ">/dev/null")).ok();
    let plain = shop.build();
    for redirection in [">/dev/null", "1<>/dev/null"] {
        // Whoever throws a digest away may do it in any way.
        run(&mut redirected(&plain, redirection)).ok();
    }
}

#[test]
fn the_report_takes_nobody_elses_place() {
    let shop = workshop();
    for (output, report, code) in [
        ("archive:a.tar", "a.tar", 2),
        ("archive:a.tar", "./project/../a.tar", 2),
        ("layout:out", "out/index.json", 2),
        ("archive:-", "-", 2),
        ("docker", "project/wain.lock", 2),
        ("layout:out", "out/build.json", 0),
    ] {
        let ran = run(&mut shop.build().with(&["--output", output, "--metadata-file", report]));
        assert_eq!(ran.code, code, "{output}, {report}: {}", ran.stderr);
        assert!(ran.code == 0 || ran.stderr.contains("--metadata-file"), "{}", ran.stderr);
        assert_eq!(shop.path("store").exists(), code == 0, "{output}, {report}: something was begun");
    }
    // What the pipe gets is a file, and the report would follow in it.
    let sent = redirected(&shop.build().with(&["-o", "archive:-", "--metadata-file", "a.tar"]), "> a.tar");
    assert_eq!(run(&mut { sent }).code, 2);
}

#[test]
fn the_report_may_be_the_output() {
    let shop = workshop();
    let digest = run(&mut shop.build()).digest();
    let ran = run(&mut shop.build().with(&["--metadata-file", "-"])).ok();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["digest"], digest);
    assert!(!shop.path("-").exists());
}

#[test]
fn a_pipe_with_a_name_gets_what_a_file_would_get() {
    let shop = workshop();
    run(&mut shop.build().with(&["--output", "archive:file.tar"])).ok();
    run(Command::new("mkfifo").arg(shop.path("pipe"))).ok();
    let reader = std::thread::spawn({
        let pipe = shop.path("pipe");
        move || fs::read(pipe).unwrap()
    });
    run(&mut shop.build().with(&["--output", "archive:pipe"])).ok();
    assert!(reader.join().unwrap() == fs::read(shop.path("file.tar")).unwrap());
}
