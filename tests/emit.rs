//! `wain emit` writes all files or none, and nobody's work is lost.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wainwright_testing::{Ran, run};

use crate::{WAIN, workshop};

/// A project that was built: its release is the sample.
struct Project(TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/releases/support.json");
        fs::create_dir(project.path(".wain")).unwrap();
        fs::copy(sample, project.path(".wain/release.json")).unwrap();
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn emit(&self, words: &[&str]) -> Ran {
        run(Command::new(WAIN).arg("emit").args(words).current_dir(&self.0).env_clear())
    }

    /// Changes the release: `from` stands once in it.
    fn change(&self, from: &str, to: &str) {
        let path = self.path(".wain/release.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// Every file below a folder, sorted.
    fn files(&self, folder: &str) -> Vec<String> {
        let ran = run(Command::new("find").arg(".").args(["-type", "f"]).current_dir(self.path(folder))).ok();
        let mut files: Vec<String> = ran.stdout.lines().map(ToOwned::to_owned).collect();
        files.sort();
        files
    }
}

#[test]
fn what_was_written_is_printed_and_the_same_again() {
    let project = Project::new();
    let first = project.emit(&["docker-compose", "-o", "deploy"]).ok();
    assert_eq!(first.stdout, "deploy/.env.example\ndeploy/compose.yaml\n");
    assert_eq!(first.stderr, "start it: docker compose --file deploy/compose.yaml up --detach --wait\n");
    assert_eq!(project.files("deploy"), ["./.env.example", "./.wain-emit", "./compose.yaml"]);
    let before = fs::read(project.path("deploy/compose.yaml")).unwrap();
    assert_eq!(project.emit(&["docker-compose", "-o", "deploy"]).ok().stdout, first.stdout);
    assert_eq!(fs::read(project.path("deploy/compose.yaml")).unwrap(), before);
}

#[test]
fn what_is_no_longer_made_goes_unless_somebody_changed_it() {
    let project = Project::new();
    project.emit(&["kubernetes", "-o", "k8s"]).ok();
    fs::write(project.path("k8s/components/mine.yaml"), "mine").unwrap();
    project.change("\"service\": \"notes\"", "\"service\": \"notepad\"");
    project.change("\"service\": \"graph\"", "\"service\": \"database\"");
    let graph = fs::read_to_string(project.path("k8s/services/graph.yaml")).unwrap();
    fs::write(project.path("k8s/services/graph.yaml"), graph + "# mine\n").unwrap();
    let ran = project.emit(&["kubernetes", "-o", "k8s"]).ok();
    assert_eq!(
        ran.stderr,
        "removed k8s/components/notes.yaml: no longer needed\n\
         note: kept k8s/services/graph.yaml: no longer needed, but changed\n\
         apply it: kubectl apply --kustomize k8s\n"
    );
    let files = project.files("k8s");
    let has = |name: &str| files.contains(&name.to_owned());
    assert!(
        has("./components/notepad.yaml") && has("./components/mine.yaml") && has("./services/graph.yaml")
    );
    assert!(!has("./components/notes.yaml"));
}

#[test]
fn formats_share_a_folder() {
    let project = Project::new();
    for format in ["docker-compose", "kubernetes", "helm", "docker-compose"] {
        project.emit(&[format, "-o", "all"]).ok();
    }
    let files = project.files("all");
    for file in ["./compose.yaml", "./kustomization.yaml", "./Chart.yaml"] {
        assert!(files.contains(&file.to_owned()), "{file} is gone: {files:?}");
    }
}

#[test]
fn what_others_wrote_is_not_written_over() {
    let project = Project::new();
    fs::create_dir(project.path("deploy")).unwrap();
    fs::write(project.path("deploy/compose.yaml"), "mine").unwrap();
    let refused = project.emit(&["docker-compose", "-o", "deploy"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert_eq!(
        refused.stderr,
        "error: refusing to overwrite modified files; nothing was written\n  deploy/compose.yaml\n  \
         hint: use another folder, or `wain emit --force`\n"
    );
    assert_eq!(project.files("deploy"), ["./compose.yaml"]);
    project.emit(&["docker-compose", "-o", "deploy", "--force"]).ok();
    assert_ne!(fs::read(project.path("deploy/compose.yaml")).unwrap(), b"mine");
    // What was changed since is somebody's work, too.
    fs::write(project.path("deploy/.env.example"), "mine").unwrap();
    assert_eq!(project.emit(&["docker-compose", "-o", "deploy"]).code, 1);
}

#[test]
fn links_are_not_followed() {
    let project = Project::new();
    for folder in ["k8s", "elsewhere"] {
        fs::create_dir(project.path(folder)).unwrap();
    }
    symlink(project.path("elsewhere"), project.path("k8s/components")).unwrap();
    let refused = project.emit(&["kubernetes", "-o", "k8s", "--force"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(project.files("elsewhere").is_empty() && project.files("k8s").is_empty());
}

#[test]
fn a_list_that_leads_elsewhere_is_refused() {
    let project = Project::new();
    fs::create_dir(project.path("deploy")).unwrap();
    fs::write(project.path("victim"), "").unwrap();
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for list in [format!("{{\"docker-compose\": {{\"../victim\": [\"{empty}\"]}}}}"), "[]".into(), "{".into()]
    {
        fs::write(project.path("deploy/.wain-emit"), list).unwrap();
        let refused = project.emit(&["docker-compose", "-o", "deploy"]);
        assert_eq!(refused.code, 1, "{}", refused.stderr);
        assert!(refused.stderr.contains("hint: remove it"), "{}", refused.stderr);
    }
    assert!(project.path("victim").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_outside_fault() {
    let project = Project::new();
    fs::write(project.path("file"), "").unwrap();
    let ran = project.emit(&["helm", "-o", "file/chart"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    if rustix::process::geteuid().is_root() {
        return;
    }
    fs::create_dir(project.path("closed")).unwrap();
    fs::set_permissions(project.path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(project.emit(&["helm", "-o", "closed"]).code, 3);
}

#[test]
fn two_at_a_time_do_not_mix() {
    let project = Project::new();
    fs::create_dir(project.path("deploy")).unwrap();
    let folder = fs::File::open(project.path("deploy")).unwrap();
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let ran = project.emit(&["docker-compose", "-o", "deploy"]);
    assert_eq!((ran.code, ran.stderr.contains("another `wain emit`")), (3, true), "{}", ran.stderr);
    drop(folder);
    project.emit(&["docker-compose", "-o", "deploy"]).ok();
}

#[test]
fn wrong_input_is_told_and_nothing_is_written() {
    let project = Project::new();
    fs::write(project.path("values.yaml"), "components:\n  out:\n    replica: 2\n").unwrap();
    fs::write(project.path("secret.yaml"), "components: {out: {environment: {API_TOKEN: hunter2}}}\n")
        .unwrap();
    fs::write(project.path("other.json"), "{\"schema\": 2}").unwrap();
    let cases: [(&[&str], u8, &str); 8] = [
        (&["helm", "-o", "x", "--release", "gone"], 1, "run `wain build` first"),
        (&["helm", "-o", "x", "--release", "."], 3, "directory"),
        (&["helm", "-o", "x", "--release", "other.json"], 1, "missing field `project`"),
        (
            &["helm", "-o", "x", "--values", "values.yaml"],
            1,
            "values.yaml, line 3, column 5: there is no key `replica`\n  hint: did you mean `replicas`?",
        ),
        (&["helm", "-o", "x", "--values", "secret.yaml"], 1, "its name looks like that of a secret"),
        (&["kubernetes", "-o", "x", "--namespace", "Help"], 1, "namespace `Help` is not a DNS label"),
        (&["helm", "-o", "x", "--compose-compat", "1.29"], 2, "need the format docker-compose"),
        (&["swarm", "-o", "x"], 2, "possible values: docker-compose, kubernetes, helm"),
    ];
    for (words, code, expected) in cases {
        let ran = project.emit(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (i32::from(code), ""), "{words:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(expected) && !ran.stderr.contains("hunter2"),
            "{words:?}: {}",
            ran.stderr
        );
        assert!(!project.path("x").exists(), "{words:?}");
    }
}

#[test]
fn values_reach_every_format() {
    let project = Project::new();
    let values = "components: {Support_Agent: {autoscale: null, replicas: 7}}\n";
    fs::write(project.path("values.yaml"), values).unwrap();
    for (format, file) in [
        ("docker-compose", "compose.yaml"),
        ("kubernetes", "components/support-agent.yaml"),
        ("helm", "values.yaml"),
    ] {
        project.emit(&[format, "-o", format, "--values", "values.yaml"]).ok();
        let text = fs::read_to_string(project.path(format).join(file)).unwrap();
        assert!(text.contains("replicas: 7\n"), "{format}: {text}");
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
    assert_ne!(build(image), build(""));
}
