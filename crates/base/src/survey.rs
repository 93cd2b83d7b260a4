use wainwright_oci::Layer;
use wainwright_store::Store;

use crate::Error;
use crate::keep::FactCollector;
use crate::layer_stream::{self, LARGEST_IMAGE};
use crate::tree::{Kind, Tree};

/// What lies at one path of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surveyed {
    /// A directory.
    Directory,
    /// A regular file; with its bytes where it is one of those that somebody who adds packages has to read.
    File(Option<Vec<u8>>),
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A device, a pipe.
    Other,
}

/// Every path of a base, sorted, without leading slashes, for somebody who puts packages on top of it.
///
/// Reading verifies every layer, as [`crate::inspect`] does. The bytes of these files are kept: what dpkg knows
/// (`/var/lib/dpkg`, but for the scripts and checksums of packages), what it is told (`/etc/dpkg`), and what the loader
/// goes by (`/etc/ld.so.cache`, `/etc/ld.so.conf.d`).
pub fn survey(base: &[Layer], store: &Store) -> Result<Vec<(Vec<u8>, Surveyed)>, Error> {
    let (mut tree, mut keeper, mut left) = (Tree::default(), FactCollector::for_packages(), LARGEST_IMAGE);
    for (index, layer) in base.iter().enumerate() {
        layer_stream::read(layer, index + 1, store, &mut left, &mut tree, &mut keeper)?;
    }
    let paths = tree.iter().map(|(path, kind)| {
        let kind = match kind {
            Kind::Directory => Surveyed::Directory,
            Kind::File(facts) => Surveyed::File(facts.text.clone()),
            Kind::Symlink(target) => Surveyed::Symlink(target.clone()),
            Kind::Other => Surveyed::Other,
        };
        (path.to_vec(), kind)
    });
    Ok(paths.collect())
}

#[cfg(test)]
mod tests {
    use wainwright_oci::Platform;

    use super::*;
    use crate::testing::{Bench, raw};
    use crate::{Source, open};

    #[test]
    fn paths_are_told_with_the_few_bytes_that_matter() {
        let lower = raw()
            .symlink("lib", "usr/lib")
            .file("var/lib/dpkg/status", b"Package: a\n")
            .file("var/lib/dpkg/info/a.list", b"/.\n/etc\n")
            .file("var/lib/dpkg/info/a.postinst", b"#!/bin/sh\n")
            .file("etc/dpkg/dpkg.cfg.d/docker", b"path-exclude /usr/share/doc/*\n")
            .file("gone", b"");
        let upper = raw()
            .file("etc/ld.so.cache", b"cache")
            .file("usr/lib/libz.so.1", b"\x7fELF")
            .file(".wh.gone", b"");
        let bench = Bench::simple(vec![lower, upper]);
        let source = Source::Layout { dir: bench.layout(), name: None, digest: None };
        let base = open(&source, &Platform::linux("amd64"), &bench.store).unwrap();
        let lines: Vec<String> = survey(&base.image.layers, &bench.store)
            .unwrap()
            .iter()
            .filter(|(_, what)| *what != Surveyed::Directory)
            .map(|(path, what)| {
                let path = path.escape_ascii();
                match what {
                    Surveyed::File(Some(bytes)) => format!("{path} = {}", bytes.escape_ascii()),
                    Surveyed::Symlink(target) => format!("{path} -> {}", target.escape_ascii()),
                    _ => path.to_string(),
                }
            })
            .collect();
        assert_eq!(
            lines,
            [
                "etc/dpkg/dpkg.cfg.d/docker = path-exclude /usr/share/doc/*\\n",
                "etc/ld.so.cache = cache",
                "lib -> usr/lib",
                "usr/lib/libz.so.1",
                "var/lib/dpkg/info/a.list = /.\\n/etc\\n",
                "var/lib/dpkg/info/a.postinst",
                "var/lib/dpkg/status = Package: a\\n",
            ]
        );
    }
}
