use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::File;

use serde_json::json;
use wainwright_http::Url;
use wainwright_lock::{LockedFile, LockedPackage, Source};
use wainwright_oci::Digest;
use wainwright_pypi::{Filename, IndexFile, Location, Wanted, WantedSdist};
use wainwright_python::{Tags, Target, WheelFilename};
use wainwright_store::CacheKey;

use super::sources::{Backends, Origin, SourcePackage};
use crate::model::error::{Refusal, Refused};
use crate::model::wheel::{ChosenWheel, Unbuilt};
use crate::{Error, Session};

/// The wheels of an image, and those that only a build makes.
pub(super) type Chosen = (Vec<ChosenWheel>, Vec<Unbuilt>);

/// Choices for one target: images often have the same packages, for which wheels are chosen once.
#[derive(Default)]
pub(super) struct Choices(Vec<(Vec<LockedPackage>, Chosen)>);

impl Choices {
    /// As [`choose`].
    pub(super) async fn choose(
        &mut self,
        packages: Vec<LockedPackage>,
        target: &Target,
        backends: &Backends<'_>,
        session: &Session,
    ) -> Result<Chosen, Error> {
        if let Some((_, chosen)) = self.0.iter().find(|(others, _)| *others == packages) {
            return Ok(chosen.clone());
        }
        let chosen = choose(&packages, target, backends, session).await?;
        self.0.push((packages, chosen.clone()));
        Ok(chosen)
    }
}

/// The file chosen, with its size as far as its place tells; or why there is none, and of what one can be made.
type Found = Result<(Wanted, Option<u64>), (Refusal, Option<Origin>)>;

/// Chooses the best wheel of every package for a target (PyPA, "Platform compatibility tags").
///
/// Where there is none, one is made of the source, if that may be; a plan only says so. Fails with one error that lists
/// every package without a fitting wheel, before anything is made.
async fn choose(
    packages: &[LockedPackage],
    target: &Target,
    backends: &Backends<'_>,
    session: &Session,
) -> Result<Chosen, Error> {
    let tags = Tags::of(target);
    let mut chosen = Vec::with_capacity(packages.len());
    let (mut refused, mut to_build) = (Vec::new(), Vec::new());
    for package in packages {
        let found = if let Source::Git(git) = &package.source {
            Err((Refusal::Git(git.commit.clone()), Some(Origin::Git(git.clone()))))
        } else if package.is_listed() {
            from_lock(package, &tags)?
        } else {
            from_index(package, &tags, target, session).await?
        };
        match found {
            Ok((wanted, size)) => {
                chosen.push(ChosenWheel { name: package.name.clone(), wanted, size, made: None });
            }
            Err((_, Some(origin))) if backends.permission.allows(&package.name) => {
                let (name, version) = (package.name.clone(), package.version.clone());
                to_build.push(SourcePackage { name, version, origin });
            }
            Err((refusal, origin)) => refused.push(Refused {
                can_be_built: origin.is_some(),
                name: package.name.clone(),
                version: package.version.as_ref().map(ToString::to_string).unwrap_or_default(),
                refusal,
            }),
        }
    }
    if refused.is_empty() {
        let sized = chosen.into_iter().map(|wheel| with_size(wheel, session));
        let mut wheels = futures_util::future::try_join_all(sized).await?;
        let mut unbuilt = Vec::new();
        for package in to_build {
            match backends.make(&package, target).await? {
                Ok(wheel) => wheels.push(wheel),
                Err(later) => unbuilt.push(later),
            }
        }
        wheels.sort_by(|a, b| a.name.cmp(&b.name));
        return Ok((wheels, unbuilt));
    }
    let best = tags.list().iter().filter(|tag| tag.abi != "none").take(3);
    let wanted = best.map(|tag| format!("{}-{}-{}", tag.python, tag.abi, tag.platform)).collect();
    Err(Error::NoWheel { target: Box::new(target.clone()), wanted, refused })
}

/// Finds out how large a wheel is: sizes decide which wheels share a layer, and not every lockfile has them.
///
/// What an index says is believed for that alone. What lies in the store counts once it was hashed: a damaged file must
/// not give other layers.
async fn with_size(mut wheel: ChosenWheel, session: &Session) -> Result<ChosenWheel, Error> {
    let wanted = &wheel.wanted;
    wheel.size = wheel.size.or(wanted.size);
    if wheel.size.is_some() {
        return Ok(wheel);
    }
    let key = CacheKey::of("wheel-size", &json!({ "format": 1, "wheel": wanted.digest }))?;
    if let Some(size) = session.store.recall(&key)? {
        wheel.size = Some(size);
        return Ok(wheel);
    }
    if !session.store.contains(&wanted.digest, None) || !session.store.verify(&wanted.digest)? {
        let index = session.index().await?;
        wheel.size = index.size(wanted).await?;
        if wheel.size.is_none() {
            index.fetch(&session.store, wanted, &|_| {}).await?;
        }
    }
    if wheel.size.is_none() {
        wheel.size = std::fs::metadata(session.store.path(&wanted.digest)).ok().map(|found| found.len());
    }
    session.store.remember(&key, &json!(wheel.size))?;
    Ok(wheel)
}

/// The best of some wheels: the best tag, then the highest build number.
fn best<T>(files: Vec<(WheelFilename, T)>, tags: &Tags) -> Option<(WheelFilename, T)> {
    let rank = |name: &WheelFilename| Some((tags.fit(name)?, Reverse(name.build.clone())));
    let fitting = files.into_iter().filter_map(|(name, file)| Some((rank(&name)?, name, file)));
    // Names decide between equals, so that the order of a lockfile does not.
    let best = fitting.min_by(|a, b| (&a.0, a.1.as_str()).cmp(&(&b.0, b.1.as_str())));
    best.map(|(_, name, file)| (name, file))
}

fn from_lock(package: &LockedPackage, tags: &Tags) -> Result<Found, Error> {
    let mut wheels: Vec<(WheelFilename, &LockedFile)> = Vec::new();
    for file in &package.wheels {
        wheels.push((file.filename.parse()?, file));
    }
    let offered: Vec<String> = wheels.iter().map(|(name, _)| offer(name)).collect();
    let Some((filename, file)) = best(wheels, tags) else {
        let origin = package.sdist.as_ref().map(|sdist| of_sdist(package, sdist)).transpose()?.flatten();
        let refusal = match (offered.is_empty(), &package.sdist) {
            (true, Some(sdist)) if sdist.digest.is_none() => Refusal::Unverified(sdist.filename.clone()),
            (true, Some(sdist)) => Refusal::SourceOnly(sdist.filename.clone()),
            _ => Refusal::NoneFits(offered),
        };
        return Ok(Err((refusal, origin)));
    };
    let Some(digest) = file.digest else {
        return Err(Error::NoHash { file: file.filename.clone(), origin: package.origin.to_string() });
    };
    let location = location(package, file)?;
    Ok(Ok((Wanted { filename, digest, size: file.size, location }, None)))
}

/// A source distribution that the lockfile vouches for; one without a hash is none.
fn of_sdist(package: &LockedPackage, file: &LockedFile) -> Result<Option<Origin>, Error> {
    let Some(digest) = file.digest else { return Ok(None) };
    Ok(Some(Origin::Sdist(WantedSdist {
        filename: file.filename.clone(),
        package: package.name.clone(),
        digest,
        size: file.size,
        location: location(package, file)?,
    })))
}

/// Where a file is.
fn location(package: &LockedPackage, file: &LockedFile) -> Result<Location, Error> {
    Ok(match &file.location {
        wainwright_lock::Location::Url(url) => {
            let registry = match &package.source {
                Source::Index(Some(url)) => Some(parse_url(url, package)?),
                _ => None,
            };
            Location::Url { url: parse_url(url, package)?, registry }
        }
        // A project may be given by a relative path, and its lockfile's paths begin there.
        wainwright_lock::Location::Path(path) => {
            Location::Path(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        }
        wainwright_lock::Location::Index => Location::Index { registry: registry(package)? },
    })
}

/// A lockfile that names hashes only: the index says which files have them.
///
/// What it said is remembered, so that a second build asks nobody.
async fn from_index(
    package: &LockedPackage,
    tags: &Tags,
    target: &Target,
    session: &Session,
) -> Result<Found, Error> {
    let Some(version) = &package.version else {
        return Err(Error::Bug { what: format!("`{}` has no version", package.name) });
    };
    let key = CacheKey::of(
        "choice",
        &json!({
            "format": 2,
            "name": package.name,
            "version": version.to_string(),
            "hashes": package.hashes,
            "target": target,
        }),
    )?;
    let registry = registry(package)?;
    if let Some(memo) = session.store.recall(&key)?
        && let Some((filename, digest, size)) = read_memo(&memo, &package.hashes)
    {
        let location = Location::Index { registry };
        return Ok(Ok((Wanted { filename, digest, size: None, location }, size)));
    }
    let index = session.index().await?;
    let files = index.files(&package.name, version, registry.as_ref()).await?;
    let mut wheels = Vec::new();
    let mut offered = Vec::new();
    let mut source: Option<String> = None;
    let mut sdist: Option<(IndexFile, Digest)> = None;
    for mut file in files {
        match &file.filename {
            Filename::Wheel(name) => {
                offered.push(offer(name));
                if file.digest.is_none() && tags.fit(name).is_some() {
                    file.digest = digest_on_disk(&file.url);
                }
                // An index without hashes leaves it to the bytes; then a name must do, and one hash must fit.
                if file.digest.is_none_or(|digest| package.hashes.contains(&digest)) {
                    wheels.push((name.clone(), file));
                }
            }
            other => {
                source = Some(other.as_str().to_owned());
                let digest = file.digest.or_else(|| digest_on_disk(&file.url));
                if let Some(digest) = digest.filter(|digest| package.hashes.contains(digest)) {
                    sdist = sdist.or(Some((file, digest)));
                }
            }
        }
    }
    let has_listed = !wheels.is_empty();
    let Some((filename, file)) = best(wheels, tags) else {
        let origin = sdist.map(|(file, digest)| {
            Origin::Sdist(WantedSdist {
                filename: file.filename.as_str().to_owned(),
                package: package.name.clone(),
                digest,
                size: None,
                location: Location::Listed(Box::new(file)),
            })
        });
        let refusal = match (offered.is_empty(), source) {
            (true, Some(source)) => Refusal::SourceOnly(source),
            (false, _) if !has_listed => Refusal::NoHashListed(offered),
            _ => Refusal::NoneFits(offered),
        };
        return Ok(Err((refusal, origin)));
    };
    let Some(digest) = file.digest.or_else(|| only(&package.hashes)) else {
        return Err(Error::NoHash { file: filename.to_string(), origin: package.origin.to_string() });
    };
    // What lies in a folder may be anything until it was hashed.
    let size = file.size.filter(|_| file.url.scheme() != "file");
    session.store.remember(&key, &json!({ "filename": filename, "digest": digest, "size": size }))?;
    let location = Location::Listed(Box::new(file));
    Ok(Ok((Wanted { filename, digest, size: None, location }, size)))
}

/// The digest of a file in a folder of links, which has no page that tells it; one of several hashes has to fit.
fn digest_on_disk(url: &Url) -> Option<Digest> {
    let path = (url.scheme() == "file").then(|| url.to_file_path().ok()).flatten()?;
    Digest::of_reader(File::open(path).ok()?).ok()
}

fn only(hashes: &BTreeSet<Digest>) -> Option<Digest> {
    (hashes.len() == 1).then(|| hashes.first().copied()).flatten()
}

fn read_memo(
    memo: &serde_json::Value,
    hashes: &BTreeSet<Digest>,
) -> Option<(WheelFilename, Digest, Option<u64>)> {
    let filename = memo.get("filename")?.as_str()?.parse().ok()?;
    let digest: Digest = memo.get("digest")?.as_str()?.parse().ok()?;
    hashes.contains(&digest).then(|| (filename, digest, memo.get("size").and_then(serde_json::Value::as_u64)))
}

fn registry(package: &LockedPackage) -> Result<Option<Url>, Error> {
    match &package.source {
        Source::Index(Some(url)) => parse_url(url, package).map(Some),
        _ => Ok(None),
    }
}

fn parse_url(url: &str, package: &LockedPackage) -> Result<Url, Error> {
    Url::parse(url).map_err(|error| Error::LockUrl {
        name: package.name.clone(),
        origin: package.origin.to_string(),
        reason: error.to_string(),
    })
}

/// The part of a wheel's name that says where it fits.
fn offer(name: &WheelFilename) -> String {
    let text = name.as_str().trim_end_matches(".whl");
    let parts: Vec<&str> = text.rsplitn(4, '-').collect();
    parts.iter().take(3).rev().copied().collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use wainwright_python::{Libc, PythonVersion};

    use super::*;

    fn tags() -> Tags {
        Tags::of(&Target {
            python: PythonVersion::new(3, 11),
            architecture: "amd64".into(),
            variant: None,
            libc: Libc::Glibc(2, 36),
        })
    }

    #[test]
    fn the_best_tag_wins_then_the_highest_build() {
        let check = |names: &[&str], expected: Option<&str>| {
            let files = names.iter().map(|name| (name.parse().unwrap(), ())).collect();
            let found = best(files, &tags()).map(|(name, ())| name.to_string());
            assert_eq!(found.as_deref(), expected);
        };
        check(
            &["a-1-py3-none-any.whl", "a-1-cp311-cp311-manylinux_2_17_x86_64.whl"],
            Some("a-1-cp311-cp311-manylinux_2_17_x86_64.whl"),
        );
        check(&["a-1-1-py3-none-any.whl", "a-1-2-py3-none-any.whl"], Some("a-1-2-py3-none-any.whl"));
        check(&["a-1-py3-none-any.whl", "a-1-2-py3-none-any.whl"], Some("a-1-2-py3-none-any.whl"));
        check(&["a-1-cp312-cp312-manylinux_2_17_x86_64.whl", "a-1-py3-none-win32.whl"], None);
    }

    #[test]
    fn an_offer_is_the_tags() {
        assert_eq!(offer(&"a-1-2-py3-none-any.whl".parse().unwrap()), "py3-none-any");
    }
}
