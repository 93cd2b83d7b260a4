//! A workflow runs: its containers talk to each other, with nothing but what was built and written for them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use wainwright_testing::{Dockerd, need, run, skip, wait_until};

use crate::{WAIN, real};

/// A message comes in at the door, an agent asks a model that asks for a sum, and says what came of it.
const WORKFLOW: &str = r#"
door = input api {
    port: PORT
    to: helper
    hooks: [
        {
            event: "input.received"
            script_path: "hooks/watch.py"
            function_name: "watch"
        }
    ]
    pipes: [
        {
            event: "input.received"
            script_path: "pipes/shout.py"
            function_name: "shout"
        }
    ]
}

helper = agent llm {
    model: model
    tools: [sums]
    requirements: []
}

model = llm openai {
    api_key: $MODEL_KEY
    requirements: []
}

sums = api functions {
    path: "sums.py"
}
"#;

/// Stands in for OpenAI: wants `add` called, and then says what was asked and what came of it.
const VENDOR: &str = r#"
import http.server, json

class Vendor(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ok = self.path == "/v1/chat/completions" and self.headers["Authorization"] == "Bearer canary-key"
        asked = next((one["content"] for one in body["messages"] if one["role"] == "user"), "")
        found = [one["content"] for one in body["messages"] if one["role"] == "tool"]
        if found:
            message = {"role": "assistant", "content": f"{asked}: {found[-1]}"}
        else:
            tool = next(one["function"]["name"] for one in body["tools"] if one["function"]["name"].endswith("add"))
            call = {"id": "1", "type": "function", "function": {"name": tool, "arguments": '{"a": 40, "b": 2}'}}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        text = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200 if ok else 401)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

http.server.ThreadingHTTPServer(("", 9000), Vendor).serve_forever()
"#;

/// A project that was built, with the port of the machine that leads to it.
struct Built {
    folder: PathBuf,
    port: u16,
}

impl Built {
    /// Builds the workflow; `None` where its base cannot be had.
    fn new(name: &str, words: &[&str], docker: Option<&Dockerd>) -> Option<Self> {
        let folder = real::folder(name);
        // Somebody else could take the port in between; nobody does on a machine that runs tests.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let files = [
            ("shop/main.ww", WORKFLOW.replace("PORT", &port.to_string())),
            (
                "shop/hooks/watch.py",
                "def watch(payload):\n    print(f'{len(payload.input)} letters', flush=True)\n".into(),
            ),
            (
                "shop/pipes/shout.py",
                "def shout(payload):\n    payload.input = payload.input.upper()\n    return payload\n".into(),
            ),
            (
                "shop/sums.py",
                "def add(a: int, b: int) -> int:\n    \"\"\"Adds.\"\"\"\n    return a + b\n".into(),
            ),
            ("vendor.py", VENDOR.to_owned()),
        ];
        for (path, text) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let built = Self { folder, port };
        let ran = run(&mut built.wain(&[&["build"], words].concat(), docker));
        // The network is not ours to test.
        if ran.code == 3 {
            skip(&format!("the workflow cannot be built here: {}", ran.stderr));
            return None;
        }
        ran.ok();
        Some(built)
    }

    /// A command of ours in the project, with values for its secrets.
    fn wain(&self, words: &[&str], docker: Option<&Dockerd>) -> Command {
        let mut command = Command::new(WAIN);
        command.args(words).current_dir(self.folder.join("shop")).env_remove("SOURCE_DATE_EPOCH");
        command.env("WAIN_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"));
        command.env("MODEL_KEY", "canary-key").env("OPENAI_BASE_URL", "http://vendor:9000/v1");
        match docker {
            Some(docker) => command.env("DOCKER_HOST", docker.host()),
            None => command.env_remove("DOCKER_HOST"),
        };
        command
    }

    /// Starts the stand-in in the network of the project, by the Python of one of its images.
    fn start_vendor(&self, docker: &Dockerd) {
        let script = format!("{}:/vendor.py:ro", self.folder.join("vendor.py").display());
        let words = ["run", "--detach", "--rm", "--name", "vendor", "--network", "shop_default", "--volume"];
        let rest = [&script, "--entrypoint", "/app/.venv/bin/python", "shop-sums:dev", "/vendor.py"];
        run(docker.docker().args(words).args(rest)).ok();
    }

    /// Sends a message, until the stand-in is awake.
    fn ask(&self) -> Value {
        let mut last = (0, String::new());
        let is_awake = wait_until(|| {
            last = http(self.port, "POST", "/input", r#"{"input": "how much"}"#);
            last.0 == 200
        });
        assert!(is_awake, "{last:?}");
        serde_json::from_str(&last.1).unwrap()
    }
}

/// Asks a port of this machine; gives the status and the body.
fn http(port: u16, method: &str, path: &str, body: &str) -> (u16, String) {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(300)))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = ask().unwrap_or_default();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text.split_once("\r\n\r\n").map_or(text.clone(), |(_, body)| body.to_owned()))
}

/// A `PATH` on which there is a Compose tool.
fn path_with_compose() -> Option<String> {
    let installed = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-tools").join("bin");
    let path = std::env::var("PATH").unwrap_or_default();
    match installed.join("docker-compose").is_file() {
        true => Some(format!("{}:{path}", installed.display())),
        false => need("docker-compose").map(|_| path),
    }
}

#[test]
fn a_message_goes_through_and_everything_ends_when_it_is_told_to() {
    let Some(path) = path_with_compose() else { return };
    let Some(docker) = Dockerd::start() else { return };
    let Some(built) = Built::new("workflow-runs", &["--load"], Some(&docker)) else { return };
    let deploy =
        |words: &[&str]| run(built.wain(&[&["deploy"], words].concat(), Some(&docker)).env("PATH", &path));
    let missing = run(built.wain(&["deploy", "up", "-d"], Some(&docker)).env_remove("MODEL_KEY"));
    assert_eq!(missing.code, 1, "{}", missing.stderr);
    assert!(missing.stderr.contains("missing secrets: MODEL_KEY"), "{}", missing.stderr);

    let url = format!("http://127.0.0.1:{}/input door\n", built.port);
    assert_eq!(deploy(&["up", "-d"]).ok().stdout, url);
    let status = deploy(&["status"]).ok().stdout;
    assert!(
        status.lines().count() == 4 && status.lines().all(|line| line.starts_with("healthy")),
        "{status}"
    );
    let ids = run(docker.docker().args(["ps", "--quiet"])).ok().stdout;
    built.start_vendor(&docker);
    // The pipe made the letters large, the model had the sum made by the function, and the agent said it.
    assert_eq!(built.ask()["output"], "HOW MUCH: 42");
    let (_, metrics) = http(built.port, "GET", "/metrics", "");
    let counted = r#"woodwork_http_requests_total{route="/input",status="200"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    let logs = deploy(&["logs"]).ok().stdout;
    // The hook saw what came in, as it came in.
    assert!(logs.contains("8 letters") && !logs.contains("canary-key"), "{logs}");

    run(docker.docker().args(["rm", "--force", "vendor"])).ok();
    run(docker.docker().arg("stop").args(ids.lines())).ok();
    let state = ["inspect", "--format", "{{.Name}} {{.State.ExitCode}}"];
    let ends = run(docker.docker().args(state).args(ids.lines())).ok().stdout;
    assert!(ends.lines().count() == 4 && ends.lines().all(|line| line.ends_with(" 0")), "{ends}");
    assert_eq!(deploy(&["status"]).code, 1);
    deploy(&["down"]).ok();
    for what in [&["ps", "--all"][..], &["network", "ls", "--filter", "type=custom"], &["volume", "ls"]] {
        assert_eq!(run(docker.docker().args(what).arg("--quiet")).ok().stdout, "", "{what:?}");
    }
}

#[test]
fn a_component_runs_as_anybody_on_a_root_that_cannot_be_written() {
    let Some(umoci) = need("umoci") else { return };
    if !rustix::process::geteuid().is_root() {
        return skip("only root can run a container as another user");
    }
    let Some(built) = Built::new("workflow-runc", &["--output", "layout:images"], None) else { return };
    let layout = built.folder.join("shop/images/sums");
    let bundle = built.folder.join("bundle");
    run(Command::new(umoci)
        .args(["unpack", "--image"])
        .arg(format!("{}:dev", layout.display()))
        .arg(&bundle))
    .ok();
    let config = bundle.join("config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    spec["process"]["user"] = json!({ "uid": 23456, "gid": 34567 });
    spec["process"]["terminal"] = json!(false);
    spec["process"]["capabilities"] = json!({});
    spec["root"]["readonly"] = json!(true);
    // It serves, and asks itself.
    let script = r#"
import os, subprocess, sys, time, urllib.request
assert (os.getuid(), os.getgid()) == (23456, 34567)
server = subprocess.Popen([sys.executable, "-m", "component_runtime"])
for _ in range(1000):
    if subprocess.run([sys.executable, "-m", "component_runtime", "--health"], stderr=subprocess.DEVNULL).returncode == 0:
        break
    time.sleep(0.1)
ask = urllib.request.Request("http://127.0.0.1:8080/call", b'{"name": "add", "arguments": {"a": 40, "b": 2}}', {"Content-Type": "application/json"})
print(urllib.request.urlopen(ask).read().decode().strip(), flush=True)
server.terminate()
print("ended with", server.wait(300))
"#;
    spec["process"]["args"] = json!(["/app/.venv/bin/python", "-c", script]);
    fs::write(&config, spec.to_string()).unwrap();
    let name = format!("wain-{}", std::process::id());
    let runc = need("runc").map(Command::new);
    // crun wants cgroups of version 2, and many machines mount both: it gets them in a mount namespace of its own.
    const CGROUPS: &str = "umount -R -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec \"$@\"";
    let crun = need("crun").map(|program| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", CGROUPS, "sh"]).arg(program).arg("--cgroup-manager=disabled");
        command
    });
    for (what, command) in [("runc", runc), ("crun", crun)] {
        let Some(mut command) = command else { continue };
        command.arg("--root").arg(built.folder.join(what)).args(["run", "--bundle"]).arg(&bundle).arg(&name);
        let ran = run(&mut command);
        let expected = (0, "{\"result\": 42}\nended with 0\n");
        assert_eq!((ran.code, ran.stdout.as_str()), expected, "{what}: {}", ran.stderr);
    }
}
