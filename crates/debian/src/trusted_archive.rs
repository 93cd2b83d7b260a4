use std::path::PathBuf;
use std::time::SystemTime;

use crate::{Error, Keyring, Mirrors, Suite};

/// Which archive to read, and whom to believe.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Where it is.
    pub mirrors: Mirrors,
    /// The release.
    pub suite: Suite,
    /// Debian's sections: usually `main` alone.
    pub components: Vec<String>,
    /// Key files to believe besides Debian's own keys, armored or binary.
    pub keyrings: Vec<PathBuf>,
    /// When not empty: the only keys to believe, by fingerprint.
    pub signed_by: Vec<String>,
    /// Whether `Valid-Until` counts. Snapshots of the past are always past it.
    pub check_valid_until: bool,
    /// The time, for expired keys and releases.
    pub now: SystemTime,
}

impl Archive {
    /// A release as most want it: section `main`, Debian's keys.
    pub fn new(suite: Suite, mirrors: Mirrors, now: SystemTime) -> Self {
        Self {
            mirrors,
            suite,
            components: vec!["main".into()],
            keyrings: Vec::new(),
            signed_by: Vec::new(),
            check_valid_until: true,
            now,
        }
    }

    /// The keys that may sign its releases.
    pub(crate) fn keyring(&self) -> Result<Keyring, Error> {
        let mut keyring = Keyring::debian()?;
        for path in &self.keyrings {
            let name = path.display().to_string();
            let bytes = std::fs::read(path)
                .map_err(|source| Error::Keyring { name: name.clone(), reason: source.to_string() })?;
            keyring.add(&bytes, &name)?;
        }
        if !self.signed_by.is_empty() {
            keyring.restrict(&self.signed_by)?;
        }
        Ok(keyring)
    }
}
