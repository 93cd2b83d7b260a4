use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};

/// Why a download did not happen. URLs in it are redacted: no user name, no password, no query value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network was needed but may not be used.
    #[error("`{url}` is not at hand, and this run is offline")]
    Offline {
        /// What was asked for.
        url: String,
    },
    /// An address this client cannot use.
    #[error("`{url}` cannot be downloaded: {reason}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it, as half a sentence.
        reason: &'static str,
    },
    /// No connection, or one that broke, and the tries are used up.
    #[error("no complete answer from `{url}`{}: {reason}{}", tries_text(*.tries), way_text(.proxy.as_deref()))]
    Unreachable {
        /// What was asked for.
        url: String,
        /// The innermost cause: `connection refused`, `nothing came for 60 s` ...
        reason: String,
        /// The proxy on the way: `http://proxy.lan:3128 of HTTPS_PROXY`.
        proxy: Option<String>,
        /// How often it was tried.
        tries: usize,
    },
    /// An answer other than the file.
    #[error("`{url}` answered {status} {reason}{}", tries_text(*.tries))]
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
    #[error("`{url}` leads to `{to}`, which is not followed: {reason}")]
    Redirect {
        /// Where the redirect or link was found.
        url: String,
        /// Where it leads.
        to: String,
        /// The rule it breaks.
        reason: Unfollowed,
    },
    /// The server could not prove who it is.
    #[error("the TLS certificate of `{host}` is refused: {reason}")]
    Tls {
        /// The server.
        host: String,
        /// What is wrong, with subject, issuer and time where known.
        reason: String,
        /// The same, as far as it has a remedy of its own.
        problem: TlsProblem,
    },
    /// A certificate authority file that holds no certificates.
    #[error("`{}` cannot be used as certificate authorities: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as half a sentence.
        reason: String,
    },
    /// A proxy setting that is no URL.
    #[error("the proxy in {variable} cannot be used: {reason}")]
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
    #[error("`{url}` has {found} bytes where {expected} were expected")]
    Size {
        /// What was asked for.
        url: String,
        /// How many bytes there should be.
        expected: u64,
        /// How many there are, or how many had come when the rest was no longer wanted.
        found: u64,
    },
    /// Other bytes than were promised.
    #[error("`{url}` has the digest {found} where {expected} was expected")]
    Digest {
        /// What was asked for.
        url: String,
        /// The digest the bytes should have.
        expected: wainwright_oci::Digest,
        /// The digest they have.
        found: wainwright_oci::Digest,
    },
    /// A server that compresses although it was asked not to.
    #[error("`{url}` came with `Content-Encoding: {encoding}` though it was asked for as it is")]
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
    #[error("the downloaded bytes of `{url}` cannot be written")]
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
    #[error("that would leave the encrypted connection")]
    Unencrypted,
    /// It leads from a public server into a private network.
    #[error("a public server may not point to a private address")]
    Private,
    /// It is the last of too many.
    #[error("that is one redirect too many ({} are followed)", crate::limits::MOST_REDIRECTS)]
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
                Some("check that the proxy is right and runs; NO_PROXY names the servers that are reached without it".into())
            }
            Self::Unreachable { proxy: None, .. } => Some(
                "check the network; behind a proxy set HTTPS_PROXY, and NO_PROXY for servers inside".into(),
            ),
            Self::Status { status: 401 | 403, .. } => Some(
                "the server wants credentials or does not accept these: put them in the URL \
                 (`https://user:password@host/`) or in ~/.netrc"
                    .into(),
            ),
            Self::Status { status: 407, .. } => {
                Some("the proxy wants credentials: `HTTPS_PROXY=http://user:password@proxy:port`".into())
            }
            Self::Status { status: 429 | 500.., .. } => {
                Some("the server is in trouble; try again later".into())
            }
            Self::Redirect { .. } => Some("use the final address directly, if you trust it".into()),
            Self::Tls { problem: TlsProblem::Authority, .. } => Some(
                "the server shows a certificate that is marked as an authority; make one that is not (`basicConstraints=CA:FALSE`)"
                    .into(),
            ),
            Self::Tls { problem: TlsProblem::NoTls, host, .. } => Some(format!(
                "the server does not speak TLS; if it is a registry that may be spoken to without, say `--insecure-registry {host}` \
                 with its port"
            )),
            Self::Tls { problem: TlsProblem::Other, .. } => Some(
                "if your network has a certificate authority of its own, write its certificate (PEM) and the usual \
                 ones to a file and name it in SSL_CERT_FILE; if a date is refused, check this machine's clock"
                    .into(),
            ),
            Self::CaFile { .. } => Some(
                "SSL_CERT_FILE names one PEM file with `-----BEGIN CERTIFICATE-----` blocks; a DER file is converted by \
                 `openssl x509 -inform der -in ca.crt -out ca.pem`"
                    .into(),
            ),
            Self::Proxy { .. } => Some("write it as `http://host:port`".into()),
            Self::Size { .. } | Self::Digest { .. } => Some(
                "the file was replaced since it was pinned, or something on the way answers in the server's place".into(),
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
