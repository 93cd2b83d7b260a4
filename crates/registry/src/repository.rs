use wainwright_http::{Client, Url};
use wainwright_oci::{Digest, Reference};

use crate::scope::Scope;
use crate::{Error, Registry};

/// One repository of one registry, opened to read or to write. Clones share connections and tokens.
#[derive(Clone)]
pub struct Repository {
    client: Registry,
    host: String,
    scope: Scope,
}

impl Registry {
    /// Opens a repository to read it.
    pub fn reading(&self, host: impl Into<String>, name: impl Into<String>) -> Repository {
        self.open(host, Scope::read(name))
    }

    /// Opens a repository to write it, and to mount blobs of other repositories of the same registry.
    pub fn writing(
        &self,
        host: impl Into<String>,
        name: impl Into<String>,
        mounts: impl IntoIterator<Item = String>,
    ) -> Repository {
        self.open(host, Scope::write(name, mounts))
    }

    /// The repository that a reference names, to read it.
    pub fn reading_of(&self, reference: &Reference) -> Repository {
        self.reading(reference.registry(), reference.repository())
    }

    pub(crate) fn open(&self, host: impl Into<String>, scope: Scope) -> Repository {
        Repository { client: self.clone(), host: host.into(), scope }
    }
}

impl Repository {
    /// Host and port of the registry: `localhost:5000`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `library/python`
    pub fn name(&self) -> &str {
        self.scope.repository()
    }

    /// A tag or a digest of this repository as a user writes it: `localhost:5000/team/app:1`.
    pub(crate) fn full_name(&self, name: &str) -> String {
        let separator = if name.parse::<Digest>().is_ok() { '@' } else { ':' };
        format!("{}/{}{separator}{name}", self.host, self.name())
    }

    pub(crate) fn client(&self) -> &Registry {
        &self.client
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The HTTP client that all registries share.
    pub(crate) fn http(&self) -> &Client {
        self.client.http()
    }

    /// Where requests begin, see [`Registry::base`].
    pub(crate) fn base(&self) -> Result<Url, Error> {
        self.client.base(&self.host)
    }

    /// Another repository of the same registry, or this one for something else.
    pub(crate) fn beside(&self, scope: Scope) -> Self {
        self.client.open(&self.host, scope)
    }

    /// The same repository of the hosts to read from before the registry itself.
    pub(crate) fn mirrors(&self) -> impl Iterator<Item = Self> {
        self.client.mirrors(&self.host).map(|mirror| Self { host: mirror.to_owned(), ..self.clone() })
    }
}
