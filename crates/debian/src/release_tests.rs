//! What counts as signed, by whom, and until when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::SubpacketData;
use proptest::prelude::*;
use wainwright_fault::Classify;

use crate::sample::{SIGNED, Signer, now};
use crate::{Error, Keyring, Release};

const TEXT: &str = "Codename: bookworm\nSuite: oldstable\nDate: Mon, 01 Jun 2026 00:00:00 UTC\n\
    Valid-Until: Mon, 08 Jun 2026 00:00:00 UTC\nArchitectures: all amd64 arm64\nAcquire-By-Hash: yes\n\
    MD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 main/binary-amd64/Packages.xz\nSHA256:\n \
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/binary-amd64/Packages.xz";

fn keyring(signers: &[&Signer]) -> Keyring {
    let mut keyring = Keyring::default();
    for signer in signers {
        keyring.add(&signer.binary(), "test").expect("a good key");
    }
    keyring
}

fn verify(inrelease: &str, keyring: &Keyring, now: SystemTime) -> Result<Release, Error> {
    Release::verify(inrelease.as_bytes(), "InRelease", keyring, now)
}

fn check_refused(inrelease: &str, keyring: &Keyring, expected: &str) {
    let error = verify(inrelease, keyring, now()).expect_err(expected);
    assert!(error.to_string().contains(expected), "{error} should say: {expected}");
    assert!(!error.is_outside() && error.hint().is_some());
}

#[test]
fn a_good_release_is_read() {
    let signer = Signer::new();
    let release = verify(&signer.sign(TEXT), &keyring(&[&signer]), now()).expect("a good release");
    assert_eq!((release.codename.as_str(), release.suite.as_str()), ("bookworm", "oldstable"));
    assert_eq!(release.date.to_string(), "2026-06-01T00:00:00Z");
    assert_eq!(release.valid_until.map(|date| date.to_string()).as_deref(), Some("2026-06-08T00:00:00Z"));
    assert!(release.acquire_by_hash && release.separate_all);
    assert_eq!(release.files.keys().collect::<Vec<_>>(), ["main/binary-amd64/Packages.xz"]);
    assert_eq!(release.signed_by, [signer.fingerprint()]);
}

#[test]
fn subkeys_sign_in_the_name_of_their_certificate() {
    let signer = Signer::with_subkey();
    let release = verify(&signer.sign(TEXT), &keyring(&[&signer]), now()).expect("a good release");
    assert_eq!(release.signed_by, [signer.fingerprint()]);
}

#[test]
fn keys_come_in_armor_too_and_several_in_a_file() {
    let (one, two) = (Signer::new(), Signer::new());
    let mut armored = Keyring::default();
    armored.add(one.armored().as_bytes(), "one.asc").expect("a good key");
    verify(&one.sign(TEXT), &armored, now()).expect("a good release");
    let mut both = Keyring::default();
    both.add(&[one.binary(), two.binary()].concat(), "both.gpg").expect("good keys");
    assert_eq!(both.fingerprints().len(), 2);
    verify(&two.sign(TEXT), &both, now()).expect("a good release");
    assert!(Keyring::default().add(b"not a key", "x").is_err());
}

#[test]
fn one_changed_letter_is_noticed() {
    let signer = Signer::new();
    let tampered = signer.sign(TEXT).replace("Codename: bookworm", "Codename: bookwarm");
    check_refused(&tampered, &keyring(&[&signer]), "does not match the text");
}

#[test]
fn unknown_signer_is_rejected() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let expected = format!("the key {} is not in the keyring", stranger.fingerprint());
    check_refused(&stranger.sign(TEXT), &keyring(&[&signer]), &expected);
    // Nor is one who is believed elsewhere, where the signers are named.
    let mut restricted = keyring(&[&signer, &stranger]);
    restricted.restrict(&[signer.fingerprint().to_lowercase()]).expect("one is left");
    check_refused(&stranger.sign(TEXT), &restricted, "not in the keyring");
    verify(&signer.sign(TEXT), &restricted, now()).expect("the named one is believed");
    assert!(keyring(&[&signer]).restrict(&["00".repeat(20)]).is_err());
}

#[test]
fn one_good_signature_of_several_is_enough() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let both = join(&stranger.sign(TEXT), &signer.sign(TEXT));
    let release = verify(&both, &keyring(&[&signer]), now()).expect("one signature is good");
    assert_eq!(release.signed_by, [signer.fingerprint()]);
}

/// Two signatures of one text in one armor, as the archive has them.
fn join(one: &str, two: &str) -> String {
    use pgp::composed::{ArmorOptions, CleartextSignedMessage};
    let read = |text| CleartextSignedMessage::from_string(text).expect("a signed text").0;
    let signatures = [read(one).signatures(), read(two).signatures()].concat();
    CleartextSignedMessage::new_many(TEXT, |_| Ok(signatures))
        .and_then(|joined| joined.to_armored_string(ArmorOptions::default()))
        .expect("two signatures")
}

#[test]
fn partly_signed_release_is_rejected() {
    let signer = Signer::new();
    let good = signer.sign(TEXT);
    let keyring = keyring(&[&signer]);
    let no_signature = good.split("-----BEGIN PGP SIGNATURE").next().expect("a part");
    let no_end = good.split("-----END PGP SIGNATURE").next().expect("a part");
    let garbage =
        format!("{no_signature}-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n");
    for (inrelease, expected) in [
        (TEXT.to_owned(), "does not begin with"),
        (format!("Codename: sid\n{good}"), "does not begin with"),
        (format!("\n{good}"), "does not begin with"),
        (format!("{good}Codename: sid\n"), "text follows the signature"),
        (format!("{good}{good}"), "text follows the signature"),
        (no_signature.to_owned(), "no signature"),
        (no_end.to_owned(), "no end"),
        (garbage, "signature cannot be read"),
        (good.replacen("\n\n", "\nCodename: sid\n\n", 1), "header other than"),
        (good.replacen("\nSuite", "\n-Suite", 1), "dash that is not escaped"),
        (good.replacen("\nSuite", "\rSuite", 1), "carriage return"),
        (String::new(), "does not begin with"),
    ] {
        check_refused(&inrelease, &keyring, expected);
    }
}

#[test]
fn line_ends_and_white_space_at_them_are_not_signed() {
    let signer = Signer::new();
    let good = signer.sign(TEXT);
    verify(&good.replace('\n', "\r\n"), &keyring(&[&signer]), now()).expect("the same text");
    verify(&good.replace("bookworm\n", "bookworm \t\n"), &keyring(&[&signer]), now()).expect("the same text");
    let dashes = signer.sign(&format!("\n{TEXT}\n -----\n- x\n--"));
    assert!(
        matches!(verify(&dashes, &keyring(&[&signer]), now()), Err(Error::Syntax { .. })),
        "signed, not a Release"
    );
}

#[test]
fn weak_hashes_are_rejected() {
    let signer = Signer::careless();
    verify(&signer.sign(TEXT), &keyring(&[&signer]), now()).expect("a strong hash");
    for hash in [HashAlgorithm::Sha1, HashAlgorithm::Sha224] {
        let weak = signer.sign_with(TEXT, hash, vec![]);
        check_refused(&weak, &keyring(&[&signer]), "weak hash");
    }
}

#[test]
fn expired_keys_and_signatures_are_rejected() {
    let day = 86400;
    let signer = Signer::new().expire_after(1000 + day / 2);
    check_refused(&signer.sign(TEXT), &keyring(&[&signer]), "has expired");
    let earlier = UNIX_EPOCH + Duration::from_secs(u64::from(SIGNED) + 60);
    verify(&signer.sign(TEXT), &keyring(&[&signer]), earlier).expect("the key was good then");
    let lasting = Signer::new().expire_after(1000 + 2 * day);
    verify(&lasting.sign(TEXT), &keyring(&[&lasting]), now()).expect("the key is good");

    let short = SubpacketData::SignatureExpirationTime(pgp::types::Duration::from_secs(60));
    let passing = lasting.sign_with(TEXT, HashAlgorithm::Sha256, vec![short]);
    check_refused(&passing, &keyring(&[&lasting]), "has expired");

    let before = UNIX_EPOCH + Duration::from_secs(u64::from(SIGNED) - 2 * 3600);
    let error = verify(&lasting.sign(TEXT), &keyring(&[&lasting]), before).expect_err("not yet made");
    assert!(error.to_string().contains("made in the future"), "{error}");
}

#[test]
fn revoked_keys_are_rejected() {
    let signer = Signer::new().revoke();
    let error = Keyring::default().add(&signer.binary(), "old.gpg").expect_err("revoked");
    assert_eq!(error.to_string(), "cannot use the keyring `old.gpg`: it contains no signing key");
}

#[test]
fn the_suite_and_its_dates_are_checked() {
    let signer = Signer::new();
    let release = verify(&signer.sign(TEXT), &keyring(&[&signer]), now()).expect("a good release");
    release.check_suite("bookworm", "f").expect("the code name");
    assert!(matches!(release.check_suite("trixie", "f"), Err(Error::OtherSuite { .. })));
    release.check_date("f", now()).expect("in time");
    let at = |days: u64| UNIX_EPOCH + Duration::from_secs(u64::from(SIGNED) + days * 86400);
    release.check_date("f", at(7)).expect("the last moment");
    let late = release.check_date("f", at(8)).expect_err("too late");
    assert_eq!(late.to_string(), "`f` expired at 2026-06-08T00:00:00Z; the clock says 2026-06-09T00:00:00Z");
    let early = release.check_date("f", UNIX_EPOCH).expect_err("too early");
    assert!(early.hint().is_some_and(|hint| hint.contains("clock")));
}

#[test]
fn signed_release_is_validated() {
    let signer = Signer::new();
    for (text, expected) in [
        ("Codename: x\nCodename: y", "duplicate field"),
        ("Date: Mon, 01 Jun 2026 00:00:00 UTC", "no valid `Codename` field"),
        ("Codename: x", "no valid `Date` field"),
        ("Codename: x\nDate: yesterday", "no valid `Date` field"),
        (
            "Codename: x\nDate: Mon, 01 Jun 2026 00:00:00 UTC\nSHA256:\n nonsense",
            "line 4: not `digest size path`",
        ),
        ("Codename: x\n\nDate: Mon, 01 Jun 2026 00:00:00 UTC", "one paragraph"),
    ] {
        let error = verify(&signer.sign(text), &keyring(&[&signer]), now()).expect_err(text);
        assert!(error.to_string().contains(expected), "{error} should say: {expected}");
    }
}

#[test]
fn the_keys_of_debian_are_those_of_the_table() {
    let table = include_str!("../keys/README.md");
    let mut listed: Vec<&str> = table
        .lines()
        .filter(|line| line.contains(".asc` |"))
        .filter_map(|line| line.split('`').nth(3))
        .collect();
    listed.sort_unstable();
    assert_eq!(Keyring::debian().expect("good keys").fingerprints(), listed);
    assert_eq!(listed.len(), 6);
}

proptest! {
    #[test]
    fn no_bytes_make_verification_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Release::verify(&bytes, "f", &Keyring::default(), now()).is_err());
        let _ = Keyring::default().add(&bytes, "f");
    }

    #[test]
    fn no_armor_makes_verification_panic(body in "[ -~\n]{0,200}", armor in "[A-Za-z0-9+/=\n]{0,200}") {
        let text = format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{body}\n-----BEGIN PGP SIGNATURE-----\n\n{armor}\n-----END PGP SIGNATURE-----\n");
        prop_assert!(Release::verify(text.as_bytes(), "f", &Keyring::default(), now()).is_err());
    }
}
