use std::fs;

use wainwright_debian::Index;
use wainwright_fault::Classify;
use wainwright_layer::debian::{DebFile, RuntimeOptions, assemble};
use wainwright_lock::{Marker, Requirement, Selection, marker_environment};
use wainwright_python::{Libc, PythonVersion, Target};

use crate::scratch;

fn target() -> Target {
    Target {
        python: PythonVersion::new(3, 13),
        architecture: "amd64".into(),
        variant: None,
        libc: Libc::Glibc(2, 41),
    }
}

pub(crate) fn uv_lock(bytes: &[u8]) {
    lockfile("uv.lock", bytes, None);
}

pub(crate) fn pylock(bytes: &[u8]) {
    lockfile("pylock.toml", bytes, None);
}

pub(crate) fn requirements(bytes: &[u8]) {
    lockfile("requirements.txt", bytes, None);
}

/// Older ones are read with the project beside them.
pub(crate) fn poetry_lock(bytes: &[u8]) {
    let project = include_str!("../../../fixtures/locks/poetry-1/pyproject.toml");
    lockfile("poetry.lock", bytes, Some(("pyproject.toml", project)));
}

pub(crate) fn pdm_lock(bytes: &[u8]) {
    let project = include_str!("../../../fixtures/locks/pdm-plain/pyproject.toml");
    lockfile("pdm.lock", bytes, Some(("pyproject.toml", project)));
}

pub(crate) fn pipfile_lock(bytes: &[u8]) {
    let pipfile = include_str!("../../../fixtures/locks/pipenv/Pipfile");
    lockfile("Pipfile.lock", bytes, Some(("Pipfile", pipfile)));
}

fn lockfile(name: &str, bytes: &[u8], beside: Option<(&str, &str)>) {
    scratch::with_folder(|folder, _| {
        let file = folder.join(name);
        fs::write(&file, bytes).unwrap();
        if let Some((name, text)) = beside {
            fs::write(folder.join(name), text).unwrap();
        }
        let all = Selection { all_extras: true, all_groups: true, ..Selection::default() };
        match wainwright_lock::read(&file) {
            Ok(lock) => {
                for selection in [Selection::default(), all] {
                    let _ = lock.packages(&selection, &target()).map_err(|error| error.to_string());
                    let _ = lock.local_members(&selection, &target()).map_err(|error| error.to_string());
                }
            }
            Err(error) => {
                let _ = (error.to_string(), error.hint());
            }
        }
    });
}

/// A requirement is the longest thing with a marker in it.
pub(crate) fn marker(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let environment = marker_environment(&target());
    if let Ok(marker) = text.parse::<Marker>() {
        marker.applies(&environment);
    }
    if let Ok(requirement) = text.parse::<Requirement>() {
        requirement.applies(&environment);
    }
}

pub(crate) fn deb(bytes: &[u8]) {
    let deb = DebFile {
        name: "demo".into(),
        version: "1.0".into(),
        architecture: "amd64".into(),
        source: "demo".into(),
        file: scratch::file(bytes),
    };
    let options = RuntimeOptions { python: PythonVersion::new(3, 13), keep_docs: false };
    if let Err(error) = assemble(&[deb], &options) {
        let _ = (error.to_string(), error.hint());
    }
}

pub(crate) fn control(bytes: &[u8]) {
    match Index::read([("Packages".to_owned(), bytes)], "amd64") {
        Ok(index) => {
            for name in ["demo", "libc6", "a"] {
                let _ = index.package(name);
            }
        }
        Err(error) => {
            let _ = (error.to_string(), error.hint());
        }
    }
}

pub(crate) fn uv_locks() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../fixtures/locks/shop/uv.lock").to_vec(),
        include_bytes!("../../../fixtures/projects/hello/uv.lock").to_vec(),
    ]
}

pub(crate) fn pylocks() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../../fixtures/locks/shop/pylock.toml").to_vec()]
}

pub(crate) fn poetry_locks() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../fixtures/locks/poetry/poetry.lock").to_vec(),
        include_bytes!("../../../fixtures/locks/poetry-1/poetry.lock").to_vec(),
    ]
}

pub(crate) fn pdm_locks() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../fixtures/locks/pdm/pdm.lock").to_vec(),
        include_bytes!("../../../fixtures/locks/pdm-plain/pdm.lock").to_vec(),
    ]
}

pub(crate) fn pipfile_locks() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../../fixtures/locks/pipenv/Pipfile.lock").to_vec()]
}

pub(crate) fn requirement_files() -> Vec<Vec<u8>> {
    let hash = "0123456789abcdef".repeat(4);
    let text = format!(
        "# comment\n--index-url https://a:b@example/simple\n--find-links wheels\nA_b[x,y]==1.0 ; python_version >= '3.8' \\\n    \
         --hash=sha256:{hash} \\\n    --hash=sha512:{hash}{hash}\nc @ https://example/c-1-py3-none-any.whl --hash=sha256:{hash}\n"
    );
    vec![text.clone().into_bytes(), text.replace('\n', "\r\n").into_bytes()]
}

pub(crate) fn markers() -> Vec<Vec<u8>> {
    [
        "python_version >= '3.8' and (sys_platform == \"linux\" or os_name != 'nt')",
        "platform_machine in 'x86_64 aarch64' and extra == 'a' and implementation_name not in 'pypy'",
        "'3.8' <= python_full_version and platform_release ~= '1.0'",
        "Name.x[a,b]>=1.0,!=1.5.*,<2 ; python_version < '4'",
        "name @ https://example/x.whl ; sys_platform == 'win32'",
    ]
    .map(Into::into)
    .into()
}

pub(crate) fn debs() -> Vec<Vec<u8>> {
    let tar = |files: &[(&str, &str)]| {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    };
    let control = "Package: demo\nVersion: 1.0\nArchitecture: amd64\nDescription: a\n b\n";
    let mut deb = b"!<arch>\n".to_vec();
    for (name, content) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", tar(&[("./control", control), ("./md5sums", "")])),
        ("data.tar", tar(&[("./usr/bin/demo", "x"), ("./usr/share/doc/demo/copyright", "MIT")])),
    ] {
        deb.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes(),
        );
        deb.extend(&content);
        deb.extend(vec![b'\n'; content.len() % 2]);
    }
    vec![deb]
}

pub(crate) fn controls() -> Vec<Vec<u8>> {
    let hash = "0123456789abcdef".repeat(4);
    let text = format!(
        "Package: demo\nSource: src (1.0)\nVersion: 1:1.0-1\nArchitecture: amd64\nMulti-Arch: same\nPre-Depends: libc6 (>= 2.34)\n\
         Depends: a | b:any, c (<< 2)\nProvides: d (= 1), e\nEssential: yes\nFilename: pool/d.deb\nSize: 10\nSHA256: {hash}\n\
         Description: a\n b\n .\n c\n\nPackage: libc6\nVersion: 2.41\nArchitecture: all\nFilename: pool/l.deb\nSize: 1\nSHA256: {hash}\n"
    );
    vec![text.into_bytes()]
}
