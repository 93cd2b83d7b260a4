use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use wainwright_lock::LocalMember;
use wainwright_oci::Digest;
use wainwright_project::{ComponentContent, component};
use wainwright_python::{Target, WheelFilename};
use wainwright_store::CacheKey;
use wainwright_wheel::{PackedContent, PackedFile, pack};

use super::{Backends, Folder, Origin, SourcePackage, chosen, keep};
use crate::model::error::{Refusal, Refused};
use crate::model::wheel::{ChosenWheel, Made, Unbuilt};
use crate::{Error, Session};

/// Raised when the same folder gives another wheel than before.
const ASSEMBLED: u32 = 1;

/// The wheels of the folders that a project needs, besides its own: workspace members and path dependencies.
///
/// No code runs where the build backend of a folder is known and told nothing unusual; else the backend has to run, if it
/// may.
pub(crate) async fn members(
    members: &[LocalMember],
    target: &Target,
    backends: &Backends<'_>,
    session: &Session,
) -> Result<(Vec<ChosenWheel>, Vec<Unbuilt>), Error> {
    let (mut wheels, mut unbuilt, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    let mut to_build = Vec::new();
    for member in members.iter().filter(|member| !member.is_root && member.is_package) {
        if !member.path.is_dir() {
            let (name, path, origin) = (member.name.clone(), shown(member), member.origin.to_string());
            return Err(Error::NoFolder { name, path, origin });
        }
        let folder = backends.folder(&member.path, shown(member)).await?;
        let why = match backends.permission.names(&member.name) {
            true => None,
            false => match assemble(member, &folder, session).await? {
                Ok(wheel) => {
                    wheels.push(wheel);
                    continue;
                }
                Err(why) => Some(why),
            },
        };
        let package = SourcePackage {
            name: member.name.clone(),
            version: member.version.clone(),
            origin: Origin::Folder(folder.clone()),
        };
        match why {
            Some(why) if !backends.permission.allows(&member.name) => refused.push(Refused {
                name: member.name.clone(),
                version: member.version.as_ref().map(ToString::to_string).unwrap_or_default(),
                can_be_built: true,
                refusal: Refusal::Folder { path: folder.shown.clone(), why },
            }),
            _ => to_build.push(package),
        }
    }
    if !refused.is_empty() {
        return Err(Error::NotBuilt { refused });
    }
    for package in to_build {
        match backends.make(&package, target).await? {
            Ok(wheel) => wheels.push(wheel),
            Err(later) => unbuilt.push(later),
        }
    }
    Ok((wheels, unbuilt))
}

/// The folder as the lockfile has it, relative to where that lies: no path of this machine.
fn shown(member: &LocalMember) -> String {
    let root = member.origin.file.parent().unwrap_or(Path::new(""));
    let plain = |path: &Path| path.components().collect::<PathBuf>().display().to_string();
    member.path.strip_prefix(root).map_or_else(|_| plain(&member.path), plain)
}

/// Puts the wheel of a folder together; or says why only its backend can.
async fn assemble(
    member: &LocalMember,
    folder: &Arc<Folder>,
    session: &Session,
) -> Result<Result<ChosenWheel, String>, Error> {
    let facts = json!({ "format": ASSEMBLED, "name": member.name, "folder": folder.digest });
    let key = CacheKey::of("assembled-wheel", &facts)?;
    if let Some(memo) = session.store.recall(&key)?
        && let Some((filename, digest, size)) = read(&memo)
        && session.store.contains(&digest, Some(size))
    {
        let made = Made { from: origin(folder), by: None, wheel: filename.to_string(), digest };
        return Ok(Ok(chosen(&member.name, filename, digest, size, made, &session.store)));
    }
    let (member, folder, store) = (member.clone(), folder.clone(), session.store.clone());
    let job = move || {
        let files = match component(&folder.project, &folder.tree)? {
            Ok(files) => files,
            Err(why) => return Ok(Err(why.0)),
        };
        let Some(python) = &folder.project.python_project else {
            return Ok(Err("it has no [project]".into()));
        };
        if python.name != member.name {
            return Ok(Err(format!("its [project] is called `{}`", python.name)));
        }
        let version = python.version.as_ref().map(ToString::to_string).unwrap_or_default();
        let text = format!("{}-{version}-py3-none-any.whl", python.name.escaped());
        let filename: WheelFilename = text.parse()?;
        let files: BTreeMap<String, PackedFile> = files
            .into_iter()
            .map(|(name, file)| {
                let content = match file.content {
                    ComponentContent::Disk(path) => PackedContent::Disk(path),
                    ComponentContent::Bytes(bytes) => PackedContent::Bytes(bytes),
                };
                (name, PackedFile { is_executable: file.is_executable, content })
            })
            .collect();
        let (digest, size) = keep(&store, |file| pack(&filename, &files, file))?;
        store.remember(&key, &json!({ "filename": filename.to_string(), "digest": digest, "size": size }))?;
        let made = Made { from: origin(&folder), by: None, wheel: filename.to_string(), digest };
        Ok(Ok(chosen(&member.name, filename, digest, size, made, &store)))
    };
    session.compute(job).await
}

fn origin(folder: &Arc<Folder>) -> String {
    Origin::Folder(folder.clone()).to_string()
}

fn read(memo: &serde_json::Value) -> Option<(WheelFilename, Digest, u64)> {
    let text = |key: &str| memo.get(key)?.as_str();
    Some((text("filename")?.parse().ok()?, text("digest")?.parse().ok()?, memo.get("size")?.as_u64()?))
}
