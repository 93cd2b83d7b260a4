//! What is left out of an image unless the user asks for it by name.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::read;

/// Folders and files that belong to tools, at any depth.
const JUNK: [&str; 29] = [
    ".DS_Store",
    ".coverage",
    ".direnv",
    ".eggs",
    ".git",
    ".gitattributes",
    ".gitignore",
    ".gitmodules",
    ".hg",
    ".hgignore",
    ".hypothesis",
    ".idea",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".ty_cache",
    ".venv",
    ".vscode",
    "CACHEDIR.TAG",
    "Thumbs.db",
    "__pycache__",
    "__pypackages__",
    "node_modules",
    ".pdm-build",
];

/// Files that describe the image, beside `pyproject.toml` only.
const JUNK_AT_TOP: [&str; 6] =
    [".dockerignore", "Containerfile", "Dockerfile", "pip-log.txt", "wain.lock", "wainwright.toml"];

/// Whether a name is junk; `is_top` is for entries of the project folder itself.
pub(crate) fn is_junk(name: &[u8], is_folder: bool, is_top: bool) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    JUNK.contains(&name)
        // What our own outputs are called while they are written, by another build at this moment or by one that was killed.
        || name.starts_with(".wain-")
        || (is_top && (JUNK_AT_TOP.contains(&name) || name.starts_with("Dockerfile.")))
        || (!is_folder && ends(&[".pyc", ".pyo"]))
        || (is_folder && ends(&[".egg-info"]))
}

/// Whether the entries of a folder show that all of it is junk: a virtual environment, or an image layout of ours.
pub(crate) fn is_junk_folder(has_entry: impl Fn(&str) -> bool) -> bool {
    has_entry("pyvenv.cfg") || (has_entry("oci-layout") && has_entry("index.json") && has_entry("blobs"))
}

/// Whether `build` or `dist` beside `pyproject.toml` holds nothing but what Python build tools put there.
pub(crate) fn is_build_output(name: &[u8], path: &Path) -> bool {
    let holds_only = |fits: fn(&str) -> bool| {
        fs::read_dir(path).is_ok_and(|entries| {
            entries.flatten().all(|entry| {
                entry.file_name().to_str().is_some_and(|name| name == ".gitignore" || fits(name))
            })
        })
    };
    match name {
        b"build" => holds_only(|name| {
            name == "lib" || ["lib.", "bdist.", "temp.", "scripts-"].iter().any(|p| name.starts_with(p))
        }),
        b"dist" => holds_only(|name| name.ends_with(".whl") || name.ends_with(".tar.gz")),
        _ => false,
    }
}

/// Whether a file is an image archive, as we and `docker save` write them: putting one build into the next would
/// change every digest. Looks at the first tar header only.
pub(crate) fn is_image_archive(name: &[u8], path: &Path) -> bool {
    if !name.ends_with(b".tar") {
        return false;
    }
    let mut header = [0; 512];
    let Ok(Some(mut file)) = read::open(path) else { return false };
    if file.read_exact(&mut header).is_err() || &header[257..262] != b"ustar" {
        return false;
    }
    let end = header[..100].iter().position(|byte| *byte == 0).unwrap_or(100);
    let first = header[..end].strip_prefix(b"./").unwrap_or(&header[..end]);
    let hex = first.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    [&b"oci-layout"[..], b"index.json", b"manifest.json", b"repositories"].contains(&first)
        || first.starts_with(b"blobs/")
        || hex == 64
}

/// Why a file or folder is thought to hold a secret; `parent` is the name of the folder it is in.
pub(crate) fn secret(parent: &[u8], name: &[u8], is_folder: bool) -> Option<&'static str> {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let name = name.as_str();
    let starts = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if is_folder {
        return match name {
            ".ssh" | ".gnupg" => Some("private keys"),
            ".aws" | ".azure" | ".gcloud" => Some("cloud credentials"),
            _ => None,
        };
    }
    let is_example = ends(&[".example", ".sample", ".template", ".dist", ".defaults"]);
    if name == ".env" || name == ".envrc" || (name.starts_with(".env.") && !is_example) {
        return Some("environment file, which often holds passwords");
    }
    if ends(&[".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".ppk"]) {
        return Some("possible private key");
    }
    if starts(&["id_rsa", "id_ed25519", "id_ecdsa", "id_dsa"]) && !name.ends_with(".pub") {
        return Some("private key");
    }
    if ends(&[".kdbx"]) {
        return Some("password store");
    }
    let is_json = name.ends_with(".json");
    let is_key_file = ["client_secret", "client-secret", "service_account", "service-account", "gcp-key"];
    if is_json
        && (starts(&is_key_file)
            || ["credentials.json", "application_default_credentials.json"].contains(&name))
    {
        return Some("cloud credentials");
    }
    let of_tools = [
        ".netrc",
        "_netrc",
        ".npmrc",
        ".yarnrc.yml",
        ".pypirc",
        ".git-credentials",
        ".pgpass",
        ".my.cnf",
        ".dockercfg",
        ".htpasswd",
        ".vault-token",
        ".terraformrc",
        "terraform.tfstate",
    ];
    if of_tools.contains(&name)
        || (name == "config.json" && parent == b".docker")
        || (name == "config" && parent == b".kube")
    {
        return Some("credentials of a tool");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name() {
        for name in [
            ".env",
            ".env.production",
            ".ENV",
            "server.pem",
            "KEY.PEM",
            "tls.key",
            "id_rsa",
            "id_ed25519_work",
            ".netrc",
            ".npmrc",
            ".pypirc",
            "credentials.json",
            "client_secret_123.json",
            "service-account-prod.json",
            "a.p12",
            "a.pfx",
            "x.kdbx",
            ".git-credentials",
        ] {
            assert!(secret(b"", name.as_bytes(), false).is_some(), "{name}");
        }
        assert!(secret(b".docker", b"config.json", false).is_some());
        assert!(secret(b"", b".ssh", true).is_some() && secret(b"", b".aws", true).is_some());
        for name in [
            ".env.example",
            ".env.sample",
            ".env.template",
            "environment.py",
            "env",
            "config.json",
            "id_rsa.pub",
            "keys.py",
            "monkey",
            "package.json",
            "pem.py",
        ] {
            assert_eq!(secret(b"", name.as_bytes(), false), None, "{name}");
        }
    }

    #[test]
    fn junk_files_are_recognized_by_name() {
        for name in
            [".git", ".venv", "node_modules", "__pycache__", "x.egg-info", ".DS_Store", ".wain-a1B2c3"]
        {
            assert!(is_junk(name.as_bytes(), true, false), "{name}");
        }
        assert!(is_junk(b"a.pyc", false, false) && !is_junk(b"a.pyc", true, false));
        assert!(is_junk(b"Dockerfile", false, true) && !is_junk(b"Dockerfile", false, false));
        assert!(
            !is_junk(b"uv.lock", false, true)
                && !is_junk(b"venv", true, true)
                && !is_junk(b"dist", true, true)
        );
    }
}
