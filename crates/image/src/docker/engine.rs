use std::io;
use std::path::Path;
use std::time::Duration;

use reqwest::{Body, Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::answer::Answer;
use super::{DockerHost, tls};
use crate::Error;

/// How long a question may take. Loading has no such limit: a daemon unpacks for as long as it unpacks.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most bytes of an answer that is kept.
const MOST: usize = 4 << 20;

/// A daemon that speaks the Docker Engine API, in whatever version it has.
pub(super) struct Engine {
    http: Client,
    base: String,
    host: DockerHost,
}

impl Engine {
    /// Prepares to talk to a daemon; opens no connection.
    pub(super) fn new(host: &DockerHost) -> Result<Self, Error> {
        let (base, certificates) = match host {
            // The name is not looked up, but HTTP wants one.
            DockerHost::Unix(_) => ("http://localhost".to_owned(), None),
            DockerHost::Tcp { url, certificates } => {
                (url.as_str().trim_end_matches('/').to_owned(), certificates.as_deref())
            }
        };
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls::config(certificates)?)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(PATIENCE / 4)
            .http1_only()
            .no_proxy();
        if let DockerHost::Unix(path) = host {
            builder = builder.unix_socket(path.as_path());
        }
        let http = builder.build().map_err(|error| unreachable(host, &error))?;
        Ok(Self { http, base, host: host.clone() })
    }

    /// How the daemon is called in errors.
    pub(super) fn name(&self) -> String {
        self.host.to_string()
    }

    /// Asks a small question; `None` means "not found". `action` completes "could not ...".
    pub(super) async fn ask(&self, path: &str, action: &'static str) -> Result<Option<Value>, Error> {
        let request = self.http.get(format!("{}{path}", self.base)).timeout(PATIENCE);
        let mut response = self.send(request).await?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MOST {
                return Err(self.refused(action, format!("its response is larger than {MOST} bytes")));
            }
        }
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => serde_json::from_slice(&bytes).map(Some).map_err(|_| {
                self.refused(action, format!("its response is not JSON (`{}`)", beginning(&bytes)))
            }),
            _ => Err(self.refused(action, describe(status, &bytes))),
        }
    }

    /// Has an archive loaded, and reads what the daemon says to the end.
    pub(super) async fn load(&self, archive: Body) -> Result<(), Error> {
        const ACTION: &str = "load the image";
        let request = self
            .http
            .post(format!("{}/images/load?quiet=1", self.base))
            .header("Content-Type", "application/x-tar")
            .body(archive);
        let mut response = self.send(request).await?;
        let status = response.status();
        if !status.is_success() {
            let mut bytes = Vec::new();
            while let Some(chunk) = self.chunk(&mut response).await? {
                bytes.extend_from_slice(&chunk[..chunk.len().min(MOST - bytes.len())]);
            }
            return Err(self.refused(ACTION, describe(status, &bytes)));
        }
        // The status says that loading began, the body how it ended.
        let mut answer = Answer::new(MOST);
        while let Some(chunk) = self.chunk(&mut response).await? {
            if let Some(text) = answer.add(&chunk) {
                return Err(self.refused(ACTION, text));
            }
        }
        Ok(())
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        request.send().await.map_err(|error| unreachable(&self.host, &error))
    }

    async fn chunk(&self, response: &mut Response) -> Result<Option<Vec<u8>>, Error> {
        let chunk = response.chunk().await.map_err(|error| unreachable(&self.host, &error))?;
        Ok(chunk.map(|chunk| chunk.to_vec()))
    }

    fn refused(&self, action: &'static str, text: String) -> Error {
        Error::Daemon { daemon: self.name(), action, text }
    }
}

/// Docker and podman say what went wrong in `message`; proxies say it in prose.
fn describe(status: StatusCode, bytes: &[u8]) -> String {
    let message = serde_json::from_slice::<Value>(bytes).ok();
    match message.as_ref().and_then(|value| value["message"].as_str()) {
        Some(message) => message.trim().to_owned(),
        None if bytes.trim_ascii().is_empty() => format!("it returned {status}"),
        None => format!("it returned {status} (`{}`)", beginning(bytes)),
    }
}

/// The first words of an answer, on one line.
fn beginning(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(800)]);
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(200).collect()
}

fn unreachable(host: &DockerHost, error: &reqwest::Error) -> Error {
    let daemon = host.to_string();
    let mut cause: &dyn std::error::Error = error;
    let mut kind = None;
    while let Some(source) = cause.source() {
        cause = source;
        kind = cause.downcast_ref::<io::Error>().map(io::Error::kind).or(kind);
    }
    let socket_is_gone = matches!(host, DockerHost::Unix(path) if !Path::exists(path));
    match kind {
        Some(io::ErrorKind::PermissionDenied) => Error::NotAllowed { daemon },
        _ if error.is_timeout() => Error::Unreachable { daemon, reason: "it takes too long".into() },
        _ if socket_is_gone => Error::Unreachable { daemon, reason: "the socket does not exist".into() },
        _ => Error::Unreachable { daemon, reason: cause.to_string() },
    }
}
