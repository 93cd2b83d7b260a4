use std::collections::BTreeMap;

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// From 1, in the order in which they came.
    pub number: usize,
    /// How many of the same kind came before.
    pub earlier: usize,
    /// What it is about.
    pub kind: Kind,
    /// `GET`, `PUT` and so on.
    pub method: String,
    /// Whom it was meant for: the host in its first line, or in its header.
    pub host: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, once it was read.
    pub body: Vec<u8>,
    /// What it was answered, once it was.
    pub status: Option<u16>,
}

/// What a request to a registry is about (distribution-spec, "Endpoints").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    Token,
    HeadManifest,
    GetManifest,
    PutManifest,
    HeadBlob,
    GetBlob,
    PostUpload,
    PatchUpload,
    PutUpload,
    DeleteUpload,
    Connect,
    Other,
}

impl Kind {
    fn of(method: &str, target: &str) -> Self {
        let path = target.split('?').next().unwrap_or_default();
        match method {
            "CONNECT" => Self::Connect,
            "HEAD" if path.contains("/manifests/") => Self::HeadManifest,
            "GET" if path.contains("/manifests/") => Self::GetManifest,
            "PUT" if path.contains("/manifests/") => Self::PutManifest,
            "POST" if path.contains("/blobs/uploads") => Self::PostUpload,
            "PATCH" => Self::PatchUpload,
            "PUT" => Self::PutUpload,
            "DELETE" => Self::DeleteUpload,
            "HEAD" if path.contains("/blobs/") => Self::HeadBlob,
            "GET" if path.contains("/blobs/") => Self::GetBlob,
            _ if path.contains("token") => Self::Token,
            _ => Self::Other,
        }
    }
}

impl Asked {
    /// Reads the head of a request.
    pub(super) fn parse(head: &str) -> Option<Self> {
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let (host, target) = match target.strip_prefix("http://") {
            Some(rest) => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                (host.to_owned(), format!("/{path}"))
            }
            None if method == "CONNECT" => (target.clone(), target),
            None => (headers.get("host").cloned().unwrap_or_default(), target),
        };
        let kind = Kind::of(&method, &target);
        Some(Self {
            number: 0,
            earlier: 0,
            kind,
            method,
            host,
            target,
            headers,
            body: Vec::new(),
            status: None,
        })
    }

    /// How many bytes of a body it announces.
    pub(super) fn length(&self) -> usize {
        self.headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The first byte asked for by a `Range` header.
    pub fn range_start(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }

    /// What it shows to prove who asks.
    pub fn authorization(&self) -> Option<&str> {
        self.headers.get("authorization").map(String::as_str)
    }

    /// A question of a test's own.
    pub fn new(method: &str, target: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\nhost: 127.0.0.1\n");
        Self::parse(&head).unwrap_or_else(|| panic!("{head}"))
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }
}
