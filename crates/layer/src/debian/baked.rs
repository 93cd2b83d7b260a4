//! Layers whose files are built into the program: the folders of `layers/` that have a `layer.toml`, embedded through
//! a table.

use serde::Deserialize;

use super::Error;
use super::groups::Group;
use super::member::MemberKind;
use super::tree::Tree;

/// A folder of `layers/` with a `layer.toml`.
struct Baked {
    name: &'static str,
    /// Its `layer.toml`.
    description: &'static str,
    /// The files below its `rootfs/`.
    files: &'static [(&'static str, &'static [u8])],
}

macro_rules! file {
    ($layer:literal, $path:literal) => {
        ($path, include_bytes!(concat!("../../../../layers/", $layer, "/rootfs/", $path)))
    };
}

/// Every such folder; a test compares the table with them.
const BAKED: &[Baked] = &[Baked {
    name: "nonroot-user",
    description: include_str!("../../../../layers/nonroot-user/layer.toml"),
    files: &[
        file!("nonroot-user", "etc/group"),
        file!("nonroot-user", "etc/nsswitch.conf"),
        file!("nonroot-user", "etc/passwd"),
    ],
}];

/// What `layer.toml` holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    #[serde(rename = "description")]
    _description: String,
    #[serde(default)]
    directory: Vec<Directory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Directory {
    path: String,
    /// Permission bits in octal.
    mode: String,
    owner: (u32, u32),
}

/// Puts every built-in layer into the root.
pub(super) fn put(tree: &mut Tree) -> Result<(), Error> {
    for baked in BAKED {
        let refuse = |reason: String| Error::Baked { layer: baked.name, reason };
        let description: Description =
            toml::from_str(baked.description).map_err(|error| refuse(error.to_string()))?;
        if description.name != baked.name {
            return Err(refuse(format!("its `layer.toml` calls it `{}`", description.name)));
        }
        for (path, bytes) in baked.files {
            tree.put(path, 0o644, MemberKind::File((*bytes).into()), Group::System)?;
        }
        for directory in description.directory {
            let mode = u32::from_str_radix(&directory.mode, 8).map_err(|error| refuse(error.to_string()))?;
            tree.put(&directory.path, mode, MemberKind::Directory, Group::System)?;
            tree.chown(&directory.path, directory.owner);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn files(directory: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                files(&entry.path(), &format!("{name}/"), found);
            } else {
                found.push(name);
            }
        }
    }

    #[test]
    fn table_matches_folder() {
        let mut expected = Vec::new();
        for baked in BAKED {
            expected.push(format!("{}/layer.toml", baked.name));
            expected.extend(baked.files.iter().map(|(path, _)| format!("{}/rootfs/{path}", baked.name)));
        }
        expected.sort();
        let layers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../layers");
        let mut found = Vec::new();
        for folder in std::fs::read_dir(layers).unwrap().map(Result::unwrap) {
            if folder.path().join("layer.toml").exists() {
                files(&folder.path(), &format!("{}/", folder.file_name().to_str().unwrap()), &mut found);
            }
        }
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_home_belongs_to_its_user() {
        let mut tree = Tree::default();
        put(&mut tree).unwrap();
        let user = super::super::NONROOT;
        let home = tree.get(user.home.trim_start_matches('/').as_bytes()).unwrap();
        assert_eq!((home.owner, home.mode), ((user.uid, user.gid), 0o700));
        let passwd = String::from_utf8(tree.file(b"etc/passwd").unwrap().1.to_vec()).unwrap();
        let line =
            format!("{}:x:{}:{}:{}:{}:/sbin/nologin", user.name, user.uid, user.gid, user.name, user.home);
        assert!(passwd.lines().any(|found| found == line), "{passwd}");
    }
}
