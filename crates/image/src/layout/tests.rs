use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wainwright_fault::Classify;
use wainwright_oci::Digest;

use super::*;
use crate::sample::Sample;

/// A layout in the making, and a sample to fill it with.
struct Bench {
    sample: Sample,
    dir: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let sample = Sample::new();
        let dir = sample.folder.path().join("out");
        Self { sample, dir }
    }

    fn deliver(&self, release: &Release) -> Delivered {
        write_layout(release, &self.sample.store, &self.dir).unwrap()
    }

    fn refusal(&self, release: &Release) -> String {
        let error = write_layout(release, &self.sample.store, &self.dir).unwrap_err();
        assert!(!error.is_outside());
        error.to_string()
    }

    fn index(&self) -> Value {
        serde_json::from_slice(&fs::read(self.dir.join(INDEX)).unwrap()).unwrap()
    }

    fn set_index(&self, index: &Value) {
        fs::write(self.dir.join(INDEX), index.to_string()).unwrap();
    }

    /// The names in `index.json`, in order.
    fn names(&self) -> Vec<String> {
        let index = self.index();
        let entries = index["manifests"].as_array().unwrap().iter();
        let name = |entry: &Value| {
            entry["annotations"]["org.opencontainers.image.ref.name"].as_str().map(Into::into)
        };
        entries.filter_map(name).collect()
    }

    /// The blobs in the folder; each must be what its name says.
    fn blobs(&self) -> BTreeSet<Digest> {
        let entries = fs::read_dir(self.dir.join("blobs/sha256")).unwrap();
        let check = |path: &Path| {
            let digest = Digest::from_hex(path.file_name().unwrap().to_str().unwrap()).unwrap();
            assert_eq!(Digest::of(fs::read(path).unwrap()), digest);
            digest
        };
        entries.map(|entry| check(&entry.unwrap().path())).collect()
    }
}

fn digests(releases: &[&Release]) -> BTreeSet<Digest> {
    releases.iter().flat_map(|release| release.blobs().into_keys()).collect()
}

#[test]
fn a_new_layout_holds_the_release_and_nothing_else() {
    let bench = Bench::new();
    let release = bench.sample.release(&["amd64"], &["demo/api:1"]);
    assert!(!bench.deliver(&release).was_there);
    assert_eq!(bench.blobs(), digests(&[&release]));
    assert_eq!(fs::read(bench.dir.join("oci-layout")).unwrap(), br#"{"imageLayoutVersion":"1.0.0"}"#);
    let manifest = &release.images[0].manifest.descriptor;
    assert_eq!(
        bench.index(),
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": manifest.digest.to_string(),
                "size": manifest.size,
                "platform": {"os": "linux", "architecture": "amd64"},
                "annotations": {
                    "org.opencontainers.image.ref.name": "1",
                    "io.containerd.image.name": "docker.io/demo/api:1"
                }
            }]
        })
    );
    // The store and the layout: nothing unfinished.
    assert_eq!(fs::read_dir(bench.sample.folder.path()).unwrap().count(), 2);
    assert_eq!(fs::read_dir(&bench.dir).unwrap().count(), 3);
}

#[test]
fn nothing_changed_means_nothing_is_written() {
    let bench = Bench::new();
    let release = bench.sample.release(&["amd64", "arm64"], &["demo/api:1", "demo/api:2"]);
    bench.deliver(&release);
    let before = fs::metadata(bench.dir.join(INDEX)).unwrap().modified().unwrap();
    assert_eq!(bench.deliver(&release), Delivered::NOTHING);
    assert_eq!(fs::metadata(bench.dir.join(INDEX)).unwrap().modified().unwrap(), before);
}

#[test]
fn other_names_stay_and_equal_names_are_replaced() {
    let bench = Bench::new();
    let old = bench.sample.release_of("old", &["amd64"], &["demo/api:1"]);
    let other = bench.sample.release_of("other", &["amd64"], &["demo/api:2"]);
    let new = bench.sample.release_of("new", &["amd64"], &["demo/api:1"]);
    bench.deliver(&old);
    bench.deliver(&other);
    assert_eq!(bench.blobs(), digests(&[&old, &other]));
    bench.deliver(&new);
    assert_eq!(bench.names(), ["2", "1"]);
    assert_eq!(bench.index()["manifests"][1]["digest"], new.digest().to_string());
    // The layer that all share is still there; what only the old image had is gone.
    assert_eq!(bench.blobs(), digests(&[&other, &new]));
}

#[test]
fn a_second_name_for_the_same_image_writes_the_index_only() {
    let bench = Bench::new();
    bench.deliver(&bench.sample.release(&["amd64"], &["demo/api:1"]));
    let delivered = bench.deliver(&bench.sample.release(&["amd64"], &["demo/api:2"]));
    assert_eq!(delivered.bytes_written, fs::metadata(bench.dir.join(INDEX)).unwrap().len());
    assert_eq!(bench.names(), ["1", "2"]);
}

#[test]
fn platforms_come_and_go_with_their_index() {
    let bench = Bench::new();
    let both = bench.sample.release_of("both", &["amd64", "arm64"], &["demo/api:1"]);
    let one = bench.sample.release_of("one", &["amd64"], &["demo/api:1"]);
    bench.deliver(&both);
    assert_eq!(bench.names(), ["1", "1-linux-amd64", "1-linux-arm64"]);
    assert_eq!(bench.blobs(), digests(&[&both]));
    bench.deliver(&one);
    assert_eq!(bench.names(), ["1"]);
    assert_eq!(bench.blobs(), digests(&[&one]));
}

#[test]
fn a_name_that_only_looks_like_a_platform_stays() {
    let bench = Bench::new();
    let both = bench.sample.release_of("both", &["amd64", "arm64"], &["demo/api:1"]);
    let mine = bench.sample.release_of("mine", &["amd64"], &["demo/api:1-linux-arm64"]);
    bench.deliver(&both);
    bench.deliver(&mine);
    bench.deliver(&bench.sample.release_of("one", &["amd64"], &["demo/api:1"]));
    assert_eq!(bench.names(), ["1-linux-arm64", "1"]);
    assert!(bench.blobs().is_superset(&digests(&[&mine])));
}

#[test]
fn foreign_index_entries_are_kept() {
    let bench = Bench::new();
    bench.deliver(&bench.sample.release_of("old", &["amd64"], &["demo/api:1"]));
    let mut index = bench.index();
    index["annotations"] = json!({"com.example": "kept"});
    // A document in another algorithm: what it reaches is unknown, so that nothing may be removed.
    let foreign = json!({"mediaType": "x/y", "digest": "sha512:00", "size": 1, "data": "eA=="});
    index["manifests"].as_array_mut().unwrap().push(foreign.clone());
    bench.set_index(&index);
    let before = bench.blobs();
    bench.deliver(&bench.sample.release_of("new", &["amd64"], &["demo/api:1"]));
    assert_eq!(bench.index()["annotations"], json!({"com.example": "kept"}));
    assert_eq!(bench.index()["manifests"][0], foreign);
    assert!(bench.blobs().is_superset(&before));
}

#[test]
fn damaged_and_missing_blobs_are_mended() {
    let bench = Bench::new();
    let release = bench.sample.release(&["amd64"], &["demo/api:1"]);
    bench.deliver(&release);
    let path = |at: usize| blob_path(&bench.dir, &release.images[0].layers[at].descriptor.digest);
    let mut damaged = fs::read(path(0)).unwrap();
    damaged[20] ^= 1;
    fs::write(path(0), damaged).unwrap();
    fs::remove_file(path(1)).unwrap();
    let sizes: u64 = release.images[0].layers.iter().map(|layer| layer.descriptor.size).sum();
    let documents = release.size() - sizes;
    let mended = Delivered { bytes_written: sizes, bytes_skipped: documents, was_there: false };
    assert_eq!(bench.deliver(&release), mended);
    assert_eq!(bench.blobs(), digests(&[&release]));
}

#[test]
fn an_interrupted_delivery_is_completed() {
    let bench = Bench::new();
    let release = bench.sample.release(&["amd64"], &["demo/api:1"]);
    fs::create_dir_all(bench.dir.join("blobs/sha256")).unwrap();
    fs::write(bench.dir.join(MARK), MARK_BYTES).unwrap();
    fs::write(bench.dir.join(".wain-abc"), "half a layer").unwrap();
    bench.deliver(&release);
    assert_eq!(bench.blobs(), digests(&[&release]));
    assert_eq!(fs::read_dir(&bench.dir).unwrap().count(), 3);
}

#[test]
fn a_failed_delivery_changes_no_name() {
    let bench = Bench::new();
    bench.deliver(&bench.sample.release_of("old", &["amd64"], &["demo/api:1"]));
    let before = bench.index();
    let new = bench.sample.release_of("new", &["amd64"], &["demo/api:1"]);
    bench.sample.store.discard(&new.images[0].layers[1].descriptor.digest);
    let error = write_layout(&new, &bench.sample.store, &bench.dir).unwrap_err();
    assert!(matches!(error, Error::Store { .. }), "{error:?}");
    assert_eq!(bench.index(), before);
    let elsewhere = bench.sample.folder.path().join("new");
    assert!(write_layout(&new, &bench.sample.store, &elsewhere).is_err());
    assert!(!elsewhere.exists());
}

#[test]
fn an_empty_folder_becomes_a_layout() {
    let bench = Bench::new();
    fs::create_dir(&bench.dir).unwrap();
    let release = bench.sample.release(&["amd64"], &[]);
    bench.deliver(&release);
    assert_eq!(bench.names(), ["latest"]);
}

#[test]
fn other_folder_is_not_changed() {
    let bench = Bench::new();
    let release = bench.sample.release(&["amd64"], &["demo/api:1"]);
    fs::write(&bench.dir, "x").unwrap();
    assert!(bench.refusal(&release).ends_with("is a file and cannot be replaced by an OCI layout"));
    fs::remove_file(&bench.dir).unwrap();
    fs::create_dir(&bench.dir).unwrap();
    fs::write(bench.dir.join("thesis.txt"), "x").unwrap();
    assert!(bench.refusal(&release).ends_with("it contains other files and no `oci-layout`"));
    fs::write(bench.dir.join(MARK), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(bench.refusal(&release).ends_with("its version is `2.0.0`; only `1.0.0` is supported"));
    fs::write(bench.dir.join(MARK), MARK_BYTES).unwrap();
    for index in ["[]", "{}", r#"{"schemaVersion":1}"#, r#"{"schemaVersion":2,"manifests":{}}"#] {
        fs::write(bench.dir.join(INDEX), index).unwrap();
        assert!(bench.refusal(&release).ends_with("it is not an image index"), "{index}");
    }
    fs::write(bench.dir.join(INDEX), "{").unwrap();
    assert!(bench.refusal(&release).contains("it is not JSON"));
    assert!(!bench.dir.join("blobs").exists());
}

#[test]
fn two_writers_at_once_lose_nothing() {
    let bench = Bench::new();
    let words = ["a", "b", "c", "d"];
    let releases: Vec<Release> = words
        .iter()
        .map(|word| bench.sample.release_of(word, &["amd64"], &[&format!("demo/api:{word}")]))
        .collect();
    std::thread::scope(|scope| {
        for release in &releases {
            scope.spawn(|| bench.deliver(release));
        }
    });
    let mut names = bench.names();
    names.sort();
    assert_eq!(names, words);
    assert_eq!(bench.blobs(), digests(&releases.iter().collect::<Vec<_>>()));
}

/// Two layouts of images that share a layer, written together; and that layer.
fn siblings(bench: &Bench, names: [&str; 2]) -> ([Delivered; 2], [PathBuf; 2]) {
    let siblings = Siblings::default();
    let mut shared = bench.sample.folder.path().to_owned();
    shared.push("all");
    let places = names.map(|name| shared.join(name));
    let releases = [bench.sample.release(&["amd64"], &["a:1"]), bench.sample.release(&["arm64"], &["b:1"])];
    let write = |index: usize| {
        write_layout_beside(&releases[index], &bench.sample.store, &places[index], &siblings).unwrap()
    };
    let delivered = [write(0), write(1)];
    siblings.remember(&bench.sample.store);
    (delivered, places)
}

/// The blobs that two layouts have both, by path below each.
fn in_both(places: &[PathBuf; 2]) -> Vec<String> {
    let names = |place: &PathBuf| -> BTreeSet<String> {
        let entries = fs::read_dir(place.join("blobs/sha256")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    names(&places[0]).intersection(&names(&places[1])).cloned().collect()
}

#[test]
fn layouts_share_blobs_by_hard_link() {
    use std::os::unix::fs::MetadataExt as _;
    let bench = Bench::new();
    let (delivered, places) = siblings(&bench, ["one", "two"]);
    let shared = in_both(&places);
    assert!(!shared.is_empty());
    assert!(delivered[1].bytes_skipped > 0 && delivered[0].bytes_skipped == 0, "{delivered:?}");
    let inode =
        |place: &PathBuf, name: &String| fs::metadata(place.join("blobs/sha256").join(name)).unwrap().ino();
    assert!(shared.iter().all(|name| inode(&places[0], name) == inode(&places[1], name)));
    // The next build finds all of them as it left them, without reading a byte.
    for place in &places {
        let seen = Seen::load(&bench.sample.store, place);
        let holds = |name: &String| {
            seen.holds(&Digest::from_hex(name).unwrap(), &place.join("blobs/sha256").join(name))
        };
        assert!(shared.iter().all(holds));
    }
    let (again, _) = siblings(&bench, ["one", "two"]);
    assert!(again.iter().all(|delivered| delivered.was_there), "{again:?}");
}

#[test]
fn modified_blob_is_not_linked() {
    let bench = Bench::new();
    let siblings = Siblings::default();
    let release = bench.sample.release(&["amd64"], &["a:1"]);
    let [one, two] = ["one", "two"].map(|name| bench.sample.folder.path().join(name));
    write_layout_beside(&release, &bench.sample.store, &one, &siblings).unwrap();
    for entry in fs::read_dir(one.join("blobs/sha256")).unwrap() {
        fs::write(entry.unwrap().path(), "something else").unwrap();
    }
    write_layout_beside(&release, &bench.sample.store, &two, &siblings).unwrap();
    let bench = Bench { dir: two, ..bench };
    assert_eq!(bench.blobs(), digests(&[&release]));
}
