//! Finds out what a registry can do, by doing it.

use serde_json::json;
use wainwright_http::{Answer, Body, Exchange, Method, Url, target};
use wainwright_oci::{Descriptor, Digest, Document, media_type};

use crate::answer::is_html;
use crate::ask::{Ask, To};
use crate::error::{ServerError, clean};
use crate::scope::Scope;
use crate::{Error, Registry, Repository, challenge};

/// What is to be probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// The registry.
    pub registry: String,
    /// The repository that is written to.
    pub repository: String,
    /// Another repository, which a blob is mounted into.
    pub other: Option<String>,
    /// Ask only what needs no writing.
    pub is_read_only: bool,
}

/// What was found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// One thing after the other, in the order in which they were tried.
    pub findings: Vec<Finding>,
    /// What could not be removed again.
    pub left: Vec<String>,
}

/// One thing that registries differ in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A word for it.
    pub feature: &'static str,
    /// Whether the registry can do it; `None` where that was not found out.
    pub can: Option<bool>,
    /// What it answered.
    pub detail: String,
}

/// The media type of bytes that are nothing else.
const OCTETS: &str = "application/octet-stream";
/// What a refusal may have to be shown.
const LONGEST: usize = 16 << 10;
/// What registries have to take (distribution-spec, "Pushing Manifests").
const LARGE: usize = 4 << 20;

impl Registry {
    /// Probes a registry. An error means that it could not be asked at all; what it refuses is a finding.
    ///
    /// Blobs and manifests have contents of their own and go by their digests, so that nothing of anybody else's is ever
    /// replaced or removed; no tag is touched.
    pub async fn probe(&self, request: &ProbeRequest) -> Result<Probe, Error> {
        let mut probe = Probe::default();
        self.probe_entrance(request, &mut probe).await?;
        if request.is_read_only {
            return Ok(probe);
        }
        let repository = self.writing(&request.registry, &request.repository, []);
        let mut bench = Bench { repository, request, probe, written: Vec::new() };
        let config = bench.blob(&CONFIG.replace("NAME", "config"));
        if bench.uploads(&config).await? {
            bench.documents(&config).await?;
        }
        bench.tidy().await;
        Ok(bench.probe)
    }

    /// What everybody is told at the door (distribution-spec, "Determining Support").
    async fn probe_entrance(&self, request: &ProbeRequest, probe: &mut Probe) -> Result<(), Error> {
        let entrance = self.open(&request.registry, Scope::none());
        let answer = entrance.ask(&Ask::new(Method::GET, To::Root)).await?;
        if is_html(&answer) {
            let url = wainwright_http::redacted(answer.url());
            return Err(Error::NotARegistry { url, reason: "it sent a web page".into() });
        }
        let version = answer.header("docker-distribution-api-version").map(clean);
        let heard = Heard::of(answer).await;
        let base = entrance.base()?;
        let detail = version.map_or(heard.text(), |version| format!("{}, {version}", heard.text()));
        probe.add("api", heard.is_success(), detail);
        probe.add("encryption", base.scheme() == "https", base.scheme().to_owned());
        let exchange =
            Exchange { method: Method::GET, url: &base, headers: Vec::new(), auth: None, body: Body::Empty };
        let answer = self.http().exchange(&exchange).await.map_err(|fault| Error::from(fault.error))?;
        let headers = answer.headers().get_all("www-authenticate").iter();
        let all = challenge::read(headers.filter_map(|value| value.to_str().ok()));
        let asks = all.iter().map(|challenge| match challenge.parameters.get("realm") {
            Some(realm) if challenge.scheme == "bearer" => format!("bearer, tokens from {}", clean(realm)),
            _ => clean(&challenge.scheme),
        });
        let asks: Vec<String> = asks.collect();
        let detail = if asks.is_empty() { "no login required".to_owned() } else { asks.join("; ") };
        probe.add("authentication", !asks.is_empty(), detail);
        Ok(())
    }
}

impl Probe {
    fn add(&mut self, feature: &'static str, can: bool, detail: String) {
        self.findings.push(Finding { feature, can: Some(can), detail });
    }

    fn skip(&mut self, feature: &'static str, why: &str) {
        self.findings.push(Finding { feature, can: None, detail: why.to_owned() });
    }
}

/// An image that is nobody else's, and that nobody runs.
const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","config":{"Labels":{"wain registry probe":"NAME"}},"rootfs":{"type":"layers","diff_ids":[]}}"#;

/// A blob to try things with.
struct Sample {
    descriptor: Descriptor,
    bytes: Vec<u8>,
}

/// Something that was written, to be removed: `blobs/...` or `manifests/...` below a repository.
struct Written {
    repository: String,
    path: String,
}

struct Bench<'a> {
    repository: Repository,
    request: &'a ProbeRequest,
    probe: Probe,
    written: Vec<Written>,
}

impl Repository {
    /// Asks, and takes a refusal for an answer.
    async fn hear(&self, ask: Ask) -> Result<Heard, Error> {
        match self.ask(&ask).await {
            Ok(answer) => Ok(Heard::of(answer).await),
            Err(error @ (Error::Refused { .. } | Error::Denied { .. })) => {
                Ok(Heard { refused: Some(error.to_string()), ..Heard::default() })
            }
            Err(error) => Err(error),
        }
    }
}

impl Bench<'_> {
    fn blob(&self, text: &str) -> Sample {
        let bytes = text.as_bytes().to_vec();
        Sample { descriptor: Descriptor::of(media_type::CONFIG, &bytes), bytes }
    }

    async fn open(&self) -> Result<Heard, Error> {
        self.repository.hear(Ask::new(Method::POST, To::Path("blobs/uploads/".into()))).await
    }

    fn wrote(&mut self, path: String) {
        let repository = self.request.repository.clone();
        self.written.push(Written { repository, path });
    }

    /// Every way to send a blob. `false` where nothing can be written.
    async fn uploads(&mut self, config: &Sample) -> Result<bool, Error> {
        // In one piece: the way that every push begins with.
        let session = self.open().await?;
        let Some(url) = session.location.clone() else {
            self.probe.add("push", false, session.text());
            return Ok(false);
        };
        let digest = config.descriptor.digest;
        let put = self
            .repository
            .hear(
                Ask::new(Method::PUT, commit(url, &digest))
                    .header("content-type", OCTETS)
                    .body(Body::Bytes(config.bytes.as_slice().into())),
            )
            .await?;
        self.probe.add("monolithic upload", put.is_success(), put.text());
        let mut is_writable = put.is_success();

        let sample = self.blob("wain registry probe: one request\n");
        let path = format!("blobs/uploads/?digest={}", encoded(&sample.descriptor.digest));
        let post = self
            .repository
            .hear(
                Ask::new(Method::POST, To::Path(path))
                    .header("content-type", OCTETS)
                    .body(Body::Bytes(sample.bytes.as_slice().into())),
            )
            .await?;
        self.probe.add("single POST", post.status == 201, post.text());
        if post.status == 201 {
            self.wrote(format!("blobs/{}", sample.descriptor.digest));
        } else if let Some(url) = post.location {
            let _ = self.repository.hear(Ask::new(Method::DELETE, To::Url(url))).await?;
        }

        let session = self.open().await?;
        if let Some(url) = session.location {
            let done = self.repository.hear(Ask::new(Method::DELETE, To::Url(url))).await?;
            self.probe.add("delete of upload sessions", done.is_success(), done.text());
        }
        let is_chunked = self.chunked(config).await?;
        is_writable |= is_chunked;
        if !is_writable {
            return Ok(false);
        }
        self.wrote(format!("blobs/{digest}"));
        self.mount(&digest).await?;
        Ok(true)
    }

    async fn chunked(&mut self, config: &Sample) -> Result<bool, Error> {
        let session = self.open().await?;
        let Some(mut url) = session.location else {
            self.probe.add("chunked upload", false, session.text());
            return Ok(false);
        };
        let least =
            session.least_chunk.map_or(String::new(), |least| format!(", chunks of {least} at least"));
        let half = config.bytes.len() / 2;
        for (start, chunk) in [(0, &config.bytes[..half]), (half, &config.bytes[half..])] {
            let patch = self
                .repository
                .hear(
                    Ask::new(Method::PATCH, To::Url(url.clone()))
                        .header("content-type", OCTETS)
                        .header("content-range", format!("{start}-{}", start + chunk.len() - 1))
                        .body(Body::Bytes(chunk.into())),
                )
                .await?;
            match patch.location.clone().filter(|_| patch.is_success()) {
                Some(next) => url = next,
                None => {
                    self.probe.add("chunked upload", false, format!("PATCH: {}{least}", patch.text()));
                    let _ = self.repository.hear(Ask::new(Method::DELETE, To::Url(url))).await?;
                    return Ok(false);
                }
            }
        }
        let to = commit(url, &config.descriptor.digest);
        let put = self.repository.hear(Ask::new(Method::PUT, to)).await?;
        self.probe.add("chunked upload", put.is_success(), format!("{}{least}", put.text()));
        Ok(put.is_success())
    }

    async fn mount(&mut self, digest: &Digest) -> Result<(), Error> {
        let Some(other) = self.request.other.clone() else {
            self.probe.skip("mount", "not tried: add another repository with --other");
            return Ok(());
        };
        let target = self.repository.beside(Scope::write(&other, [self.request.repository.clone()]));
        let from = self.request.repository.replace('/', "%2F");
        let path = format!("blobs/uploads/?mount={}&from={from}", encoded(digest));
        let heard = target.hear(Ask::new(Method::POST, To::Path(path))).await?;
        self.probe.add("mount", heard.status == 201, heard.text());
        if heard.status == 201 {
            self.written.push(Written { repository: other, path: format!("blobs/{digest}") });
        } else if let Some(url) = heard.location {
            let _ = target.hear(Ask::new(Method::DELETE, To::Url(url))).await?;
        }
        Ok(())
    }

    /// Every kind of document, each put by its digest.
    async fn documents(&mut self, config: &Sample) -> Result<(), Error> {
        let manifest = |kind: &str, config_kind: &str, layer_kind: &str| {
            let config = Descriptor::new(config_kind, config.descriptor.digest, config.descriptor.size);
            let layer = Descriptor::new(layer_kind, config.digest, config.size);
            json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]})
        };
        let plain = manifest(media_type::MANIFEST, media_type::CONFIG, media_type::LAYER_GZIP);
        let plain = Document::write(media_type::MANIFEST, plain);
        let put = self.put(&plain).await?;
        self.probe.add("OCI manifest", put.is_success(), put.text());
        let is_oci = put.is_success();

        let docker =
            manifest(media_type::DOCKER_MANIFEST, media_type::DOCKER_CONFIG, media_type::DOCKER_LAYER_GZIP);
        let put = self.put(&Document::write(media_type::DOCKER_MANIFEST, docker)).await?;
        self.probe.add("Docker manifest", put.is_success(), put.text());

        let zstd = manifest(media_type::MANIFEST, media_type::CONFIG, media_type::LAYER_ZSTD);
        let put = self.put(&Document::write(media_type::MANIFEST, zstd)).await?;
        self.probe.add("zstd layers", put.is_success(), put.text());

        if !is_oci {
            self.probe.skip("OCI index", "not tried: it needs an OCI manifest");
            self.probe.skip("referrers", "not tried: it needs an OCI manifest");
            return Ok(());
        }
        let mut entry = json!(plain.descriptor);
        entry["platform"] = json!({"os": "linux", "architecture": "amd64"});
        let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [entry]});
        let put = self.put(&Document::write(media_type::INDEX, index)).await?;
        self.probe.add("OCI index", put.is_success(), put.text());

        let mut large = serde_json::to_value(&plain.json).unwrap_or_default();
        large["annotations"] = json!({"padding": ""});
        let room = LARGE - Document::write(media_type::MANIFEST, large.clone()).bytes().len();
        large["annotations"]["padding"] = "x".repeat(room).into();
        let put = self.put(&Document::write(media_type::MANIFEST, large)).await?;
        self.probe.add("manifest of 4 MiB", put.is_success(), put.text());

        let mut referrer = plain.json.clone();
        referrer["subject"] = json!(plain.descriptor);
        referrer["artifactType"] = "application/vnd.wainwright.probe".into();
        let put = self.put(&Document::write(media_type::MANIFEST, referrer)).await?;
        let path = format!("referrers/{}", plain.digest());
        let listed = self.repository.hear(Ask::new(Method::GET, To::Path(path))).await?;
        let is_known = put.subject.is_some();
        let detail = format!(
            "{} for the list, {} for a manifest with a subject",
            listed.text(),
            if is_known { "OCI-Subject" } else { "no OCI-Subject" }
        );
        self.probe.add("referrers", listed.is_success() && listed.kind == media_type::INDEX, detail);
        Ok(())
    }

    async fn put(&mut self, document: &Document) -> Result<Heard, Error> {
        let path = format!("manifests/{}", document.digest());
        let put = self
            .repository
            .hear(
                Ask::new(Method::PUT, To::Path(path.clone()))
                    .header("content-type", &document.descriptor.media_type)
                    .body(Body::Bytes(document.bytes().into())),
            )
            .await?;
        if put.is_success() {
            self.wrote(path);
        }
        Ok(put)
    }

    /// Removes what was written, manifests before what they name.
    async fn tidy(&mut self) {
        let mut results: [Option<(bool, String)>; 2] = [None, None];
        while let Some(Written { repository, path }) = self.written.pop() {
            let target = self.repository.beside(Scope::write_and_delete(&repository));
            let done = target.hear(Ask::new(Method::DELETE, To::Path(path.clone()))).await;
            let (is_gone, text) = match done {
                Ok(heard) => (heard.is_success() || heard.status == 404, heard.text()),
                Err(error) => (false, error.to_string()),
            };
            let result = &mut results[usize::from(path.starts_with("blobs/"))];
            if result.as_ref().is_none_or(|(was_gone, _)| *was_gone) {
                *result = Some((is_gone, text));
            }
            if !is_gone {
                self.probe.left.push(format!("{}/{repository}: {path}", self.request.registry));
            }
        }
        for (feature, result) in ["delete of manifests", "delete of blobs"].into_iter().zip(results) {
            if let Some((can, detail)) = result {
                self.probe.add(feature, can, detail);
            }
        }
    }
}

/// What matters of an answer.
#[derive(Default)]
struct Heard {
    status: u16,
    location: Option<Url>,
    least_chunk: Option<String>,
    subject: Option<String>,
    kind: String,
    errors: Vec<ServerError>,
    /// There was no answer but this.
    refused: Option<String>,
}

impl Heard {
    async fn of(answer: Answer) -> Self {
        let text = |name: &str| answer.header(name).map(clean);
        let kind = text("content-type").unwrap_or_default();
        let mut heard = Self {
            status: answer.status(),
            location: answer
                .header("location")
                .filter(|_| answer.status() == 202)
                .and_then(|location| target(answer.url(), location).ok()),
            least_chunk: text("oci-chunk-min-length"),
            subject: text("oci-subject"),
            kind: kind.split(';').next().unwrap_or_default().trim().to_owned(),
            ..Self::default()
        };
        if heard.status >= 400 {
            heard.errors = ServerError::read(&answer.start(LONGEST).await);
        }
        heard
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn text(&self) -> String {
        match (&self.refused, self.errors.first()) {
            (Some(refused), _) => refused.clone(),
            (None, Some(error)) => format!("{} {error}", self.status),
            (None, None) => self.status.to_string(),
        }
    }
}

/// Where an upload ends: the digest joins whatever the registry keeps in the query.
fn commit(mut url: Url, digest: &Digest) -> To {
    let digest = format!("digest={}", encoded(digest));
    let query = url.query().filter(|query| !query.is_empty());
    let query = query.map_or(digest.clone(), |query| format!("{query}&{digest}"));
    url.set_query(Some(&query));
    To::Url(url)
}

fn encoded(digest: &Digest) -> String {
    digest.to_string().replace(':', "%3A")
}
