//! Against a real registry.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::{Arc, Mutex};

use serde_json::json;
use wainwright_fault::Classify;
use wainwright_oci::{Descriptor, Digest, Document, Reference, media_type};
use wainwright_registry::{
    Blob, Credentials, Error, Hosts, Listener, Push, Registry, Settings, Source, Step, unwatched,
};
use wainwright_testing::{Access, RegistryServer};

fn client(vars: &[(&str, &str)]) -> Registry {
    let vars: BTreeMap<String, String> = vars.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    Registry::new(Settings {
        http: wainwright_http::Settings::new("test"),
        hosts: Hosts::default(),
        credentials: Credentials::load(&vars, None),
        listener: Arc::new(|_| ()),
    })
    .unwrap()
}

fn blob(media_type: &str, bytes: &[u8]) -> Blob {
    Blob { descriptor: Descriptor::of(media_type, bytes), source: Source::Bytes(bytes.into()), from: None }
}

fn image(registry: &str, repository: &str, layers: &[&[u8]]) -> Push {
    let config = blob(
        media_type::CONFIG,
        br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#,
    );
    let layers: Vec<Blob> = layers.iter().map(|bytes| blob(media_type::LAYER_TAR, bytes)).collect();
    let descriptors: Vec<&Descriptor> = layers.iter().map(|layer| &layer.descriptor).collect();
    let root = Document::write(
        media_type::MANIFEST,
        json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config.descriptor, "layers": descriptors}),
    );
    Push {
        registry: registry.into(),
        repository: repository.into(),
        blobs: layers.into_iter().chain([config]).collect(),
        children: Vec::new(),
        root,
        tags: vec!["1".into(), "latest".into()],
        known: BTreeSet::new(),
        is_settled: false,
    }
}

#[tokio::test]
async fn what_is_pushed_can_be_fetched_and_is_not_sent_twice() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let registry = client(&[]);
    let large = vec![7; 3 << 20];
    let push = image(&server.address(), "team/app", &[b"one", &large]);
    let bytes = Arc::new(Mutex::new(0));
    let count: Listener = {
        let bytes = bytes.clone();
        Arc::new(move |_, step| {
            if let Step::Moved(sent) = step {
                *bytes.lock().unwrap() += sent;
            }
        })
    };
    let pushed = registry.push(&push, &count).await.unwrap();
    assert!(!pushed.was_there);
    assert_eq!(pushed.sent.len(), 3);
    assert_eq!(*bytes.lock().unwrap(), push.blobs.iter().map(|blob| blob.descriptor.size).sum::<u64>());
    assert!(registry.push(&push, &count).await.unwrap().was_there);

    let reference: Reference = format!("{}/team/app:latest", server.address()).parse().unwrap();
    let found = registry.manifest(&reference).await.unwrap();
    assert_eq!((found.digest, found.media_type.as_str()), (push.root.digest(), media_type::MANIFEST));
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut out = file.reopen().unwrap();
    let repository = registry.reading(server.address(), "team/app");
    let layer = &push.blobs[1].descriptor;
    repository.fetch_blob(layer, (&mut out, file.path()), &|_| ()).await.unwrap();
    let mut fetched = Vec::new();
    file.reopen().unwrap().read_to_end(&mut fetched).unwrap();
    assert_eq!(fetched, large);
    assert_eq!(repository.has_blob(&Digest::of("absent")).await.unwrap(), Some(false));
}

#[tokio::test]
async fn known_blobs_are_not_sent_until_the_registry_misses_them() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let registry = client(&[]);
    let mut push = image(&server.address(), "app", &[b"one", b"two"]);
    // A memory that is wrong: the registry names what it lacks.
    push.known = push.blobs.iter().map(|blob| blob.descriptor.digest).collect();
    let pushed = registry.push(&push, &unwatched()).await.unwrap();
    assert_eq!(pushed.sent.len(), 3);
    // Another repository of the registry: blobs are mounted.
    let mut other = image(&server.address(), "other", &[b"one", b"two"]);
    for blob in &mut other.blobs {
        blob.from = Some("app".into());
    }
    let pushed = registry.push(&other, &unwatched()).await.unwrap();
    assert_eq!((pushed.sent.len(), pushed.mounted.len(), pushed.bytes), (0, 3, 0));
}

#[tokio::test]
async fn a_password_opens_and_a_wrong_one_is_tried_once() {
    let Some(server) = RegistryServer::start(Access::Password) else { return };
    let host = server.address().replace(['.', ':'], "_");
    let (user, password) = (format!("WAIN_REGISTRY_USER_{host}"), format!("WAIN_REGISTRY_PASSWORD_{host}"));
    let push = image(&server.address(), "app", &[b"one"]);
    let good = client(&[(&user, "ann"), (&password, "CANARY-password")]);
    good.push(&push, &unwatched()).await.unwrap();
    let bad = client(&[(&user, "ann"), (&password, "CANARY-wrong")]);
    for registry in [bad, client(&[])] {
        let error = registry.push(&image(&server.address(), "b", &[b"x"]), &unwatched()).await.unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{error:?}");
        let text = format!("{error} {error:?} {:?}", error.hint());
        assert!(!text.contains("CANARY"), "{text}");
    }
}
