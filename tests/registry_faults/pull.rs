use std::time::Duration;

use wainwright_testing::Kind::{GetBlob, GetManifest, HeadManifest};
use wainwright_testing::{Act, Asked, Length, Reply};

use super::row::{self, Job, Row, alter, page, pull, refusal, status};
use super::world::{IDLE, World};

/// What goes wrong while an image is pulled.
pub(super) fn rows() -> Vec<Row> {
    [manifests(), blobs(), redirects()].into_iter().flatten().collect()
}

fn manifests() -> Vec<Row> {
    vec![
        pull("pull_ok", "none"),
        pull("manifest_500_once", "500 to the first GET of the manifest").first(GetManifest, 1, status(500)),
        pull("manifest_get_429", "429 with Retry-After: 1 to the first GET of the manifest")
            .first(GetManifest, 1, || Act::Answer(Reply::status(429).header("retry-after", "1")))
            .waits(1.0, 2.0),
        pull("manifest_cut_once", "the manifest breaks off").first(
            GetManifest,
            1,
            alter(|reply| reply.cut(50)),
        ),
        pull("manifest_stalls", "the manifest stops in the middle").first(
            GetManifest,
            1,
            alter(|reply| reply.stall(IDLE * 3)),
        ),
        pull("manifest_html", "the manifest is a web page")
            .always(GetManifest, page)
            .fails(&["is not a registry", "<!DOCTYPE html>"]),
        pull("manifest_404", "404 MANIFEST_UNKNOWN to the manifest")
            .always(GetManifest, refusal(404, "MANIFEST_UNKNOWN"))
            .fails(&["does not exist", "/rows/manifest-404:1", "check the name"])
            .requests(2),
        pull("manifest_huge", "a manifest of 64 MiB")
            .always(GetManifest, || Act::Answer(Reply::status(200).body(vec![b' '; 64 << 20])))
            .fails(&["larger than 4194304 bytes"]),
        pull("manifest_huge_claimed", "a manifest that says it has 2^60 bytes")
            .always(GetManifest, || {
                Act::Answer(Reply::status(200).body("{}").length(Length::Claimed(1 << 60)))
            })
            .fails(&["larger than 4194304 bytes"]),
        pull("manifest_endless", "a manifest that never ends")
            .always(GetManifest, || {
                Act::Answer(Reply::status(200).body(vec![b' '; 1 << 16]).length(Length::Chunked).endless())
            })
            .fails(&["larger than 4194304 bytes"]),
        pull("manifest_other_bytes", "a manifest with one more space, asked for by its tag")
            .always(GetManifest, alter(|reply| respaced(&reply))),
        pull("manifest_other_bytes_pinned", "a manifest with one more space, asked for by its digest")
            .job(Job::PullPinned)
            .always(GetManifest, alter(|reply| respaced(&reply)))
            .fails(&["instead of sha256", "changes its responses"]),
        pull("manifest_digest_hdr", "another Docker-Content-Digest").always(
            GetManifest,
            alter(|reply| reply.with("docker-content-digest", format!("sha256:{}", "1".repeat(64)))),
        ),
        pull("manifest_not_json", "a manifest that is no JSON")
            .always(GetManifest, alter(|reply| reply.body("{").length(Length::Right)))
            .fails(&["not JSON"]),
        pull("manifest_type_lie", "a manifest that is called an index")
            .always(
                GetManifest,
                alter(|reply| reply.with("content-type", "application/vnd.oci.image.index.v1+json")),
            )
            .fails(&["the registry says", "the manifest says"]),
        pull("manifest_type_none", "no Content-Type")
            .always(GetManifest, alter(|reply| reply.without("content-type"))),
        pull("manifest_type_text", "text/plain as Content-Type")
            .always(GetManifest, alter(|reply| reply.with("content-type", "text/plain; charset=utf-8"))),
        pull("manifest_type_parameters", "a Content-Type in capitals with a parameter").always(
            GetManifest,
            alter(|reply| {
                let old = reply.value("content-type").unwrap_or_default().to_uppercase();
                reply.with("content-type", format!("{old}; charset=utf-8"))
            }),
        ),
        pull("manifest_confused", "a manifest that is an index too (layers and manifests)")
            .always(GetManifest, || document(r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#))
            .fails(&["both"]),
        pull("manifest_schema_1", "a manifest of the first schema")
            .always(GetManifest, || document(r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#))
            .fails(&["schema 1"]),
        pull("manifest_array", "a manifest that is a list")
            .always(GetManifest, || document("[]"))
            .fails(&["rows/manifest-array", "not a JSON object"]),
        pull("manifest_deep", "a manifest of 100,000 brackets")
            .always(GetManifest, || document(&"[".repeat(100_000)))
            .fails(&["not JSON"]),
        pull("manifest_gzip", "a manifest with Content-Encoding: gzip")
            .always(
                GetManifest,
                alter(|reply| {
                    reply
                        .header("content-encoding", "gzip")
                        .body(b"\x1f\x8b\x08".to_vec())
                        .length(Length::Right)
                }),
            )
            .fails(&["gzip"]),
    ]
}

fn blobs() -> Vec<Row> {
    vec![
        pull("blob_500_once", "500 to the first GET of a blob").first(GetBlob, 1, status(500)),
        pull("blob_cut_once", "a blob breaks off after 300 kB").script(cut_large(1)),
        pull("blob_cut_each_100k", "every blob breaks off after 100 KiB")
            .always(GetBlob, alter(|reply| reply.cut(100 << 10)))
            .waits(0.0, 2.0)
            .requests(20),
        pull("blob_cut_each_1k", "every blob breaks off after 1 KiB: that leads nowhere")
            .always(GetBlob, alter(|reply| reply.cut(1 << 10)))
            .fails(&["/blobs/sha256:"])
            .requests(20),
        pull("blob_cut_range_ignored", "a blob breaks off, and then comes whole again")
            .script(cut_large(1))
            .script(|asked, _| {
                asked.headers.get("range")?;
                let (target, host) = (asked.target.clone(), asked.host.clone());
                (asked.kind == GetBlob).then(|| Act::Alter(Box::new(move |_| whole(&target, &host))))
            }),
        pull("blob_cut_range_wrong", "a blob breaks off, and then another part of it comes")
            .script(cut_large(1))
            .script(|asked, _| {
                asked.headers.get("range")?;
                (asked.kind == GetBlob && asked.earlier < 8).then(|| {
                    Act::Alter(Box::new(|reply: Reply| reply.with("content-range", "bytes 5-9/614500")))
                })
            }),
        pull("blob_cut_range_unnamed", "a blob breaks off, and then 206 without Content-Range")
            .script(cut_large(1))
            .script(|asked, _| {
                asked.headers.get("range")?;
                (asked.earlier < 8)
                    .then(|| Act::Alter(Box::new(|reply: Reply| reply.without("content-range"))))
            }),
        pull("blob_cut_416", "a blob breaks off, and then 416").script(cut_large(1)).script(|asked, _| {
            asked.headers.get("range")?;
            (asked.earlier < 8).then(|| Act::Answer(Reply::status(416)))
        }),
        pull("blob_cut_changed", "a blob breaks off, and its rest is of something else")
            .script(cut_large(1))
            .script(|asked, _| {
                asked.headers.get("range")?;
                Some(Act::Alter(Box::new(|mut reply: Reply| {
                    reply.body.reverse();
                    reply
                })))
            })
            .fails(&["instead of sha256"]),
        pull("blob_corrupt", "one byte of every blob is another")
            .always(
                GetBlob,
                alter(|mut reply| {
                    reply.body[10] ^= 1;
                    reply
                }),
            )
            .fails(&["instead of sha256"])
            .requests(4),
        pull("blob_extra", "bytes after every blob")
            .always(
                GetBlob,
                alter(|mut reply| {
                    reply.body.extend_from_slice(b"more");
                    reply.length(Length::Right)
                }),
            )
            .fails(&[" bytes instead of ", "(exit 1)"])
            .requests(2),
        pull("blob_extra_unannounced", "bytes after every blob, and no Content-Length")
            .always(
                GetBlob,
                alter(|mut reply| {
                    reply.body.extend_from_slice(b"more");
                    reply.length(Length::Chunked)
                }),
            )
            .fails(&[" bytes instead of ", "(exit 1)"])
            .requests(2),
        pull("blob_size_off_by_one", "a descriptor with a size too large by one")
            .job(Job::PullOffByOne)
            .fails(&[" bytes instead of ", "(exit 1)"])
            .requests(2),
        pull("blob_size_off_by_one_chunked", "the same, and the registry sends chunks")
            .job(Job::PullOffByOne)
            .always(GetBlob, alter(|reply| reply.length(Length::Chunked)))
            .fails(&[" bytes instead of ", "(exit 1)"])
            .requests(2),
        pull("blob_type_html", "blobs whose type is that of a web page, with the right bytes")
            .always(GetBlob, alter(|reply| reply.with("content-type", "text/html"))),
        pull("blob_endless", "blobs that never end")
            .always(GetBlob, || {
                Act::Answer(Reply::status(200).body(vec![0; 1 << 16]).length(Length::Chunked).endless())
            })
            .fails(&[" bytes instead of "])
            .requests(2),
        pull("blob_short_ok", "every blob lacks its end, with a length that says so")
            .always(
                GetBlob,
                alter(|mut reply| {
                    let half = reply.body.len() / 2;
                    reply.body.truncate(half);
                    reply.length(Length::Right)
                }),
            )
            .fails(&["bytes"]),
        pull("blob_empty", "every blob is empty, with 200")
            .always(GetBlob, alter(|reply| reply.body("").length(Length::Right)))
            .fails(&["has 0 bytes instead of", "(exit 1)"])
            .requests(2),
        pull("blob_no_length", "no Content-Length")
            .always(GetBlob, alter(|reply| reply.length(Length::Absent))),
        pull("blob_no_length_cut", "no Content-Length, and it breaks off once").script(|asked, _| {
            (asked.kind == GetBlob && asked.earlier == 0)
                .then(|| Act::Alter(Box::new(|reply: Reply| reply.length(Length::Absent).cut(100))))
        }),
        pull("blob_chunked", "blobs in chunks").always(GetBlob, alter(|reply| reply.length(Length::Chunked))),
        pull("blob_stalls", "blobs stop in the middle").first(
            GetBlob,
            3,
            alter(|reply| reply.stall(IDLE * 3)),
        ),
        pull("blob_slow", "blobs drop by drop: a few bytes each time nobody expects more").first(
            GetBlob,
            1,
            alter(|reply| reply.pace(40, Duration::from_millis(100))),
        ),
        pull("blob_drips", "a blob drop by drop, for ever")
            .always(GetBlob, alter(|reply| reply.pace(40, Duration::from_millis(20))))
            .tune(hasty)
            .fails(&["fewer than 100000 bytes in 1 s", "(exit 3)"])
            .requests(7),
        pull("manifest_drips", "a manifest letter by letter")
            .always(GetManifest, alter(|reply| reply.pace(10, Duration::from_millis(50))))
            .tune(hasty)
            .fails(&["fewer than 100000 bytes in 1 s"])
            .requests(5),
        pull("blob_404", "404 to the blobs")
            .always(GetBlob, refusal(404, "BLOB_UNKNOWN"))
            .fails(&["does not exist", "sha256:"])
            .requests(3),
        pull("blob_html", "blobs are web pages").always(GetBlob, page).fails(&["web page"]),
        pull("blob_gzip", "blobs with Content-Encoding: gzip, not encoded at all")
            .always(GetBlob, alter(|reply| reply.header("content-encoding", "gzip"))),
        pull("blob_206_unasked", "206 though no part was asked for")
            .always(GetBlob, alter(|reply| reply.as_status(206)))
            .fails(&["another part"]),
        pull("pull_down_for_30_s", "the registry is gone for half a minute")
            .script(row::away(28.0))
            .waits(28.0, 60.0),
    ]
}

fn redirects() -> Vec<Row> {
    vec![
        pull("redirect_loop", "blobs are redirected to themselves")
            .script(|asked, _| {
                let target = asked.target.clone();
                (asked.kind == GetBlob).then(|| Act::Answer(Reply::status(307).header("location", target)))
            })
            .fails(&["more than 10 redirects"])
            .requests(14),
        pull("redirect_away", "blobs are on another host").wants_token().script(|asked, world| {
            away(asked, &format!("http://{}{}", world.stranger.address(), asked.target))
        }),
        pull("redirect_away_and_back", "another host sends us back").wants_token().script(|asked, world| {
            (asked.kind == GetBlob && asked.authorization().is_some() && !asked.target.contains("back")).then(
                || {
                    let back = format!("http://{}{}?back", world.address(), asked.target);
                    Act::Answer(Reply::status(307).header("location", back))
                },
            )
        }),
        pull("redirect_file", "blobs are redirected to a file")
            .script(|asked, _| away(asked, "file:///etc/passwd"))
            .fails(&["only http and https"]),
        pull("redirect_ftp", "blobs are redirected to FTP")
            .script(|asked, _| away(asked, "ftp://127.0.0.1/x"))
            .fails(&["only http and https"]),
        pull("redirect_nowhere", "a redirect without Location")
            .script(|asked, _| (asked.kind == GetBlob).then(|| Act::Answer(Reply::status(302))))
            .fails(&["GET http://", "302"]),
        pull("redirect_downgrade", "blobs are redirected to a server without encryption")
            .encrypted()
            .wants_token()
            .script(|asked, world| {
                away(asked, &format!("http://{}{}", world.stranger.address(), asked.target))
            })
            .fails(&["the target is not encrypted"]),
        pull("redirect_private", "a public registry redirects to a private address")
            .proxied()
            .script(|asked, _| away(asked, "http://169.254.169.254/latest/meta-data/"))
            .fails(&["private address"]),
        pull("redirect_private_6", "a public registry redirects to a private IPv6 address")
            .proxied()
            .script(|asked, _| away(asked, "http://[fd00::1]/"))
            .fails(&["private address"]),
        pull("redirect_private_mapped", "a public registry redirects to a private address in IPv6 writing")
            .proxied()
            .script(|asked, _| away(asked, "http://[::ffff:10.0.0.1]/"))
            .fails(&["private address"]),
        pull(
            "redirect_private_number",
            "a public registry redirects to a private address written as a number",
        )
        .proxied()
        .script(|asked, _| away(asked, "http://2130706433/"))
        .fails(&["private address"]),
        pull("redirect_public", "a public registry redirects to another public host")
            .proxied()
            .wants_token()
            .script(|asked, world| {
                (asked.host == world.address()).then_some(())?;
                away(asked, &format!("http://cdn.example{}", asked.target))
            }),
        pull("redirect_manifest", "manifests are on another host").wants_token().script(|asked, world| {
            let to = format!("http://{}{}", world.stranger.address(), asked.target);
            is_for_manifest(asked).then(|| Act::Answer(Reply::status(307).header("location", to)))
        }),
        pull("redirect_manifest_loop", "manifests are redirected to themselves")
            .script(|asked, _| {
                let target = asked.target.clone();
                is_for_manifest(asked).then(|| Act::Answer(Reply::status(307).header("location", target)))
            })
            .fails(&["more than 10 redirects"])
            .requests(13),
        pull("redirect_manifest_file", "manifests are redirected to a file")
            .first(GetManifest, 1, || {
                Act::Answer(Reply::status(307).header("location", "file:///etc/passwd"))
            })
            .fails(&["only http and https"]),
        pull("redirect_manifest_nowhere", "a manifest is redirected without Location")
            .first(GetManifest, 1, || Act::Answer(Reply::status(302)))
            .fails(&["GET http://", "302"]),
    ]
}

/// Patience for seconds instead of minutes.
pub(super) fn hasty(settings: &mut wainwright_registry::Settings, _: &World) {
    settings.http.slow_window = Duration::from_secs(1);
    settings.http.slow_bytes = 100_000;
    settings.http.tries = 2;
}

fn document(text: &str) -> Act {
    Act::Answer(Reply::status(200).body(text))
}

fn respaced(reply: &Reply) -> Reply {
    let mut body = reply.body.clone();
    body.push(b' ');
    reply.clone().body(body).length(Length::Right)
}

/// Breaks the first large blobs off.
fn cut_large(count: usize) -> impl Fn(&Asked, &World) -> Option<Act> + Send + Sync {
    let cut = std::sync::atomic::AtomicUsize::new(0);
    move |asked, world| {
        let large = world.push.blobs.iter().max_by_key(|blob| blob.descriptor.size)?;
        let is_large = asked.kind == GetBlob && asked.target.contains(&large.descriptor.digest.to_string());
        (is_large && cut.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < count)
            .then(|| Act::Alter(Box::new(|reply: Reply| reply.cut(300_000))))
    }
}

/// What a server answers that knows no ranges.
fn whole(target: &str, host: &str) -> Reply {
    Asked::new("GET", target).send_to(host, &[]).unwrap()
}

fn is_for_manifest(asked: &Asked) -> bool {
    matches!(asked.kind, GetManifest | HeadManifest)
}

fn away(asked: &Asked, to: &str) -> Option<Act> {
    (asked.kind == GetBlob).then(|| Act::Answer(Reply::status(307).header("location", to)))
}
