//! Keys and archives made for tests.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgp::composed::{
    CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
    SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails as _, Password, SigningKey, Tag, Timestamp};
use url::Url;
use wainwright_oci::Digest;

use crate::{Archive, Mirrors};

/// When everything was signed: 2026-06-01T00:00:00Z.
pub(crate) const SIGNED: u32 = 1_780_272_000;

/// A day after everything was signed.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::from(SIGNED) + 86400)
}

/// Somebody with a key.
pub(crate) struct Signer {
    key: SignedSecretKey,
}

impl Signer {
    /// A key that signs itself.
    pub(crate) fn new() -> Self {
        let mut params = SecretKeyParamsBuilder::default();
        params.key_type(KeyType::Ed25519Legacy).can_certify(true).can_sign(true);
        Self::generate(params)
    }

    /// A key of a kind that can be used with weak hashes.
    pub(crate) fn careless() -> Self {
        let mut params = SecretKeyParamsBuilder::default();
        params.key_type(KeyType::Rsa(2048)).can_certify(true).can_sign(true);
        Self::generate(params)
    }

    /// A key whose subkey signs.
    pub(crate) fn with_subkey() -> Self {
        let mut subkey = SubkeyParamsBuilder::default();
        subkey
            .key_type(KeyType::Ed25519Legacy)
            .can_sign(true)
            .created_at(Timestamp::from_secs(SIGNED - 1000));
        let mut params = SecretKeyParamsBuilder::default();
        params.key_type(KeyType::Ed25519Legacy).can_certify(true);
        params.subkeys(vec![subkey.build().expect("good parameters")]);
        Self::generate(params)
    }

    fn generate(mut params: SecretKeyParamsBuilder) -> Self {
        params
            .created_at(Timestamp::from_secs(SIGNED - 1000))
            .primary_user_id("Test <test@example.org>".into());
        let key = params.build().expect("good parameters").generate(rand::thread_rng()).expect("a key");
        Self { key }
    }

    /// Says in the certificate that the key ends so long after it was made.
    pub(crate) fn expire_after(mut self, seconds: u32) -> Self {
        let lifetime = SubpacketData::KeyExpirationTime(pgp::types::Duration::from_secs(seconds));
        let mut flags = KeyFlags::default();
        flags.set_sign(true);
        let config = self.config(
            &self.key.primary_key,
            SignatureType::CertPositive,
            HashAlgorithm::Sha256,
            vec![lifetime, SubpacketData::KeyFlags(flags)],
        );
        let user = &self.key.details.users[0];
        let public = self.key.primary_key.public_key();
        let signature = config
            .sign_certification(&self.key.primary_key, &public, &Password::empty(), Tag::UserId, &user.id)
            .expect("a certification");
        self.key.details.users[0].signatures = vec![signature];
        self
    }

    /// Adds a revocation to the certificate.
    pub(crate) fn revoke(mut self) -> Self {
        let config =
            self.config(&self.key.primary_key, SignatureType::KeyRevocation, HashAlgorithm::Sha256, vec![]);
        let public = self.key.primary_key.public_key();
        let signature =
            config.sign_key(&self.key.primary_key, &Password::empty(), &public).expect("a revocation");
        self.key.details.revocation_signatures.push(signature);
        self
    }

    /// The certificate in binary form.
    pub(crate) fn binary(&self) -> Vec<u8> {
        SignedPublicKey::from(self.key.clone()).to_bytes().expect("a certificate")
    }

    /// The certificate in armor.
    pub(crate) fn armored(&self) -> String {
        SignedPublicKey::from(self.key.clone()).to_armored_string(Default::default()).expect("a certificate")
    }

    /// The fingerprint of the certificate.
    pub(crate) fn fingerprint(&self) -> String {
        self.key.fingerprint().to_string().to_ascii_uppercase()
    }

    /// Signs a text in the clear, as `InRelease` files are.
    pub(crate) fn sign(&self, text: &str) -> String {
        self.sign_with(text, HashAlgorithm::Sha512, vec![])
    }

    /// Signs with another hash or with more to say.
    pub(crate) fn sign_with(&self, text: &str, hash: HashAlgorithm, more: Vec<SubpacketData>) -> String {
        let signed = match self.key.secret_subkeys.first() {
            Some(subkey) => {
                let config = self.config(&subkey.key, SignatureType::Text, hash, more);
                CleartextSignedMessage::new(text, config, &subkey.key, &Password::empty())
            }
            None => {
                let key = &self.key.primary_key;
                let config = self.config(key, SignatureType::Text, hash, more);
                CleartextSignedMessage::new(text, config, key, &Password::empty())
            }
        };
        signed.and_then(|signed| signed.to_armored_string(Default::default())).expect("a signature")
    }

    fn config(
        &self,
        key: &impl SigningKey,
        kind: SignatureType,
        hash: HashAlgorithm,
        more: Vec<SubpacketData>,
    ) -> SignatureConfig {
        let mut config = SignatureConfig::v4(kind, key.algorithm(), hash);
        let always = [
            SubpacketData::SignatureCreationTime(Timestamp::from_secs(SIGNED)),
            SubpacketData::IssuerFingerprint(key.fingerprint()),
        ];
        let packets = always.into_iter().chain(more).map(Subpacket::regular);
        config.hashed_subpackets = packets.collect::<Result<_, _>>().expect("good subpackets");
        config.unhashed_subpackets = vec![
            Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id())).expect("good subpacket"),
        ];
        config
    }
}

/// An archive of a few packages in a folder, for Debian 12 on amd64.
pub(crate) struct TinyArchive {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) signer: Signer,
    /// Fields of the release besides the usual ones, each with its line end.
    pub(crate) more: String,
}

/// What the archive of the tests holds: suite, name, version, more fields.
const PACKAGES: [(&str, &str, &str, &str); 5] = [
    (
        "bookworm",
        "python3.11",
        "3.11.2-6",
        "Depends: libc6 (>= 2.35), tzdata\nSource: python3.11 (3.11.2-6)\n",
    ),
    ("bookworm", "libc6", "2.36-9", "Source: glibc\n"),
    ("bookworm", "tzdata", "2024a-0", "Depends: debconf\n"),
    ("bookworm-updates", "tzdata", "2026b-0+deb12u1", "Depends: debconf\n"),
    ("bookworm-security", "libc6", "2.36-9+deb12u14", "Source: glibc\n"),
];

impl TinyArchive {
    pub(crate) fn new() -> Self {
        let archive = Self {
            folder: tempfile::tempdir().expect("a folder"),
            signer: Signer::new(),
            more: "Acquire-By-Hash: yes\n".into(),
        };
        for suite in ["bookworm", "bookworm-updates", "bookworm-security"] {
            archive.publish(suite);
        }
        archive
    }

    /// The bytes of a `.deb` of the archive; nobody here looks into it.
    pub(crate) fn deb(name: &str, version: &str) -> Vec<u8> {
        format!("the package {name} {version}").into_bytes()
    }

    fn root(&self, suite: &str) -> std::path::PathBuf {
        self.folder.path().join(if suite.ends_with("-security") { "debian-security" } else { "debian" })
    }

    /// Writes the packages, the index (by name and by digest) and the signed release of a suite.
    pub(crate) fn publish(&self, suite: &str) {
        let mut index = String::new();
        for (_, name, version, more) in PACKAGES.into_iter().filter(|package| package.0 == suite) {
            let deb = Self::deb(name, version);
            let path = format!("pool/{name}_{version}_amd64.deb");
            write(&self.root(suite).join(&path), &deb);
            index += &format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\n{more}Filename: {path}\n"
            );
            index += &format!(
                "Size: {}\nSHA256: {}\nDescription: long\n words\n\n",
                deb.len(),
                Digest::of(&deb).hex()
            );
        }
        let packed = match Self::extension(suite) {
            "gz" => {
                let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packed.write_all(index.as_bytes()).expect("memory");
                packed.finish().expect("memory")
            }
            _ => {
                let options = lzma_rust2::XzOptions::with_preset(0);
                let mut packed = lzma_rust2::XzWriter::new(Vec::new(), options).expect("memory");
                packed.write_all(index.as_bytes()).expect("memory");
                packed.finish().expect("memory")
            }
        };
        let digest = Digest::of(&packed).hex();
        write(&self.index(suite), &packed);
        write(&self.by_hash(suite, &digest), &packed);
        let mut release = format!(
            "Codename: {suite}\nDate: Mon, 01 Jun 2026 00:00:00 UTC\nArchitectures: all amd64\n\
             No-Support-for-Architecture-all: Packages\n{}SHA256:\n",
            self.more
        );
        release +=
            &format!(" {digest} {} main/binary-amd64/Packages.{}\n", packed.len(), Self::extension(suite));
        release += &format!(" {} {} main/binary-amd64/Packages\n", Digest::of(&index).hex(), index.len());
        write(&self.inrelease(suite), self.signer.sign(&release).as_bytes());
    }

    pub(crate) fn inrelease(&self, suite: &str) -> std::path::PathBuf {
        self.root(suite).join("dists").join(suite).join("InRelease")
    }

    pub(crate) fn index(&self, suite: &str) -> std::path::PathBuf {
        self.root(suite)
            .join("dists")
            .join(suite)
            .join("main/binary-amd64/Packages")
            .with_extension(Self::extension(suite))
    }

    /// Debian packs its indexes with xz; archives of others often with gzip alone.
    fn extension(suite: &str) -> &'static str {
        if suite.ends_with("-security") { "gz" } else { "xz" }
    }

    pub(crate) fn by_hash(&self, suite: &str, digest: &str) -> std::path::PathBuf {
        self.index(suite).with_file_name("by-hash").join("SHA256").join(digest)
    }

    /// The settings that read it: its key is believed besides Debian's.
    pub(crate) fn settings(&self) -> Archive {
        let url =
            |folder: &str| Url::from_file_path(self.folder.path().join(folder)).expect("an absolute path");
        let keyring = self.folder.path().join("keyring.gpg");
        write(&keyring, &self.signer.binary());
        let mirrors = Mirrors {
            main: url("debian"),
            security: url("debian-security"),
            snapshot: Some(url("snapshot")),
        };
        let mut archive = Archive::new("bookworm".parse().expect("known"), mirrors, now());
        archive.keyrings = vec![keyring];
        archive
    }
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(path, bytes).expect("a file");
}
