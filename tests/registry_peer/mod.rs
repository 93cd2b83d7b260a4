//! An independent client, `oci-client`, and ours understand each other through a real registry.

mod facts;
mod world;

use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::{OciDescriptor, OciImageIndex, OciManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference as PeerReference, RegistryOperation, manifest};
use serde_json::{Value, json};
use wainwright_oci::{Descriptor, Digest, Document, media_type};
use wainwright_registry::{Blob, Source, unwatched};
use wainwright_testing::{Access, RegistryServer, noise};

use world::{config, fetched, ours, ours_as_ann, peer, push};

/// Larger than the pieces that oci-client sends (4 MiB), and small.
fn layers() -> Vec<Vec<u8>> {
    vec![noise(1, 9 << 20), b"a small layer".to_vec(), noise(2, 100_000)]
}

/// What an image's manifest names besides its bytes.
fn image_layers() -> Vec<ImageLayer> {
    layers().into_iter().map(|bytes| ImageLayer::oci_v1_gzip(bytes, None)).collect()
}

fn descriptors(manifest: &Value) -> Vec<Descriptor> {
    let all = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
    all.map(|descriptor| serde_json::from_value(descriptor.clone()).unwrap()).collect()
}

#[tokio::test]
async fn image_that_the_peer_pushes_is_pulled_byte_for_byte() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let name: PeerReference = format!("{}/team/app:1", server.address()).parse().unwrap();
    let config = Config::oci_v1(config(), None);
    let config_bytes = config.data.clone();
    peer().push(&name, &image_layers(), config, &RegistryAuth::Anonymous, None).await.unwrap();

    let repository = ours(&[]).reading(server.address(), "team/app");
    let found = repository.manifest("1").await.unwrap();
    assert_eq!(found.digest, Digest::of(&found.bytes));
    assert_eq!(repository.digest("1").await.unwrap(), Some(found.digest));
    let manifest: Value = serde_json::from_slice(&found.bytes).unwrap();
    let wanted: Vec<Vec<u8>> = layers().into_iter().chain([config_bytes.to_vec()]).collect();
    for (descriptor, wanted) in descriptors(&manifest).iter().zip(wanted) {
        assert_eq!(repository.has_blob(&descriptor.digest).await.unwrap(), Some(true));
        assert!(fetched(&repository, descriptor).await.unwrap() == wanted, "{}", descriptor.digest);
    }
}

#[tokio::test]
async fn image_that_we_push_is_pulled_by_the_peer_byte_for_byte() {
    let Some(server) = RegistryServer::start(Access::Password) else { return };
    let push = push(&server.address(), "team/app", &layers());
    ours_as_ann(&server.address()).push(&push, &unwatched()).await.unwrap();

    let auth = RegistryAuth::Basic("ann".into(), "CANARY-password".into());
    for name in ["1", "latest"] {
        let name: PeerReference = format!("{}/team/app:{name}", server.address()).parse().unwrap();
        let kinds = vec![manifest::IMAGE_LAYER_GZIP_MEDIA_TYPE];
        let pulled = peer().pull(&name, &auth, kinds).await.unwrap();
        assert_eq!(pulled.digest, Some(push.root.digest().to_string()));
        assert_eq!(pulled.config.data, config());
        // It gives layers in the order in which they arrive.
        let mut bytes: Vec<_> = pulled.layers.iter().map(|layer| layer.data.to_vec()).collect();
        let mut wanted = layers();
        bytes.sort();
        wanted.sort();
        assert!(bytes == wanted);
    }
}

#[tokio::test]
async fn index_that_we_push_is_resolved_by_the_peer() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let [amd64, arm64] =
        ["amd64", "arm64"].map(|name| push(&server.address(), "a", &[name.as_bytes().to_vec()]));
    let entry = |document: &Document, architecture: &str| {
        let mut entry = serde_json::to_value(&document.descriptor).unwrap();
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entry
    };
    let index = json!({
        "schemaVersion": 2,
        "mediaType": media_type::INDEX,
        "manifests": [entry(&amd64.root, "amd64"), entry(&arm64.root, "arm64")],
    });
    let mut both = amd64.clone();
    both.blobs.extend(arm64.blobs);
    both.children = vec![amd64.root, arm64.root.clone()];
    both.root = Document::write(media_type::INDEX, index);
    ours(&[]).push(&both, &unwatched()).await.unwrap();

    let name: PeerReference = format!("{}/a:latest", server.address()).parse().unwrap();
    let (manifest, digest) = peer().pull_manifest(&name, &RegistryAuth::Anonymous).await.unwrap();
    assert_eq!(digest, both.root.digest().to_string());
    let OciManifest::ImageIndex(index) = manifest else { panic!("{manifest:?}") };
    let children: Vec<_> = index.manifests.iter().map(|entry| entry.digest.as_str()).collect();
    assert_eq!(children, both.children.iter().map(|child| child.digest().to_string()).collect::<Vec<_>>());
    let on_arm = world::peer_for("arm64");
    let (_, digest) = on_arm.pull_image_manifest(&name, &RegistryAuth::Anonymous).await.unwrap();
    assert_eq!(digest, arm64.root.digest().to_string());
}

#[tokio::test]
async fn index_that_the_peer_pushes_is_read() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let (peer, auth) = (peer(), RegistryAuth::Anonymous);
    let mut entries = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let name: PeerReference = format!("{}/a:{architecture}", server.address()).parse().unwrap();
        let layer = ImageLayer::oci_v1_gzip(architecture.as_bytes().to_vec(), None);
        peer.push(&name, &[layer], Config::oci_v1(config(), None), &auth, None).await.unwrap();
        let (bytes, digest) =
            peer.pull_manifest_raw(&name, &auth, &[manifest::OCI_IMAGE_MEDIA_TYPE]).await.unwrap();
        entries.push(json!({
            "mediaType": manifest::OCI_IMAGE_MEDIA_TYPE,
            "digest": digest,
            "size": bytes.len(),
            "platform": {"os": "linux", "architecture": architecture},
        }));
    }
    let kind = manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
    let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": entries});
    let index: OciImageIndex = serde_json::from_value(index).unwrap();
    let name: PeerReference = format!("{}/a:1", server.address()).parse().unwrap();
    peer.push_manifest_list(&name, &auth, index).await.unwrap();

    let repository = ours(&[]).reading(server.address(), "a");
    let found = repository.manifest("1").await.unwrap();
    assert_eq!(found.media_type, media_type::INDEX);
    let index: Value = serde_json::from_slice(&found.bytes).unwrap();
    for (entry, architecture) in index["manifests"].as_array().unwrap().iter().zip(["amd64", "arm64"]) {
        let child = repository.manifest(entry["digest"].as_str().unwrap()).await.unwrap();
        let child: Value = serde_json::from_slice(&child.bytes).unwrap();
        let layer = &descriptors(&child)[0];
        assert_eq!(fetched(&repository, layer).await.unwrap(), architecture.as_bytes());
    }
}

/// docker-registry 2.8 has no referrers API, so both sides use the tag that the distribution-spec falls back to
/// ("Referrers Tag Schema").
#[tokio::test]
async fn referrers_are_found_by_the_tag_of_their_subject() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let client = ours(&[]);
    let subject = push(&server.address(), "a", &[b"layer".to_vec()]);
    client.push(&subject, &unwatched()).await.unwrap();
    let tag = subject.root.digest().to_string().replace(':', "-");

    // An artifact of ours, listed by the peer.
    let mut artifact = push(&server.address(), "a", &[b"a signature".to_vec()]);
    let mut json = artifact.root.json.clone();
    json["artifactType"] = "application/vnd.example.signature".into();
    json["subject"] = serde_json::to_value(&subject.root.descriptor).unwrap();
    artifact.children = vec![Document::write(media_type::MANIFEST, json)];
    let mut entry = serde_json::to_value(&artifact.children[0].descriptor).unwrap();
    entry["artifactType"] = "application/vnd.example.signature".into();
    let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [entry]});
    artifact.root = Document::write(media_type::INDEX, index);
    artifact.tags = vec![tag.clone()];
    client.push(&artifact, &unwatched()).await.unwrap();
    let name: PeerReference = format!("{}/a@{}", server.address(), subject.root.digest()).parse().unwrap();
    let peer = peer();
    for (kind, wanted) in [(None, 1), (Some("application/vnd.example.signature"), 1), (Some("other"), 0)] {
        let found = peer.pull_referrers(&name, kind).await.unwrap();
        assert_eq!(found.manifests.len(), wanted, "{kind:?}");
        assert!(found.manifests.iter().all(|one| one.digest == artifact.children[0].digest().to_string()));
    }

    // The list of another subject, pushed by the peer and read by us.
    let list = peer.pull_referrers(&name, None).await.unwrap();
    let other = Digest::of("another subject").to_string().replace(':', "-");
    let repository = client.reading(server.address(), "a");
    assert_eq!(repository.digest(&other).await.unwrap(), None);
    let name: PeerReference = format!("{}/a:{other}", server.address()).parse().unwrap();
    peer.push_manifest_list(&name, &RegistryAuth::Anonymous, list).await.unwrap();
    let list: Value = serde_json::from_slice(&repository.manifest(&other).await.unwrap().bytes).unwrap();
    assert_eq!(list["manifests"][0]["digest"], artifact.children[0].digest().to_string());
    assert_eq!(list["manifests"][0]["artifactType"], "application/vnd.example.signature");
}

#[tokio::test]
async fn blob_that_the_peer_pushed_is_mounted_by_us() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let name: PeerReference = format!("{}/team/one:1", server.address()).parse().unwrap();
    let peer = peer();
    peer.auth(&name, &RegistryAuth::Anonymous, RegistryOperation::Push).await.unwrap();
    let descriptor = Descriptor::of(media_type::LAYER_GZIP, b"shared");
    peer.push_blob(&name, b"shared".to_vec(), &descriptor.digest.to_string()).await.unwrap();

    let repository = ours(&[]).writing(server.address(), "team/two", ["team/one".to_owned()]);
    let blob = Blob { descriptor: descriptor.clone(), source: Source::Absent, from: Some("team/one".into()) };
    let uploaded = repository.push_blob(&blob, &unwatched()).await.unwrap();
    assert_eq!(uploaded, wainwright_registry::Uploaded::Mounted);
    let name: PeerReference = format!("{}/team/two:1", server.address()).parse().unwrap();
    let mut bytes = Vec::new();
    let wanted = OciDescriptor { digest: descriptor.digest.to_string(), ..OciDescriptor::default() };
    peer.pull_blob(&name, &wanted, &mut bytes).await.unwrap();
    assert_eq!(bytes, b"shared");
}
