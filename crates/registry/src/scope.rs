use std::collections::BTreeSet;

/// What is to be done with which repositories of one registry (distribution-spec token scopes).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    repository: String,
    may_write: bool,
    may_delete: bool,
    /// Repositories that blobs are mounted from.
    mounts: BTreeSet<String>,
}

impl Scope {
    /// To read a repository.
    pub(crate) fn read(repository: impl Into<String>) -> Self {
        Self { repository: repository.into(), may_write: false, may_delete: false, mounts: BTreeSet::new() }
    }

    /// To write a repository, mounting blobs of others.
    pub(crate) fn write(repository: impl Into<String>, mounts: impl IntoIterator<Item = String>) -> Self {
        let repository = repository.into();
        let mounts = mounts.into_iter().filter(|from| *from != repository).collect();
        Self { repository, may_write: true, may_delete: false, mounts }
    }

    /// To write a repository, and to remove what was written.
    pub(crate) fn write_and_delete(repository: &str) -> Self {
        Self { may_delete: true, ..Self::write(repository, []) }
    }

    /// To find out whether the registry lets us in; nothing is done with any repository.
    pub(crate) fn none() -> Self {
        Self::read("")
    }

    /// The repository.
    pub(crate) fn repository(&self) -> &str {
        &self.repository
    }

    /// `read` or `write`, for messages.
    pub(crate) fn verb(&self) -> &'static str {
        if self.may_write { "write" } else { "read" }
    }

    /// The same without the repositories that blobs are mounted from, if there are any.
    pub(crate) fn without_mounts(&self) -> Option<Self> {
        (!self.mounts.is_empty()).then(|| Self { mounts: BTreeSet::new(), ..self.clone() })
    }

    /// As a token server reads it.
    pub(crate) fn texts(&self) -> Vec<String> {
        if self.repository.is_empty() {
            return Vec::new();
        }
        let actions = match (self.may_write, self.may_delete) {
            (_, true) => "pull,push,delete",
            (true, false) => "pull,push",
            (false, false) => "pull",
        };
        let own = format!("repository:{}:{actions}", self.repository);
        [own].into_iter().chain(self.mounts.iter().map(|from| format!("repository:{from}:pull"))).collect()
    }
}
