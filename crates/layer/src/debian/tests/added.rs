//! Packages on top of an image that is there already.

use wainwright_fault::Classify;

use super::super::{Added, DebianTree, DebianTreeKind, Error, add};
use super::fixture::{Deb, library};
use super::loader_cache::records;

const STATUS: &str = "Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12\n\n\
    Package: libold\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1.0\n\n\
    Package: tool\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 0.9\n\n\
    Package: watcher\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n";

/// A small image with a merged `/usr` and dpkg in it.
fn ground() -> DebianTree {
    let mut ground = DebianTree::default();
    for directory in ["etc", "usr", "usr/bin", "usr/lib", "usr/lib/x86_64-linux-gnu", "usr/share", "var"] {
        ground.paths.insert(directory.into(), DebianTreeKind::Directory);
    }
    for (link, target) in [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        ground.paths.insert(link.into(), DebianTreeKind::Symlink(target.into()));
    }
    for file in ["usr/bin/stray", "usr/lib/x86_64-linux-gnu/libold.so.1", "etc/tool.conf"] {
        ground.paths.insert(file.into(), DebianTreeKind::File(None));
    }
    put(&mut ground, "var/lib/dpkg/status", STATUS);
    put(&mut ground, "var/lib/dpkg/info/libold:amd64.list", "/.\n/lib\n/lib/x86_64-linux-gnu/libold.so.1\n");
    ground
}

fn put(ground: &mut DebianTree, path: &str, text: &str) {
    ground.paths.insert(path.into(), DebianTreeKind::File(Some(text.into())));
}

fn adding(ground: &DebianTree, debs: impl IntoIterator<Item = Deb>) -> Result<Added, Error> {
    add(&debs.into_iter().map(Deb::build).collect::<Vec<_>>(), ground)
}

/// The paths of a layer, those of dpkg shortened.
fn paths(added: &Added, layer: usize) -> Vec<String> {
    added.layers[layer].entries.iter().map(|entry| entry.path.to_string()).collect()
}

fn text(added: &Added, path: &str) -> String {
    String::from_utf8(added.tree.file(path.as_bytes()).expect(path).1.to_vec()).unwrap()
}

fn notes(added: &Added) -> Vec<String> {
    added.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn added_files_follow_links_of_the_image() {
    let deb = Deb::new("libnew")
        .directory("./lib/")
        .directory("./lib/x86_64-linux-gnu/")
        .file("./lib/x86_64-linux-gnu/libnew.so.1", library("libnew.so.1", &["libold.so.1"]))
        .directory("./usr/share/new/")
        .file("./usr/share/new/data", "data");
    let added = adding(&ground(), [deb]).unwrap();
    assert_eq!(
        paths(&added, 0),
        ["usr/lib/x86_64-linux-gnu/libnew.so.1", "usr/share/new", "usr/share/new/data"]
    );
    assert_eq!(added.layers[1].name, "package list");
    assert_eq!(notes(&added), [] as [&str; 0], "the library below is found by its name");
    assert_eq!(added.libraries().into_keys().collect::<Vec<_>>(), ["libnew.so.1"]);
    let cache = &added.tree.file(b"etc/ld.so.cache").unwrap().1;
    assert_eq!(records(cache), ["libnew.so.1 => /lib/x86_64-linux-gnu/libnew.so.1"]);
}

#[test]
fn the_loader_cache_of_the_image_is_kept_and_grows() {
    let deb = |number: u8| {
        let name = format!("libnew.so.{number}");
        Deb::new("libnew").file(&format!("./usr/lib/x86_64-linux-gnu/{name}"), library(&name, &[]))
    };
    let first = adding(&ground(), [deb(1)]).unwrap();
    let before = first.tree.file(b"etc/ld.so.cache").unwrap().1.to_vec();
    // As glibc wrote it until 2.31: another cache of the old form in front, here with one record.
    let old = [b"ld.so-1.7.0\0".as_slice(), &1_u32.to_le_bytes(), &[0; 12], &[0; 4]].concat();
    let garbage = b"glibc-ld.so.cache1.1\xff\xff\xff\xff".to_vec();
    for (before, expected) in
        [(before.clone(), vec![2, 1]), ([old, before].concat(), vec![2, 1]), (garbage, vec![2])]
    {
        let mut ground = ground();
        ground.paths.insert(b"etc/ld.so.cache".to_vec(), DebianTreeKind::File(Some(before)));
        let added = adding(&ground, [deb(2)]).unwrap();
        let line = |number| format!("libnew.so.{number} => /lib/x86_64-linux-gnu/libnew.so.{number}");
        let expected: Vec<String> = expected.into_iter().map(line).collect();
        assert_eq!(records(added.tree.file(b"etc/ld.so.cache").unwrap().1), expected);
    }
}

#[test]
fn dpkg_lists_added_packages_as_installed() {
    let tool = Deb::new("tool")
        .directory("./")
        .directory("./etc/")
        .file("./etc/tool.conf", "new")
        .file("./etc/other.conf", "other")
        .program("./usr/bin/tool", "program")
        .control_file("conffiles", "/etc/tool.conf\n/etc/other.conf\n")
        .control_file("triggers", "interest-noawait /usr/share/icons\ninterest x-icons\nactivate ldconfig\n")
        .control_file("md5sums", "sums")
        .control_file("prerm", "#!/bin/sh\n");
    let library =
        Deb::new("liba").field("Multi-Arch: same").file("./usr/lib/liba.so.1", library("liba.so.1", &[]));
    let mut ground = ground();
    put(&mut ground, "var/lib/dpkg/triggers/File", "/usr/share/doc/x other\n");
    let added = adding(&ground, [tool, library]).unwrap();
    let lines: Vec<String> = paths(&added, 1)
        .iter()
        .filter_map(|path| path.strip_prefix("var/lib/dpkg/"))
        .map(Into::into)
        .collect();
    assert_eq!(
        lines,
        [
            "info",
            "info/liba:amd64.list",
            "info/tool.conffiles",
            "info/tool.list",
            "info/tool.md5sums",
            "info/tool.prerm",
            "info/tool.triggers",
            "status",
            "triggers",
            "triggers/File",
            "triggers/x-icons",
        ]
        .map(ToOwned::to_owned)
    );
    assert_eq!(
        text(&added, "var/lib/dpkg/info/tool.list"),
        "/.\n/etc\n/etc/tool.conf\n/etc/other.conf\n/usr/bin/tool\n"
    );
    assert_eq!(
        text(&added, "var/lib/dpkg/triggers/File"),
        "/usr/share/doc/x other\n/usr/share/icons tool/noawait\n"
    );
    let status = text(&added, "var/lib/dpkg/status");
    let names: Vec<&str> = status.lines().filter_map(|line| line.strip_prefix("Package: ")).collect();
    assert_eq!(names, ["base-files", "liba", "libold", "tool", "watcher"]);
    assert!(
        status.contains(
            "Package: tool\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\nDescription: a test\n\
             Conffiles:\n /etc/tool.conf 22af645d1859cb5ca6da0c484f1f37ea\n /etc/other.conf 795f3202b17cb6bc3d4b771d8c6c9eaf\n\n"
        ),
        "{status}"
    );
    assert_eq!(
        notes(&added),
        ["`/etc/tool.conf` of the base is kept; `tool` contains another version"],
        "a configuration file that an administrator may have changed"
    );
    assert!(!paths(&added, 0).contains(&"etc/tool.conf".into()));
}

#[test]
fn files_of_other_packages_are_not_replaced_unless_both_agree() {
    let deb =
        || Deb::new("libnew").file("./usr/lib/x86_64-linux-gnu/libold.so.1", library("libold.so.1", &[]));
    let error = adding(&ground(), [deb()]).err().expect("a conflict");
    assert_eq!(
        error.to_string(),
        "`libnew` would replace `usr/lib/x86_64-linux-gnu/libold.so.1`, a file of `libold`"
    );
    assert!(error.hint().is_some() && !error.is_outside());
    let added = adding(&ground(), [deb().field("Replaces: libold (<< 2)")]).unwrap();
    assert_eq!(
        notes(&added),
        ["`libnew` replaces `/usr/lib/x86_64-linux-gnu/libold.so.1` of `libold`, as it declares"]
    );
    assert_eq!(text(&added, "var/lib/dpkg/info/libold:amd64.list"), "/.\n/lib\n");
    assert!(adding(&ground(), [deb().field("Replaces: libold (<< 1)")]).is_err(), "not of this version");

    let added = adding(&ground(), [Deb::new("p").file("./bin/stray", "new")]).unwrap();
    assert_eq!(
        notes(&added),
        ["`/bin/stray` of the base, which belongs to no package, is replaced by that of `p`"]
    );
}

#[test]
fn diversions_and_filters_of_dpkg_are_followed() {
    let mut ground = ground();
    put(&mut ground, "var/lib/dpkg/diversions", "/bin/tool\n/bin/tool.real\nwatcher\n");
    put(&mut ground, "etc/dpkg/dpkg.cfg.d/docker", "path-exclude /usr/share/man/*\n");
    put(&mut ground, "etc/dpkg/dpkg.cfg.d/docker.bak", "path-exclude /usr/*\n");
    put(
        &mut ground,
        "var/lib/dpkg/triggers/File",
        "/usr/share/icons watcher:amd64/noawait\n/usr/share/none x\n",
    );
    let deb = Deb::new("tool")
        .program("./usr/bin/tool", "program")
        .file("./usr/share/man/man1/tool.1", "man")
        .file("./usr/share/icons/tool.png", "");
    let added = adding(&ground, [deb]).unwrap();
    assert_eq!(paths(&added, 0), ["usr/bin/tool.real", "usr/share/icons", "usr/share/icons/tool.png"]);
    assert_eq!(
        notes(&added),
        [
            "a file of `tool` is at `/usr/bin/tool.real`, because the base diverts it",
            "`watcher` of the base has a trigger for `/usr/share/icons`, which is not run",
        ]
    );
    assert!(text(&added, "var/lib/dpkg/info/tool.list").contains("/usr/share/man/man1/tool.1\n"));
}

#[test]
fn alternatives_are_linked_and_recorded() {
    let postinst = "#!/bin/sh\nupdate-alternatives --install /usr/bin/pager pager /usr/bin/less 77 \
        --slave /usr/share/pager.txt pager.txt /usr/share/less.txt\n";
    let deb = |ground: &DebianTree| {
        let deb = Deb::new("less").program("./usr/bin/less", "").file("./usr/share/less.txt", "");
        adding(ground, [deb.control_file("postinst", postinst)]).unwrap()
    };
    let mut ground = ground();
    let added = deb(&ground);
    assert_eq!(
        text(&added, "var/lib/dpkg/alternatives/pager"),
        "auto\n/usr/bin/pager\npager.txt\n/usr/share/pager.txt\n\n/usr/bin/less\n77\n/usr/share/less.txt\n\n"
    );
    assert!(paths(&added, 0).contains(&"usr/bin/pager".into()));
    ground.paths.insert(b"usr/bin/pager".to_vec(), DebianTreeKind::Symlink("/etc/alternatives/pager".into()));
    let added = deb(&ground);
    assert!(!paths(&added, 0).contains(&"usr/bin/pager".into()), "the choice of the image stays");
    assert!(added.tree.get(b"var/lib/dpkg/alternatives/pager").is_none());
}

#[test]
fn images_without_dpkg_list_packages_in_files_of_their_own() {
    let mut ground = ground();
    ground.paths.retain(|path, _| !path.starts_with(b"var/lib/dpkg"));
    let deb = || Deb::new("libnew").file("./usr/lib/libnew.so", "").file("./usr/share/man/man1/x.1", "");
    let error = adding(&ground, [deb()]).err().expect("no list");
    assert_eq!(error.to_string(), "the image has no list of its Debian packages");
    put(&mut ground, "var/lib/dpkg/status.d/libold", "Package: libold\nVersion: 1.0\nArchitecture: amd64\n");
    put(
        &mut ground,
        "var/lib/dpkg/status.d/libold.md5sums",
        "d41d8cd98f00b204e9800998ecf8427e  usr/lib/x86_64-linux-gnu/libold.so.1\n",
    );
    let added = adding(&ground, [deb().control_file("md5sums", "sums")]).unwrap();
    assert_eq!(paths(&added, 0), ["usr/lib/libnew.so"]);
    let listed = paths(&added, 1);
    assert!(listed.contains(&"var/lib/dpkg/status.d/libnew.md5sums".into()), "{listed:?}");
    assert!(!listed.contains(&"var/lib/dpkg/status".into()));
    let thief = Deb::new("thief").file("./usr/lib/x86_64-linux-gnu/libold.so.1", "");
    assert!(matches!(adding(&ground, [thief]), Err(Error::Taken { owner, .. }) if owner == "libold"));
}

#[test]
fn missing_library_is_reported() {
    let deb = Deb::new("libnew").file("./usr/lib/libnew.so.1", library("libnew.so.1", &["libgone.so.9"]));
    let added = adding(&ground(), [deb]).unwrap();
    assert_eq!(
        notes(&added),
        ["`/usr/lib/libnew.so.1` needs `libgone.so.9`, which is in neither the base nor a package"]
    );
}
