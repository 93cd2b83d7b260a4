use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::*;
use crate::sample::Sample;

/// How a daemon behaves.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    /// Keeps images by config digest, as Docker's own store and podman do.
    Classic,
    /// Keeps images by manifest digest.
    Containerd,
    /// Says 200, and in the body that it failed.
    ErrorInside,
    /// Says 500 without reading the archive.
    Refusing,
    /// Takes the archive and gives the name to something else.
    Confused,
    /// Takes the archive and forgets it.
    Forgetful,
    /// Closes the connection in the middle of the upload.
    Restarting,
}

/// A daemon that understands three requests.
struct Daemon {
    socket: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    mood: Mood,
    architecture: &'static str,
    /// Name to image ID.
    images: Mutex<BTreeMap<String, String>>,
    /// First lines of the requests, and how many bytes followed.
    requests: Mutex<Vec<String>>,
    /// Archives that came to their end.
    archives: Mutex<Vec<Vec<u8>>>,
}

impl Daemon {
    fn start(sample: &Sample, mood: Mood, architecture: &'static str) -> Self {
        let socket = sample.folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let shared = Arc::new(Shared {
            mood,
            architecture,
            images: Mutex::default(),
            requests: Mutex::default(),
            archives: Mutex::default(),
        });
        let serving = shared.clone();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(connection.unwrap()));
            }
        });
        Self { socket, shared }
    }

    /// Loads a release; returns the result and how many bytes `progress` heard of.
    fn load(&self, sample: &Sample, release: &Release) -> (Result<Loaded, Error>, u64) {
        let heard = AtomicU64::new(0);
        let progress = |count| {
            heard.fetch_add(count, Ordering::Relaxed);
        };
        let host = DockerHost::Unix(self.socket.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(load_docker(release, &sample.store, &host, &progress));
        (result, heard.load(Ordering::Relaxed))
    }

    fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    fn archives(&self) -> Vec<Vec<u8>> {
        self.shared.archives.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, connection: UnixStream) {
        let mut reader = BufReader::new(connection.try_clone().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let request = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        self.requests.lock().unwrap().push(request.clone());
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        let Some((status, body)) = self.reply(&request, &mut reader) else { return };
        let body = body.to_string();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        (&connection).write_all((head + &body).as_bytes()).unwrap();
        // As Go's servers do: whoever closes with bytes unread takes back what was said last.
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = io::copy(&mut reader, &mut io::sink());
    }

    fn reply(&self, request: &str, body: &mut impl BufRead) -> Option<(&'static str, Value)> {
        if request == "GET /version" {
            return Some(("200 OK", json!({"Os": "linux", "Arch": self.architecture})));
        }
        if let Some(name) = request.strip_prefix("GET /images/").and_then(|rest| rest.strip_suffix("/json")) {
            return Some(match self.images.lock().unwrap().get(name) {
                Some(id) => ("200 OK", json!({"Id": id})),
                None => ("404 Not Found", json!({"message": format!("No such image: {name}")})),
            });
        }
        assert_eq!(request, "POST /images/load?quiet=1");
        match self.mood {
            Mood::Refusing => {
                return Some(("500 Internal Server Error", json!({"message": "no space left on device"})));
            }
            Mood::Restarting => {
                body.read_exact(&mut [0; 100]).unwrap();
                return None;
            }
            _ => {}
        }
        let archive = read_chunks(body)?;
        self.keep(&archive);
        self.archives.lock().unwrap().push(archive);
        Some(match self.mood {
            Mood::ErrorInside => {
                ("200 OK", json!({"errorDetail": {"message": "layer is broken"}, "error": "x"}))
            }
            _ => ("200 OK", json!({"stream": "Loaded image: x\n"})),
        })
    }

    fn keep(&self, archive: &[u8]) {
        let read = |name: &str| -> Value {
            let mut archive = tar::Archive::new(archive);
            let mut entries = archive.entries().unwrap().map(Result::unwrap);
            let entry = entries.find(|entry| entry.path_bytes() == name.as_bytes()).unwrap();
            serde_json::from_reader(entry).unwrap()
        };
        let image = &read("manifest.json")[0];
        let config = image["Config"].as_str().unwrap().replace("blobs/sha256/", "sha256:");
        let id = match self.mood {
            Mood::Classic => config,
            Mood::Containerd => read("index.json")["manifests"][0]["digest"].as_str().unwrap().to_owned(),
            Mood::Confused => Digest::of("another").to_string(),
            _ => return,
        };
        let mut images = self.images.lock().unwrap();
        images.insert(id.clone(), id.clone());
        for name in image["RepoTags"].as_array().unwrap() {
            images.insert(name.as_str().unwrap().into(), id.clone());
        }
    }
}

/// Reads a chunked body; `None` when it is broken off.
fn read_chunks(body: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let mut line = String::new();
        body.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim_end(), 16).ok()?;
        let start = bytes.len();
        bytes.resize(start + size, 0);
        body.read_exact(&mut bytes[start..]).ok()?;
        body.read_exact(&mut [0; 2]).ok()?;
        if size == 0 {
            return Some(bytes);
        }
    }
}

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
                "GET /images/docker.io/demo/api:1/json",
                "POST /images/load?quiet=1",
                "GET /images/docker.io/demo/api:1/json",
                "GET /images/docker.io/demo/api:2/json"
            ]
        );
        let (again, heard) = daemon.load(&sample, &release);
        assert_eq!(again.unwrap(), Loaded { delivered: Delivered::NOTHING, image_id: id });
        assert_eq!((heard, daemon.archives().len()), (0, 1));
    }
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
            .ends_with("runs linux/arm64, and the image was built for `linux/amd64` and `linux/s390x` only"),
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
fn success_is_never_hearsay() {
    assert_eq!(
        trouble(Mood::ErrorInside),
        "the Docker daemon at `SOCKET` could not load the image: layer is broken"
    );
    assert_eq!(
        trouble(Mood::Refusing),
        "the Docker daemon at `SOCKET` could not load the image: no space left on device"
    );
    let other = Digest::of("another");
    assert_eq!(
        trouble(Mood::Confused),
        format!(
            "the Docker daemon at `SOCKET` took the image, but `docker.io/demo/api:1` is another image, {other}"
        )
    );
    assert_eq!(
        trouble(Mood::Forgetful),
        "the Docker daemon at `SOCKET` took the image, but `docker.io/demo/api:1` is not there"
    );
    let restarted = trouble(Mood::Restarting);
    assert!(restarted.starts_with("no complete answer from the Docker daemon at `SOCKET`: "), "{restarted}");
}

#[test]
fn half_an_archive_is_never_sent_as_a_whole_one() {
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
        "no complete answer from the Docker daemon at `/nowhere/docker.sock`: the socket does not exist"
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
