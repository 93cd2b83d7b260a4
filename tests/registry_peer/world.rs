//! Both clients, and what they push.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;

use oci_client::client::{Client as Peer, ClientConfig, ClientProtocol};
use serde_json::json;
use wainwright_oci::{Descriptor, Document, media_type};
use wainwright_registry::{Blob, Credentials, Error, Hosts, Push, Registry, Repository, Settings, Source};

/// Our client, with these environment variables.
pub(super) fn ours(vars: &[(&str, &str)]) -> Registry {
    let vars: BTreeMap<String, String> = vars.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    Registry::new(Settings {
        http: wainwright_http::Settings::new("test"),
        hosts: Hosts::default(),
        credentials: Credentials::load(&vars, None),
        listener: Arc::new(|_| ()),
    })
    .unwrap()
}

/// The variables that tell our client who user `ann` of [`RegistryServer`](wainwright_testing::RegistryServer) is.
pub(super) fn login(server: &str) -> [(String, String); 2] {
    let host = server.replace(['.', ':'], "_");
    [("USER", "ann"), ("PASSWORD", "CANARY-password")]
        .map(|(kind, value)| (format!("WAIN_REGISTRY_{kind}_{host}"), value.to_owned()))
}

/// Our client as user `ann`.
pub(super) fn ours_as_ann(server: &str) -> Registry {
    let vars = login(server);
    ours(&vars.each_ref().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// The other client. Registries of these tests speak plain HTTP.
pub(super) fn peer() -> Peer {
    peer_for("amd64")
}

/// The other client on another machine.
pub(super) fn peer_for(architecture: &'static str) -> Peer {
    // Its HTTP library asks for one, whether it is needed or not. Another test may have been faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Peer::new(ClientConfig {
        protocol: ClientProtocol::Http,
        platform_resolver: Some(Box::new(move |entries| {
            let fits =
                |platform: &oci_client::manifest::Platform| platform.architecture.to_string() == architecture;
            entries
                .iter()
                .find(|entry| entry.platform.as_ref().is_some_and(fits))
                .map(|entry| entry.digest.clone())
        })),
        ..ClientConfig::default()
    })
}

/// The config of all images here.
pub(super) fn config() -> Vec<u8> {
    br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#.to_vec()
}

/// An image of some layers, under two tags, as our client is given it.
pub(super) fn push(registry: &str, repository: &str, layers: &[Vec<u8>]) -> Push {
    let blob = |media_type: &str, bytes: &[u8]| Blob {
        descriptor: Descriptor::of(media_type, bytes),
        source: Source::Bytes(bytes.into()),
        from: None,
    };
    let config = blob(media_type::CONFIG, &config());
    let layers: Vec<Blob> = layers.iter().map(|bytes| blob(media_type::LAYER_GZIP, bytes)).collect();
    let descriptors: Vec<&Descriptor> = layers.iter().map(|layer| &layer.descriptor).collect();
    let root = Document::write(
        media_type::MANIFEST,
        json!({
            "schemaVersion": 2,
            "mediaType": media_type::MANIFEST,
            "config": config.descriptor,
            "layers": descriptors,
        }),
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

/// The bytes of a blob, fetched by our client.
pub(super) async fn fetched(repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut out = file.reopen().unwrap();
    repository.fetch_blob(descriptor, (&mut out, file.path()), &|_| ()).await?;
    let mut bytes = Vec::new();
    file.reopen().unwrap().read_to_end(&mut bytes).unwrap();
    Ok(bytes)
}
