use std::time::Duration;

use wainwright_testing::Kind::{GetManifest, HeadManifest, PostUpload, PutUpload};
use wainwright_testing::{Act, Length, Reply};

use super::row::{Row, alter, pull, push};

/// Answers that are no good HTTP.
pub(super) fn rows() -> Vec<Row> {
    vec![
        push("proxied", "none, through an HTTP proxy").proxied(),
        push("encrypted", "none, encrypted, through CONNECT").encrypted(),
        push("certs_d", "none, with the registry's authority and our certificate from certs.d")
            .known_clients(),
        push("certs_d_none", "a registry that knows its clients, and we have nothing to show")
            .known_clients()
            .tune(|settings, _| settings.hosts.certificates.clear())
            .fails(&["TLS connection to `registry.example`"]),
        pull("no_proxy", "the registry is named in NO_PROXY, and cannot be reached without")
            .proxied()
            .tune(|settings, _| {
                settings.http.proxies.none = Some("registry.example".into());
                settings.http.tries = 1;
            })
            .fails(&["registry.example"]),
        pull("proxy_407", "the proxy wants a password")
            .proxied()
            .script(|_, _| Some(Act::Answer(Reply::status(407))))
            .fails(&["407"]),
        pull("proxy_dead", "the proxy is not there")
            .proxied()
            .tune(|settings, _| settings.http.proxies.http = Some("http://ann:CANARY@127.0.0.1:9".into()))
            .fails(&["refused", "the proxy http://127.0.0.1:9 of HTTP_PROXY", "NO_PROXY"])
            .requests(0),
        pull("mirror", "a mirror has it all, the registry is gone")
            .tune(|settings, world| {
                let mirror = vec![world.stranger.address()];
                settings.hosts.mirrors.insert(world.address().to_owned(), mirror);
            })
            .script(|_, _| Some(Act::Reset(0))),
        pull("mirror_gone", "there is no mirror, the registry has it")
            .login(true)
            .tune(|settings, world| {
                settings.hosts.mirrors.insert(world.address().to_owned(), vec!["127.0.0.1:9".into()]);
            })
            .waits(0.0, 60.0),
        push("http_100", "100 Continue before every answer")
            .script(|_, _| Some(Act::Alter(Box::new(|reply| reply.after("HTTP/1.1 100 Continue\r\n\r\n"))))),
        push("http_103", "103 Early Hints before every answer").script(|_, _| {
            let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
            Some(Act::Alter(Box::new(move |reply| reply.after(hints))))
        }),
        push("http_100_flood", "100 Continue for ever")
            .always(PostUpload, || {
                let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(40_000);
                Act::Answer(Reply::status(202).after(flood))
            })
            .fails(&["/blobs/uploads/"]),
        push("bare_line_ends", "lines end with a line feed only")
            .script(|_, _| Some(Act::Alter(Box::new(Reply::bare_line_ends)))),
        pull("http_09", "a body without a head")
            .always(GetManifest, || Act::Answer(Reply::status(200).after("{}").abrupt()))
            .fails(&["/manifests/1"]),
        pull("garbage", "noise instead of an answer")
            .always(GetManifest, || Act::Answer(Reply::status(200).after(vec![0xff; 5000]).abrupt()))
            .fails(&["/manifests/1"]),
        pull("header_flood", "5,000 headers")
            .always(GetManifest, || {
                Act::Answer(
                    (0..5000).fold(Reply::status(200), |reply, at| reply.header(&format!("x-{at}"), "y")),
                )
            })
            .fails(&["/manifests/1"]),
        pull("header_long", "a header of 8 MB")
            .always(GetManifest, || Act::Answer(Reply::status(200).header("x", "y".repeat(8 << 20))))
            .fails(&["/manifests/1"]),
        pull("header_slow", "headers letter by letter")
            .always(GetManifest, || {
                Act::Answer(
                    Reply::status(200).header("x", "y".repeat(200)).pace(1, Duration::from_millis(50)),
                )
            })
            .fails(&["no data for 5 s"]),
        pull("header_control", "a control character in a header")
            .always(GetManifest, || Act::Answer(Reply::status(200).header("warning", "299 - \"a\u{1}b\"")))
            .fails(&["/manifests/1", "(exit 3)"])
            .requests(2),
        push("header_warning_long", "a warning of 5 KB, which is cut")
            .script(|_, _| {
                Some(Act::Alter(Box::new(|reply| {
                    reply.header("warning", format!("299 - \"{}\"", "so ".repeat(1700)))
                })))
            })
            .says(" warns: so so so"),
        pull("two_lengths", "two lengths that differ")
            .always(GetManifest, || {
                Act::Answer(Reply::status(200).header("content-length", "5").body("{}").length(Length::Right))
            })
            .fails(&["/manifests/1"]),
        pull("length_and_chunks", "a length and chunks at once")
            .always(GetManifest, alter(|reply| reply.header("content-length", "5").length(Length::Chunked))),
        pull("status_999", "999 to the manifest")
            .always(GetManifest, || Act::Answer(Reply::status(999)))
            .fails(&["999"]),
        pull("status_204", "204 to the manifest")
            .always(GetManifest, || Act::Answer(Reply::status(204)))
            .fails(&["204"]),
        pull("status_304", "304 to the manifest")
            .always(GetManifest, || Act::Answer(Reply::status(304)))
            .fails(&["304"]),
        push("early_answer", "answers to blobs come before their bytes were read")
            .always(PutUpload, || Act::AnswerEarly(Reply::refusal(400, "BLOB_UPLOAD_INVALID", "because")))
            .fails(&["/blobs/uploads/"]),
        push("head_with_body", "a HEAD is answered with a body")
            .always(HeadManifest, || {
                Act::Answer(
                    Reply::status(404).after("HTTP/1.1 404 .\r\nContent-Length: 3\r\n\r\nabc").abrupt(),
                )
            })
            .fails(&["absent after the push"]),
    ]
}
