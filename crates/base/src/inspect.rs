use serde_json::json;
use wainwright_store::{CacheKey, Store};

use crate::keep::FactCollector;
use crate::layer_stream::LARGEST_IMAGE;
use crate::offers::PathKind;
use crate::tree::{Kind, Tree};
use crate::{BaseImage, Error, Offers, accounts, interpreter, layer_stream, libc, packages};

/// The number of what is remembered: raised when [`Offers`] or the way it is found changes.
const FORMAT: u32 = 2;
/// How many components a file may have to be listed.
const DEPTH: usize = 3;

/// What the base offers, read from its layers once and remembered in the store.
///
/// Reading verifies every layer: digest, size and diff ID. Refuses layers that runtimes would understand in different
/// ways. What is remembered is found by the digests and diff IDs of the layers, never by a name.
pub fn inspect(base: &BaseImage, store: &Store) -> Result<Offers, Error> {
    let key = key(base)?;
    let mut offers = match store.recall(&key)? {
        Some(offers) => offers,
        None => {
            let offers = read(base, store)?;
            store.remember(&key, &offers)?;
            offers
        }
    };
    // The config may differ between images with the same layers, so what it says is not remembered.
    interpreter::fill_patch(&mut offers.pythons, base.env("PYTHON_VERSION"));
    Ok(offers)
}

/// Whether [`inspect`] remembers a base, so that it needs no layer of it.
pub fn is_inspected(base: &BaseImage, store: &Store) -> Result<bool, Error> {
    Ok(store.recall::<Offers>(&key(base)?)?.is_some())
}

/// Both digests of each layer: that this blob unpacks to this diff ID is one of the things that were checked.
fn key(base: &BaseImage) -> Result<CacheKey, Error> {
    let layers: Vec<_> =
        base.image.layers.iter().map(|layer| (layer.descriptor.digest, layer.diff_id)).collect();
    Ok(CacheKey::of("base", &json!({"format": FORMAT, "layers": layers}))?)
}

fn read(base: &BaseImage, store: &Store) -> Result<Offers, Error> {
    let (mut tree, mut keeper, mut left) = (Tree::default(), FactCollector::default(), LARGEST_IMAGE);
    for (index, layer) in base.image.layers.iter().enumerate() {
        layer_stream::read(layer, index + 1, store, &mut left, &mut tree, &mut keeper)?;
    }
    Ok(summarize(&tree))
}

fn summarize(tree: &Tree) -> Offers {
    let (debian_packages, alpine) = (packages::debian(tree), packages::alpine(tree));
    let mut offers = Offers {
        pythons: interpreter::find(tree, &debian_packages, &alpine),
        libc: libc::detect(tree, &alpine),
        users: accounts::users(tree),
        groups: accounts::groups(tree),
        os: accounts::distribution(tree),
        codename: accounts::codename(tree),
        debian_packages,
        ..Offers::default()
    };
    for (path, kind) in tree.iter() {
        let Ok(path) = std::str::from_utf8(path) else { continue };
        let name = path.rsplit('/').next().unwrap_or(path);
        if matches!(kind, Kind::File(_) | Kind::Symlink(_))
            && (name.ends_with(".so") || name.contains(".so."))
        {
            offers.libraries.insert(name.to_owned());
        }
        let kind = match kind {
            Kind::Directory => PathKind::Directory,
            Kind::Symlink(target) => match String::from_utf8(target.clone()) {
                Ok(target) => PathKind::Symlink(target),
                Err(_) => PathKind::Other,
            },
            Kind::File(_) | Kind::Other if path.split('/').count() > DEPTH => continue,
            Kind::File(_) => PathKind::File,
            Kind::Other => PathKind::Other,
        };
        if let (PathKind::Symlink(target), false) = (&kind, path.contains('/')) {
            offers.path_links.insert(path.to_owned(), target.clone());
        }
        offers.paths.insert(path.to_owned(), kind);
    }
    offers
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;
    use wainwright_fault::Classify;
    use wainwright_oci::{Place, Platform, media_type};
    use wainwright_python::Libc;

    use super::*;
    use crate::testing::{Bench, ELF, RawTar, TestImage, gzip, raw};
    use crate::{Source, open};

    fn open_layout(bench: &Bench) -> BaseImage {
        let source = Source::Layout { dir: bench.layout(), name: None, digest: None };
        open(&source, &Platform::linux("amd64"), &bench.store).unwrap()
    }

    fn offers(layers: Vec<RawTar>) -> Offers {
        let bench = Bench::simple(layers);
        inspect(&open_layout(&bench), &bench.store).unwrap()
    }

    fn pythons(offers: &Offers) -> Vec<String> {
        let line = |python: &crate::Interpreter| {
            format!("{} {} {}", python.path, python.version, python.names.join(" "))
        };
        offers.pythons.iter().map(line).collect()
    }

    /// As in Debian 12 with `/bin` linked.
    fn debian() -> RawTar {
        raw()
            .symlink("bin", "usr/bin")
            .symlink("lib", "usr/lib")
            .program("usr/bin/python3.11", ELF)
            .symlink("usr/bin/python3", "python3.11")
            .symlink("usr/bin/python", "/etc/alternatives/python")
            .symlink("etc/alternatives/python", "/bin/python3")
            .symlink("etc/os-release", "../usr/lib/os-release")
            .file("usr/lib/os-release", b"NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n")
            .file("etc/passwd", b"root:x:0:0:root:/root:/bin/bash\ndamaged\napp:x:1000:50::/home/app:/bin/sh\n")
            .file("etc/group", b"root:x:0:\nstaff:x:50:app\n")
            .file("usr/lib/x86_64-linux-gnu/libc.so.6", b"\x7fELF\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n\0")
            .file(
                "var/lib/dpkg/status",
                b"Package: python3.11-minimal\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.11.2-6+deb12u6\n\n\
                  Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n",
            )
            .file("var/lib/dpkg/status.d/tzdata", b"Package: tzdata\nVersion: 2025b-0+deb12u1\nArchitecture: all\n")
            .file("var/lib/dpkg/status.d/tzdata.md5sums", b"Package: nonsense\nVersion: 0\n")
    }

    #[test]
    fn debian_is_told_in_full() {
        let offers = offers(vec![debian()]);
        assert_eq!(
            pythons(&offers),
            [
                "/usr/bin/python3.11 3.11.2 /etc/alternatives/python /usr/bin/python /usr/bin/python3 /usr/bin/python3.11"
            ]
        );
        assert_eq!(offers.libc, Some(Libc::Glibc(2, 36)));
        assert_eq!(offers.os.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(
            (offers.user_id("app").unwrap(), offers.user_id("app:root").unwrap()),
            ((1000, 50), (1000, 0))
        );
        let packages: Vec<_> =
            offers.debian_packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
        assert_eq!(packages, ["python3.11-minimal 3.11.2-6+deb12u6", "tzdata 2025b-0+deb12u1"]);
        assert_eq!(offers.path_links["bin"], "usr/bin");
        assert_eq!(offers.python(None, Some("/bin")).unwrap().path, "/usr/bin/python3.11");
    }

    #[test]
    fn official_images_tell_the_patch_level_in_a_header_or_the_config() {
        let header = b"#define PY_MAJOR_VERSION 3\n#define PY_MINOR_VERSION 13\n#define PY_MICRO_VERSION 5\n";
        let local = raw()
            .program("usr/local/bin/python3.13", ELF)
            .symlink("usr/local/bin/python3", "python3.13")
            .file("usr/local/include/python3.13/patchlevel.h", header)
            .program("usr/local/bin/python3.12", ELF);
        let offers = offers(vec![debian(), local.clone()]);
        let found: Vec<_> = offers.pythons.iter().map(|python| python.version.to_string()).collect();
        assert_eq!(found, ["3.11.2", "3.12", "3.13.5"]);
        assert_eq!(offers.python(None, None).unwrap().version.to_string(), "3.13.5");

        let bench = Bench::new();
        let mut image = TestImage::new("amd64", vec![local]);
        image.config["config"]["Env"] = json!(["PYTHON_VERSION=3.12.9"]);
        bench.write_index(&[bench.image(&image)]);
        let offers = inspect(&open_layout(&bench), &bench.store).unwrap();
        assert_eq!(offers.pythons[0].version.to_string(), "3.12.9");
    }

    #[test]
    fn a_nameless_interpreter_is_known_by_its_library() {
        let offers =
            offers(vec![raw().program("opt/bin/python3", ELF).file("opt/lib/python3.12/os.py", b"")]);
        assert_eq!(pythons(&offers), ["/opt/bin/python3 3.12 /opt/bin/python3"]);
    }

    #[test]
    fn other_interpreters_are_ignored() {
        let offers = offers(vec![
            raw()
                .program("a/python3.11", b"#!/bin/sh")
                .file("b/python3.11", ELF)
                .symlink("c/python3", "pypy3")
                .program("c/pypy3", ELF)
                .program("d/python3.13t", ELF)
                .symlink("e/python3", "python")
                .symlink("e/python", "python3")
                .symlink("f/python3", "../nowhere")
                .directory("g/python3")
                .program("h/python2.7", ELF)
                .program("i/python3", ELF),
        ]);
        assert_eq!(pythons(&offers), [] as [&str; 0]);
        assert_eq!(offers.libc, None);
        assert!(offers.require_libc().is_err());
    }

    #[test]
    fn a_whiteout_takes_python_away() {
        let offers = offers(vec![debian(), raw().file("usr/bin/.wh.python3.11", b"")]);
        assert!(offers.pythons.is_empty());
        assert_eq!(offers.at("usr/bin/python3"), Some(&PathKind::Symlink("python3.11".into())));
    }

    #[test]
    fn alpine_and_bare_musl_are_recognized() {
        let loader = b"\x7fELF\0musl libc (x86_64)\nVersion %s\n\x001.2.5\0";
        let bare = raw().program("lib/ld-musl-x86_64.so.1", loader);
        assert_eq!(offers(vec![bare.clone()]).libc, Some(Libc::Musl(1, 2)));
        assert_eq!(
            offers(vec![debian(), raw().file("usr/lib/ld-musl-x86_64.so.1", loader)]).libc,
            Some(Libc::Glibc(2, 36))
        );
        let alpine = bare
            .file("lib/apk/db/installed", b"C:x\nP:musl\nV:1.2.4-r2\n\nP:python3\nV:3.11.9-r0\n")
            .program("usr/bin/python3.11", ELF)
            .file("usr/lib/libc.so.6", b"GNU C Library (compat) stable release version 2.17.");
        let offers = offers(vec![alpine]);
        assert_eq!(offers.libc, Some(Libc::Musl(1, 2)));
        assert_eq!(pythons(&offers), ["/usr/bin/python3.11 3.11.9 /usr/bin/python3.11"]);
    }

    #[test]
    fn app_may_be_a_link() {
        let layer =
            raw().directory("srv/app").symlink("app", "/srv/app").directory("tmp").file("a/b/c/d", b"");
        let offers = offers(vec![layer]);
        assert_eq!(offers.at("app"), Some(&PathKind::Symlink("/srv/app".into())));
        assert_eq!(offers.landing("app/.venv/bin").as_deref(), Some("srv/app/.venv/bin"));
        assert_eq!(offers.at("tmp"), Some(&PathKind::Directory));
        assert_eq!((offers.at("a/b/c"), offers.at("a/b/c/d")), (Some(&PathKind::Directory), None));
    }

    #[test]
    fn a_second_inspection_reads_nothing() {
        let bench = Bench::simple(vec![debian()]);
        let base = open_layout(&bench);
        let first = inspect(&base, &bench.store).unwrap();
        let Place::File { path, .. } = &base.image.layers[0].place else { panic!("in the layout") };
        fs::remove_file(path).unwrap();
        assert_eq!(inspect(&base, &bench.store).unwrap(), first);
    }

    #[test]
    fn all_kinds_of_compression_are_read() {
        let tar = debian().bytes();
        let in_two_members = [gzip(&tar[..1000]), gzip(&tar[1000..])].concat();
        for (media_type, blob) in [
            (media_type::LAYER_TAR, tar.clone()),
            (media_type::LAYER_GZIP, in_two_members.clone()),
            (media_type::DOCKER_LAYER_GZIP, in_two_members),
            (media_type::LAYER_ZSTD, zstd::encode_all(&tar[..], 1).unwrap()),
        ] {
            let bench = Bench::new();
            let mut image = TestImage::new("amd64", vec![debian()]);
            (image.layers[0].0, image.layers[0].1) = (media_type.into(), blob);
            bench.write_index(&[bench.image(&image)]);
            assert_eq!(inspect(&open_layout(&bench), &bench.store).unwrap().libc, Some(Libc::Glibc(2, 36)));
        }
    }

    /// Inspects an image whose layer is this blob, and gives the refusal with its cause.
    fn refusal(media_type: &str, blob: Vec<u8>) -> String {
        let bench = Bench::new();
        let mut image = TestImage::new("amd64", vec![debian()]);
        (image.layers[0].0, image.layers[0].1) = (media_type.into(), blob);
        bench.write_index(&[bench.image(&image)]);
        let error = inspect(&open_layout(&bench), &bench.store).unwrap_err();
        assert!(error.hint().is_some() && !error.is_outside(), "{error:?}");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    }

    #[test]
    fn damaged_layers_are_refused() {
        let tar = debian().bytes();
        let packed = gzip(&tar);
        let cannot = |text: String| assert!(text.contains("cannot read layer 1, "), "{text}");
        cannot(refusal(media_type::LAYER_GZIP, packed[..packed.len() - 9].to_vec()));
        cannot(refusal(media_type::LAYER_GZIP, [&packed[..], b"garbage"].concat()));
        cannot(refusal(media_type::LAYER_GZIP, b"\xfd7zXZ\0 inside".to_vec()));
        let zst = zstd::encode_all(&tar[..], 1).unwrap();
        cannot(refusal(media_type::LAYER_ZSTD, zst[..zst.len() - 3].to_vec()));
        cannot(refusal(media_type::LAYER_ZSTD, [&zst[..], b"garbage"].concat()));
        let behind = gzip(&[&tar[..], b"garbage"].concat());
        assert!(refusal(media_type::LAYER_GZIP, behind).contains("bytes follow the end of the tar"));
        let other = refusal(media_type::LAYER_GZIP, gzip(&raw().file("etc/passwd", b"").bytes()));
        assert!(other.contains("in its config"), "{other}");
        assert!(
            refusal(media_type::LAYER_GZIP, gzip(&raw().file("../x", b"").bytes()))
                .contains("`../x` in layer 1")
        );
    }

    #[test]
    fn changed_bytes_are_named_before_what_they_lead_to() {
        let bench = Bench::simple(vec![debian()]);
        let base = open_layout(&bench);
        let Place::File { path, .. } = &base.image.layers[0].place else { panic!("in the layout") };
        let good = fs::read(path).unwrap();
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(path, bad).unwrap();
            let error = inspect(&base, &bench.store).unwrap_err().to_string();
            assert!(error.contains("has the digest"), "byte {at}: {error}");
        }
        fs::write(path, &good[..good.len() - 1]).unwrap();
        assert!(inspect(&base, &bench.store).unwrap_err().to_string().contains("in its descriptor"));
    }

    #[test]
    fn layers_in_the_store_are_read_from_there() {
        let bench = Bench::simple(vec![debian()]);
        let mut base = open_layout(&bench);
        let blob =
            fs::read(bench.layout().join("blobs/sha256").join(base.image.layers[0].descriptor.digest.hex()));
        base.image.layers[0].place = Place::Store;
        let refused = |bench: &Bench| match inspect(&base, &bench.store).unwrap_err() {
            Error::Store(error) => error,
            other => panic!("{other}"),
        };
        assert!(matches!(refused(&bench), wainwright_store::Error::Missing { .. }));
        let blob = blob.unwrap();
        let digest = bench.store.put(&blob).unwrap();
        for bad in [&blob[1..], &[&blob[..], b"x"].concat(), &vec![0; blob.len()]] {
            fs::write(bench.store.path(&digest), bad).unwrap();
            assert!(matches!(refused(&bench), wainwright_store::Error::Damaged { .. }));
            assert!(!bench.store.path(&digest).exists(), "damage is removed");
        }
        bench.store.put(&blob).unwrap();
        assert_eq!(inspect(&base, &bench.store).unwrap().libc, Some(Libc::Glibc(2, 36)));
    }

    #[test]
    fn a_memo_of_another_shape_is_made_anew() {
        let bench = Bench::simple(vec![debian()]);
        let base = open_layout(&bench);
        bench.store.remember(&key(&base).unwrap(), &Value::from("something else")).unwrap();
        assert_eq!(inspect(&base, &bench.store).unwrap().pythons.len(), 1);
    }
}
