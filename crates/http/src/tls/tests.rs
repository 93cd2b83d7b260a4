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
        let url = format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
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
