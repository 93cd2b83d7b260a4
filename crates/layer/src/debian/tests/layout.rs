//! What stands where in the layers.

use std::collections::BTreeMap;

use wainwright_blob::{Content, Entry, Kind};
use wainwright_python::Libc;

use super::super::*;
use super::fixture::{Compression, Deb, assembled, elf, least, library, options};

/// One line for each entry: mode, path, and what is special about it.
fn lines(runtime: &Runtime, layer: &str) -> Vec<String> {
    let layer = runtime.layers.iter().find(|found| found.name == layer).expect("the layer exists");
    layer.entries.iter().map(line).collect()
}

fn line(entry: &Entry) -> String {
    let owner =
        if entry.owner == (0, 0) { String::new() } else { format!(" ({}:{})", entry.owner.0, entry.owner.1) };
    let kind = match &entry.kind {
        Kind::Directory => "/".to_owned(),
        Kind::File(_) => String::new(),
        Kind::Symlink(target) => format!(" -> {}", target.escape_ascii()),
        Kind::Hardlink(target) => format!(" = {target}"),
    };
    format!("{:04o} {}{kind}{owner}", entry.mode, entry.path)
}

/// The bytes of a file, in whichever layer it is.
fn bytes(runtime: &Runtime, path: &str) -> Option<Vec<u8>> {
    let mut entries = runtime.layers.iter().flat_map(|layer| &layer.entries);
    let entry = entries.find(|entry| entry.path.to_string() == path)?;
    match &entry.kind {
        Kind::File(Content::Bytes(bytes)) => Some(bytes.to_vec()),
        _ => None,
    }
}

fn text(runtime: &Runtime, path: &str) -> String {
    String::from_utf8(bytes(runtime, path).unwrap_or_else(|| panic!("{path} is not there"))).unwrap()
}

#[test]
fn the_least_runtime_is_complete() {
    let runtime = assembled([]).unwrap();
    assert_eq!(
        lines(&runtime, "system"),
        [
            "0777 bin -> usr/bin",
            "0755 dev/",
            "0755 etc/",
            "0644 etc/group",
            "0644 etc/nsswitch.conf",
            "0644 etc/passwd",
            "0755 home/",
            "0700 home/nonroot/ (65532:65532)",
            "0777 lib -> usr/lib",
            "0777 lib64 -> usr/lib64",
            "0755 media/",
            "0755 mnt/",
            "0755 opt/",
            "0755 proc/",
            "0700 root/",
            "0755 run/",
            "1777 run/lock/",
            "0777 sbin -> usr/sbin",
            "0755 srv/",
            "0755 sys/",
            "1777 tmp/",
            "0755 usr/",
            "0755 usr/bin/",
            "0755 usr/lib/",
            "0755 usr/lib/x86_64-linux-gnu/",
            "0755 usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "0644 usr/lib/x86_64-linux-gnu/libc.so.6",
            "0755 usr/lib64/",
            "0777 usr/lib64/ld-linux-x86-64.so.2 -> /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "0755 usr/local/",
            "0755 usr/local/bin/",
            "0755 usr/local/lib/",
            "0755 usr/sbin/",
            "0755 var/",
            "0755 var/lib/",
            "0755 var/lib/dpkg/",
            "0755 var/lib/dpkg/status.d/",
            "0644 var/lib/dpkg/status.d/libc6",
            "0777 var/lock -> /run/lock",
            "0777 var/run -> /run",
            "1777 var/tmp/",
        ]
    );
    assert_eq!(lines(&runtime, "libraries"), ["0755 etc/", "0644 etc/ld.so.cache"]);
    assert_eq!(
        lines(&runtime, "python"),
        [
            "0755 usr/",
            "0755 usr/bin/",
            "0777 usr/bin/python3 -> python3.11",
            "0755 usr/bin/python3.11",
            "0755 var/",
            "0755 var/lib/",
            "0755 var/lib/dpkg/",
            "0755 var/lib/dpkg/status.d/",
            "0644 var/lib/dpkg/status.d/python3.11-minimal",
        ]
    );
    assert_eq!(runtime.facts.interpreter.to_string(), "usr/bin/python3.11");
    assert_eq!(runtime.facts.python.to_string(), "3.11.2");
    assert_eq!(runtime.facts.libc, Libc::Glibc(2, 36));
    assert_eq!(runtime.facts.notes, []);
}

#[test]
fn every_compression_and_every_order_gives_the_same_layers() {
    let make = |compression, is_reversed: bool| {
        let more = Deb::new("tzdata").architecture("all").file("./usr/share/zoneinfo/Etc/UTC", "TZif2");
        let mut debs: Vec<DebFile> =
            least().into_iter().chain([more]).map(|deb| deb.compression(compression).build()).collect();
        if is_reversed {
            debs.reverse();
        }
        let runtime = assemble(&debs, &options()).unwrap();
        format!("{:?}", runtime.layers)
    };
    let expected = make(Compression::Plain, false);
    assert!(expected.contains("etc/localtime"));
    for compression in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
        assert_eq!(make(compression, true), expected);
    }
}

#[test]
fn merged_directories_stay_links() {
    let bookworm = Deb::new("base-files").directory("./bin/").directory("./lib/").directory("./var/run/");
    let procps = Deb::new("procps")
        .program("./bin/ps", "#!")
        .file("./lib/udev/rules.d/x", "")
        .file("./lib/ps.conf", "");
    let runtime = assembled([bookworm, procps]).unwrap();
    let system = lines(&runtime, "system");
    for link in ["0777 bin -> usr/bin", "0777 lib -> usr/lib", "0777 var/run -> /run"] {
        assert!(system.contains(&link.to_owned()), "{link} is not in {system:#?}");
    }
    let libraries = lines(&runtime, "libraries");
    assert!(libraries.contains(&"0755 usr/bin/ps".to_owned()));
    assert!(libraries.contains(&"0644 usr/lib/ps.conf".to_owned()));
    assert!(
        !libraries
            .iter()
            .any(|line| line.contains(" bin") || line.contains(" lib/") || line.contains("udev"))
    );

    // From trixie on base-files ships the links.
    let trixie = Deb::new("base-files").symlink("./bin", "usr/bin").symlink("./lib64", "usr/lib64");
    assert!(lines(&assembled([trixie]).unwrap(), "system").contains(&"0777 lib64 -> usr/lib64".to_owned()));
    let odd = Deb::new("base-files").symlink("./bin", "usr/sbin");
    assert!(matches!(assembled([odd]), Err(Error::Member { .. })));
}

#[test]
fn owners_times_and_set_id_bits_are_dropped() {
    let deb = Deb::new("sudo")
        .entry("./usr/bin/sudo", tar::EntryType::Regular, 0o4755, "", b"#!")
        .entry("./var/local/", tar::EntryType::Directory, 0o2775, "", b"")
        .entry("./var/spool/drop/", tar::EntryType::Directory, 0o1777, "", b"");
    let runtime = assembled([deb]).unwrap();
    let libraries = lines(&runtime, "libraries");
    for expected in ["0755 usr/bin/sudo", "0775 var/local/", "1777 var/spool/drop/"] {
        assert!(libraries.contains(&expected.to_owned()), "{expected} is not in {libraries:#?}");
    }
    assert_eq!(
        runtime.facts.notes,
        [Note::SetIdDropped { package: "sudo".into(), path: "usr/bin/sudo".into() }]
    );
}

#[test]
fn documentation_is_removed_copyright_kept() {
    let deb = || {
        Deb::new("libz")
            .file("./usr/share/doc/libz/copyright", "(c)")
            .file("./usr/share/doc/libz/changelog.gz", "")
            .symlink("./usr/share/doc/libz-extra", "libz")
            .file("./usr/share/man/man1/z.1.gz", "")
            .file("./usr/share/lintian/overrides/libz", "")
            .file("./usr/share/zoneinfo/right/UTC", "")
            .file("./etc/init.d/z", "")
            .hardlink("./usr/share/z/NEWS", "./usr/share/doc/libz/changelog.gz")
    };
    let libraries = |deb| {
        let runtime = assembled([deb]).unwrap();
        let mut lines = lines(&runtime, "libraries");
        lines.retain(|line| line.contains("usr/") && !line.ends_with('/'));
        lines
    };
    assert_eq!(
        libraries(deb()),
        [
            "0777 usr/share/doc/libz-extra -> libz",
            "0644 usr/share/doc/libz/copyright",
            "0644 usr/share/z/NEWS",
        ]
    );
    let debs: Vec<DebFile> = least().into_iter().chain([deb()]).map(Deb::build).collect();
    let runtime = assemble(&debs, &RuntimeOptions { keep_docs: true, ..options() }).unwrap();
    assert!(lines(&runtime, "libraries").contains(&"0644 usr/share/man/man1/z.1.gz".to_owned()));
}

#[test]
fn hard_links_stay_one_file() {
    let deb =
        Deb::new("git").file("./usr/b", "same").hardlink("./usr/a", "./usr/b").hardlink("./usr/c", "./usr/a");
    let runtime = assembled([deb]).unwrap();
    let mut libraries = lines(&runtime, "libraries");
    libraries.retain(|line| line.contains(" usr/") && !line.ends_with('/'));
    assert_eq!(libraries, ["0644 usr/a", "0644 usr/b = usr/a", "0644 usr/c = usr/a"]);
}

#[test]
fn certificates_become_one_bundle() {
    let deb = Deb::new("ca-certificates")
        .architecture("all")
        .file("./usr/share/ca-certificates/mozilla/b.crt", "B\n")
        .file("./usr/share/ca-certificates/mozilla/a.crt", "A")
        .file("./usr/share/ca-certificates/mozilla/README", "no")
        .control_file("postinst", "update-ca-certificates");
    let runtime = assembled([deb]).unwrap();
    assert_eq!(text(&runtime, "etc/ssl/certs/ca-certificates.crt"), "A\nB\n");
    let system = lines(&runtime, "system");
    assert!(system.contains(&"0777 usr/lib/ssl/cert.pem -> /etc/ssl/certs/ca-certificates.crt".to_owned()));
    assert!(!system.iter().any(|line| line.contains("usr/share/ca-certificates")));
    assert_eq!(runtime.facts.notes, [], "what its script does is done");
}

#[test]
fn scanners_find_every_package_in_the_layer_that_holds_it() {
    let deb = Deb::new("libz").version("1:1.2-3").control_file("md5sums", "0123  usr/lib/libz.so\n");
    let runtime = assembled([deb]).unwrap();
    assert_eq!(
        text(&runtime, "var/lib/dpkg/status.d/libz"),
        "Package: libz\nVersion: 1:1.2-3\nArchitecture: amd64\nDescription: a test\n"
    );
    assert_eq!(text(&runtime, "var/lib/dpkg/status.d/libz.md5sums"), "0123  usr/lib/libz.so\n");
    assert!(lines(&runtime, "libraries").contains(&"0644 var/lib/dpkg/status.d/libz".to_owned()));
    let layers: BTreeMap<&str, String> =
        runtime.layers.iter().map(|layer| (&layer.name[..], layer.packages.join(" "))).collect();
    assert_eq!(layers["libraries"], "libz");
    assert_eq!(layers["system"], "libc6");
    assert_eq!(layers["python"], "python3.11-minimal");
}

#[test]
fn an_updated_library_changes_one_layer() {
    let with = |version: &str| {
        let name = format!("./lib/x86_64-linux-gnu/libz.so.{version}");
        let deb = Deb::new("zlib1g")
            .version(version)
            .file(&name, library("libz.so.1", &["libc.so.6"]))
            .symlink("./lib/x86_64-linux-gnu/libz.so.1", &format!("libz.so.{version}"));
        assembled([deb]).unwrap().layers
    };
    let (old, new) = (with("1.2.13"), with("1.2.14"));
    let changed: Vec<&str> = old
        .iter()
        .zip(&new)
        .filter(|(old, new)| format!("{old:?}") != format!("{new:?}"))
        .map(|(old, _)| &old.name[..])
        .collect();
    assert_eq!(changed, ["libraries"]);
}

#[test]
fn a_package_may_take_over_files_where_it_says_so() {
    let old = || Deb::new("netbase").version("5").architecture("all").file("./etc/mime.types", "old");
    let new = |field: &str| {
        Deb::new("media-types").architecture("all").field(field).file("./etc/mime.types", "new")
    };
    let runtime = assembled([old(), new("Replaces: netbase (<< 6)")]).unwrap();
    assert_eq!(text(&runtime, "etc/mime.types"), "new");
    let error = assembled([old(), new("Replaces: netbase (<< 5)")]).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "`etc/mime.types` is in both `media-types` and `netbase`");
}

#[test]
fn best_alternative_is_linked() {
    let provider = |name: &str, priority: u32| {
        let path = format!("/usr/lib/{name}/libblas.so.3");
        let call =
            format!("update-alternatives --install /usr/lib/libblas.so.3 libblas.so.3 {path} {priority}\n");
        Deb::new(name).file(&format!(".{path}"), library("libblas.so.3", &[])).control_file("postinst", &call)
    };
    let user =
        Deb::new("libarpack2").file("./usr/lib/libarpack.so.2", library("libarpack.so.2", &["libblas.so.3"]));
    let runtime = assembled([provider("blas", 10), provider("openblas", 100), user]).unwrap();
    let libraries = lines(&runtime, "libraries");
    assert!(
        libraries
            .contains(&"0777 etc/alternatives/libblas.so.3 -> /usr/lib/openblas/libblas.so.3".to_owned())
    );
    assert!(libraries.contains(&"0777 usr/lib/libblas.so.3 -> /etc/alternatives/libblas.so.3".to_owned()));
    let note = Note::ScriptsNotRun { package: "blas".into(), scripts: vec!["postinst"] };
    assert_eq!(runtime.facts.notes.first(), Some(&note));
}

#[test]
fn a_module_for_nis_goes_with_its_library() {
    let deb = Deb::new("libpython3.11-stdlib")
        .file("./usr/lib/python3.11/lib-dynload/nis.cpython-311.so", library("", &["libnsl.so.2"]));
    let runtime = assembled([deb]).unwrap();
    assert_eq!(
        runtime.facts.notes,
        [Note::ModuleLeftOut { module: "nis".into(), library: "libnsl.so.2".into() }]
    );
    assert!(!lines(&runtime, "python").iter().any(|line| line.contains("nis")));
}

#[test]
fn an_arm64_runtime_has_no_lib64() {
    let interpreter = "/lib/ld-linux-aarch64.so.1";
    let loader = elf(183, None, "ld-linux-aarch64.so.1", &[], "");
    let libc = Deb::new("libc6")
        .version("2.41-12")
        .architecture("arm64")
        .program("./usr/lib/ld-linux-aarch64.so.1", loader)
        .file("./usr/lib/aarch64-linux-gnu/libc.so.6", elf(183, None, "libc.so.6", &[], ""));
    let python = Deb::new("python3.11-minimal")
        .architecture("arm64")
        .program("./usr/bin/python3.11", elf(183, Some(interpreter), "", &["libc.so.6"], ""));
    let debs: Vec<DebFile> = [libc, python].into_iter().map(Deb::build).collect();
    let runtime = assemble(&debs, &options()).unwrap();
    assert!(!lines(&runtime, "system").iter().any(|line| line.contains("lib64")));
    assert_eq!(runtime.facts.architecture, "arm64");

    // Its interpreter does not run on x86-64, and these packages' interpreter runs nowhere.
    let scratch = tempfile::tempdir().unwrap();
    let error = compile_stdlib(&runtime, &runtime, scratch.path()).unwrap_err();
    assert!(matches!(error, Error::CannotRun { .. }), "{error}");
}

#[test]
fn every_path_has_an_origin() {
    let certificates = Deb::new("ca-certificates")
        .architecture("all")
        .file("./usr/share/ca-certificates/mozilla/a.crt", "A\n");
    let debs: Vec<DebFile> = least().into_iter().chain([certificates]).map(Deb::build).collect();
    let runtime = assemble(&debs, &options()).unwrap();
    let origins: std::collections::BTreeMap<String, RuntimeOrigin> = runtime
        .origins()
        .map(|(path, origin)| (String::from_utf8_lossy(path).into_owned(), origin))
        .collect();
    let package = |name: &str| RuntimeOrigin::Package(name.into());
    for (path, expected) in [
        ("usr/bin/python3.11", package("python3.11-minimal")),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", package("libc6")),
        ("etc/ssl/certs/ca-certificates.crt", RuntimeOrigin::Made("certificates")),
        ("var/lib/dpkg/status.d/libc6", RuntimeOrigin::Made("package list")),
        ("etc/ld.so.cache", RuntimeOrigin::Made("loader cache")),
        ("etc/passwd", RuntimeOrigin::Made("accounts")),
        ("bin", RuntimeOrigin::Made("links and folders")),
    ] {
        assert_eq!(origins[path], expected, "{path}");
    }
    for entry in runtime.layers.iter().flat_map(|layer| &layer.entries) {
        assert!(origins.contains_key(&entry.path.to_string()), "{}", entry.path);
    }
}
