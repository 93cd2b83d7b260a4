//! Why our transport is not oci-client's (0.18.0): each difference as a test of both. When one of these tests fails after
//! an update of oci-client, a reason to keep our own is gone; ARCHITECTURE.md lists them.

use std::sync::atomic::{AtomicUsize, Ordering};

use oci_client::Reference as PeerReference;
use oci_client::RegistryOperation;
use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use wainwright_oci::{Descriptor, media_type};
use wainwright_registry::{Registry, unwatched};
use wainwright_testing::{Access, Act, Asked, Kind, Proxy, RegistryServer, Reply, Server, noise};

use super::world::{config, fetched, login, ours, ours_as_ann, peer, push};

fn ann() -> RegistryAuth {
    RegistryAuth::Basic("ann".into(), "CANARY-password".into())
}

fn layer() -> Vec<u8> {
    noise(1, 9 << 20)
}

/// Has the peer push one layer; what came of it in words.
async fn peer_pushes(server: &str, auth: &RegistryAuth) -> Result<(), String> {
    let name: PeerReference = format!("{server}/a:1").parse().unwrap();
    let layers = [ImageLayer::oci_v1_gzip(layer(), None)];
    let pushed = peer().push(&name, &layers, Config::oci_v1(config(), None), auth, None).await;
    pushed.map(drop).map_err(|error| error.to_string())
}

/// Has our client push the same.
async fn we_push(client: &Registry, server: &str) -> Result<(), String> {
    let pushed = client.push(&push(server, "a", &[layer()]), &unwatched()).await;
    pushed.map(drop).map_err(|error| error.to_string())
}

/// A registry behind a script.
fn behind(script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Option<(RegistryServer, Proxy)> {
    let server = RegistryServer::start(Access::Open)?;
    let proxy = Proxy::start(Some(&server.address()), None, script);
    Some((server, proxy))
}

/// 503 for the first request of a kind.
fn busy_once(kind: Kind) -> impl Fn(&Asked) -> Act + Send + Sync + 'static {
    move |asked| match asked.kind == kind && asked.earlier == 0 {
        true => Act::Answer(Reply::status(503).header("retry-after", "0")),
        false => Act::Pass,
    }
}

#[tokio::test]
async fn only_we_try_again_when_a_registry_is_busy() {
    for kind in [Kind::PostUpload, Kind::PutUpload, Kind::PutManifest] {
        let Some((_server, proxy)) = behind(busy_once(kind)) else { return };
        we_push(&ours(&[]), &proxy.address()).await.unwrap();
        let Some((_server, proxy)) = behind(busy_once(kind)) else { return };
        let error = peer_pushes(&proxy.address(), &RegistryAuth::Anonymous).await.unwrap_err();
        assert!(error.contains("503"), "{kind:?}: {error}");
        assert_eq!(proxy.log().iter().filter(|asked| asked.status == Some(503)).count(), 1);
    }
}

#[tokio::test]
async fn only_we_go_on_with_a_download_that_broke() {
    let bytes = layer();
    let cut = {
        let bytes = bytes.clone();
        move |asked: &Asked| match asked.kind == Kind::GetBlob && asked.earlier == 0 {
            true => Act::Answer(Reply::ok(bytes.clone()).cut(bytes.len() / 2)),
            false => Act::Pass,
        }
    };
    let Some((server, proxy)) = behind(cut.clone()) else { return };
    we_push(&ours(&[]), &server.address()).await.unwrap();
    let descriptor = Descriptor::of(media_type::LAYER_GZIP, &bytes);
    let repository = ours(&[]).reading(proxy.address(), "a");
    assert!(fetched(&repository, &descriptor).await.unwrap() == bytes);
    let log = proxy.log();
    let ranges: Vec<_> = log.iter().filter_map(Asked::range_start).collect();
    assert_eq!(ranges, [bytes.len() / 2]);

    let proxy = Proxy::start(Some(&server.address()), None, cut);
    let name: PeerReference = format!("{}/a:1", proxy.address()).parse().unwrap();
    let wanted = OciDescriptor { digest: descriptor.digest.to_string(), ..OciDescriptor::default() };
    peer().pull_blob(&name, &wanted, Vec::new()).await.unwrap_err();
    assert_eq!(proxy.count(Kind::GetBlob), 1);
}

/// It has a setting for one PUT, for all registries, that a refusal does not change.
#[tokio::test]
async fn only_we_send_a_blob_in_one_request_where_that_works() {
    let Some((_server, proxy)) = behind(|_| Act::Pass) else { return };
    we_push(&ours(&[]), &proxy.address()).await.unwrap();
    assert_eq!((proxy.count(Kind::PatchUpload), proxy.count(Kind::PutUpload)), (0, 2));
    let Some((_server, proxy)) = behind(|_| Act::Pass) else { return };
    peer_pushes(&proxy.address(), &RegistryAuth::Anonymous).await.unwrap();
    // Three pieces of the layer, one of the config.
    assert_eq!((proxy.count(Kind::PatchUpload), proxy.count(Kind::PutUpload)), (4, 2));
}

/// Whoever runs a registry may name any host for tokens: ours shows a stranger nothing unless the user allows the host.
#[tokio::test]
async fn only_the_peer_sends_a_password_to_whatever_token_server_a_registry_names() {
    let stranger = std::sync::Arc::new(Server::start(|_| Reply::ok(r#"{"token":"a.b.c"}"#)));
    let realm = stranger.url("/token").to_string().replace("127.0.0.1", "localhost");
    let registry = Server::start(move |asked| match asked.authorization() {
        Some(_) => Reply::status(404),
        None => {
            Reply::status(401).header("www-authenticate", format!("Bearer realm=\"{realm}\",service=\"r\""))
        }
    });
    let address = registry.url("").authority().to_owned();
    let shown = || {
        stranger
            .seen()
            .iter()
            .filter_map(|asked| asked.authorization().map(str::to_owned))
            .collect::<Vec<_>>()
    };

    let _ = ours_as_ann(&address).reading(&address, "a").manifest("1").await.unwrap_err();
    assert!(!stranger.seen().is_empty());
    assert_eq!(shown(), [""; 0]);

    let name: PeerReference = format!("{address}/a:1").parse().unwrap();
    let _ = peer().auth(&name, &ann(), RegistryOperation::Pull).await;
    let basic = "Basic YW5uOkNBTkFSWS1wYXNzd29yZA==";
    assert_eq!(shown(), [basic]);
}

/// No difference any more: versions before 0.18 showed the storage behind an upload the registry's credentials.
#[tokio::test]
async fn neither_shows_credentials_to_the_host_that_an_upload_is_sent_to() {
    for is_peer in [true, false] {
        let storage = std::sync::Arc::new(Server::start(|_| Reply::status(201).header("location", "/done")));
        let elsewhere = storage.url("/upload").to_string();
        let registry = Server::start(move |asked| match (asked.authorization(), asked.kind) {
            (None, _) => Reply::status(401).header("www-authenticate", "Basic realm=\"r\""),
            (_, Kind::PostUpload) => Reply::status(202).header("location", &elsewhere),
            (_, Kind::HeadManifest) => Reply::status(404),
            (_, Kind::PutManifest) => Reply::status(201).header("location", "/v2/a/manifests/1"),
            _ => Reply::status(200),
        });
        let address = registry.url("").authority().to_owned();
        match is_peer {
            true => drop(peer_pushes(&address, &ann()).await),
            false => drop(we_push(&ours_as_ann(&address), &address).await),
        }
        assert!(!storage.seen().is_empty());
        assert!(storage.seen().iter().all(|asked| asked.authorization().is_none()), "{is_peer}");
        assert!(registry.seen().iter().any(|asked| asked.authorization().is_some()));
    }
}

/// Tokens end: registries give them for minutes, and a push may take longer.
#[tokio::test]
async fn only_we_renew_a_token_that_ended() {
    static TOKENS: AtomicUsize = AtomicUsize::new(0);
    let run = |is_peer: bool| async move {
        TOKENS.store(0, Ordering::Relaxed);
        let server = RegistryServer::start(Access::Open)?;
        let proxy = Proxy::start(Some(&server.address()), None, |asked| {
            let challenge = || {
                let realm = format!("http://{}/token", asked.headers["host"]);
                let challenge = format!("Bearer realm=\"{realm}\",service=\"r\"");
                Act::Answer(Reply::status(401).header("www-authenticate", challenge))
            };
            match (asked.kind, asked.authorization()) {
                (Kind::Token, _) => {
                    let count = TOKENS.fetch_add(1, Ordering::Relaxed);
                    Act::Answer(Reply::ok(format!(r#"{{"token":"token-{count}","expires_in":300}}"#)))
                }
                // The first token is forgotten when the manifest comes.
                (Kind::PutManifest, Some("Bearer token-0")) | (_, None) => challenge(),
                _ => Act::Pass,
            }
        });
        let address = proxy.address();
        Some(match is_peer {
            true => peer_pushes(&address, &ann()).await,
            false => {
                let vars = login(&address);
                let vars = vars.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
                we_push(&ours(&vars), &address).await
            }
        })
    };
    let Some(by_us) = run(false).await else { return };
    by_us.unwrap();
    let error = run(true).await.unwrap().unwrap_err();
    assert!(error.contains("401"), "{error}");
}

/// What a registry lacks is in the details of its refusal; the peer hands on the body as text.
#[tokio::test]
async fn only_we_know_which_blob_a_refused_manifest_lacks() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let mut lacking = push(&server.address(), "a", &[layer()]);
    let missing = lacking.blobs.remove(0).descriptor.digest;
    lacking.known.insert(missing);
    let error = ours(&[]).push(&lacking, &unwatched()).await.unwrap_err();
    let wainwright_registry::Error::Refused { errors, .. } = &error else { panic!("{error}") };
    assert!(
        errors.iter().any(|error| error.code == "MANIFEST_BLOB_UNKNOWN" && error.digest == Some(missing))
    );

    let name: PeerReference = format!("{}/a:1", server.address()).parse().unwrap();
    let bytes = lacking.root.bytes().to_vec();
    let kind = media_type::MANIFEST.parse().unwrap();
    let error = peer().push_manifest_raw(&name, bytes, kind).await.unwrap_err();
    assert!(
        matches!(error, oci_client::errors::OciDistributionError::ServerError { code: 400, .. }),
        "{error}"
    );
}

/// Registries have codes of their own ("Error Codes": other codes are allowed).
#[test]
fn types_of_oci_spec_refuse_codes_that_the_specification_does_not_list() {
    let body = r#"{"errors":[{"code":"ARTIFACT_LOCKED","message":"artifact is locked"}]}"#;
    serde_json::from_str::<oci_spec::distribution::ErrorResponse>(body).unwrap_err();
    let body = body.replace("ARTIFACT_LOCKED", "DENIED");
    serde_json::from_str::<oci_spec::distribution::ErrorResponse>(&body).unwrap();
}
