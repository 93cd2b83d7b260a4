use wainwright_http::{Answer, Body, Method, redacted, target};
use wainwright_oci::{Digest, Document, Reference, media_type};

use crate::answer::{MOST_REDIRECTS, content_type, is_html, is_redirect};
use crate::ask::{Ask, To, refusal};
use crate::error::clean;
use crate::{Error, Registry, Repository};

/// A manifest or index as a registry has it; the bytes have the digest that was asked for, where one was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What the registry calls it, or what it calls itself.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
}

/// Registries take manifests of 4 MiB (distribution-spec, "Pushing Manifests"); a larger one is none.
const LARGEST: usize = 4 << 20;

/// All on one line: some proxies keep only one `Accept` header.
const ACCEPT: [&str; 4] =
    [media_type::INDEX, media_type::MANIFEST, media_type::DOCKER_INDEX, media_type::DOCKER_MANIFEST];

impl Registry {
    /// Fetches the manifest or index that a reference names.
    pub async fn manifest(&self, reference: &Reference) -> Result<Found, Error> {
        let digest = reference.digest().map(Digest::to_string);
        let name = digest.as_deref().or(reference.tag()).unwrap_or("latest");
        self.reading_of(reference).manifest_called(name, &reference.to_string()).await
    }
}

impl Repository {
    /// Asks what a tag or a digest stands for; `None` where there is nothing. One request, two where a registry does not
    /// answer HEAD with a digest.
    pub async fn digest(&self, name: &str) -> Result<Option<Digest>, Error> {
        let answer = self.ask(&manifest(name, Method::HEAD)).await?;
        match answer.status() {
            404 => Ok(None),
            200 => match answer.header("docker-content-digest").and_then(|digest| digest.parse().ok()) {
                Some(digest) if !is_html(&answer) => Ok(Some(digest)),
                _ => self.digest_of_bytes(name).await,
            },
            // Some registries refuse HEAD, and some say 403 for what does not exist.
            _ => self.digest_of_bytes(name).await,
        }
    }

    /// Fetches a manifest or an index by its tag or its digest.
    pub async fn manifest(&self, name: &str) -> Result<Found, Error> {
        self.manifest_called(name, &self.full_name(name)).await
    }

    /// The same; errors call it by `reference`.
    async fn manifest_called(&self, name: &str, reference: &str) -> Result<Found, Error> {
        let mut found = None;
        for mirror in self.mirrors() {
            match mirror.find(name).await {
                Ok(Some(answer)) => {
                    found = Some(answer);
                    break;
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, mirror = mirror.host(), "mirror failed"),
            }
        }
        if found.is_none() {
            found = self.find(name).await?;
        }
        let Some((bytes, content_type)) = found else {
            return Err(Error::Absent { reference: reference.to_owned() });
        };
        let media_type = self_stated(&bytes, &content_type, reference)?;
        Ok(Found { media_type, digest: Digest::of(&bytes), bytes })
    }

    /// What the bytes behind a tag or a digest have as their digest, whatever they are.
    pub(crate) async fn digest_of_bytes(&self, name: &str) -> Result<Option<Digest>, Error> {
        Ok(self.find(name).await?.map(|(bytes, _)| Digest::of(&bytes)))
    }

    async fn find(&self, name: &str) -> Result<Option<(Vec<u8>, String)>, Error> {
        let ask = manifest(name, Method::GET);
        let expected = name.parse::<Digest>().ok();
        let mut tries = self.tries(&self.base()?);
        loop {
            let answer = self.ask_where_it_leads(&ask).await?;
            let url = redacted(answer.url());
            match answer.status() {
                200 => {}
                404 => return Ok(None),
                403 => return Err(self.denied(refusal(&ask, answer).await)),
                _ => return Err(refusal(&ask, answer).await),
            }
            let content_type = content_type(&answer);
            let looks_wrong = is_html(&answer);
            let bytes = match answer.bytes(LARGEST).await {
                Ok(bytes) => bytes,
                Err(fault) if matches!(fault.error, wainwright_http::Error::Large { .. }) => {
                    return Err(Error::Large { url, limit: LARGEST });
                }
                Err(fault) => {
                    tries.again(fault, false).await?;
                    continue;
                }
            };
            if looks_wrong {
                let start: String = String::from_utf8_lossy(&bytes).chars().take(80).collect();
                let reason = format!("it sent {content_type}, starting with `{}`", clean(&start));
                return Err(Error::NotARegistry { url, reason });
            }
            let digest = Digest::of(&bytes);
            if let Some(expected) = expected.filter(|expected| *expected != digest) {
                return Err(Error::Digest { url, expected, found: digest });
            }
            return Ok(Some((bytes, content_type)));
        }
    }

    /// Some registries are no more than a sign that points to the one that has the images.
    async fn ask_where_it_leads(&self, ask: &Ask) -> Result<Answer, Error> {
        let mut ask = ask.clone();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.ask(&ask).await?;
            let location = answer.header("location").filter(|_| is_redirect(answer.status()));
            let Some(location) = location else { return Ok(answer) };
            ask.to = To::Url(target(answer.url(), location)?);
        }
        Err(Error::Elsewhere {
            from: redacted(&self.base()?),
            to: if let To::Url(url) = &ask.to { redacted(url) } else { String::new() },
            reason: "more than 10 redirects",
        })
    }

    /// Puts a manifest or an index, by its digest or under a tag.
    ///
    /// The registry's refusal is an error that names what is missing ([`Error::Refused`] with `MANIFEST_BLOB_UNKNOWN`).
    pub(crate) async fn put_manifest(&self, name: &str, document: &Document) -> Result<(), Error> {
        let ask = Ask::new(Method::PUT, To::Path(format!("manifests/{name}")))
            .header("content-type", &document.descriptor.media_type)
            .body(Body::Bytes(document.bytes().into()));
        let answer = self.ask(&ask).await?;
        match answer.status() {
            // Whether it is really there is asked afterwards; some servers answer 200 or 202.
            200..=299 if !is_html(&answer) => Ok(()),
            200..=299 => Err(Error::NotARegistry {
                url: redacted(answer.url()),
                reason: format!("it returned {} for a manifest", content_type(&answer)),
            }),
            _ => Err(refusal(&ask, answer).await),
        }
    }
}

fn manifest(name: &str, method: Method) -> Ask {
    Ask::new(method, To::Path(format!("manifests/{name}"))).header("accept", ACCEPT.join(", "))
}

/// The media type of a document, which must not be contradicted by the header (CVE-2021-41190).
fn self_stated(bytes: &[u8], content_type: &str, reference: &str) -> Result<String, Error> {
    let refuse = |reason: String| Error::Document { reference: reference.to_string(), reason };
    let json: serde_json::Value = serde_json::from_slice(bytes)
        .map_err(|error| refuse(format!("its manifest is not JSON: {error}")))?;
    if !json.is_object() {
        return Err(refuse("its manifest is not a JSON object".into()));
    }
    // Two readers could take it for two things (CVE-2021-41190).
    if json.get("manifests").is_some() && (json.get("layers").is_some() || json.get("config").is_some()) {
        return Err(refuse("it is both a manifest and an index".into()));
    }
    if json.get("schemaVersion").and_then(serde_json::Value::as_u64) == Some(1) {
        return Err(refuse(
            "it is a schema 1 manifest, which registries dropped in 2019; push it again".into(),
        ));
    }
    let stated = json.get("mediaType").and_then(|stated| stated.as_str()).unwrap_or_default();
    let is_known = |text: &str| ACCEPT.contains(&text);
    match (stated, content_type) {
        ("", sent) if is_known(sent) => Ok(sent.to_owned()),
        // Old servers send `text/plain` or nothing; the document's own shape decides then.
        ("", _) => Ok(String::new()),
        (stated, sent) if is_known(sent) && sent != stated => {
            Err(refuse(format!("the registry says `{sent}`, the manifest says `{}`", clean(stated))))
        }
        (stated, _) => Ok(stated.to_owned()),
    }
}
