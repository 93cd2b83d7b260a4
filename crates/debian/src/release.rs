use std::collections::BTreeMap;
use std::time::SystemTime;

use wainwright_oci::Digest;

use crate::clearsign::ClearSigned;
use crate::date::Date;
use crate::deb822::{self, Line};
use crate::{Error, Keyring};

/// A Release may be dated this much later than our clock says, since clocks differ.
const CLOCK_SKEW_HOURS: u64 = 1;

/// What a suite's `InRelease` says, after its signature was found good (Debian wiki, "DebianRepository/Format").
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Release {
    /// `bookworm`, `bookworm-updates`, `bookworm-security`.
    pub codename: String,
    /// `stable`, `oldstable-updates`: a name that moves; empty where the file has none.
    pub suite: String,
    /// When the suite was published.
    pub date: Date,
    /// Until when it may be trusted; the security archive says a week.
    pub valid_until: Option<Date>,
    /// Whether indexes can be asked for by digest, which works while a mirror is being updated.
    pub acquire_by_hash: bool,
    /// Debian's names of the processors served.
    pub architectures: Vec<String>,
    /// Packages of `Architecture: all` have an index of their own and are not in those of the processors.
    pub separate_all: bool,
    /// Size and digest of each index, by path below the suite.
    pub files: BTreeMap<String, ReleaseFile>,
    /// The digest of the `InRelease` file as it was served.
    pub inrelease: Digest,
    /// Who signed it: primary fingerprints, sorted.
    pub signed_by: Vec<String>,
}

/// One index file as a [`Release`] lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseFile {
    /// In bytes.
    pub size: u64,
    /// Of the file as served.
    pub digest: Digest,
}

impl Release {
    /// Checks the signature of an `InRelease` file and reads it; `file` names it in errors.
    ///
    /// At least one signature must be by a key of `keyring` that is valid at `now`. Nothing outside the signed text is read.
    pub fn verify(inrelease: &[u8], file: &str, keyring: &Keyring, now: SystemTime) -> Result<Self, Error> {
        let signed = ClearSigned::split(inrelease, file)?;
        let signed_by = keyring.verify(&signed, file, now)?;
        read(&signed.text, file, Digest::of(inrelease), signed_by)
    }

    /// Checks that this is the suite that was asked for: a mirror could serve one suite in place of another.
    pub fn check_suite(&self, expected: &str, file: &str) -> Result<(), Error> {
        if self.codename == expected || self.suite == expected {
            return Ok(());
        }
        Err(Error::OtherSuite {
            file: file.to_owned(),
            expected: expected.to_owned(),
            found: self.codename.clone(),
        })
    }

    /// Checks that the release is neither of the future nor past its `Valid-Until`.
    pub fn check_date(&self, file: &str, now: SystemTime) -> Result<(), Error> {
        let now = Date::from_system_time(now);
        if self.date > now.plus_hours(CLOCK_SKEW_HOURS) {
            return Err(Error::FromTheFuture { file: file.to_owned(), date: self.date, now });
        }
        match self.valid_until {
            Some(valid_until) if valid_until < now => {
                Err(Error::Expired { file: file.to_owned(), valid_until, now })
            }
            _ => Ok(()),
        }
    }
}

fn read(text: &str, file: &str, inrelease: Digest, signed_by: Vec<String>) -> Result<Release, Error> {
    let mut fields = BTreeMap::new();
    let mut files = BTreeMap::new();
    let mut field = String::new();
    let mut paragraphs = 0;
    deb822::read(text.as_bytes(), file, |number, line| {
        let refuse = |reason| Error::Syntax { file: file.to_owned(), line: number, reason };
        match line {
            Line::Field(name, value) => {
                field = name.to_ascii_lowercase();
                if fields.insert(field.clone(), value.to_owned()).is_some() {
                    return Err(refuse("duplicate field"));
                }
            }
            Line::More(entry) if field == "sha256" => {
                let (path, entry) = read_entry(entry).ok_or_else(|| refuse("not `digest size path`"))?;
                if files.insert(path.to_owned(), entry).is_some_and(|before| before != entry) {
                    return Err(refuse("the file is listed twice, differently"));
                }
            }
            Line::More(_) => {}
            Line::End => paragraphs += 1,
        }
        Ok(())
    })?;
    if paragraphs != 1 {
        return Err(Error::Syntax {
            file: file.to_owned(),
            line: 1,
            reason: "a Release file has one paragraph",
        });
    }
    let lacks = |field| Error::ReleaseField { file: file.to_owned(), field };
    let date = |name: &'static str| match fields.get(&name.to_ascii_lowercase()) {
        None => Ok(None),
        Some(text) => Date::from_release(text).map(Some).ok_or_else(|| lacks(name)),
    };
    let words = |name| -> Vec<String> {
        let text: &str = fields.get(name).map_or("", String::as_str);
        text.split_ascii_whitespace().map(Into::into).collect()
    };
    let architectures = words("architectures");
    let separate_all = architectures.iter().any(|architecture| architecture == "all")
        && !words("no-support-for-architecture-all").iter().any(|index| index == "Packages");
    Ok(Release {
        codename: fields.get("codename").cloned().ok_or_else(|| lacks("Codename"))?,
        suite: fields.get("suite").cloned().unwrap_or_default(),
        date: date("Date")?.ok_or_else(|| lacks("Date"))?,
        valid_until: date("Valid-Until")?,
        acquire_by_hash: fields.get("acquire-by-hash").is_some_and(|value| value == "yes"),
        architectures,
        separate_all,
        files,
        inrelease,
        signed_by,
    })
}

fn read_entry(line: &str) -> Option<(&str, ReleaseFile)> {
    let mut words = line.split_ascii_whitespace();
    let (digest, size, path) = (words.next()?, words.next()?, words.next()?);
    let digest = Digest::from_hex(digest).ok()?;
    let size = size.parse().ok()?;
    words.next().is_none().then_some((path, ReleaseFile { size, digest }))
}
