use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::json;
use wainwright_fault::Classify;
use wainwright_http::Clock;
use wainwright_oci::{Descriptor, Digest, Document, Reference, media_type};
use wainwright_registry::{Blob, Credentials, Error, Hosts, Push, Registry, Settings, Source};
use wainwright_testing::{Act, Asked, Authority, Kind, Lifetime, Proxy, Reply, noise};

use super::row::{Job, Row, Want, Way};

/// What a row finds.
pub(super) struct World {
    /// Another server, which must not get any credentials.
    pub(super) stranger: Proxy,
    pub(super) upstream: String,
    is_encrypted: bool,
    /// The time that passes in waits.
    pub(super) clock: Clock,
    /// The server that is asked; known once it has been started.
    pub(super) address: OnceLock<String>,
    pub(super) repository: String,
    pub(super) push: Push,
    pub(super) folder: tempfile::TempDir,
    /// How many tokens were given.
    tokens: Mutex<usize>,
}

/// How a row ended.
pub(super) struct Ran {
    pub(super) got: &'static str,
    pub(super) requests: usize,
    pub(super) waited: f32,
    pub(super) took: Duration,
    /// What is wrong with it.
    pub(super) complaint: Option<String>,
}

/// A registry's public name.
pub(super) const PUBLIC: &str = "registry.example";
const USER: &str = "ann";
const PASSWORD: &str = "CANARY-password";
/// `ann:CANARY-password`.
const BASIC: &str = "Basic YW5uOkNBTkFSWS1wYXNzd29yZA==";
/// Nothing waits longer for bytes that do not come.
pub(super) const IDLE: Duration = Duration::from_secs(5);
/// A row that takes longer in real time hangs.
const LONGEST: Duration = Duration::from_secs(300);

impl World {
    fn new(row: &Row, upstream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = format!("rows/{}", row.name.replace('_', "-"));
        let stranger = Proxy::start(Some(upstream), None, |_| Act::Pass);
        let push = image(upstream, &repository, row, folder.path());
        Self {
            stranger,
            upstream: upstream.into(),
            is_encrypted: matches!(row.way, Way::Encrypted | Way::KnownClients),
            clock: Clock::on_paper(),
            address: OnceLock::new(),
            repository,
            push,
            folder,
            tokens: Mutex::default(),
        }
    }

    /// The digest of the image.
    pub(super) fn root(&self) -> Digest {
        self.push.root.digest()
    }

    pub(super) fn address(&self) -> &str {
        self.address.get().expect("the server runs")
    }

    /// What a registry with a token server does, which asks for the password.
    fn guard(&self, asked: &Asked) -> Option<Act> {
        if asked.host != self.address() {
            return None;
        }
        if asked.kind == Kind::Token {
            if asked.authorization() != Some(BASIC) {
                return Some(Act::Answer(Reply::refusal(401, "UNAUTHORIZED", "wrong password")));
            }
            return Some(Act::Answer(self.token(r#""expires_in":300"#)));
        }
        let shown = asked.authorization().unwrap_or_default();
        if shown.starts_with("Bearer CANARY-token") { None } else { Some(Act::Answer(self.challenge())) }
    }

    /// A new token, with more about it.
    pub(super) fn token(&self, more: &str) -> Reply {
        let mut tokens = self.tokens.lock().unwrap();
        *tokens += 1;
        let body = format!(r#"{{"token":"CANARY-token-{}",{more}}}"#, *tokens);
        Reply::status(200).header("content-type", "application/json").body(body)
    }

    /// Where tokens are to be had.
    pub(super) fn challenge(&self) -> Reply {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        self.challenge_to(&format!("{scheme}://{}/token", self.address()))
    }

    pub(super) fn challenge_to(&self, realm: &str) -> Reply {
        let scope = format!("repository:{}:pull,push", self.repository);
        Reply::refusal(401, "UNAUTHORIZED", "authentication required")
            .header("www-authenticate", format!(r#"Bearer realm="{realm}",service="test",scope="{scope}""#))
    }
}

fn image(upstream: &str, repository: &str, row: &Row, folder: &std::path::Path) -> Push {
    // Other bytes for every row: nothing may be there from the row before.
    let own = row.name.as_bytes();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Labels": {"row": row.name}}, "rootfs": {"type": "layers", "diff_ids": []}});
    let size = if row.is_large { 9 << 20 } else { 600 << 10 };
    let layers = [noise(7, size), b"a small layer of ".to_vec()].map(|mut bytes| {
        bytes.extend_from_slice(own);
        bytes
    });
    let mut blobs = vec![(media_type::CONFIG, config.to_string().into_bytes())];
    blobs.extend(layers.map(|bytes| (media_type::LAYER_TAR, bytes)));
    let descriptors: Vec<Descriptor> =
        blobs.iter().map(|(media_type, bytes)| Descriptor::of(media_type, bytes)).collect();
    let root = Document::write(
        media_type::MANIFEST,
        json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": descriptors[0], "layers": descriptors[1..]}),
    );
    let source = |bytes: Vec<u8>, digest: &Digest| {
        if row.job != Job::PushFiles {
            return Source::Bytes(bytes.into());
        }
        let path: PathBuf = folder.join(digest.hex());
        std::fs::write(&path, [b"before ", &bytes[..]].concat()).unwrap();
        Source::File { path, offset: 7 }
    };
    let blobs = descriptors.iter().zip(blobs).map(|(descriptor, (_, bytes))| Blob {
        descriptor: descriptor.clone(),
        source: source(bytes, &descriptor.digest),
        from: None,
    });
    Push {
        registry: upstream.to_owned(),
        repository: repository.to_owned(),
        blobs: blobs.collect(),
        children: Vec::new(),
        root,
        tags: vec!["1".into(), "latest".into()],
        known: BTreeSet::new(),
        is_settled: false,
    }
}

/// Runs a row and judges it.
pub(super) async fn run(row: Row, upstream: &str) -> Ran {
    let world = Arc::new(World::new(&row, upstream));
    prepare(&row, &world).await;
    let (scripts, seen, wants_token) = (row.scripts, world.clone(), row.wants_token);
    let authority = Authority::new("the root of a test");
    let tls = match row.way {
        Way::Direct | Way::Proxied => None,
        Way::Encrypted => Some(authority.server(&[PUBLIC], Lifetime::Now)),
        Way::KnownClients => Some(authority.server_for_known_clients(&[PUBLIC])),
    };
    let proxy = Proxy::start(Some(upstream), tls, move |asked| {
        if asked.kind == Kind::Connect {
            return Act::Pass;
        }
        let own = scripts.iter().find_map(|script| script(asked, &seen));
        own.or_else(|| seen.guard(asked).filter(|_| wants_token)).unwrap_or(Act::Pass)
    });
    let address = if row.way == Way::Direct { proxy.address() } else { PUBLIC.to_owned() };
    world.address.set(address.clone()).unwrap();

    let heard = Arc::new(Mutex::new(String::new()));
    let listener = heard.clone();
    let mut http = wainwright_http::Settings::new("test");
    http.clock = world.clock.clone();
    http.idle_timeout = IDLE;
    let clock = http.clock.clone();
    let mut hosts = Hosts::default();
    match row.way {
        Way::Direct => {}
        Way::Proxied => {
            http.proxies.http = Some(format!("http://{}", proxy.address()));
            hosts.insecure.insert(PUBLIC.into());
        }
        Way::Encrypted => {
            http.proxies.https = Some(format!("http://{}", proxy.address()));
            let file = world.folder.path().join("ca.pem");
            std::fs::write(&file, authority.pem()).unwrap();
            http.ca_file = Some(file);
        }
        Way::KnownClients => {
            http.proxies.https = Some(format!("http://{}", proxy.address()));
            let own = world.folder.path().join("certs.d").join(PUBLIC);
            std::fs::create_dir_all(&own).unwrap();
            let (certificate, key) = authority.issue(&["us.example"], Lifetime::Now);
            for (name, text) in [("ca.crt", authority.pem()), ("us.cert", certificate), ("us.key", key)] {
                std::fs::write(own.join(name), text).unwrap();
            }
            hosts.certificates.push(world.folder.path().join("certs.d"));
        }
    }
    let vars = if row.has_login { variables(&address) } else { BTreeMap::new() };
    let mut settings = Settings {
        http,
        hosts,
        credentials: Credentials::load(&vars, None),
        listener: Arc::new(move |text| *listener.lock().unwrap() += &format!("{text}\n")),
    };
    if let Some(tune) = row.tune {
        tune(&mut settings, &world);
    }
    let client = Registry::new(settings).unwrap();
    let start = Instant::now();
    let done = tokio::time::timeout(LONGEST, work(row.job, &world, &client)).await;
    let took = start.elapsed();

    let log = proxy.log();
    let waited = clock.now().as_secs_f32();
    let heard = heard.lock().unwrap().clone();
    let (got, text) = match &done {
        Err(_) => ("hangs", String::new()),
        Ok(Ok(())) => ("good", String::new()),
        Ok(Err(error)) => ("error", told(error)),
    };
    let mut complaints = Vec::new();
    match (row.want, got) {
        (Want::Good, "good") | (Want::Anything, "good" | "error") => {}
        (Want::Says(words), "good") if heard.contains(words) => {}
        (Want::Fails(words), "error") if words.iter().all(|word| text.contains(word)) => {}
        _ => complaints.push(format!("it ends with {got}: {text} {heard}")),
    }
    if matches!(row.job, Job::Push | Job::PushFiles | Job::Mount | Job::PushKnown) {
        complaints.extend(inspect(&world, got == "good"));
    }
    let shown = format!("{text}{heard}{done:?}");
    if shown.contains("CANARY") || shown.contains(&BASIC[6..]) {
        complaints.push(format!("a secret is shown: {shown}"));
    }
    let strangers = log.iter().filter(|asked| asked.kind != Kind::Connect && asked.host != address).cloned();
    for asked in world.stranger.log().into_iter().chain(strangers) {
        let text = format!("{} {:?} {}", asked.target, asked.headers, String::from_utf8_lossy(&asked.body));
        if row.trusts_stranger {
            if asked.authorization() != Some(BASIC) {
                complaints.push("who was trusted got no credentials".into());
            }
        } else if asked.authorization().is_some() || text.contains("CANARY") {
            complaints.push("a stranger got credentials".into());
        }
    }
    if log.len() > row.requests {
        complaints.push(format!("{} requests are too many", log.len()));
    }
    if waited < row.waits.0 || waited > row.waits.1 {
        complaints.push(format!("it waits {waited} s"));
    }
    if took > LONGEST / 2 {
        complaints.push(format!("it takes {took:?}"));
    }
    if !complaints.is_empty() {
        for asked in &log {
            let target: String = asked.target.chars().take(120).collect();
            let shown = asked.authorization().unwrap_or_default();
            complaints.push(format!("    {} {target} {:?} {shown}", asked.method, asked.status));
        }
    }
    let complaint = (!complaints.is_empty()).then(|| complaints.join("\n"));
    Ran { got, requests: log.len(), waited, took, complaint }
}

/// All that a user is told of an error.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        text += &format!(": {next}");
        cause = next;
    }
    let code = if error.is_outside() { 3 } else { 1 };
    format!("{text} [{}] (exit {code})", error.hint().unwrap_or_default())
}

fn variables(address: &str) -> BTreeMap<String, String> {
    let host = address.replace(['.', ':'], "_").to_uppercase();
    [("USER", USER), ("PASSWORD", PASSWORD)]
        .map(|(name, value)| (format!("WAIN_REGISTRY_{name}_{host}"), value.to_owned()))
        .into()
}

/// A client that meets no fault.
fn plain_client() -> Registry {
    Registry::new(Settings {
        http: wainwright_http::Settings::new("test"),
        hosts: Hosts::default(),
        credentials: Credentials::default(),
        listener: Arc::new(|_| ()),
    })
    .unwrap()
}

/// What the registry has before.
async fn prepare(row: &Row, world: &World) {
    let push = match row.job {
        Job::Push | Job::PushFiles => return,
        Job::PushKnown => {
            // The tags are there, and stand for something else.
            let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": []});
            let root = Document::read("index", media_type::INDEX, index.to_string().into_bytes()).unwrap();
            Push { root, blobs: Vec::new(), ..world.push.clone() }
        }
        Job::Mount => Push { repository: format!("{}/origin", world.repository), ..world.push.clone() },
        Job::Pull | Job::PullPinned | Job::PullOffByOne => world.push.clone(),
    };
    plain_client().push(&push, &wainwright_registry::unwatched()).await.unwrap();
}

async fn work(job: Job, world: &World, client: &Registry) -> Result<(), Error> {
    let registry = world.address().to_owned();
    let mut push = Push { registry: registry.clone(), ..world.push.clone() };
    let name = format!("{registry}/{}", world.repository);
    match job {
        Job::Push | Job::PushFiles => {}
        Job::PushKnown => push.known = push.blobs.iter().map(|blob| blob.descriptor.digest).collect(),
        Job::Mount => {
            let origin = format!("{}/origin", world.repository);
            push.blobs.iter_mut().for_each(|blob| blob.from = Some(origin.clone()));
        }
        Job::Pull => return fetch(world, client, &format!("{name}:1"), 0).await,
        Job::PullPinned => return fetch(world, client, &format!("{name}@{}", world.root()), 0).await,
        Job::PullOffByOne => return fetch(world, client, &format!("{name}:1"), 1).await,
    }
    client.push(&push, &wainwright_registry::unwatched()).await.map(drop)
}

/// `too_large`: by how many bytes descriptors are wrong.
async fn fetch(world: &World, client: &Registry, name: &str, too_large: u64) -> Result<(), Error> {
    let reference: Reference = name.parse().unwrap();
    let found = client.manifest(&reference).await?;
    assert_eq!(found.digest, Digest::of(&found.bytes));
    let repository = client.reading_of(&reference);
    for blob in &world.push.blobs {
        let path = world.folder.path().join("fetched");
        let mut out = std::fs::File::create(&path).unwrap();
        let mut wanted = blob.descriptor.clone();
        wanted.size += too_large;
        repository.fetch_blob(&wanted, (&mut out, &path), &|_| ()).await?;
        assert_eq!(Digest::of(std::fs::read(&path).unwrap()), blob.descriptor.digest);
    }
    Ok(())
}

/// Looks at the registry itself: every tag is there with the whole image, or, after a failure, absent.
fn inspect(world: &World, must_be_there: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    let ask = |method: &str, path: String| {
        let asked = Asked::new(method, &format!("/v2/{}/{path}", world.repository));
        asked.header("accept", media_type::MANIFEST).send_to(&world.upstream, &[]).unwrap()
    };
    for tag in &world.push.tags {
        let found = ask("GET", format!("manifests/{tag}"));
        if found.status != 200 {
            if must_be_there {
                complaints.push(format!("{tag} answers {}", found.status));
            }
            continue;
        }
        if Digest::of(&found.body) != world.root() {
            complaints.push(format!("{tag} is something else"));
        }
        for blob in &world.push.blobs {
            let digest = blob.descriptor.digest;
            if Digest::of(&ask("GET", format!("blobs/{digest}")).body) != digest {
                complaints.push(format!("{tag} is there without {digest}"));
            }
        }
    }
    complaints
}
