use std::collections::BTreeMap;

use futures_util::future::join_all;
use wainwright_fault::Classify;
use wainwright_http::{Client, Request as Get, try_join_ordered};
use wainwright_store::Store;

use crate::index_file::{Opened, fetch_index, indexes};
use crate::{
    Archive, ArchiveId, Chosen, DebianLock, Error, Index, Keyring, LockedDeb, LockedSuite, Release, Request,
    resolve,
};

/// `InRelease` files are about 150 kB; one that is larger than this is none.
const LARGEST_RELEASE: usize = 8 << 20;

/// All releases, or the error to show: that somebody tampered with one says more than that another is missing.
fn all_or_worst(releases: Vec<Result<Release, Error>>) -> Result<Vec<Release>, Error> {
    let (good, mut bad): (Vec<_>, Vec<_>) = releases.into_iter().partition(Result::is_ok);
    bad.sort_by_key(|release| release.as_ref().is_err_and(Error::is_outside));
    bad.into_iter().chain(good).collect()
}

/// Chooses packages and pins them: reads the signed releases, then the indexes they list, then resolves.
///
/// Indexes are kept in the store by digest, so that asking again costs three small requests. `progress` hears of bytes as
/// they come.
pub async fn lock(
    http: &Client,
    store: &Store,
    archive: &Archive,
    request: &Request,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<DebianLock, Error> {
    let request = request.sorted();
    let keyring = archive.keyring()?;
    let parts = archive.suite.parts();
    let asked = parts.iter().map(|(suite, id)| release(http, archive, &keyring, suite, *id, progress));
    let releases = all_or_worst(join_all(asked).await)?;
    let mut wanted = Vec::new();
    for architecture in &request.architectures {
        for (origin, ((suite, id), release)) in parts.iter().zip(&releases).enumerate() {
            // Security updates end for some processors before the release does; those have the release alone.
            let is_served = release.architectures.iter().any(|served| served == architecture);
            if origin > 0 && !is_served {
                continue;
            }
            for component in &archive.components {
                for listed in indexes(release, suite, component, architecture)? {
                    wanted.push((architecture.clone(), origin, *id, suite, listed));
                }
            }
        }
    }
    let fetched = wanted.iter().map(|(_, origin, id, suite, listed)| {
        let release = &releases[*origin];
        fetch_index(http, store, archive, (suite, *id), release.acquire_by_hash, listed, progress)
    });
    let files = try_join_ordered(fetched, usize::MAX).await?;
    let mut by_architecture: BTreeMap<String, Vec<(usize, String, Opened)>> = BTreeMap::new();
    for ((architecture, origin, ..), (name, file)) in wanted.iter().zip(files) {
        by_architecture.entry(architecture.clone()).or_default().push((*origin, name, file));
    }
    let question = request.clone();
    let suites = parts.clone();
    // A second of computing for each processor: not on a thread that others wait for.
    let packages = tokio::task::spawn_blocking(move || {
        by_architecture
            .into_iter()
            .map(|(architecture, files)| {
                let packages = choose(files, &architecture, &question, &suites)?;
                Ok((architecture, packages))
            })
            .collect::<Result<BTreeMap<_, _>, Error>>()
    })
    .await
    .map_err(|_| Error::Stopped)??;
    let suites = parts.into_iter().zip(releases).map(|((suite, archive), release)| LockedSuite {
        suite,
        archive,
        date: release.date,
        inrelease_sha256: release.inrelease,
        signed_by: release.signed_by,
    });
    Ok(DebianLock {
        suite: archive.suite,
        requested: request.requested,
        excluded: request.excluded,
        suites: suites.collect(),
        packages,
    })
}

async fn release(
    http: &Client,
    archive: &Archive,
    keyring: &Keyring,
    suite: &str,
    id: ArchiveId,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Release, Error> {
    let url = archive.mirrors.url(id, &format!("dists/{suite}/InRelease"));
    let answer = http.get(Get { url: &url, accept: None, auth: None, limit: LARGEST_RELEASE }).await?;
    progress(answer.body.len() as u64);
    let file = wainwright_http::redacted(&url);
    let release = Release::verify(&answer.body, &file, keyring, archive.now)?;
    release.check_suite(suite, &file)?;
    if archive.check_valid_until {
        release.check_date(&file, archive.now)?;
    }
    Ok(release)
}

fn choose(
    files: Vec<(usize, String, Opened)>,
    architecture: &str,
    request: &Request,
    suites: &[(String, ArchiveId)],
) -> Result<Vec<LockedDeb>, Error> {
    let origins: Vec<usize> = files.iter().map(|(origin, ..)| *origin).collect();
    let readers = files.into_iter().map(|(_, name, file)| (name, file.uncompressed()));
    let index = Index::read_beside(readers, architecture, &request.installed)?;
    let chosen = resolve(&index, &request.requested, &request.excluded)?;
    let lock = |Chosen { package, wanted_by }: Chosen<'_>| {
        let (suite, archive) = &suites[origins[package.origin]];
        LockedDeb {
            name: package.name.into(),
            version: package.version.into(),
            architecture: package.architecture.into(),
            source: package.source.into(),
            size: package.size,
            sha256: package.digest,
            suite: suite.clone(),
            archive: *archive,
            path: package.path.into(),
            why: wanted_by.map_or("requested".into(), |name| format!("for {name}")),
        }
    };
    Ok(chosen.into_iter().map(lock).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_can_move_between_threads() {
        fn is_send<T: Send>(_: impl FnOnce() -> T) {}
        fn locking<'a>(http: &'a Client, store: &'a Store, archive: &'a Archive, request: &'a Request) {
            is_send(|| lock(http, store, archive, request, &|_| ()));
        }
        let _ = locking;
    }
}
