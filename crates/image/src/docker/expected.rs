use std::collections::BTreeSet;

use wainwright_oci::{Digest, Image};

use super::engine::Engine;
use crate::{Error, Release, name};

/// What a daemon must have in the end.
pub(super) struct Expected {
    pub(super) names: Vec<String>,
    /// What it may be called: classic stores and podman go by the config, containerd's by the manifest, or by the index
    /// if that is what somebody loaded or pulled.
    ids: BTreeSet<Digest>,
    /// What to ask for where there are no names.
    aliases: [Digest; 2],
}

impl Expected {
    pub(super) fn new(release: &Release, image: &Image) -> Self {
        let aliases = [image.config.digest(), image.manifest.digest()];
        let ids = BTreeSet::from([aliases[0], aliases[1], release.digest()]);
        Self { names: name::full_names(&release.tags), ids, aliases }
    }

    /// Asks the daemon. The inner error says which name does not stand for our image.
    pub(super) async fn confirm(&self, engine: &Engine) -> Result<Result<Digest, Error>, Error> {
        let missing = |name: &str, found: Option<String>| {
            Ok(Err(Error::NotLoaded { daemon: engine.name(), name: name.into(), found }))
        };
        let mut image_id = None;
        for name in &self.names {
            match self.lookup(engine, name).await? {
                Ok(id) => image_id = Some(id),
                Err(found) => return missing(name, found),
            }
        }
        if self.names.is_empty() {
            for alias in self.aliases {
                image_id = image_id.or(self.lookup(engine, &alias.to_string()).await?.ok());
            }
        }
        match image_id {
            Some(id) => Ok(Ok(id)),
            None => missing(&self.aliases[0].to_string(), None),
        }
    }

    /// The ID behind a name if it is ours; else what is there.
    async fn lookup(&self, engine: &Engine, name: &str) -> Result<Result<Digest, Option<String>>, Error> {
        let path = format!("/images/{name}/json");
        let Some(answer) = engine.ask(&path, "list its images").await? else {
            return Ok(Err(None));
        };
        let id = answer["Id"].as_str().unwrap_or_default();
        // Podman's own API leaves the algorithm out.
        let digest = Digest::from_hex(id.strip_prefix("sha256:").unwrap_or(id)).ok();
        let ours = digest.filter(|digest| self.ids.contains(digest));
        Ok(ours.ok_or_else(|| Some(id.to_owned())))
    }
}
