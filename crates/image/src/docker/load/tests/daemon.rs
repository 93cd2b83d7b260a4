use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use wainwright_oci::Digest;

use crate::docker::{DockerHost, Loaded, load_docker, load_docker_together};
use crate::sample::Sample;
use crate::{Error, Release};

/// How a daemon behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mood {
    /// Keeps images by config digest, and asks for no layer that it has.
    Classic,
    /// Keeps images by manifest digest, and takes only what is complete.
    Containerd,
    /// Keeps images by config digest, and takes only what is complete.
    Podman,
    /// As `Classic`, but loses all images when an upload begins.
    Pruned,
    /// Does not tell what it is and has.
    Reticent,
    /// Says 200, and in the body that it failed.
    ErrorInside,
    /// The same, after it took the first image of an archive.
    SecondBroken,
    /// Says 500 without reading the archive.
    Refusing,
    /// Takes the archive and gives the name to something else.
    Confused,
    /// Takes the archive and forgets it.
    Forgetful,
    /// Closes the connection in the middle of the upload.
    Restarting,
}

/// A daemon that understands a few requests.
pub(super) struct Daemon {
    pub(super) socket: PathBuf,
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    mood: Mutex<Mood>,
    architecture: &'static str,
    /// Which version of the API it has.
    pub(super) api: Mutex<&'static str>,
    /// By name, and by ID.
    images: Mutex<BTreeMap<String, Kept>>,
    /// First lines of the requests.
    requests: Mutex<Vec<String>>,
    /// Archives that came to their end.
    archives: Mutex<Vec<Vec<u8>>>,
}

#[derive(Clone)]
struct Kept {
    id: String,
    layers: Vec<String>,
}

impl Daemon {
    pub(super) fn start(sample: &Sample, mood: Mood, architecture: &'static str) -> Self {
        let socket = sample.folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let shared = Arc::new(Shared {
            mood: Mutex::new(mood),
            architecture,
            api: Mutex::new("1.41"),
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
    pub(super) fn load(&self, sample: &Sample, release: &Release) -> (Result<Loaded, Error>, u64) {
        let heard = AtomicU64::new(0);
        let progress = |count| {
            heard.fetch_add(count, Ordering::Relaxed);
        };
        let host = DockerHost::Unix(self.socket.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(load_docker(release, &sample.store, &host, &progress));
        (result, heard.load(Ordering::Relaxed))
    }

    /// Loads several releases at once.
    pub(super) fn load_together(&self, sample: &Sample, releases: &[&Release]) -> Result<Vec<Loaded>, Error> {
        let host = DockerHost::Unix(self.socket.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(load_docker_together(releases, &sample.store, &host, &|_| {}))
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// What was asked since the last look.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }

    pub(super) fn archives(&self) -> Vec<Vec<u8>> {
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
        const OK: &str = "200 OK";
        let mood = *self.mood.lock().unwrap();
        let images = || self.images.lock().unwrap();
        match request {
            "GET /version" | "GET /info" | "GET /images/json" if mood == Mood::Reticent => {
                return Some(("403 Forbidden", json!({"message": "not allowed by policy"})));
            }
            "GET /version" => {
                let engine = if mood == Mood::Podman { "Podman Engine" } else { "Engine" };
                let components = json!([{"Name": engine}, {"Name": "runc"}]);
                let mut answer = json!({"Os": "linux", "Arch": self.architecture, "Components": components});
                answer["Version"] = "20.10.24".into();
                answer["ApiVersion"] = (*self.api.lock().unwrap()).into();
                return Some((OK, answer));
            }
            "GET /info" if mood == Mood::Containerd => {
                let status = json!([["driver-type", "io.containerd.snapshotter.v1"]]);
                return Some((OK, json!({"Driver": "overlayfs", "DriverStatus": status})));
            }
            "GET /info" => {
                return Some((
                    OK,
                    json!({"Driver": "overlay2", "DriverStatus": [["Supports d_type", "true"]]}),
                ));
            }
            "GET /images/json" => {
                let images = images();
                let names = images.iter().filter(|(name, kept)| **name != kept.id);
                let list = names.map(|(name, kept)| {
                    let name = name.trim_start_matches("docker.io/");
                    json!({"Id": kept.id, "RepoTags": [name], "Created": 315_532_801})
                });
                return Some((OK, list.collect()));
            }
            _ => {}
        }
        if let Some(name) = request.strip_prefix("GET /images/").and_then(|rest| rest.strip_suffix("/json")) {
            return Some(match images().get(name) {
                Some(kept) => (OK, json!({"Id": kept.id, "RootFS": {"Layers": kept.layers}})),
                None => ("404 Not Found", json!({"message": format!("No such image: {name}")})),
            });
        }
        assert_eq!(request, "POST /images/load?quiet=1");
        match mood {
            Mood::Refusing => {
                return Some(("500 Internal Server Error", json!({"message": "no space left on device"})));
            }
            Mood::Restarting => {
                body.read_exact(&mut [0; 100]).unwrap();
                return None;
            }
            Mood::Pruned => images().clear(),
            _ => {}
        }
        let archive = read_chunks(body)?;
        let kept = self.keep(mood, &archive);
        self.archives.lock().unwrap().push(archive);
        Some(match kept {
            Err(error) => (OK, json!({"errorDetail": {"message": error}, "error": "x"})),
            Ok(()) => (OK, json!({"stream": "Loaded image: x\n"})),
        })
    }

    /// Takes images as `docker load` does, one after the other, or says what is missing.
    fn keep(&self, mood: Mood, archive: &[u8]) -> Result<(), String> {
        let files = members(archive);
        let read = |name: &str| -> Result<Value, String> {
            let bytes = files.get(name).ok_or_else(|| format!("open {name}: no such file or directory"))?;
            Ok(serde_json::from_slice(bytes).unwrap())
        };
        let list = read("manifest.json")?;
        for (number, image) in list.as_array().unwrap().iter().enumerate() {
            let config = image["Config"].as_str().unwrap();
            let strings = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
            let diff_ids = strings(&read(config)?["rootfs"]["diff_ids"]);
            let mut images = self.images.lock().unwrap();
            let has_chain = |length: usize| {
                let is_below = |kept: &Kept| kept.layers.starts_with(&diff_ids[..length]);
                !matches!(mood, Mood::Containerd | Mood::Podman) && images.values().any(is_below)
            };
            for (at, layer) in strings(&image["Layers"]).iter().enumerate() {
                if !has_chain(at + 1) && !files.contains_key(layer) {
                    return Err(format!("open {layer}: no such file or directory"));
                }
            }
            let id = match mood {
                Mood::ErrorInside => return Err("layer is broken".into()),
                Mood::SecondBroken if number > 0 => return Err("layer is broken".into()),
                Mood::Forgetful => return Ok(()),
                Mood::Confused => Digest::of("another").to_string(),
                Mood::Containerd => {
                    read("index.json")?["manifests"][0]["digest"].as_str().unwrap().to_owned()
                }
                _ => config.replace("blobs/sha256/", "sha256:"),
            };
            let kept = Kept { id: id.clone(), layers: diff_ids };
            images.insert(id, kept.clone());
            for name in strings(&image["RepoTags"]) {
                images.insert(name, kept.clone());
            }
        }
        Ok(())
    }
}

/// The files of an archive by name.
pub(super) fn members(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    });
    entries.collect()
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
