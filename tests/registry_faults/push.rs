use wainwright_testing::Kind::{
    DeleteUpload, GetManifest, HeadBlob, HeadManifest, PatchUpload, PostUpload, PutManifest, PutUpload,
};
use wainwright_testing::{Act, Asked, Kind, Reply};

use super::row::{self, Job, Row, alter, page, push, refusal, status};
use super::world::World;

/// What goes wrong while an image is pushed.
pub(super) fn rows() -> Vec<Row> {
    [of_the_moment(), lost(), ways(), mounts(), locations(), manifests(), refusals()]
        .into_iter()
        .flatten()
        .collect()
}

/// Faults that pass.
fn of_the_moment() -> Vec<Row> {
    vec![
        push("push_ok", "none"),
        push("push_ok_files", "none, from files").job(Job::PushFiles),
        push("post_500_once", "500 to the first POST").first(PostUpload, 1, status(500)),
        push("put_503_twice", "503 to the first two PUTs of blobs").first(PutUpload, 2, status(503)),
        push("manifest_503_once", "503 to the PUT of the manifest").first(PutManifest, 1, status(503)),
        push("each_408", "408 to the first request of every kind").script(each(408)),
        push("each_429", "429 to the first request of every kind").script(each(429)),
        push("each_499", "499 to the first request of every kind").script(each(499)),
        push("each_500", "500 to the first request of every kind").script(each(500)),
        push("each_502", "502 to the first request of every kind").script(each(502)),
        push("each_503", "503 to the first request of every kind").script(each(503)),
        push("each_504", "504 to the first request of every kind").script(each(504)),
        push("each_522", "522 to the first request of every kind").script(each(522)),
        push("always_500", "500 to every POST")
            .always(PostUpload, status(500))
            .fails(&["POST http://127.0.0.1", "500", "try again later"])
            .waits(30.0, 130.0),
        push("post_429_retry_after", "429 with Retry-After: 2 to the first POST")
            .first(PostUpload, 1, after("2"))
            .waits(2.0, 3.0),
        push("manifest_429", "429 with Retry-After: 1 to the PUT of the manifest")
            .first(PutManifest, 1, after("1"))
            .waits(1.0, 2.0),
        push("retry_after_0", "429 with Retry-After: 0").first(PutManifest, 3, after("0")).waits(1.0, 3.0),
        push("retry_after_date", "503 with a date in Retry-After, 90 s after Date")
            .first(PutManifest, 1, dated("Sun, 06 Nov 1994 08:51:07 GMT"))
            .waits(90.0, 91.0),
        push("retry_after_past", "503 with a date in Retry-After that is over")
            .first(PutManifest, 1, dated("Sun, 06 Nov 1994 08:00:00 GMT"))
            .waits(0.4, 2.0),
        push("retry_after_garbage", "429 with Retry-After: 880.092µs")
            .first(PutManifest, 1, after("880.092µs"))
            .waits(0.4, 2.0),
        push("retry_after_for_ever", "429 with Retry-After: 999999")
            .always(PutManifest, after("999999"))
            .fails(&["PUT http://", "429", "try again later"])
            .waits(0.0, 1.0)
            .requests(12),
        push("retry_after_again", "429 with Retry-After: 50, whenever it is asked")
            .always(PutManifest, after("50"))
            .fails(&["429"])
            .waits(500.0, 600.0),
        push("down_for_30_s", "the registry is gone for half a minute")
            .script(row::away(28.0))
            .waits(28.0, 60.0),
        push("hang_once", "a PUT is never answered")
            .first(PutUpload, 1, || Act::Hang(super::world::IDLE * 2)),
        push("hang_always", "no PUT of the manifest is ever answered")
            .always(PutManifest, || Act::Hang(super::world::IDLE * 2))
            .fails(&["no data for 5 s", "/manifests/1"]),
    ]
}

/// Connections that end, and answers that get lost.
fn lost() -> Vec<Row> {
    vec![
        push("put_reset_once", "reset in the middle of each of the first three PUTs")
            .job(Job::PushFiles)
            .first(PutUpload, 3, || Act::Reset(100 << 10)),
        push("post_reset_once", "reset before the POST is read").first(PostUpload, 1, || Act::Reset(0)),
        push("put_reset_after_commit", "a blob is stored, the answer gets lost")
            .first(PutUpload, 1, || Act::Lose),
        push("put_404_after_commit", "a blob is stored, and answered with 404 BLOB_UPLOAD_UNKNOWN").first(
            PutUpload,
            1,
            alter(|_| Reply::refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown")),
        ),
        push("put_404_session_lost", "the session is forgotten: 404 BLOB_UPLOAD_UNKNOWN, nothing stored")
            .first(PutUpload, 1, refusal(404, "BLOB_UPLOAD_UNKNOWN")),
        push("put_answer_cut", "the head of an answer ends in the middle").first(
            PutUpload,
            1,
            alter(|reply| reply.after("HTTP/1.1 201 Crea").body("").abrupt()),
        ),
        push("manifest_reset_after_commit", "the manifest is stored, the answer gets lost").first(
            PutManifest,
            1,
            || Act::Lose,
        ),
        push("keepalive_race", "every connection ends after one answer, unannounced")
            .script(|asked, _| (asked.number < 40).then(|| Act::Alter(Box::new(Reply::abrupt)))),
        push("head_blob_403", "403 to every HEAD of a blob, after an answer that got lost")
            .always(HeadBlob, status(403))
            .first(PutUpload, 1, || Act::Lose),
        push("head_blob_405", "405 to every HEAD of a blob, after an answer that got lost")
            .always(HeadBlob, status(405))
            .first(PutUpload, 1, || Act::Lose),
        push("head_blob_500", "500 to every HEAD of a blob, after an answer that got lost")
            .always(HeadBlob, status(500))
            .first(PutUpload, 1, || Act::Lose),
        push("head_manifest_405", "405 to every HEAD of a manifest").always(HeadManifest, status(405)),
        push("head_no_digest", "no answer has a Docker-Content-Digest")
            .script(|_, _| Some(Act::Alter(Box::new(|reply| reply.without("docker-content-digest"))))),
    ]
}

/// Bytes may be sent in three ways.
fn ways() -> Vec<Row> {
    vec![
        push("put_413", "413 to PUTs with bodies").large().script(only_pieces).requests(50),
        push("put_416", "416 to PUTs with bodies")
            .script(|asked, _| has_body(asked).then(|| Act::Answer(Reply::status(416)))),
        push("put_404_always", "404 to PUTs with bodies: only PATCH is known")
            .script(|asked, _| has_body(asked).then(|| Act::Answer(Reply::status(404)))),
        push("put_405_always", "405 to PUTs with bodies: only PATCH is known")
            .job(Job::PushFiles)
            .script(|asked, _| has_body(asked).then(|| Act::Answer(Reply::status(405)))),
        push("chunk_min_length", "413 to PUTs with bodies, and OCI-Chunk-Min-Length")
            .large()
            .script(only_pieces)
            .always(PostUpload, alter(|reply| reply.header("oci-chunk-min-length", "16777216")))
            .script(|asked, _| {
                let is_short = asked.kind == PatchUpload && asked.headers.get("content-range")?.len() < 12;
                (is_short && asked.headers["content-length"] == "4194304")
                    .then(|| Act::Answer(Reply::status(416)))
            }),
        push("patch_503_twice", "413 to PUTs with bodies, then 503 to the first two PATCHes")
            .large()
            .script(only_pieces)
            .first(PatchUpload, 2, status(503)),
        push("patch_201", "413 to PUTs with bodies, then 201 to PATCHes")
            .script(only_pieces)
            .always(PatchUpload, alter(|reply| reply.as_status(201))),
        push("patch_204", "413 to PUTs with bodies, then 204 to PATCHes")
            .script(only_pieces)
            .always(PatchUpload, alter(|reply| reply.as_status(204))),
        push("patch_range_wrong", "413 to PUTs with bodies, then PATCHes that answer a range of one byte")
            .script(only_pieces)
            .always(PatchUpload, alter(|reply| reply.with("range", "0-0"))),
        push("patch_no_location", "413 to PUTs with bodies, then PATCHes without a Location")
            .script(only_pieces)
            .always(PatchUpload, alter(|reply| reply.without("location")))
            .fails(&["PUT http://", "404", "BLOB_UPLOAD_INVALID"])
            .requests(25),
        push("quota_413", "413 to PUTs and PATCHes with bodies")
            .script(only_pieces)
            .always(PatchUpload, || Act::AnswerEarly(Reply::status(413)))
            .fails(&["PATCH http://", "413", "limits the size"])
            .requests(25),
        push("full_507", "507 to PUTs with bodies")
            .script(|asked, _| has_body(asked).then(|| Act::Answer(Reply::status(507))))
            .fails(&["PUT http://", "507", "full"])
            .requests(15),
        push("read_only", "405 to POST: the registry only gives")
            .always(PostUpload, refusal(405, "UNSUPPORTED"))
            .fails(&["POST http://", "405", "read-only"])
            .requests(10),
        push("cancel_refused", "405 to the end of sessions, after a reset")
            .always(DeleteUpload, status(405))
            .first(PutUpload, 1, || Act::Reset(0)),
    ]
}

/// A registry need not take a blob from another repository.
fn mounts() -> Vec<Row> {
    let mount = |name, fault| push(name, fault).job(Job::Mount);
    vec![
        mount("mount_ok", "none").requests(9),
        mount("mount_202", "202 with a session instead of a mount: that session is used")
            .script(|asked, world| {
                let is_mount = asked.kind == PostUpload && asked.target.contains("mount=");
                is_mount.then(|| {
                    let target = format!("/v2/{}/blobs/uploads/", world.repository);
                    let asked = Asked::new("POST", &target).header("host", &asked.host);
                    Act::Answer(asked.send_to(&world.upstream, &[]).unwrap())
                })
            })
            .requests(12),
        mount("mount_401", "401 to mounts").script(no_mount(401)),
        mount("mount_403", "403 to mounts").script(no_mount(403)),
        mount("mount_404", "404 to mounts").script(no_mount(404)),
        mount("mount_405", "405 to mounts").script(no_mount(405)),
        mount("mount_400", "400 to mounts").script(no_mount(400)),
        mount("mount_500", "500 to mounts").script(no_mount(500)),
        mount("mount_hang", "mounts are never answered").script(|asked, _| {
            let is_mount = asked.kind == PostUpload && asked.target.contains("mount=");
            is_mount.then(|| Act::Hang(super::world::IDLE * 2))
        }),
        mount("mount_lie", "201 to mounts of blobs that are not there").script(|asked, _| {
            let is_mount = asked.kind == PostUpload && asked.target.contains("mount=");
            is_mount.then(|| Act::Answer(Reply::status(201).header("location", "/nowhere")))
        }),
        mount("mount_token_refused", "no token for the repository that has the blobs").wants_token().script(
            |asked, _| {
                let is_wide = asked.kind == Kind::Token && asked.target.contains("origin");
                is_wide.then(|| Act::Answer(Reply::refusal(403, "DENIED", "not yours")))
            },
        ),
        mount("mount_401_again", "401 to mounts, with new tokens too").wants_token().script(
            |asked, world| {
                let is_mount = asked.kind == PostUpload && asked.target.contains("mount=");
                (is_mount && asked.authorization().is_some()).then(|| Act::Answer(world.challenge()))
            },
        ),
    ]
}

/// Where a session goes on.
fn locations() -> Vec<Row> {
    vec![
        push("location_relative", "Location without a host").always(
            PostUpload,
            alter(|reply| {
                let path = path(&reply);
                reply.with("location", path)
            }),
        ),
        push("location_noslash", "Location relative to the request").always(
            PostUpload,
            alter(|reply| {
                let path = path(&reply);
                let last = path.rsplit_once('/').map_or("", |(_, last)| last).to_owned();
                reply.with("location", last)
            }),
        ),
        push("location_missing", "202 without Location")
            .always(PostUpload, alter(|reply| reply.without("location")))
            .fails(&["is not a registry", "without a location"])
            .requests(8),
        push("location_empty", "202 with an empty Location")
            .always(PostUpload, alter(|reply| reply.with("location", "")))
            .fails(&["without a location"]),
        push("location_garbage", "202 with `http://[` as Location")
            .always(PostUpload, alter(|reply| reply.with("location", "http://[")))
            .fails(&["not a URL"]),
        push("location_file", "202 with `file:///etc/passwd` as Location")
            .always(PostUpload, alter(|reply| reply.with("location", "file:///etc/passwd")))
            .fails(&["only http and https"]),
        push("location_query", "Location with odd parameters, which must come back as they are")
            .always(
                PostUpload,
                alter(|reply| {
                    let old = reply.value("location").unwrap_or_default().to_owned();
                    reply.with("location", format!("{old}&x=a%2Fb+c&&y"))
                }),
            )
            .script(|asked, _| {
                let is_changed =
                    asked.kind == PutUpload && !asked.target.contains("&x=a%2Fb+c&&y&digest=sha256");
                is_changed.then(|| Act::Answer(Reply::status(400)))
            }),
        push("location_other_host", "Location on another host").wants_token().script(|asked, world| {
            if asked.kind != PostUpload || asked.authorization().is_none() {
                return None;
            }
            let stranger = world.stranger.address();
            Some(Act::Alter(Box::new(move |reply| {
                let path = path(&reply);
                reply.with("location", format!("http://{stranger}{path}"))
            })))
        }),
        push("location_with_user", "Location with credentials in it").script(|asked, _| {
            let host = asked.host.clone();
            (asked.kind == PostUpload).then(|| {
                Act::Alter(Box::new(move |reply| {
                    let path = path(&reply);
                    reply.with("location", format!("http://eve:CANARY@{host}{path}"))
                }))
            })
        }),
        push("location_downgrade", "Location without encryption")
            .encrypted()
            .wants_token()
            .script(|asked, world| {
                if asked.kind != PostUpload || asked.authorization().is_none() {
                    return None;
                }
                let stranger = world.stranger.address();
                Some(Act::Alter(Box::new(move |reply| {
                    let path = path(&reply);
                    reply.with("location", format!("http://{stranger}{path}"))
                })))
            })
            .fails(&["the target is not encrypted", "X-Forwarded-Proto"]),
        push("location_private", "Location of a public registry at a private address")
            .proxied()
            .wants_token()
            .always(PostUpload, alter(|reply| reply.with("location", "http://169.254.169.254/latest/")))
            .fails(&["private address"]),
        push("location_201_wrong", "201 to blobs with a Location that leads nowhere")
            .always(PutUpload, alter(|reply| reply.with("location", "http://0.0.0.0:1/nowhere"))),
        push("put_wrong_digest", "another Docker-Content-Digest for every blob")
            .always(PutUpload, alter(|reply| reply.with("docker-content-digest", wrong()))),
    ]
}

/// What may come of putting the manifest.
fn manifests() -> Vec<Row> {
    vec![
        push("manifest_blob_unknown_once", "400 MANIFEST_BLOB_UNKNOWN though all blobs are there")
            .first(PutManifest, 1, refusal(400, "MANIFEST_BLOB_UNKNOWN"))
            .waits(1.0, 2.0),
        push("manifest_blob_unknown", "400 MANIFEST_BLOB_UNKNOWN for ever")
            .always(PutManifest, refusal(400, "MANIFEST_BLOB_UNKNOWN"))
            .fails(&["PUT http://", "MANIFEST_BLOB_UNKNOWN: because"])
            .waits(7.0, 8.0),
        push("known_is_wrong", "blobs that were there are gone: the registry names them").job(Job::PushKnown),
        push(
            "known_is_wrong_unnamed",
            "blobs that were there are gone: 400 MANIFEST_BLOB_UNKNOWN without names",
        )
        .job(Job::PushKnown)
        .first(PutManifest, 1, refusal(400, "MANIFEST_BLOB_UNKNOWN")),
        push("known_is_wrong_404", "blobs that were there are gone: 404 BLOB_UNKNOWN")
            .job(Job::PushKnown)
            .first(PutManifest, 1, refusal(404, "BLOB_UNKNOWN")),
        push("known_is_wrong_invalid", "blobs that were there are gone: 400 MANIFEST_INVALID")
            .job(Job::PushKnown)
            .first(PutManifest, 1, refusal(400, "MANIFEST_INVALID")),
        push(
            "known_is_wrong_unsaid",
            "blobs are gone with their tags, and manifests are taken without a look",
        )
        .job(Job::PushKnown)
        .first(HeadManifest, 1, status(404))
        .script(unseen_until_a_blob_came()),
        push("manifest_unknown_after_put", "404 MANIFEST_UNKNOWN to the first HEAD after the PUT")
            .script(after_put(|| Act::Answer(Reply::status(404)), 1))
            .waits(0.5, 3.0),
        push("manifest_never_there", "404 to every HEAD and GET after the PUT, which was answered with 201")
            .always(PutManifest, status(201))
            .fails(&["absent after the push"]),
        push("manifest_put_200_html", "the PUT of the manifest gets a web page")
            .always(PutManifest, page)
            .fails(&["is not a registry", "text/html", "/manifests/1"]),
        push("not_a_registry", "everything gets a web page")
            .script(|_, _| Some(page()))
            .fails(&["is not a registry"]),
        push("manifest_put_202", "202 to the PUT of the manifest")
            .always(PutManifest, alter(|reply| reply.as_status(202))),
        push(
            "manifest_wrong_digest_hdr",
            "another Docker-Content-Digest for every manifest: its bytes decide",
        )
        .always(PutManifest, alter(|reply| reply.with("docker-content-digest", wrong())))
        .always(HeadManifest, alter(|reply| reply.with("docker-content-digest", wrong())))
        .says("does not match its content"),
        push("manifest_moved", "somebody else moves the tag in between")
            .script(after_put(
                || Act::Answer(Reply::status(200).header("docker-content-digest", wrong())),
                usize::MAX,
            ))
            .always(GetManifest, || Act::Answer(Reply::status(200).body(r#"{"schemaVersion":2}"#)))
            .fails(&["after the push, not sha256", "push again"]),
        push("tag_immutable", "409 TAG_IMMUTABLE, and the tag stands for something else")
            .always(PutManifest, refusal(409, "TAG_IMMUTABLE"))
            .fails(&["TAG_IMMUTABLE: because", "immutable"]),
        push("tag_immutable_same", "409 TAG_IMMUTABLE though the tag already stands for the image")
            .always(PutManifest, alter(|_| Reply::refusal(409, "TAG_IMMUTABLE", "because"))),
        push("second_tag_fails", "500 to every PUT of the second tag")
            .script(|asked, _| {
                asked.target.ends_with("/manifests/latest").then_some(())?;
                (asked.kind == PutManifest).then(|| Act::Answer(Reply::status(500)))
            })
            .fails(&["/manifests/latest", "500", "(moved: 1; not moved: latest)"]),
        push("manifest_invalid", "400 MANIFEST_INVALID to the manifest")
            .always(PutManifest, refusal(400, "MANIFEST_INVALID"))
            .fails(&["MANIFEST_INVALID: because", "OCI images"])
            .requests(20),
        push("manifest_415", "415 to the manifest")
            .always(PutManifest, status(415))
            .fails(&["415", "OCI images"]),
        push("manifest_413", "413 to the manifest").always(PutManifest, status(413)).fails(&["413", "limit"]),
    ]
}

/// What will not pass.
fn refusals() -> Vec<Row> {
    vec![
        push("denied_403_post", "403 DENIED to every POST")
            .always(PostUpload, refusal(403, "DENIED"))
            .fails(&["POST http://", "403", "DENIED: because", "wain login"])
            .requests(8),
        push("denied_403_put", "403 DENIED to the PUT of the manifest")
            .always(PutManifest, refusal(403, "DENIED"))
            .fails(&["PUT http://", "403", "DENIED: because"]),
        push("name_unknown", "404 NAME_UNKNOWN to every POST")
            .always(PostUpload, refusal(404, "NAME_UNKNOWN"))
            .fails(&["NAME_UNKNOWN: because", "create the repository"])
            .requests(8),
        push("post_html", "POSTs get a web page")
            .always(PostUpload, page)
            .fails(&["web page", "/blobs/uploads/"]),
        push("put_html", "PUTs of blobs get a web page").always(PutUpload, page).fails(&["web page"]),
        push("error_text", "500 with text instead of JSON")
            .always(PostUpload, || Act::Answer(Reply::status(500).body("out of\u{1b}[31m order\r\n\0")))
            .fails(&["500", "out of[31m order"])
            .waits(30.0, 130.0),
        push("error_endless", "400 with a body that never ends")
            .always(PostUpload, || {
                let reply = Reply::status(400).length(wainwright_testing::Length::Absent);
                Act::Answer(reply.body(vec![b'x'; 10_000]).endless())
            })
            .fails(&["400", "xxx"]),
        push("redirected", "POSTs are redirected")
            .always(PostUpload, || Act::Answer(Reply::status(307).header("location", "/elsewhere")))
            .fails(&["307"]),
        push("warning", "Warning headers")
            .script(|_, _| Some(Act::Alter(Box::new(|reply| reply.header("warning", "299 - \"soon gone\"")))))
            .says("soon gone"),
        push("no_encryption", "a registry without encryption that nobody named as one")
            .encrypted()
            .tune(|settings, _| {
                settings.http.proxies.https = None;
                settings.http.tries = 1;
            })
            .fails(&["registry.example"]),
    ]
}

fn each(status: u16) -> impl Fn(&Asked, &World) -> Option<Act> + Send + Sync {
    move |asked, _| (asked.earlier == 0).then(|| Act::Answer(Reply::status(status)))
}

fn after(time: &'static str) -> impl Fn() -> Act {
    move || Act::Answer(Reply::status(429).header("retry-after", time))
}

fn dated(time: &'static str) -> impl Fn() -> Act {
    move || {
        let reply = Reply::status(503).header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        Act::Answer(reply.header("retry-after", time))
    }
}

fn has_body(asked: &Asked) -> bool {
    asked.kind == PutUpload && asked.headers.get("content-length").is_some_and(|length| length != "0")
}

/// A registry, or a proxy before it, that takes small bodies only.
fn only_pieces(asked: &Asked, _: &World) -> Option<Act> {
    has_body(asked).then(|| Act::AnswerEarly(Reply::status(413)))
}

fn no_mount(status: u16) -> impl Fn(&Asked, &World) -> Option<Act> + Send + Sync {
    move |asked, _| {
        let is_mount = asked.kind == PostUpload && asked.target.contains("mount=");
        is_mount.then(|| Act::Answer(Reply::refusal(status, "DENIED", "no mounts")))
    }
}

/// Manifests are taken, and not kept, as long as no blob was sent.
fn unseen_until_a_blob_came() -> impl Fn(&Asked, &World) -> Option<Act> + Send + Sync {
    let has_come = std::sync::atomic::AtomicBool::new(false);
    move |asked, _| {
        use std::sync::atomic::Ordering::SeqCst;
        has_come.fetch_or(asked.kind == PutUpload, SeqCst);
        (asked.kind == PutManifest && !has_come.load(SeqCst)).then(|| Act::Answer(Reply::status(201)))
    }
}

/// What happens to the first HEADs after the manifest was put.
fn after_put(act: fn() -> Act, count: usize) -> impl Fn(&Asked, &World) -> Option<Act> + Send + Sync {
    let first = std::sync::OnceLock::new();
    let is_put = std::sync::atomic::AtomicBool::new(false);
    move |asked, _| {
        use std::sync::atomic::Ordering::SeqCst;
        if asked.kind == PutManifest {
            is_put.store(true, SeqCst);
        }
        if asked.kind != HeadManifest || !is_put.load(SeqCst) {
            return None;
        }
        (asked.earlier < first.get_or_init(|| asked.earlier).saturating_add(count)).then(act)
    }
}

/// Path and query of a Location.
fn path(reply: &Reply) -> String {
    let location = reply.value("location").unwrap_or_default();
    location.find("/v2/").map_or(String::new(), |at| location[at..].to_owned())
}

fn wrong() -> String {
    format!("sha256:{}", "1".repeat(64))
}
