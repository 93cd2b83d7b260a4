#![allow(missing_docs, clippy::all, clippy::print_stdout)]
use serde_json::json;
use std::path::Path;
use wainwright_blob::{Compression, Entry, Options, write};
use wainwright_image::*;
use wainwright_oci::{Descriptor, Document, Image, ImagePath, Layer, Place, Platform, media_type};
use wainwright_store::Store;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (what, target, archs, tags, mib, layers) = (
        &args[1],
        &args[2],
        &args[3],
        &args[4],
        args[5].parse::<usize>().unwrap(),
        args.get(6).map_or(1, |n| n.parse::<usize>().unwrap()),
    );
    let store = Store::open(Path::new(&std::env::var("STORE").unwrap_or("/tmp/img/store".into()))).unwrap();
    let images: Vec<Image> = archs.split(',').map(|a| image(&store, a, mib, layers)).collect();
    let index = (images.len() > 1).then(|| {
        let ms: Vec<_> = images
            .iter()
            .map(|i| {
                serde_json::to_value(Descriptor {
                    platform: Some(i.platform.clone()),
                    ..i.manifest.descriptor.clone()
                })
                .unwrap()
            })
            .collect();
        Document::write(
            media_type::INDEX,
            json!({"schemaVersion":2,"mediaType":media_type::INDEX,"manifests":ms}),
        )
    });
    let release = Release {
        images,
        index,
        tags: tags.split(',').filter(|t| !t.is_empty()).map(|t| t.parse().unwrap()).collect(),
    };
    let vars = std::env::vars().collect();
    let start = std::time::Instant::now();
    let show = |r: Result<String, Error>| match r {
        Ok(t) => println!(
            "ok {t} digest {} config {} {:?}",
            release.digest(),
            release.images[0].config.digest(),
            start.elapsed()
        ),
        Err(e) => {
            println!("ERROR outside={} {e}", e.is_outside());
            let mut s = std::error::Error::source(&e);
            while let Some(x) = s {
                println!("  cause: {x}");
                s = x.source();
            }
            println!("  hint: {:?}", e.hint());
            std::process::exit(if e.is_outside() { 3 } else { 1 })
        }
    };
    match what.as_str() {
        "layout" => show(write_layout(&release, &store, Path::new(target)).map(|d| format!("{d:?}"))),
        "archive" => show(
            write_archive(&release, &store, Path::new(target), &Platform::host()).map(|d| format!("{d:?}")),
        ),
        _ => {
            let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let home = std::env::var("HOME").ok();
            let sent = std::sync::atomic::AtomicU64::new(0);
            let r = DockerHost::find(&vars, home.as_deref().map(Path::new)).and_then(|h| {
                rt.block_on(load_docker(&release, &store, &h, &|n| {
                    sent.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
                }))
            });
            show(r.map(|l| format!("{l:?} progress {}", sent.load(std::sync::atomic::Ordering::Relaxed))));
        }
    }
}
fn image(store: &Store, arch: &str, mib: usize, n: usize) -> Image {
    let layers: Vec<Layer> = (0..n).map(|i| layer(store, &format!("{arch}-{i}"), mib)).collect();
    let config = Document::write(
        media_type::CONFIG,
        json!({"architecture": arch, "os":"linux","config":{"Cmd":["/x"]},"rootfs":{"type":"layers","diff_ids":layers.iter().map(|l| l.diff_id).collect::<Vec<_>>()}}),
    );
    let manifest = Document::write(
        media_type::MANIFEST,
        json!({"schemaVersion":2,"mediaType":media_type::MANIFEST,"config":config.descriptor,"layers":layers.iter().map(|l| &l.descriptor).collect::<Vec<_>>()}),
    );
    Image { platform: Platform::linux(arch), manifest, config, layers }
}
fn layer(store: &Store, word: &str, mib: usize) -> Layer {
    let mut data = Vec::with_capacity(mib << 20);
    let mut x = wainwright_oci::Digest::of(word).as_bytes()[0] as u64 + 88172645463325252;
    while data.len() < mib << 20 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data.extend_from_slice(&x.to_le_bytes());
    }
    data.extend_from_slice(word.as_bytes());
    let mut draft = store.draft().unwrap();
    let w = write(
        vec![Entry::bytes(ImagePath::new(format!("hello-{word}")).unwrap(), data)],
        &Options { mtime: 315532801, compression: Compression::Splice },
        &mut draft,
    )
    .unwrap();
    draft.commit(&w.descriptor.digest).unwrap();
    Layer { descriptor: w.descriptor, diff_id: w.diff_id, place: Place::Store }
}
