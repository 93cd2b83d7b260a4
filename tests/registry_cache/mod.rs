//! A machine that shares a registry with others neither fetches nor makes what they made; and believes them no further than
//! it can check.

mod damage;
mod lies;
mod ways;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};
use wainwright_oci::Digest;
use wainwright_testing::{
    Access, Act, Proxy, Ran, RegistryServer, Reply, Wheel, Workshop, need, noise, run, wheel,
};

use crate::WAIN;

/// A package index that counts what it gives away.
struct Index {
    proxy: Proxy,
}

impl Index {
    fn start(wheels: &[Wheel]) -> Self {
        let files: BTreeMap<String, Vec<u8>> =
            wheels.iter().map(|wheel| (wheel.filename(), wheel.bytes())).collect();
        let proxy =
            Proxy::start(None, None, move |asked| match files.get(asked.target.trim_start_matches('/')) {
                Some(bytes) => Act::Answer(Reply::status(200).body(bytes.clone())),
                None => Act::Answer(Reply::status(404)),
            });
        Self { proxy }
    }

    /// The files that were given away so far.
    fn given(&self) -> Vec<String> {
        let gets = self.proxy.log().into_iter().filter(|asked| asked.method == "GET");
        gets.map(|asked| asked.target.trim_start_matches('/').to_owned()).collect()
    }

    /// The lockfile of a project that needs some wheels of it.
    fn lock(&self, wheels: &[Wheel]) -> String {
        let mut text = String::from("lock-version = \"1.0\"\ncreated-by = \"testing\"\n");
        for wheel in wheels {
            let (name, bytes, at) = (wheel.filename(), wheel.bytes(), self.proxy.address());
            let hash = Digest::of(&bytes).hex();
            let _ = write!(
                text,
                "\n[[packages]]\nname = \"{}\"\nversion = \"{}\"\n[[packages.wheels]]\nname = \"{name}\"\n\
                 url = \"http://{at}/{name}\"\nsize = {}\nhashes = {{ sha256 = \"{hash}\" }}\n",
                wheel.name(),
                name.split('-').nth(1).unwrap(),
                bytes.len(),
            );
        }
        text
    }
}

/// A machine of its own: an empty store, and the project.
fn machine(index: &Index, wheels: &[Wheel]) -> Workshop {
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "import package0\n");
    shop.write("project/pylock.toml", index.lock(wheels));
    shop
}

/// Wheels as projects have them: most small, some large, some with a native module.
fn wheels(count: usize) -> Vec<Wheel> {
    let package = |number: usize| {
        let name = format!("package{number}");
        let size = [2_000, 9_000, 40_000, 150_000, 600_000][number % 5];
        // Large enough for a layer of its own.
        let size = if number == 4 { 3_000_000 } else { size };
        let wheel = wheel(&name)
            .file(&format!("{name}/__init__.py"), format!("number = {number}\n"))
            .file(&format!("{name}/data.bin"), noise(number as u64, size))
            .metadata("entry_points.txt", &format!("[console_scripts]\n{name} = {name}:number\n"));
        if number.is_multiple_of(7) { wheel.tag("cp313-cp313-manylinux_2_17_x86_64") } else { wheel }
    };
    (0..count).map(package).collect()
}

fn build(shop: &Workshop, words: &[&str]) -> Ran {
    build_with(shop, words, &[])
}

fn build_with(shop: &Workshop, words: &[&str], more: &[&str]) -> Ran {
    let first = ["build", "project", "--platform", "linux/amd64", "--base", "layout:base", "--no-index"];
    run(shop.wain(&first).args(words).args(more))
}

/// Asks a registry something; status, headers and body.
fn ask(server: &str, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(server).unwrap();
    write!(
        stream,
        "{head} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\naccept: {MANIFEST}\r\ncontent-type: {MANIFEST}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    (head[9..12].parse().unwrap(), head, answer[end + 4..].to_vec())
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A cache in a registry, for those who tamper with it.
struct Cache<'a> {
    server: &'a str,
    repository: &'a str,
}

impl Cache<'_> {
    fn manifest(&self) -> Value {
        let (status, _, body) = self.get("manifests/wain-cache");
        assert_eq!(status, 200);
        serde_json::from_slice(&body).unwrap()
    }

    fn entries(&self) -> Value {
        let digest = self.manifest()["layers"][0]["digest"].as_str().unwrap().to_owned();
        serde_json::from_slice(&self.get(&format!("blobs/{digest}")).2).unwrap()
    }

    fn get(&self, what: &str) -> (u16, String, Vec<u8>) {
        ask(self.server, &format!("GET /v2/{}/{what}", self.repository), b"")
    }

    fn put_blob(&self, bytes: &[u8]) -> Digest {
        let (status, head, _) =
            ask(self.server, &format!("POST /v2/{}/blobs/uploads/", self.repository), b"");
        assert_eq!(status, 202, "{head}");
        let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap();
        let path = &location[location.find("/v2/").unwrap()..];
        let digest = Digest::of(bytes);
        let (status, head, _) = ask(self.server, &format!("PUT {path}&digest={digest}"), bytes);
        assert_eq!(status, 201, "{head}");
        digest
    }

    fn put_manifest(&self, manifest: &Value) {
        let path = format!("PUT /v2/{}/manifests/wain-cache", self.repository);
        let (status, head, body) = ask(self.server, &path, manifest.to_string().as_bytes());
        assert_eq!(status, 201, "{head}{}", String::from_utf8_lossy(&body));
    }

    /// Changes what the entry of every layer says.
    fn change_layers(&self, change: impl Fn(&mut Value)) {
        let mut entries = self.entries();
        entries["layers"].as_object_mut().unwrap().values_mut().for_each(change);
        self.put_entries(entries.to_string().as_bytes());
    }

    /// Writes entries as somebody would who may push.
    fn put_entries(&self, bytes: &[u8]) {
        let mut manifest = self.manifest();
        manifest["layers"][0]["digest"] = json!(self.put_blob(bytes));
        manifest["layers"][0]["size"] = json!(bytes.len());
        self.put_manifest(&manifest);
    }
}

#[test]
fn a_cold_machine_fetches_no_wheel_that_the_registry_has_a_layer_of() {
    let (Some(server), Some(skopeo)) = (RegistryServer::start(Access::Open), need("skopeo")) else { return };
    let mut wheels = wheels(60);
    let bumped = wheel("package4").version("2.0").file("package4/__init__.py", noise(99, 3_000_000));
    let index = Index::start(&[&wheels[..], std::slice::from_ref(&bumped)].concat());
    let at = |name: &str| format!("{}/team/{name}", server.address());

    let one = machine(&index, &wheels);
    let plain = build(&one, &["--tag", &at("plain:1"), "--push", "--no-cache"]).digest();
    let first = build(&one, &["--tag", &at("api:1"), "--push", "--cache-to", &at("cache")]);
    assert_eq!(first.digest(), plain);
    let fetched = index.given().len();
    assert_eq!(fetched, 2 * 60);

    // Another machine, another image: nothing is fetched, and nothing but the project and its documents is sent.
    let two = machine(&index, &wheels);
    let cache_name = at("cache");
    let cached = ["--cache-from", &*cache_name, "--cache-verify", "none"];
    let planned = run(two
        .wain(&["plan", "project", "--platform", "linux/amd64", "--base", "layout:base", "--no-index"])
        .args(cached))
    .ok();
    assert!(planned.stdout.contains(&format!("from {}:wain-cache", at("cache"))), "{}", planned.stdout);
    assert!(planned.stdout.contains("nothing to fetch"), "{}", planned.stdout);
    let second = build_with(&two, &["--tag", &at("other:1"), "--push"], &cached).ok();
    assert!(!second.stderr.contains("warning"), "{}", second.stderr);
    assert_eq!(second.digest(), plain);
    assert_eq!(index.given().len(), fetched, "no wheel was fetched");
    // What it learnt is no knowledge of its own.
    let back = build(&two, &["--tag", &at("other:2"), "--push"]);
    assert_eq!(back.digest(), plain);
    assert_eq!(index.given().len(), fetched + 60);

    // One wheel changes: that one is fetched.
    wheels[4] = bumped;
    let three = machine(&index, &wheels);
    let words = ["--tag", &at("other:3"), "--push", "--cache-to", &at("cache")];
    let changed = build_with(&three, &words, &cached).digest();
    assert_ne!(changed, plain);
    assert_eq!(index.given().split_off(fetched + 60), ["package4-2.0-py3-none-any.whl"]);
    let plain = build(&machine(&index, &wheels), &["--tag", &at("plain:2"), "--push"]).digest();
    assert_eq!(changed, plain);

    // Both sets of layers are known now, and others read the image.
    let four = machine(&index, &wheels);
    let fetched = index.given().len();
    let layout = build_with(&four, &["--tag", "demo/api:1", "--output", "layout:out"], &cached);
    assert_eq!((layout.digest(), index.given().len()), (plain.clone(), fetched));
    let mut copy = Command::new(skopeo);
    copy.current_dir(four.folder()).args([
        "--insecure-policy",
        "copy",
        "--preserve-digests",
        "--src-tls-verify=false",
    ]);
    run(copy.args([format!("docker://{}", at("other:3")), "oci:copied:1".into()])).ok();
    let verified =
        run(&mut four.wain(&["verify", "layout:copied:1", "project", "--base", "layout:base", "--no-index"]));
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
}

#[test]
fn a_lie_is_found_by_checking_and_by_verify() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let wheels = wheels(10);
    let index = Index::start(&wheels);
    let address = server.address();
    let at = |name: &str| format!("{address}/team/{name}");
    let one = machine(&index, &wheels);
    let plain = build(&one, &["--tag", &at("api:1"), "--push", "--cache-to", &at("cache")]).digest();

    // Somebody who may push says that the layer of one package is that of another.
    let cache = Cache { server: &address, repository: "team/cache" };
    let mut entries = cache.entries();
    let layers = entries["layers"].as_object_mut().unwrap();
    let keys: Vec<String> = layers.keys().cloned().collect();
    let (this, that) = (layers[&keys[0]].clone(), layers[&keys[1]].clone());
    layers[&keys[0]]["descriptor"] = that["descriptor"].clone();
    layers[&keys[0]]["diffId"] = that["diffId"].clone();
    assert_ne!(this["descriptor"], that["descriptor"]);
    cache.put_entries(entries.to_string().as_bytes());

    let two = machine(&index, &wheels);
    let cache_name = at("cache");
    let from = ["--cache-from", &*cache_name];
    let believed =
        build_with(&two, &["--tag", "x:1", "--output", "layout:out", "--cache-verify", "none"], &from);
    assert_ne!(believed.digest(), plain);
    // `wain verify` asks no cache.
    let verify = ["verify", "layout:out:1", "project", "--base", "layout:base", "--no-index"];
    let verified = run(&mut two.wain(&verify));
    assert_eq!(verified.code, 1, "{}{}", verified.stdout, verified.stderr);
    assert!(verified.stdout.contains("layer"), "{}", verified.stdout);

    let three = machine(&index, &wheels);
    let checked = build_with(&three, &["--tag", &at("api:2"), "--push", "--cache-verify", "all"], &from);
    assert_eq!(checked.code, 1, "{}", checked.stderr);
    assert!(
        checked.stderr.contains("team/cache:wain-cache is wrong about the layer `"),
        "{}",
        checked.stderr
    );
    assert!(!run(&mut three.wain(&["inspect", &at("api:2")])).stderr.is_empty(), "nothing was pushed");
    // A machine that made the layer knows better at once, whatever the sample.
    two.write("project/pylock.toml", index.lock(&wheels[..9]));
    let known = build_with(&one, &["--tag", &at("api:3"), "--push", "--cache-verify", "sample"], &from);
    assert_eq!(known.digest(), plain, "nothing is asked when nothing is missing");

    // Bytes that are no layer of this diff ID are seen when they pass.
    let mut entries = cache.entries();
    entries["layers"][&keys[0]] = this;
    entries["layers"][&keys[0]]["diffId"] = that["diffId"].clone();
    cache.put_entries(entries.to_string().as_bytes());
    let four = machine(&index, &wheels);
    let passed =
        build_with(&four, &["--tag", "x:1", "--output", "archive:x.tar", "--cache-verify", "none"], &from);
    assert_eq!(passed.code, 1, "{}", passed.stderr);
    assert!(passed.stderr.contains("and the diff ID is"), "{}", passed.stderr);
    assert!(!four.path("x.tar").exists());
}
