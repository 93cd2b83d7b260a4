use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, SigningKey as _};
use serde_json::{Value, json};

use crate::{Act, Asked, Proxy, Reply};

/// A token server as Docker's registry wants one (distribution, "Token Authentication Specification"): it signs what may be
/// done where, with a key that the registry trusts. User `ann` with password `CANARY-password` may do everything; anybody may
/// read below `public/`.
pub struct TokenServer {
    proxy: Proxy,
    certificate: String,
}

/// What a [`TokenServer`] calls itself, and the registry that it is for.
pub(crate) const NAME: &str = "test";
/// `ann:CANARY-password`.
const ANN: &str = "Basic YW5uOkNBTkFSWS1wYXNzd29yZA==";

impl TokenServer {
    /// Starts one on a port of the loopback.
    pub fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["tokens.example".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), BASE64_STANDARD.encode(certificate.der()));
        let proxy = Proxy::start(None, None, move |asked| {
            let Some(grant) = grant(asked) else {
                return Act::Answer(Reply::refusal(401, "UNAUTHORIZED", "wrong password"));
            };
            let answer = json!({"token": sign(&key, &der, &grant), "expires_in": 300});
            let kind = "application/json";
            Act::Answer(Reply::ok(answer.to_string()).header("content-type", kind))
        });
        Self { proxy, certificate: pem }
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.proxy.address()
    }

    /// The requests so far.
    pub fn log(&self) -> Vec<Asked> {
        self.proxy.log()
    }

    /// What a registry checks its tokens with, as PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }
}

/// What whoever asks may do of what they ask for; `None` where the password is wrong.
fn grant(asked: &Asked) -> Option<Vec<Value>> {
    let is_ann = match asked.authorization() {
        None => false,
        Some(shown) if shown == ANN => true,
        Some(_) => return None,
    };
    let query = asked.target.split_once('?').map_or("", |(_, query)| query);
    let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    let access = scopes.filter_map(|scope| {
        let scope = scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
        let mut parts = scope.splitn(3, ':');
        let (kind, name, actions) = (parts.next()?, parts.next()?, parts.next()?);
        let may = |action: &&str| is_ann || (name.starts_with("public/") && *action == "pull");
        let actions: Vec<&str> = actions.split(',').filter(may).collect();
        Some(json!({"type": kind, "name": name, "actions": actions}))
    });
    Some(access.collect())
}

/// A JSON Web Token (RFC 7519) with ES256, which carries its certificate along (RFC 7515, 4.1.6).
fn sign(key: &KeyPair, certificate: &str, access: &[Value]) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [certificate]});
    let claims = json!({
        "iss": NAME, "aud": NAME, "sub": "ann", "jti": "1", "iat": now, "nbf": now - 10, "exp": now + 300, "access": access,
    });
    let encode = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let text = format!("{}.{}", encode(header), encode(claims));
    let signature = raw(&key.sign(text.as_bytes()).unwrap());
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// The two numbers of a signature, 32 bytes each (RFC 7518, 3.4), out of the sequence of integers that they come in.
fn raw(der: &[u8]) -> [u8; 64] {
    let mut both = [0; 64];
    let mut rest = &der[2..];
    for half in both.chunks_mut(32) {
        let (number, more) = rest[2..].split_at(usize::from(rest[1]));
        // Negative ones are avoided by a zero in front, and small ones are short.
        let number = &number[number.len().saturating_sub(32)..];
        half[32 - number.len()..].copy_from_slice(number);
        rest = more;
    }
    both
}
