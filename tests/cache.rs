//! The cache can be looked at, cut down and emptied; a build keeps it within its limits, and nobody loses what is in use.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use wainwright_testing::{With as _, Workshop, run};

use crate::workshop;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Every file of the cache.
fn files(shop: &Workshop) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&shop.path("store"), &mut found);
    found
}

/// Makes everything in the cache look unused for so long.
fn age(shop: &Workshop, by: Duration) {
    for path in files(shop) {
        fs::File::open(path).unwrap().set_modified(SystemTime::now() - by).unwrap();
    }
}

fn cache(shop: &Workshop, words: &[&str]) -> String {
    run(&mut shop.wain(&["cache"]).with(words)).ok().stdout
}

fn status(shop: &Workshop) -> Value {
    serde_json::from_str(&cache(shop, &["status", "--json"])).unwrap()
}

#[test]
fn status_tells_what_is_there() {
    let shop = workshop();
    let empty = status(&shop);
    assert_eq!((&empty["bytes"], &empty["oldestUse"]), (&0.into(), &Value::Null));
    assert!(!shop.path("store").exists(), "looking creates nothing");

    run(&mut shop.build()).ok();
    let found = status(&shop);
    let blobs = files(&shop).iter().filter(|path| path.to_string_lossy().contains("/blobs/")).count();
    assert_eq!(found["blobs"]["count"], blobs);
    assert_eq!(found["path"], shop.path("store").to_string_lossy().as_ref());
    assert_eq!(
        (&found["maxBytes"], &found["maxAgeSeconds"]),
        (&(10_u64 << 30).into(), &(90 * 86_400).into())
    );
    assert_eq!(
        found["bytes"].as_u64(),
        Some(found["blobs"]["bytes"].as_u64().unwrap() + found["memos"]["bytes"].as_u64().unwrap())
    );
    let text = cache(&shop, &["status"]);
    assert!(text.contains("limit 10.74 GB") && text.contains("last use less than an hour ago"), "{text}");
}

#[test]
fn pruning_and_clearing_cost_time_only() {
    let shop = workshop();
    let digest = run(&mut shop.build()).digest();
    assert!(
        cache(&shop, &["prune", "--older-than", "1d"]).starts_with("removed 0 files (0 B) from the cache")
    );
    age(&shop, 2 * DAY);
    let dry = cache(&shop, &["prune", "--older-than", "1d", "--dry-run"]);
    assert!(dry.starts_with("would remove ") && dry.ends_with("left: 0 files (0 B)\n"), "{dry}");
    assert_ne!(status(&shop)["bytes"], 0);
    let done = cache(&shop, &["prune", "--older-than", "1d"]);
    assert_eq!(done, dry.replace("would remove", "removed"));
    assert_eq!(run(&mut shop.build()).digest(), digest);

    cache(&shop, &["prune", "--max-size", "0"]);
    assert_eq!(status(&shop)["bytes"], 0);
    assert_eq!(run(&mut shop.build()).digest(), digest);

    cache(&shop, &["clear"]);
    assert_eq!(fs::read_dir(shop.path("store")).unwrap().count(), 0);
    assert_eq!(run(&mut shop.build()).digest(), digest);
}

#[test]
fn folders_of_others_are_safe() {
    let shop = workshop();
    for words in [["status"], ["prune"], ["clear"]] {
        let refused = run(&mut shop.wain(&["cache"]).with(&words).with(&["--cache-dir", "project"]));
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
        assert!(
            refused.stderr.contains("is not a Wainwright cache: it contains other files"),
            "{}",
            refused.stderr
        );
        assert!(
            refused.stderr.contains("hint: set the cache folder with `--cache-dir`"),
            "{}",
            refused.stderr
        );
    }
    assert!(shop.path("project/main.py").exists());
}

#[test]
fn a_build_keeps_the_cache_small() {
    let shop = workshop();
    run(&mut shop.build()).ok();
    let before = files(&shop).len();
    age(&shop, 100 * DAY);
    // What this build uses is not old any more; the rest is what no build wants.
    fs::remove_file(shop.path("store/v1/size")).unwrap();
    let ran = run(&mut shop.build()).ok();
    assert!(ran.stderr.contains("note: removed "), "{}", ran.stderr);
    assert!(files(&shop).len() < before);
    let again = run(&mut shop.build()).ok();
    assert!(
        again.stderr.contains("nothing changed") && !again.stderr.contains("removed"),
        "{}",
        again.stderr
    );

    let ran = run(shop.build().env("WAIN_CACHE_MAX_SIZE", "5kB")).ok();
    assert!(ran.stderr.contains("raise --cache-max-size"), "{}", ran.stderr);
    assert!(status(&shop)["bytes"].as_u64().unwrap() <= 5000);
    let refused = run(shop.build().env("WAIN_CACHE_MAX_SIZE", "0"));
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("`none` for no limit"), "{}", refused.stderr);
}
