use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// A certificate authority of a test's own, which nobody trusts who is not told to.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// How a server proves who it is.
#[derive(Clone)]
pub struct Tls {
    pub(super) config: Arc<ServerConfig>,
}

/// When a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Now.
    Now,
    /// Until the year 2001.
    Past,
    /// From the year 3000 on.
    Future,
}

impl Authority {
    /// Makes a key and signs it with itself.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// Its certificate, in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a client or a server, and its key, both in PEM.
    pub fn issue(&self, names: &[&str], lifetime: Lifetime) -> (String, String) {
        let (certificate, key) = self.sign(names, lifetime);
        (certificate.pem(), key.serialize_pem())
    }

    /// A server by these names or addresses.
    pub fn server(&self, names: &[&str], lifetime: Lifetime) -> Tls {
        self.configure(names, lifetime, false)
    }

    /// A server that wants clients to show a certificate of this authority.
    pub fn server_for_known_clients(&self, names: &[&str]) -> Tls {
        self.configure(names, Lifetime::Now, true)
    }

    fn configure(&self, names: &[&str], lifetime: Lifetime, wants_clients: bool) -> Tls {
        let (certificate, key) = self.sign(names, lifetime);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if wants_clients {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = builder.with_single_cert(vec![certificate.der().clone()], key.into()).unwrap();
        Tls { config: Arc::new(config) }
    }

    fn sign(&self, names: &[&str], lifetime: Lifetime) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let year = |year| rcgen::date_time_ymd(year, 1, 1);
        (params.not_before, params.not_after) = match lifetime {
            Lifetime::Now => (year(2000), year(4000)),
            Lifetime::Past => (year(2000), year(2001)),
            Lifetime::Future => (year(3000), year(4000)),
        };
        params.distinguished_name.push(DnType::CommonName, "a server of a test");
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }
}
