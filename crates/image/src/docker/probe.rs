use std::collections::BTreeSet;

use serde_json::Value;
use wainwright_oci::Image;

use super::engine::Engine;
use crate::Error;

/// With this much left to send, in bytes, it is worth while to look at more images.
const WORTH_A_LOOK: u64 = 256 << 10;

/// How many images are looked at; each is a request.
const MOST_IMAGES: usize = 50;

const ACTION: &str = "list its layers";

/// How many of the first layers of each image a daemon has, and need not be sent.
///
/// Beside each image stand the names that it will get: what they stand for now is most likely the image of the build before.
///
/// Docker's own store finds a layer by its chain ID, which stands for it and all layers below, and opens no file for one that
/// it has. Podman wants every file, and Docker's containerd store every blob: for these the answer is 0.
pub(super) async fn held_layers(
    engine: &Engine,
    images: &[(&Image, &[String])],
) -> Result<Vec<usize>, Error> {
    let mut held = vec![0; images.len()];
    if !knows_chains(engine).await? {
        return Ok(held);
    }
    let is_enough = |held: &[usize]| {
        images.iter().zip(held).all(|((image, _), held)| bytes_above(image, *held) <= WORTH_A_LOOK)
    };
    let look = async |name: &str, held: &mut Vec<usize>| -> Result<(), Error> {
        let found = layers(engine, name).await?;
        for ((image, _), held) in images.iter().zip(held) {
            *held = (*held).max(shared_layers(image, &found));
        }
        Ok(())
    };
    let names: Vec<String> = images.iter().flat_map(|(_, names)| *names).cloned().collect();
    let mut looked_at = 0;
    for name in names.iter().take(MOST_IMAGES) {
        look(name, &mut held).await?;
        looked_at += 1;
    }
    if is_enough(&held) {
        return Ok(held);
    }
    let list = engine.ask("/images/json", ACTION).await?.unwrap_or_default();
    for id in candidates(&list, &names).into_iter().take(MOST_IMAGES - looked_at) {
        look(id, &mut held).await?;
        if is_enough(&held) {
            break;
        }
    }
    Ok(held)
}

/// Whether this is Docker with its own store; whatever is not known to be so counts as something else.
pub(super) async fn knows_chains(engine: &Engine) -> Result<bool, Error> {
    let version = engine.ask("/version", ACTION).await?.unwrap_or_default();
    let is_docker = |component: &Value| component["Name"] == "Engine";
    if !version["Components"].as_array().is_some_and(|all| all.iter().any(is_docker)) {
        return Ok(false);
    }
    Ok(is_own_store(&engine.ask("/info", ACTION).await?.unwrap_or_default()))
}

/// Whether Docker's own store is what the daemon tells of.
fn is_own_store(info: &Value) -> bool {
    // Lines of text for people, but the only place that says it (docs.docker.com, "containerd image store").
    let lines = match &info["DriverStatus"] {
        Value::Array(lines) => &lines[..],
        // A storage driver that has nothing to tell, as `vfs`; whoever does not answer names no driver.
        Value::Null if info["Driver"].is_string() => &[],
        _ => return false,
    };
    let names_snapshotter = |line: &Value| {
        let words = line.as_array().into_iter().flatten().filter_map(Value::as_str);
        words.into_iter().any(|word| word.starts_with("io.containerd.snapshotter"))
    };
    !lines.iter().any(names_snapshotter)
}

/// The IDs of all images, in the order in which to look at them: other tags of the same repositories first, then the oldest
/// ones. Images that are made reproducibly, as ours are, carry a date of long ago.
fn candidates<'a>(list: &'a Value, names: &[String]) -> Vec<&'a str> {
    let repositories: BTreeSet<&str> = names.iter().map(|name| repository(name)).collect();
    let mut images: Vec<&Value> = list.as_array().into_iter().flatten().collect();
    images.sort_by_key(|image| {
        let tags = image["RepoTags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let is_related = tags.into_iter().any(|tag| repositories.contains(repository(tag)));
        (!is_related, image["Created"].as_i64())
    });
    images.into_iter().filter_map(|image| image["Id"].as_str()).filter(|id| is_id(id)).collect()
}

/// `demo/api` of `docker.io/demo/api:1`: the daemon leaves out what goes without saying.
fn repository(name: &str) -> &str {
    let name = name.rsplit_once(':').map_or(name, |(repository, _)| repository);
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

/// IDs become part of a path.
fn is_id(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':')
}

/// The diff IDs of an image that the daemon has; none where it has no such image.
async fn layers(engine: &Engine, name: &str) -> Result<Vec<String>, Error> {
    let found = engine.ask(&format!("/images/{name}/json"), ACTION).await?.unwrap_or_default();
    let layers = found["RootFS"]["Layers"].as_array().into_iter().flatten();
    Ok(layers.map(|layer| layer.as_str().unwrap_or_default().to_owned()).collect())
}

/// How many first layers an image shares with another.
fn shared_layers(image: &Image, others: &[String]) -> usize {
    let ours = image.layers.iter().map(|layer| layer.diff_id.to_string());
    ours.zip(others).take_while(|(ours, other)| ours == *other).count()
}

fn bytes_above(image: &Image, held: usize) -> u64 {
    image.layers.iter().skip(held).map(|layer| layer.descriptor.size).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stores_that_know_piles_of_layers_are_known_by_their_driver() {
        let info = |status: Value| json!({"Driver": "a", "DriverStatus": status});
        assert!(is_own_store(&info(json!([["Supports d_type", "true"]]))));
        // `vfs` has nothing to tell.
        assert!(is_own_store(&info(json!(null))));
        assert!(!is_own_store(&info(json!([["driver-type", "io.containerd.snapshotter.v1"]]))));
        assert!(!is_own_store(&json!({"message": "no"})));
        assert!(!is_own_store(&Value::Null));
    }

    #[test]
    fn relatives_come_first_and_then_what_is_old() {
        let list = json!([
            {"Id": "sha256:new", "Created": 1_700_000_000, "RepoTags": ["postgres:16"]},
            {"Id": "sha256:old", "Created": 315_532_801, "RepoTags": ["other:1"]},
            {"Id": "../../x", "Created": 1, "RepoTags": null},
            {"Id": "sha256:nameless", "Created": 315_532_801, "RepoTags": null},
            {"Id": "sha256:relative", "Created": 1_800_000_000, "RepoTags": ["demo/web:1", "demo/api:7"]},
        ]);
        let names = ["docker.io/demo/api:8".to_owned()];
        assert_eq!(
            candidates(&list, &names),
            ["sha256:relative", "sha256:old", "sha256:nameless", "sha256:new"]
        );
        assert_eq!(candidates(&json!({"message": "no"}), &names), [""; 0]);
    }

    #[test]
    fn names_are_compared_without_defaults() {
        for (full, short) in [
            ("docker.io/library/api:1", "api:2"),
            ("docker.io/demo/api:1", "demo/api:latest"),
            ("localhost:5000/api:1", "localhost:5000/api:2"),
        ] {
            assert_eq!(repository(full), repository(short));
        }
    }
}
