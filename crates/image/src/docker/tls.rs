use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::Error;

/// TLS for a daemon on the network: its certificate must be signed by `ca.pem`, and we show `cert.pem`.
///
/// Without a folder nobody is trusted, which is right for daemons that do not speak TLS.
pub(super) fn config(folder: Option<&Path>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    if let Some(folder) = folder {
        let path = folder.join("ca.pem");
        for certificate in certificates(&path)? {
            roots.add(certificate).map_err(|error| refuse(&path, error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(Path::new("TLS"), error.to_string()))?
        .with_root_certificates(roots);
    let Some(folder) = folder.filter(|folder| folder.join("cert.pem").exists()) else {
        return Ok(builder.with_no_client_auth());
    };
    let path = folder.join("key.pem");
    let key = fs::read(&path).map_err(|error| refuse(&path, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| refuse(&path, error.to_string()))?;
    builder
        .with_client_auth_cert(certificates(&folder.join("cert.pem"))?, key)
        .map_err(|error| refuse(&path, error.to_string()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = fs::read(path).map_err(|error| refuse(path, error.to_string()))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => Err(refuse(path, "it contains no certificate".into())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(refuse(path, error.to_string())),
    }
}

fn refuse(path: &Path, reason: String) -> Error {
    Error::Certificate { path: PathBuf::from(path), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a folder that holds these files beside good ones.
    fn check(bad: &[(&str, &str)]) -> Result<bool, String> {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let mut files = vec![("ca.pem", &*certificate), ("cert.pem", &*certificate), ("key.pem", &*key)];
        files.extend_from_slice(bad);
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        match config(Some(folder.path())) {
            Ok(config) => Ok(config.client_auth_cert_resolver.has_certs()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn certificates_are_read_and_shown() {
        assert_eq!(check(&[]), Ok(true));
        assert!(!config(None).unwrap().client_auth_cert_resolver.has_certs());
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        assert!(check(&[("ca.pem", "")]).unwrap_err().contains("ca.pem` for the Docker daemon"));
        assert!(check(&[("cert.pem", "x")]).unwrap_err().ends_with("it contains no certificate"));
        assert!(check(&[("key.pem", "x")]).unwrap_err().contains("key.pem`"));
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert!(check(&[("key.pem", &other)]).unwrap_err().contains("key.pem`"));
    }
}
