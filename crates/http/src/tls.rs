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
mod tests;
