use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};

use crate::{Error, Settings, TlsProblem, certificate, date};

/// TLS 1.2 and 1.3, checked against the certificate authorities of the settings, or else the system's.
pub(crate) fn config(settings: &Settings) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = roots(settings.ca_file.as_deref())?;
    for path in &settings.more_ca_files {
        add(&mut roots, path)?;
    }
    let verifier = Arc::new(Verifier::new(roots, &provider)?);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Client { reason: error.to_string() })?
        // Only the wording of refusals is ours: see `Verifier`.
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some((certificate, key)) = &settings.identity else { return Ok(builder.with_no_client_auth()) };
    let refuse = |path: &Path, reason: String| Error::CaFile { path: path.to_owned(), reason };
    // Not a word about what a file with a key holds.
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificate).and_then(|certificates| certificates.collect());
    let chain = chain.map_err(|_| refuse(certificate, "it is no certificate in PEM".into()))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|_| refuse(key, "it is no key in PEM".into()))?;
    builder.with_client_auth_cert(chain, secret).map_err(|error| refuse(certificate, error.to_string()))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_file else {
        // A system without any is no error here: `http://` and `file://` need none.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    add(&mut roots, path)?;
    Ok(roots)
}

/// Trusts the certificates of a PEM file.
fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), Error> {
    let refuse = |reason: String| Error::CaFile { path: path.to_owned(), reason };
    let before = roots.len();
    let bytes = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| refuse(format!("it is not PEM ({error})")))?;
        roots
            .add(certificate)
            .map_err(|error| refuse(format!("it contains a damaged certificate ({error})")))?;
    }
    if roots.len() == before {
        return Err(refuse("it contains no PEM certificates".into()));
    }
    Ok(())
}

/// Lets webpki decide, and adds to a refusal whose certificate it was.
#[derive(Debug)]
struct Verifier {
    /// `None` where no certificate authority is known, so that nobody can be trusted.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let build = |roots| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| Error::Client { reason: error.to_string() })
        };
        let webpki = if roots.is_empty() { None } else { Some(build(roots)?) };
        Ok(Self { webpki, provider: provider.clone() })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(webpki) = &self.webpki else {
            let reason = "no certificate authorities are installed on this machine".to_owned();
            return Err(CertificateError::Other(OtherError(Arc::new(Refused {
                reason,
                problem: TlsProblem::Other,
            })))
            .into());
        };
        let refusal =
            match webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                Err(rustls::Error::InvalidCertificate(refusal)) => refusal,
                other => return other,
            };
        let reason = match certificate::names(end_entity) {
            None => cause(&refusal),
            Some(names) if names.subject == names.issuer => {
                format!("{} (subject `{}`, self-signed)", cause(&refusal), names.subject)
            }
            Some(names) => {
                format!("{} (subject `{}`, issuer `{}`)", cause(&refusal), names.subject, names.issuer)
            }
        };
        Err(CertificateError::Other(OtherError(Arc::new(Refused { reason, problem: problem(&refusal) })))
            .into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why a certificate was refused, carried through the layers of the HTTP client.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
struct Refused {
    reason: String,
    problem: TlsProblem,
}

/// Whether a refusal is about a certificate that is meant for an authority, not for a server.
fn is_authority(refusal: &CertificateError) -> bool {
    let CertificateError::Other(OtherError(error)) = refusal else { return false };
    matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn problem(refusal: &CertificateError) -> TlsProblem {
    if is_authority(refusal) { TlsProblem::Authority } else { TlsProblem::Other }
}

fn cause(refusal: &CertificateError) -> String {
    let at = |time: &UnixTime| date::show(time.as_secs());
    match refusal {
        CertificateError::UnknownIssuer => "the certificate is signed by an unknown authority".into(),
        CertificateError::ExpiredContext { time, not_after } => {
            format!("the certificate expired at {}; the clock says {}", at(not_after), at(time))
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("the certificate is valid from {}; the clock says {}", at(not_before), at(time))
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().take(5).map(String::as_str).collect();
            format!("the certificate is for other names: {}", names.join(", ").escape_debug())
        }
        CertificateError::BadSignature => "the certificate has an invalid signature".into(),
        CertificateError::Revoked => "the certificate was revoked".into(),
        other if is_authority(other) => "the certificate is that of a certificate authority".into(),
        other => other.to_string(),
    }
}

/// Finds the refusal of a certificate, or another failed handshake, among the causes of an error.
pub(crate) fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<(TlsProblem, String)> {
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(refused)))) => {
                let ours = refused.downcast_ref::<Refused>().map(|refused| refused.problem);
                return Some((ours.unwrap_or(TlsProblem::Other), refused.to_string()));
            }
            Some(rustls::Error::InvalidCertificate(refusal)) => {
                return Some((problem(refusal), cause(refusal)));
            }
            Some(
                other @ (rustls::Error::PeerIncompatible(_)
                | rustls::Error::InvalidMessage(_)
                | rustls::Error::AlertReceived(_)),
            ) => {
                let is_plain = matches!(
                    other,
                    rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)
                );
                let problem = if is_plain { TlsProblem::NoTls } else { TlsProblem::Other };
                return Some((problem, format!("the handshake failed: {other}")));
            }
            _ => {}
        }
        // An `io::Error` names the source of what it wraps, never the wrapped error itself.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
    use rustls::pki_types::PrivateKeyDer;
    use wainwright_fault::Classify;

    use super::*;
    use crate::{Client, Request, Settings};

    /// An authority, written to a PEM file, and servers it vouches for.
    struct Authority {
        issuer: CertifiedIssuer<'static, KeyPair>,
        file: tempfile::NamedTempFile,
    }

    impl Authority {
        fn new(name: &str) -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), issuer.pem()).unwrap();
            Self { issuer, file }
        }

        /// Serves one connection with a certificate for `name`, then answers what a client makes of it.
        async fn check(&self, name: &str, years: (i32, i32), ca_file: Option<&Path>) -> Result<u16, Error> {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, "the server");
            params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
            params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &*self.issuer).unwrap();
            let chain = vec![certificate.der().clone()];
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url =
                format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
            std::thread::spawn(move || {
                let (stream, _) = listener.accept()?;
                let connection =
                    rustls::ServerConnection::new(Arc::new(config)).map_err(std::io::Error::other)?;
                let mut stream = rustls::StreamOwned::new(connection, stream);
                let _ = stream.read(&mut [0; 4096])?;
                stream.write_all(b"HTTP/1.1 200 .\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            });
            let ca_file = ca_file.map(Path::to_owned);
            let settings = Settings { ca_file, tries: 1, ..Settings::new("test") };
            let request = Request { url: &url, accept: None, auth: None, limit: 0 };
            Client::new(&settings)?.get(request).await.map(|response| response.status)
        }
    }

    #[tokio::test]
    async fn custom_ca_is_accepted() {
        let authority = Authority::new("Acme Root");
        let ca_file = Some(authority.file.path());
        assert!(matches!(authority.check("127.0.0.1", (2000, 2900), ca_file).await, Ok(200)));
    }

    #[tokio::test]
    async fn refusals_say_whose_certificate_and_why() {
        let authority = Authority::new("Acme Root");
        let known = Some(authority.file.path());
        let stranger = Authority::new("Other Root");
        for (name, years, ca_file, wanted) in [
            ("127.0.0.1", (2000, 2900), Some(stranger.file.path()), "an unknown authority"),
            (
                "127.0.0.1",
                (2000, 2001),
                known,
                "the certificate expired at 2001-01-01 00:00 UTC; the clock says 20",
            ),
            (
                "127.0.0.1",
                (2800, 2900),
                known,
                "the certificate is valid from 2800-01-01 00:00 UTC; the clock says 20",
            ),
            ("other.example", (2000, 2900), known, "the certificate is for other names: "),
        ] {
            let error = authority.check(name, years, ca_file).await.unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, Error::Tls { .. }), "{text}");
            for part in [wanted, "to `127.0.0.1`", "subject `the server`", "issuer `Acme Root`"] {
                assert!(text.contains(part), "{text} lacks {part}");
            }
            assert!(error.hint().is_some_and(|hint| hint.contains("SSL_CERT_FILE")));
        }
    }

    #[test]
    fn authority_files_that_hold_none_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Acme Root");
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        for path in [
            file("empty.pem", b""),
            file("der.crt", authority.issuer.der()),
            file("half.pem", b"-----BEGIN CERTIFICATE-----\nMIIB"),
            file("lie.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            folder.path().to_owned(),
            folder.path().join("absent.pem"),
        ] {
            let settings = Settings { ca_file: Some(path.clone()), ..Settings::new("test") };
            let error = config(&settings).map(|_| ()).unwrap_err();
            assert!(matches!(&error, Error::CaFile { path: named, .. } if *named == path), "{error}");
        }
    }
}
