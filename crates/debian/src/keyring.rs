use std::time::{Duration, SystemTime};

use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{PublicKey, PublicSubkey, Signature, SignatureType};
use pgp::types::{KeyDetails as _, Tag};

use crate::Error;
use crate::clearsign::ClearSigned;

/// The keys shipped with the program: what each signs, and its certificate. `keys/README.md` says how to check them.
const DEBIAN_KEYS: [(&str, &[u8]); 6] = [
    ("bookworm-automatic.asc", include_bytes!("../keys/bookworm-automatic.asc")),
    ("bookworm-security-automatic.asc", include_bytes!("../keys/bookworm-security-automatic.asc")),
    ("bookworm-stable.asc", include_bytes!("../keys/bookworm-stable.asc")),
    ("trixie-automatic.asc", include_bytes!("../keys/trixie-automatic.asc")),
    ("trixie-security-automatic.asc", include_bytes!("../keys/trixie-security-automatic.asc")),
    ("trixie-stable.asc", include_bytes!("../keys/trixie-stable.asc")),
];

/// A signature may be this much younger than our clock says, since clocks differ.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// Keys that may sign a suite.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: Vec<SigningKey>,
}

/// A key that may make signatures, with what its certificate says about it.
#[derive(Clone, Debug)]
struct SigningKey {
    /// The fingerprint of the primary key of its certificate: 40 upper-case hexadecimal digits.
    owner: String,
    /// Its own fingerprint, in the same form.
    fingerprint: String,
    expires: Option<SystemTime>,
    key: Key,
}

#[derive(Clone, Debug)]
enum Key {
    Primary(PublicKey),
    Subkey(PublicSubkey),
}

impl Keyring {
    /// The archive keys of Debian 12 and 13, which are part of the program.
    pub fn debian() -> Result<Self, Error> {
        let mut keyring = Self::default();
        for (name, bytes) in DEBIAN_KEYS {
            keyring.add(bytes, name)?;
        }
        Ok(keyring)
    }

    /// Adds the certificates of a key file, armored or binary; `name` says in errors where they come from.
    ///
    /// Keys that are revoked, or may not sign, or are not bound to their certificate by a valid signature, are left out.
    /// A file without any usable key is an error.
    pub fn add(&mut self, bytes: &[u8], name: &str) -> Result<(), Error> {
        let refuse = |reason: String| Error::Keyring { name: name.to_owned(), reason };
        let certificates: Vec<_> = if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            let (certificates, _) =
                SignedPublicKey::from_armor_many(bytes).map_err(|error| refuse(error.to_string()))?;
            certificates.collect()
        } else {
            SignedPublicKey::from_bytes_many(bytes).map_err(|error| refuse(error.to_string()))?.collect()
        };
        let before = self.keys.len();
        for certificate in certificates {
            let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
            self.keys.extend(signing_keys(&certificate));
        }
        if self.keys.len() == before {
            return Err(refuse("it contains no signing key".into()));
        }
        Ok(())
    }

    /// Keeps only keys with one of these fingerprints, of the key itself or of its certificate.
    ///
    /// Fingerprints are 40 hexadecimal digits; spaces in them and upper or lower case do not matter.
    pub fn restrict(&mut self, fingerprints: &[String]) -> Result<(), Error> {
        let plain = |text: &String| text.replace([' ', '!'], "").to_ascii_uppercase();
        let wanted: Vec<String> = fingerprints.iter().map(plain).collect();
        self.keys.retain(|key| wanted.contains(&key.owner) || wanted.contains(&key.fingerprint));
        if self.keys.is_empty() {
            let reason = format!("no key has the fingerprint {}", wanted.join(" or "));
            return Err(Error::Keyring { name: "signed_by".into(), reason });
        }
        Ok(())
    }

    /// The primary fingerprints of the keys, sorted.
    pub fn fingerprints(&self) -> Vec<String> {
        sorted(self.keys.iter().map(|key| key.owner.clone()).collect())
    }

    /// Whose signatures on `signed` are good at the time `now`: primary fingerprints, sorted, at least one.
    pub(crate) fn verify(
        &self,
        signed: &ClearSigned,
        file: &str,
        now: SystemTime,
    ) -> Result<Vec<String>, Error> {
        // Line ends are part of what is signed and are CR LF there (RFC 9580, section 7.2).
        let text = signed.text.replace('\n', "\r\n");
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for signature in &signed.signatures {
            match self.verify_one(signature, text.as_bytes(), now) {
                Ok(owner) => good.push(owner),
                Err(reason) => bad.push(reason),
            }
        }
        if good.is_empty() {
            return Err(Error::Signature { file: file.to_owned(), reason: sorted(bad).join("; ") });
        }
        Ok(sorted(good))
    }

    fn verify_one(&self, signature: &Signature, text: &[u8], now: SystemTime) -> Result<String, String> {
        let issuer = issuer(signature);
        if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
            return Err(format!("the signature by {issuer} is not a document signature"));
        }
        let is_strong = matches!(
            signature.hash_alg(),
            Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
                | Some(HashAlgorithm::Sha3_256 | HashAlgorithm::Sha3_512)
        );
        if !is_strong {
            return Err(format!("the signature by {issuer} uses a weak hash"));
        }
        let Some(created) = signature.created().map(SystemTime::from) else {
            return Err(format!("the signature by {issuer} has no date"));
        };
        if created.duration_since(now).is_ok_and(|ahead| ahead > CLOCK_SKEW) {
            return Err(format!("the signature by {issuer} was made in the future"));
        }
        if ends(created, signature.signature_expiration_time()).is_some_and(|end| end <= now) {
            return Err(format!("the signature by {issuer} has expired"));
        }
        let Some(key) = self.keys.iter().find(|key| key.is_issuer_of(signature)) else {
            return Err(format!("the key {issuer} is not in the keyring"));
        };
        if key.expires.is_some_and(|end| end <= now) {
            return Err(format!("the key {issuer} has expired"));
        }
        let verified = match &key.key {
            Key::Primary(key) => signature.verify(key, text),
            Key::Subkey(key) => signature.verify(key, text),
        };
        match verified {
            Ok(()) => Ok(key.owner.clone()),
            Err(_) => Err(format!("the signature by {issuer} does not match the text")),
        }
    }
}

impl SigningKey {
    fn is_issuer_of(&self, signature: &Signature) -> bool {
        let fingerprints = signature.issuer_fingerprint();
        if !fingerprints.is_empty() {
            return fingerprints.iter().any(|issuer| hex(issuer) == self.fingerprint);
        }
        let id = match &self.key {
            Key::Primary(key) => key.legacy_key_id(),
            Key::Subkey(key) => key.legacy_key_id(),
        };
        signature.issuer_key_id().contains(&&id)
    }
}

/// The keys of a certificate that may make signatures: bound by a valid self-signature, not revoked, flagged for signing.
fn signing_keys(certificate: &SignedPublicKey) -> Vec<SigningKey> {
    let primary = &certificate.primary_key;
    let details = &certificate.details;
    if details.revocation_signatures.iter().any(|revocation| revocation.verify_key(primary).is_ok()) {
        return Vec::new();
    }
    let of_users = details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(move |signature| {
            signature.typ() != Some(SignatureType::CertRevocation)
                && is_issuer(primary, signature)
                && signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        })
    });
    let direct = details.direct_signatures.iter().filter(|signature| signature.verify_key(primary).is_ok());
    let Some(newest) = of_users.chain(direct).max_by_key(|signature| signature.created()) else {
        return Vec::new();
    };
    let owner = hex(&primary.fingerprint());
    let primary_expires = ends(primary.created_at().into(), newest.key_expiration_time());
    let mut keys = Vec::new();
    if newest.key_flags().sign() {
        keys.push(SigningKey {
            owner: owner.clone(),
            fingerprint: owner.clone(),
            expires: primary_expires,
            key: Key::Primary(primary.clone()),
        });
    }
    for subkey in &certificate.public_subkeys {
        let valid = || {
            subkey
                .signatures
                .iter()
                .filter(|binding| binding.verify_subkey_binding(primary, &subkey.key).is_ok())
        };
        if valid().any(|binding| binding.typ() == Some(SignatureType::SubkeyRevocation)) {
            continue;
        }
        let Some(binding) = valid().max_by_key(|binding| binding.created()) else { continue };
        // The subkey must claim its primary key too, or anybody could adopt a key of somebody else.
        let is_mutual = binding
            .embedded_signature()
            .is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok());
        if binding.key_flags().sign() && is_mutual {
            let own_end = ends(subkey.key.created_at().into(), binding.key_expiration_time());
            keys.push(SigningKey {
                owner: owner.clone(),
                fingerprint: hex(&subkey.key.fingerprint()),
                expires: [own_end, primary_expires].into_iter().flatten().min(),
                key: Key::Subkey(subkey.key.clone()),
            });
        }
    }
    keys
}

fn is_issuer(primary: &PublicKey, signature: &Signature) -> bool {
    signature.issuer_fingerprint().contains(&&primary.fingerprint())
        || signature.issuer_key_id().contains(&&primary.legacy_key_id())
}

/// When something made at `created` ends; a lifetime of zero means never (RFC 9580, sections 5.2.3.13 and 5.2.3.18).
fn ends(created: SystemTime, lifetime: Option<pgp::types::Duration>) -> Option<SystemTime> {
    let lifetime = Duration::from(lifetime?);
    (!lifetime.is_zero()).then(|| created + lifetime)
}

fn issuer(signature: &Signature) -> String {
    match (signature.issuer_fingerprint().first(), signature.issuer_key_id().first()) {
        (Some(fingerprint), _) => hex(fingerprint),
        (None, Some(id)) => id.to_string().to_ascii_uppercase(),
        (None, None) => "an unnamed key".into(),
    }
}

fn hex(fingerprint: &pgp::types::Fingerprint) -> String {
    fingerprint.to_string().to_ascii_uppercase()
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words.dedup();
    words
}
