//! The real packages of a directory named by `WAIN_DEBS`.
//!
//! `WAIN_DEBS=debs WAIN_PYTHON=3.11 cargo test -p wainwright-layer real_packages -- --ignored`; `WAIN_DEBS_HOST` names
//! the packages whose interpreter compiles, and `WAIN_OUT` a directory that gets one tar per layer.

use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use wainwright_blob::{Content, Entry, Kind};

use super::super::*;

fn debs(directory: &Path) -> Vec<DebFile> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name_parts = |path: &Path| -> Vec<String> {
        let name = path.file_stem().unwrap().to_str().unwrap().replace("%3a", ":");
        name.split('_').map(str::to_owned).collect()
    };
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .map(|path| {
            let parts = name_parts(path);
            let file = Arc::new(File::open(path).unwrap());
            // The pool leaves out epochs; read what the package says of itself.
            let version = epoch_of(&file, &parts).unwrap_or_else(|| parts[1].clone());
            let source = parts[0].clone();
            DebFile { name: parts[0].clone(), version, architecture: parts[2].clone(), source, file }
        })
        .collect()
}

fn epoch_of(file: &Arc<File>, parts: &[String]) -> Option<String> {
    let guess = DebFile {
        name: parts[0].clone(),
        version: parts[1].clone(),
        architecture: parts[2].clone(),
        source: String::new(),
        file: Arc::clone(file),
    };
    match package::read(&guess, package::Purpose::Root { keep_docs: false }) {
        Err(Error::OtherPackage { field: "Version", found, .. }) => Some(found),
        _ => None,
    }
}

fn write_tar(entries: &[Entry], path: &Path) {
    let mut builder = tar::Builder::new(std::io::BufWriter::new(File::create(path).unwrap()));
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_uid(entry.owner.0.into());
        header.set_gid(entry.owner.1.into());
        header.set_mtime(315_532_801);
        header.set_size(0);
        let name = entry.path.to_string();
        match &entry.kind {
            Kind::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                builder.append_data(&mut header, format!("{name}/"), &[][..]).unwrap();
            }
            Kind::File(Content::Bytes(bytes)) => {
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, &name, &bytes[..]).unwrap();
            }
            Kind::File(_) => panic!("content of another kind"),
            Kind::Symlink(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                builder.append_link(&mut header, &name, std::str::from_utf8(target).unwrap()).unwrap();
            }
            Kind::Hardlink(target) => {
                header.set_entry_type(tar::EntryType::Link);
                builder.append_link(&mut header, &name, target.to_string()).unwrap();
            }
        }
    }
    builder.finish().unwrap();
}

#[test]
#[ignore = "needs packages of a Debian archive in WAIN_DEBS"]
fn real_packages_make_a_runtime() {
    let directory = env::var_os("WAIN_DEBS").expect("WAIN_DEBS names a directory");
    let python = env::var("WAIN_PYTHON").unwrap_or_else(|_| "3.11".to_owned()).parse().unwrap();
    let options = RuntimeOptions { python, keep_docs: false };
    let runtime =
        assemble(&debs(Path::new(&directory)), &options).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(
        runtime.layers.iter().map(|layer| &layer.name[..]).collect::<Vec<_>>(),
        ["system", "libraries", "python"]
    );
    let scratch = tempfile::tempdir().unwrap();
    let bytecode = match env::var_os("WAIN_DEBS_HOST") {
        Some(host) => {
            let host = assemble(&debs(Path::new(&host)), &options).unwrap();
            compile_stdlib(&runtime, &host, scratch.path())
        }
        None => compile_stdlib(&runtime, &runtime, scratch.path()),
    };
    let bytecode = bytecode.unwrap_or_else(|error| panic!("{error:?}"));
    assert!(bytecode.entries.len() > 500);
    if let Some(out) = env::var_os("WAIN_OUT") {
        for (number, layer) in runtime.layers.iter().chain([&bytecode]).enumerate() {
            write_tar(&layer.entries, &Path::new(&out).join(format!("{number}-{}.tar", layer.name)));
        }
        fs::write(Path::new(&out).join("facts.txt"), format!("{:#?}", runtime.facts)).unwrap();
    }
}
