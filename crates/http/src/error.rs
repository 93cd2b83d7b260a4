use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};

/// Why a download did not happen. URLs in it are redacted: no user name, no password, no query value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network was needed but may not be used.
    #[error("cannot fetch `{url}`: --offline is set")]
    Offline {
        /// What was asked for.
        url: String,
    },
    /// An address this client cannot use.
    #[error("cannot download `{url}`: {reason}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it, as half a sentence.
        reason: &'static str,
    },
    /// No connection, or one that broke, and the tries are used up.
    #[error("no complete response from `{url}`{}: {reason}{}", tries_text(*.tries), way_text(.proxy.as_deref()))]
    Unreachable {
        /// What was asked for.
        url: String,
        /// The innermost cause: `connection refused`, `no data for 60 s` ...
        reason: String,
        /// The proxy on the way: `http://proxy.lan:3128 of HTTPS_PROXY`.
        proxy: Option<String>,
        /// How often it was tried.
        tries: usize,
    },
    /// An answer other than the file.
    #[error("`{url}` returned {status} {reason}{}", tries_text(*.tries))]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Its usual name.
        reason: &'static str,
        /// How often it was tried.
        tries: usize,
    },
    /// A redirect or link that must not be followed.
    #[error("refusing to follow `{url}` to `{to}`: {reason}")]
    Redirect {
        /// Where the redirect or link was found.
        url: String,
        /// Where it leads.
        to: String,
        /// The rule it breaks.
        reason: Unfollowed,
    },
    /// The server could not prove who it is.
    #[error("TLS connection to `{host}` failed: {reason}")]
    Tls {
        /// The server.
        host: String,
        /// What is wrong, with subject, issuer and time where known.
        reason: String,
        /// The same, as far as it has a remedy of its own.
        problem: TlsProblem,
    },
    /// A certificate authority file that holds no certificates.
    #[error("cannot load certificate authorities from `{}`: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as half a sentence.
        reason: String,
    },
    /// A proxy setting that is no URL.
    #[error("invalid proxy in {variable}: {reason}")]
    Proxy {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The client could not be made.
    #[error("the HTTP client cannot start: {reason}")]
    Client {
        /// The cause.
        reason: String,
    },
    /// More bytes than anybody should send.
    #[error("`{url}` is larger than {limit} bytes")]
    Large {
        /// What was asked for.
        url: String,
        /// The most that is accepted, in bytes.
        limit: u64,
    },
    /// Not as many bytes as were promised.
    #[error("`{url}` has {found} bytes instead of {expected}")]
    Size {
        /// What was asked for.
        url: String,
        /// How many bytes there should be.
        expected: u64,
        /// How many there are, or how many had come when the rest was no longer wanted.
        found: u64,
    },
    /// Other bytes than were promised.
    #[error("`{url}` has the digest {found} instead of {expected}")]
    Digest {
        /// What was asked for.
        url: String,
        /// The digest the bytes should have.
        expected: wainwright_oci::Digest,
        /// The digest they have.
        found: wainwright_oci::Digest,
    },
    /// A server that compresses although it was asked not to.
    #[error("`{url}` was sent with `Content-Encoding: {encoding}`, which was not requested")]
    Encoding {
        /// What was asked for.
        url: String,
        /// The encoding.
        encoding: String,
    },
    /// A server that answers requests for the rest of a file with something else, again and again.
    #[error("`{url}` cannot be resumed: {reason}")]
    Range {
        /// What was asked for.
        url: String,
        /// What it answered.
        reason: String,
    },
    /// The file being written to failed.
    #[error("cannot write the download of `{url}`")]
    Write {
        /// What was asked for.
        url: String,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// A `file://` address that cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
}

/// The rules for redirects and links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfollowed {
    /// It is no URL.
    #[error("that is not a URL")]
    NotAUrl,
    /// It is neither HTTP nor HTTPS.
    #[error("only http and https are followed")]
    OtherScheme,
    /// It leads from HTTPS to HTTP.
    #[error("the target is not encrypted")]
    Unencrypted,
    /// It leads from a public server into a private network.
    #[error("the target is a private address")]
    Private,
    /// It is the last of too many.
    #[error("more than {} redirects", crate::limits::MOST_REDIRECTS)]
    TooMany,
}

/// Failures of TLS that have remedies of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The server shows the certificate of a certificate authority.
    Authority,
    /// The server does not speak TLS.
    NoTls,
    /// Anything else.
    Other,
}

fn tries_text(tries: usize) -> String {
    if tries > 1 { format!(" ({tries} tries)") } else { String::new() }
}

fn way_text(proxy: Option<&str>) -> String {
    proxy.map_or(String::new(), |proxy| format!(" (through the proxy {proxy})"))
}

impl Error {
    /// The HTTP status, when the server did answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the thing asked for is not there: 404, 410, or a `file://` address without a file.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 404 | 410),
            Self::Read { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// The same error, with the number of tries that were made in all.
    pub fn with_tries(mut self, all: usize) -> Self {
        if let Self::Status { tries, .. } | Self::Unreachable { tries, .. } = &mut self {
            *tries = all;
        }
        self
    }
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Offline { .. } => Some("run once without `--offline` to fetch it".into()),
            Self::Unreachable { proxy: Some(_), .. } => {
                Some("check that the proxy is correct and running; list servers to reach without it in NO_PROXY".into())
            }
            Self::Unreachable { proxy: None, .. } => Some(
                "check the network; behind a proxy, set HTTPS_PROXY, and NO_PROXY for internal servers".into(),
            ),
            Self::Status { status: 401 | 403, .. } => Some(
                "the server requires credentials or rejects these: set them in the URL (`https://user:password@host/`) or in ~/.netrc"
                    .into(),
            ),
            Self::Status { status: 407, .. } => {
                Some("the proxy requires credentials: `HTTPS_PROXY=http://user:password@proxy:port`".into())
            }
            Self::Status { status: 429 | 500.., .. } => {
                Some("server error; try again later".into())
            }
            Self::Redirect { .. } => Some("use the final URL directly if you trust it".into()),
            Self::Tls { problem: TlsProblem::Authority, .. } => Some(
                "create a server certificate that is not a certificate authority (`basicConstraints=CA:FALSE`)"
                    .into(),
            ),
            Self::Tls { problem: TlsProblem::NoTls, host, .. } => Some(format!(
                "the server does not use TLS; to allow plain HTTP to a registry, add `--insecure-registry {host}` with its port"
            )),
            Self::Tls { problem: TlsProblem::Other, .. } => Some(
                "if your network has its own certificate authority, write its certificate (PEM) and the usual ones to a file and set SSL_CERT_FILE to it; if a date is rejected, check the clock of this machine"
                    .into(),
            ),
            Self::CaFile { .. } => Some(
                "set SSL_CERT_FILE to one PEM file with `-----BEGIN CERTIFICATE-----` blocks; convert a DER file with `openssl x509 -inform der -in ca.crt -out ca.pem`"
                    .into(),
            ),
            Self::Proxy { .. } => Some("write it as `http://host:port`".into()),
            Self::Size { .. } | Self::Digest { .. } => Some(
                "the file has changed since it was pinned, or a proxy answers instead of the server".into(),
            ),
            Self::Write { .. } => Some("check the free space and the permissions of the cache".into()),
            Self::Url { .. }
            | Self::Status { .. }
            | Self::Client { .. }
            | Self::Large { .. }
            | Self::Encoding { .. }
            | Self::Range { .. }
            | Self::Read { .. } => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Url { .. }
            | Self::CaFile { .. }
            | Self::Proxy { .. }
            | Self::Size { .. }
            | Self::Digest { .. } => Kind::Input,
            Self::Offline { .. }
            | Self::Unreachable { .. }
            | Self::Status { .. }
            | Self::Redirect { .. }
            | Self::Tls { .. }
            | Self::Client { .. }
            | Self::Large { .. }
            | Self::Encoding { .. }
            | Self::Range { .. }
            | Self::Write { .. }
            | Self::Read { .. } => Kind::Outside,
        }
    }
}
