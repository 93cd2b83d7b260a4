//! The same inputs give the same digest: on every machine, for every user, at every time.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use wainwright_testing::{Tree, With as _, Workshop, run};

use crate::{WAIN, workshop};

/// The digest of the sample, built as every test here builds it first.
fn usual() -> String {
    run(&mut workshop().build()).digest()
}

/// The environment of a command.
fn variables(command: &Command) -> impl Iterator<Item = (&OsStr, &OsStr)> {
    command.get_envs().filter_map(|(name, value)| Some((name, value?)))
}

#[test]
fn another_folder_and_an_empty_store() {
    assert_eq!(usual(), usual());
}

#[test]
fn another_number_of_processors_and_downloads() {
    let expected = usual();
    for (jobs, connections) in [("1", "1"), ("2", "16"), ("7", "3")] {
        let ran = run(&mut workshop().build().with(&["--jobs", jobs, "--connections", connections]));
        assert_eq!(ran.digest(), expected, "--jobs {jobs}");
    }
}

#[test]
fn another_environment() {
    let expected = usual();
    let environments: [&[(&str, &str)]; 4] = [
        &[("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8")],
        &[("HOME", "/nonexistent"), ("USER", "somebody"), ("HOSTNAME", "elsewhere")],
        &[("XDG_CACHE_HOME", "/nonexistent"), ("TMPDIR", "/var/tmp"), ("RAYON_NUM_THREADS", "3")],
        &[("COLUMNS", "20"), ("NO_COLOR", "1"), ("TERM", "xterm"), ("PYTHONPATH", "/nonexistent")],
    ];
    for variables in environments {
        let ran = run(workshop().build().envs(variables.iter().copied()));
        assert_eq!(ran.digest(), expected, "{variables:?}");
    }
}

#[test]
fn settings_of_the_deployment_change_no_image() {
    let build = |settings: &str| {
        let shop = workshop();
        shop.write("project/wainwright.toml", settings);
        run(&mut shop.build()).digest()
    };
    let image = "ports = [8000]\nvolumes = [\"/cache\", \"/data\"]\n";
    let deployed = r#"
ports = [8000]
volumes = { "/data" = "2Gi", "/cache" = "1Gi" }
health = { path = "/healthz", interval = 30 }
resources = { cpu = "250m", memory-limit = "1Gi" }
replicas = 3
publish = 80
secrets = ["DATABASE_URL"]
writable = ["/app/cache"]
read-only = false
stop-grace-period = 60

[[services]]
name = "db"
image = "postgres:17"
"#;
    assert_eq!(build(deployed), build(image));
    assert_ne!(build(image), usual());
}

#[test]
fn another_umask_when_files_were_made_and_when_they_are_read() {
    let expected = usual();
    for mode in [0o600, 0o666, 0o644] {
        let shop = workshop();
        for file in ["project/main.py", "project/data/words.txt", "project/pylock.toml"] {
            fs::set_permissions(shop.path(file), fs::Permissions::from_mode(mode)).unwrap();
        }
        let folder = fs::Permissions::from_mode(mode | (mode & 0o444) >> 2);
        fs::set_permissions(shop.path("project/data"), folder).unwrap();
        for umask in ["000", "077"] {
            let build = shop.build();
            let words: Vec<&str> = build.get_args().map(|word| word.to_str().unwrap()).collect();
            let mut shell = Command::new("sh");
            shell.args(["-c", "umask $0 && exec \"$@\"", umask, WAIN]).args(&words);
            shell.current_dir(shop.folder()).env_clear().envs(variables(&build));
            assert_eq!(run(&mut shell).digest(), expected, "{mode:o}, umask {umask}");
            fs::remove_dir_all(shop.path("store")).unwrap();
        }
    }
}

#[test]
fn another_user() {
    if !rustix::process::geteuid().is_root() {
        return wainwright_testing::skip("only root can become somebody else");
    }
    let shop = workshop();
    // The folder of the program may be closed to others.
    let program = shop.path("wain");
    fs::copy(WAIN, &program).unwrap();
    let owner = |path: &Path| run(Command::new("chown").args(["-R", "65534:65534"]).arg(path)).ok();
    owner(shop.folder());
    let build = shop.build();
    let words: Vec<&str> = build.get_args().map(|word| word.to_str().unwrap()).collect();
    let mut command = Command::new(&program);
    command.args(words).current_dir(shop.folder()).env_clear().envs(variables(&build));
    command.uid(65534).gid(65534);
    assert_eq!(run(&mut command).digest(), usual());
}

#[test]
fn another_order_and_time_of_files() {
    let shop = Workshop::empty(WAIN);
    let usual_shop = workshop();
    // The same files, made in the opposite order, a long time ago.
    for file in ["data/words.txt", "main.py", "pylock.toml"] {
        let from = usual_shop.path(&format!("project/{file}"));
        shop.write(&format!("project/{file}"), fs::read(from).unwrap());
        let file = fs::File::options().write(true).open(shop.path(&format!("project/{file}"))).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let mut wheels: Vec<_> =
        fs::read_dir(usual_shop.path("wheels")).unwrap().map(|entry| entry.unwrap()).collect();
    wheels.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
    for wheel in wheels {
        shop.write(
            &format!("wheels/{}", wheel.file_name().to_string_lossy()),
            fs::read(wheel.path()).unwrap(),
        );
    }
    assert_eq!(run(&mut shop.build()).digest(), usual());
}

#[test]
fn another_lockfile_order() {
    let shop = workshop();
    let path = shop.path("project/pylock.toml");
    let text = fs::read_to_string(&path).unwrap();
    let before = layers_of_wheels(&shop);
    let parts: Vec<&str> = text.split("\n[[packages]]").collect();
    let [head, first, second] = parts[..] else { panic!("two packages: {text}") };
    fs::write(&path, [head, second, first].join("\n[[packages]]")).unwrap();
    fs::remove_dir_all(shop.path("store")).unwrap();
    assert_eq!(layers_of_wheels(&shop), before);
}

/// The digests of layers that hold packages.
fn layers_of_wheels(shop: &Workshop) -> Vec<String> {
    run(&mut shop.build().with(&["--metadata-file", "report.json"])).ok();
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(shop.path("report.json")).unwrap()).unwrap();
    let layers = report["platforms"]["linux/amd64"]["layers"].as_array().unwrap().clone();
    let has_packages = |layer: &&serde_json::Value| !layer["packages"].as_array().unwrap().is_empty();
    let digests: Vec<String> =
        layers.iter().filter(has_packages).map(|layer| layer["digest"].to_string()).collect();
    assert!(!digests.is_empty(), "{report:#}");
    digests
}

/// A name for a kind of damage, and what does it to a file of some size.
type Spoil = (&'static str, fn(&Path, u64));

#[test]
fn a_warm_a_partial_and_a_damaged_store() {
    let expected = usual();
    let shop = workshop();
    assert_eq!(run(&mut shop.build()).digest(), expected);
    assert_eq!(run(&mut shop.build()).digest(), expected, "warm");
    let store = shop.path("store");
    let files: Vec<String> = Tree::read(&store)
        .0
        .into_iter()
        .filter(|(_, line)| line.starts_with("file"))
        .map(|(path, _)| path)
        .collect();
    assert!(files.len() > 5, "{files:?}");
    let spoil: [Spoil; 3] = [
        ("with its end zeroed", |path, size| {
            open_copy(path).set_len(size / 2).unwrap();
            fs::File::options().write(true).open(path).unwrap().set_len(size).unwrap();
        }),
        ("cut in two", |path, size| open_copy(path).set_len(size / 2).unwrap()),
        ("gone", |path, _| fs::remove_file(path).unwrap()),
    ];
    for file in files {
        for (how, spoil) in spoil {
            let path = store.join(&file);
            // An earlier round may have removed what nobody needs.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            spoil(&path, metadata.len());
            // The output is made anew, so that every layer is read again.
            fs::remove_dir_all(shop.path("project/.wain")).unwrap();
            assert_eq!(run(&mut shop.build()).digest(), expected, "{file} {how}");
        }
    }
}

/// Opens a copy at the same place: what is hard-linked elsewhere stays as it is.
fn open_copy(path: &Path) -> fs::File {
    let bytes = fs::read(path).unwrap();
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap()
}

#[test]
fn the_time_of_files_is_the_one_that_was_asked_for() {
    let with = |epoch: &str| run(workshop().build().env("SOURCE_DATE_EPOCH", epoch)).digest();
    assert_eq!(with("315532801"), usual());
    assert_ne!(with("1700000000"), usual());
}
