mod daemon;

use super::*;
use crate::sample::Sample;

use daemon::{Daemon, Mood, members};
use wainwright_fault::Classify;

const NAMES: [&str; 2] = ["GET /images/docker.io/demo/api:1/json", "GET /images/docker.io/demo/api:2/json"];

#[test]
fn both_kinds_of_stores_take_an_image_once() {
    for mood in [Mood::Classic, Mood::Containerd] {
        let sample = Sample::new();
        let daemon = Daemon::start(&sample, mood, "amd64");
        let release = sample.release(&["amd64"], &["demo/api:1", "demo/api:2"]);
        let (loaded, heard) = daemon.load(&sample, &release);
        let loaded = loaded.unwrap();
        let image = &release.images[0];
        let id = if mood == Mood::Classic { image.config.digest() } else { image.manifest.digest() };
        assert_eq!(loaded.image_id, id);
        assert_eq!(loaded.delivered, Delivered::written(heard));
        assert_eq!(daemon.archives()[0].len() as u64, heard);
        assert_eq!(
            daemon.requests(),
            [
                // Is it there? What is it? What stands there now?
                &["GET /images/docker.io/demo/api:1/json", "GET /version", "GET /info"][..],
                if mood == Mood::Classic { &NAMES } else { &[] },
                &["POST /images/load?quiet=1"],
                &NAMES
            ]
            .concat()
        );
        let (again, heard) = daemon.load(&sample, &release);
        assert_eq!(again.unwrap(), nothing(id));
        assert_eq!((heard, daemon.archives().len()), (0, 1));
    }
}

fn nothing(image_id: Digest) -> Loaded {
    Loaded { delivered: Delivered::NOTHING, image_id, second_thoughts: None }
}

#[test]
fn a_release_without_names_goes_by_its_digest() {
    for mood in [Mood::Classic, Mood::Containerd] {
        let sample = Sample::new();
        let daemon = Daemon::start(&sample, mood, "amd64");
        let release = sample.release(&["amd64"], &[]);
        assert!(!daemon.load(&sample, &release).0.unwrap().delivered.was_there);
        assert!(daemon.load(&sample, &release).0.unwrap().delivered.was_there);
    }
}

#[test]
fn the_image_for_the_daemons_platform_is_chosen() {
    let sample = Sample::new();
    let daemon = Daemon::start(&sample, Mood::Classic, "arm64");
    let release = sample.release(&["amd64", "arm64"], &["demo/api:1"]);
    let loaded = daemon.load(&sample, &release).0.unwrap();
    assert_eq!(loaded.image_id, release.images[1].config.digest());
    let other = sample.release(&["amd64", "s390x"], &["demo/api:1"]);
    let error = daemon.load(&sample, &other).0.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("runs linux/arm64, but the image was built for `linux/amd64` and `linux/s390x` only"),
        "{error}"
    );
    assert_eq!(daemon.archives().len(), 1);
}

/// What goes wrong with a daemon of this mood.
fn trouble(mood: Mood) -> String {
    let sample = Sample::new();
    let daemon = Daemon::start(&sample, mood, "amd64");
    let release = sample.release(&["amd64"], &["demo/api:1"]);
    let error = daemon.load(&sample, &release).0.unwrap_err();
    assert!(error.is_outside());
    assert!(error.hint().unwrap().contains("--output archive:FILE"));
    error.to_string().replace(daemon.socket.to_str().unwrap(), "SOCKET")
}

#[test]
fn load_is_confirmed_by_the_daemon() {
    assert_eq!(
        trouble(Mood::ErrorInside),
        "the Docker daemon at `SOCKET` failed to load the image: layer is broken"
    );
    assert_eq!(
        trouble(Mood::Refusing),
        "the Docker daemon at `SOCKET` failed to load the image: no space left on device"
    );
    let other = Digest::of("another");
    assert_eq!(
        trouble(Mood::Confused),
        format!(
            "the Docker daemon at `SOCKET` loaded the image, but `docker.io/demo/api:1` is another image, {other}"
        )
    );
    assert_eq!(
        trouble(Mood::Forgetful),
        "the Docker daemon at `SOCKET` loaded the image, but `docker.io/demo/api:1` is not there"
    );
    let restarted = trouble(Mood::Restarting);
    assert!(
        restarted.starts_with("no complete response from the Docker daemon at `SOCKET`: "),
        "{restarted}"
    );
}

#[test]
fn partial_archive_is_never_completed() {
    let sample = Sample::new();
    let daemon = Daemon::start(&sample, Mood::Classic, "amd64");
    let release = sample.release(&["amd64"], &["demo/api:1"]);
    for layer in &release.images[0].layers {
        sample.store.discard(&layer.descriptor.digest);
    }
    let error = daemon.load(&sample, &release).0.unwrap_err();
    assert!(matches!(error, Error::Store { .. }), "{error:?}");
    assert_eq!(daemon.archives().len(), 0);
}

#[test]
fn sockets_that_cannot_be_used_say_so() {
    let sample = Sample::new();
    let release = sample.release(&["amd64"], &["demo/api:1"]);
    let shared = Daemon::start(&sample, Mood::Classic, "amd64").shared;
    let missing = Daemon { socket: "/nowhere/docker.sock".into(), shared };
    let error = missing.load(&sample, &release).0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no complete response from the Docker daemon at `/nowhere/docker.sock`: the socket does not exist"
    );
    assert!(error.hint().unwrap().contains("--output archive:FILE"));
}

#[test]
fn more_layers_than_docker_stacks_are_refused_before_they_are_sent() {
    let sample = Sample::new();
    let daemon = Daemon::start(&sample, Mood::Classic, "amd64");
    let mut release = sample.release(&["amd64"], &["demo/api:1"]);
    let layer = release.images[0].layers[0].clone();
    release.images[0].layers = vec![layer; MOST_LAYERS + 1];
    let error = daemon.load(&sample, &release).0.unwrap_err();
    assert!(matches!(error, Error::TooManyLayers { count: 126, limit: 125 }), "{error:?}");
    assert_eq!(daemon.requests(), [""; 0]);
}

/// Two releases that share a layer worth a look, and a sample that made them.
fn heavy() -> (Sample, Release, Release) {
    let sample = Sample { weight: 300_000, ..Sample::new() };
    let first = sample.release_of("first", &["amd64"], &["demo/api:1"]);
    let second = sample.release_of("second", &["amd64"], &["demo/api:1"]);
    (sample, first, second)
}

fn shared_size(release: &Release) -> u64 {
    release.images[0].layers[0].descriptor.size
}

#[test]
fn layers_that_the_daemon_has_are_not_sent() {
    let (sample, first, second) = heavy();
    let daemon = Daemon::start(&sample, Mood::Classic, "amd64");
    let whole = daemon.load(&sample, &first).0.unwrap().delivered;
    assert!(whole.bytes_written > 300_000 && whole.bytes_skipped == 0, "{whole:?}");
    daemon.requests();
    let (loaded, heard) = daemon.load(&sample, &second);
    let Loaded { delivered, image_id, second_thoughts } = loaded.unwrap();
    assert_eq!((image_id, second_thoughts), (second.images[0].config.digest(), None));
    assert_eq!(delivered.bytes_skipped, shared_size(&second));
    assert!(delivered.bytes_written == heard && heard < 5_000, "{heard}");
    // What the name stands for says it all: no list of images is needed.
    const NAME: &str = "GET /images/docker.io/demo/api:1/json";
    assert_eq!(
        daemon.requests(),
        [NAME, "GET /version", "GET /info", NAME, "POST /images/load?quiet=1", NAME]
    );
    let image = &second.images[0];
    let sent: Vec<String> = members(&daemon.archives()[1]).into_keys().collect();
    let mut expected = [image.config.digest(), image.layers[1].descriptor.digest]
        .map(|digest| format!("blobs/sha256/{}", digest.hex()))
        .to_vec();
    expected.sort();
    expected.push("manifest.json".into());
    assert_eq!(sent, expected);
}

#[test]
fn images_of_other_names_are_looked_at_too() {
    let (sample, first, mut second) = heavy();
    let daemon = Daemon::start(&sample, Mood::Classic, "amd64");
    daemon.load(&sample, &first).0.unwrap();
    second.tags = vec!["elsewhere/web:7".parse().unwrap()];
    let delivered = daemon.load(&sample, &second).0.unwrap().delivered;
    assert_eq!(delivered.bytes_skipped, shared_size(&second));
    assert!(daemon.requests().contains(&"GET /images/json".to_owned()));
}

#[test]
fn one_more_name_costs_a_config() {
    let (sample, mut release, _) = heavy();
    let daemon = Daemon::start(&sample, Mood::Classic, "amd64");
    daemon.load(&sample, &release).0.unwrap();
    release.tags = vec!["elsewhere/web:7".parse().unwrap()];
    let delivered = daemon.load(&sample, &release).0.unwrap().delivered;
    let layers: u64 = release.images[0].layers.iter().map(|layer| layer.descriptor.size).sum();
    assert_eq!(delivered.bytes_skipped, layers);
    let sent: Vec<String> = members(&daemon.archives()[1]).into_keys().collect();
    let config = format!("blobs/sha256/{}", release.images[0].config.digest().hex());
    assert_eq!(sent, [config, "manifest.json".into()]);
}

#[test]
fn daemon_without_layers_gets_all_layers() {
    for mood in [Mood::Containerd, Mood::Podman, Mood::Reticent] {
        let (sample, first, second) = heavy();
        let daemon = Daemon::start(&sample, mood, "amd64");
        daemon.load(&sample, &first).0.unwrap();
        let delivered = daemon.load(&sample, &second).0.unwrap().delivered;
        assert_eq!(delivered.bytes_skipped, 0, "{mood:?}");
        assert!(members(&daemon.archives()[1]).contains_key("index.json"), "{mood:?}");
    }
}

#[test]
fn layers_that_went_away_in_the_meantime_are_sent_after_all() {
    let (sample, first, second) = heavy();
    let daemon = Daemon::start(&sample, Mood::Classic, "amd64");
    daemon.load(&sample, &first).0.unwrap();
    daemon.set_mood(Mood::Pruned);
    let (loaded, heard) = daemon.load(&sample, &second);
    let loaded = loaded.unwrap();
    assert_eq!(loaded.image_id, second.images[0].config.digest());
    assert!(loaded.second_thoughts.unwrap().ends_with(": no such file or directory"));
    assert_eq!(loaded.delivered, Delivered::written(heard));
    let sizes: Vec<usize> = daemon.archives().iter().map(Vec::len).collect();
    assert_eq!(heard, (sizes[1] + sizes[2]) as u64);
    assert!(sizes[1] < 5_000 && sizes[2] > 300_000, "{sizes:?}");
}

#[test]
fn failing_daemon_gets_two_requests() {
    for (mood, archives, words) in [
        (Mood::ErrorInside, 3, "failed to load the image: layer is broken"),
        (Mood::Forgetful, 3, "is another image"),
        (Mood::Restarting, 1, "no complete response"),
    ] {
        let (sample, first, second) = heavy();
        let daemon = Daemon::start(&sample, Mood::Classic, "amd64");
        daemon.load(&sample, &first).0.unwrap();
        daemon.set_mood(mood);
        let error = daemon.load(&sample, &second).0.unwrap_err();
        assert!(error.to_string().contains(words), "{mood:?}: {error}");
        assert_eq!(daemon.archives().len(), archives, "{mood:?}");
        // When it has come to its senses, nothing stands in the way.
        daemon.set_mood(Mood::Classic);
        let delivered = daemon.load(&sample, &second).0.unwrap().delivered;
        assert_eq!(delivered.bytes_skipped, shared_size(&second), "{mood:?}");
    }
}

#[test]
fn old_daemons_are_not_sent_what_they_cannot_read() {
    for (mood, api, is_taken) in [
        (Mood::Classic, "1.41", false),
        (Mood::Classic, "1.42", true),
        (Mood::Containerd, "1.100", true),
        (Mood::Podman, "1.40", true),
        (Mood::Reticent, "1.41", true),
        (Mood::Classic, "unknown", true),
    ] {
        let sample = Sample::new();
        let daemon = Daemon::start(&sample, mood, "amd64");
        *daemon.shared.api.lock().unwrap() = api;
        let mut release = sample.release(&["amd64"], &["demo/api:1"]);
        release.images[0].layers[0].descriptor.media_type = wainwright_oci::media_type::LAYER_ZSTD.into();
        match daemon.load(&sample, &release).0 {
            Ok(_) => assert!(is_taken, "{mood:?} {api}"),
            Err(error) => {
                assert!(!is_taken, "{mood:?} {api}: {error}");
                assert!(error.to_string().contains("20.10.24; layers compressed with zstd"), "{error}");
                assert_eq!(daemon.archives().len(), 0);
            }
        }
    }
}

/// Three releases that share a heavy layer.
fn company() -> (Sample, Vec<Release>) {
    let sample = Sample { weight: 300_000, ..Sample::new() };
    let words = ["first", "second", "third"];
    let releases =
        words.map(|word| sample.release_of(word, &["amd64"], &[&format!("demo/{word}:1")])).to_vec();
    (sample, releases)
}

fn ids(loaded: Result<Vec<Loaded>, Error>) -> Vec<Digest> {
    loaded.unwrap().into_iter().map(|loaded| loaded.image_id).collect()
}

#[test]
fn several_images_are_one_archive_with_every_layer_once() {
    let (sample, releases) = company();
    let configs: Vec<Digest> = releases.iter().map(|release| release.images[0].config.digest()).collect();
    let all: Vec<&Release> = releases.iter().collect();
    let daemon = Daemon::start(&sample, Mood::Classic, "amd64");
    let loaded = daemon.load_together(&sample, &all).unwrap();
    assert_eq!(ids(Ok(loaded.clone())), configs);
    let archives = daemon.archives();
    assert_eq!(archives.len(), 1);
    // A list, three configs, the layer of all, and one of each.
    assert_eq!(members(&archives[0]).len(), 1 + 3 + 1 + 3);
    let shared = shared_size(&releases[0]);
    let skipped: Vec<u64> = loaded.iter().map(|loaded| loaded.delivered.bytes_skipped).collect();
    assert_eq!(skipped, [0, shared, shared]);
    let written: u64 = loaded.iter().map(|loaded| loaded.delivered.bytes_written).sum();
    let blobs: usize = members(&archives[0])
        .iter()
        .filter(|(name, _)| *name != "manifest.json")
        .map(|(_, blob)| blob.len())
        .sum();
    assert_eq!(written, blobs as u64);

    // What is there is not sent again, and what is held is not sent with the rest.
    let changed =
        ["fourth", "fifth"].map(|word| sample.release_of(word, &["amd64"], &[&format!("demo/{word}:1")]));
    let loaded = daemon.load_together(&sample, &[&releases[1], &changed[0], &changed[1]]).unwrap();
    assert_eq!(loaded[0], nothing(configs[1]));
    assert_eq!(loaded[1].delivered.bytes_skipped, shared);
    assert!(daemon.archives()[1].len() < 10_000);
}

#[test]
fn old_daemon_gets_images_one_by_one() {
    for mood in [Mood::Containerd, Mood::Podman, Mood::Reticent] {
        let (sample, releases) = company();
        let daemon = Daemon::start(&sample, mood, "amd64");
        let loaded = daemon.load_together(&sample, &releases.iter().collect::<Vec<_>>());
        assert_eq!(ids(loaded).len(), 3, "{mood:?}");
        let archives = daemon.archives();
        assert_eq!(archives.len(), 3, "{mood:?}");
        assert!(members(&archives[0]).contains_key("index.json"), "{mood:?}");
    }
}

#[test]
fn missing_image_is_loaded_alone() {
    let (sample, releases) = company();
    let all: Vec<&Release> = releases.iter().collect();
    let daemon = Daemon::start(&sample, Mood::SecondBroken, "amd64");
    let loaded = daemon.load_together(&sample, &all).unwrap();
    // The first came with the archive, each of the others alone.
    assert_eq!(daemon.archives().len(), 3);
    assert_eq!(loaded.len(), 3);
    for mood in [Mood::ErrorInside, Mood::Refusing, Mood::Confused, Mood::Forgetful, Mood::Restarting] {
        let (sample, releases) = company();
        let daemon = Daemon::start(&sample, mood, "amd64");
        let error = daemon.load_together(&sample, &releases.iter().collect::<Vec<_>>()).unwrap_err();
        assert!(error.is_outside(), "{mood:?}: {error}");
    }
}
