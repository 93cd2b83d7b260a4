use std::fs::File;

use wainwright_oci::Digest;

use crate::part::Part;
use crate::retry::Fault;
use crate::send::{Answer, Ask, Rest};
use crate::{Client, Download, Error};

/// Bytes that make a failed try worth something: the next one follows at once and the count of faults begins
/// anew.
const PROGRESS: u64 = 64 * 1024;

impl Client {
    /// Streams a file into `out` and answers its digest.
    ///
    /// `out` is emptied first. A transfer that breaks goes on where it broke; a server that cannot do that is
    /// asked for the whole again. On success `out` holds exactly the bytes with that digest and `size`; after
    /// an error its content means nothing. `progress` hears of every byte that comes, also of those that come
    /// twice.
    pub async fn download(
        &self,
        what: Download<'_>,
        out: &mut File,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Digest, Error> {
        let mut part = Part::new(what, out, progress)?;
        if what.url.scheme() == "file" {
            part.copy_file()?;
            return part.finish();
        }
        let mut tries = self.tries(what.url);
        loop {
            let before = part.length;
            match self.download_once(&mut part).await {
                Ok(()) if part.may_be_spliced_wrongly() => part.restart("its parts do not fit together")?,
                Ok(()) => return part.finish(),
                Err(fault) => {
                    let has_progressed = part.length >= before + PROGRESS;
                    tries.again(fault, has_progressed).await?;
                }
            }
        }
    }

    async fn download_once(&self, part: &mut Part<'_>) -> Result<(), Fault> {
        let _permit = self.permit().await;
        let rest = (part.length > 0).then_some(Rest { start: part.length, etag: part.etag.as_deref() });
        let ask = Ask { url: part.what.url, accept: None, auth: part.what.auth, rest, is_head: false };
        let Answer { mut response, mut pace, .. } = self.open(&ask).await?;
        let is_complete = part.begin(response.status(), response.headers())?;
        if is_complete {
            return Ok(());
        }
        while let Some(chunk) = self.chunk(part.what.url, &mut response, &mut pace).await? {
            part.take(&chunk).map_err(Fault::is_final)?;
        }
        match part.what.size.or(part.total) {
            Some(size) if part.length < size => {
                Err(part.broken(format!("the connection closed after {} of {size} bytes", part.length)))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::{Clock, Settings, Url};
    use wainwright_testing::{Asked, Length, Reply, Server};

    /// Bytes that differ everywhere, so that a wrong splice shows.
    static WHEEL: LazyLock<Vec<u8>> = LazyLock::new(|| {
        (0..400_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 8).to_be_bytes()).collect()
    });

    fn wheel() -> &'static [u8] {
        &WHEEL
    }

    struct Outcome {
        result: Result<(), Error>,
        requests: Vec<Asked>,
        waits: usize,
        moved: u64,
    }

    /// Downloads `wheel()` by its digest from a server that answers so; what arrives must be those bytes or
    /// an error.
    async fn check(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Outcome {
        let server = Server::start(answer);
        let size = wheel().len() as u64;
        let url = server.url("/a.whl");
        let what = Download {
            url: &url,
            auth: None,
            expected: Some(Digest::of(wheel())),
            size: Some(size),
            limit: size,
        };
        let (result, waits, moved) = download(what).await;
        Outcome { result, requests: server.seen(), waits, moved }
    }

    async fn download(what: Download<'_>) -> (Result<(), Error>, usize, u64) {
        let mut settings = Settings::new("test");
        settings.clock = Clock::on_paper();
        settings.idle_timeout = Duration::from_secs(1);
        let client = Client::new(&settings).unwrap();
        let mut out = tempfile::tempfile().unwrap();
        let moved = AtomicU64::new(0);
        let count = |bytes| {
            moved.fetch_add(bytes, Ordering::Relaxed);
        };
        let result = client.download(what, &mut out, &count).await;
        if let Ok(digest) = result {
            let mut bytes = Vec::new();
            out.rewind().unwrap();
            out.read_to_end(&mut bytes).unwrap();
            assert_eq!(Digest::of(&bytes), digest);
            assert_eq!(what.expected.unwrap_or(digest), digest);
        }
        (result.map(|_| ()), settings.clock.waits().len(), moved.into_inner())
    }

    #[tokio::test]
    async fn correct_server_gets_one_request() {
        let outcome = check(|seen| Reply::file(seen, wheel())).await;
        outcome.result.unwrap();
        assert_eq!((outcome.requests.len(), outcome.waits, outcome.moved), (1, 0, wheel().len() as u64));
        assert_eq!(outcome.requests[0].headers["accept-encoding"], "identity");
        assert_eq!(outcome.requests[0].headers["user-agent"], "test");
    }

    #[tokio::test]
    async fn a_broken_transfer_goes_on_where_it_broke() {
        let outcome = check(|seen| match seen.earlier {
            0 => Reply::file(seen, wheel()).header("ETag", "\"v1\"").cut(500_000),
            _ => Reply::file(seen, wheel()),
        })
        .await;
        outcome.result.unwrap();
        assert_eq!(outcome.moved, wheel().len() as u64);
        assert_eq!(outcome.requests[1].range_start(), Some(500_000));
        assert_eq!(outcome.requests[1].headers["if-range"], "\"v1\"");
    }

    #[tokio::test]
    async fn a_connection_cut_again_and_again_still_arrives() {
        let outcome = check(|seen| Reply::file(seen, wheel()).cut(100_000)).await;
        outcome.result.unwrap();
        assert_eq!(outcome.requests.len(), 16);
    }

    #[tokio::test]
    async fn download_without_progress_fails() {
        let outcome = check(|seen| Reply::file(seen, wheel()).cut(10)).await;
        assert!(matches!(outcome.result, Err(Error::Unreachable { tries: 5, .. })), "{:?}", outcome.result);
    }

    #[tokio::test]
    async fn stalled_download_is_resumed() {
        let outcome = check(|seen| match seen.earlier {
            0 => Reply::file(seen, wheel()).late(Duration::from_secs(2)),
            _ => Reply::file(seen, wheel()),
        })
        .await;
        outcome.result.unwrap();
        assert_eq!(outcome.requests.len(), 2);
    }

    #[tokio::test]
    async fn ignored_range_restarts_download() {
        let outcome = check(|seen| match seen.earlier {
            0 => Reply::ok(wheel()).cut(500_000),
            _ => Reply::ok(wheel()),
        })
        .await;
        outcome.result.unwrap();
        assert_eq!(outcome.moved, wheel().len() as u64 + 500_000);
    }

    #[tokio::test]
    async fn a_wrong_range_is_never_spliced_in() {
        let outcome = check(|seen| match (seen.earlier, seen.range_start()) {
            (0, _) => Reply::ok(wheel()).cut(500_000),
            (_, Some(start)) => {
                let length = wheel().len();
                let range = format!("bytes {}-{}/{length}", start - 1, length - 1);
                Reply::status(206).header("Content-Range", range).body(&wheel()[start - 1..])
            }
            _ => Reply::ok(wheel()),
        })
        .await;
        outcome.result.unwrap();
        assert_eq!(outcome.requests[2].range_start(), None);
    }

    #[tokio::test]
    async fn a_server_without_a_rest_is_given_up() {
        let outcome = check(|seen| match seen.range_start() {
            Some(_) => Reply::status(206).header("Content-Range", "bytes 0-9/10").body("0123456789"),
            None => Reply::ok(wheel()).cut(500_000),
        })
        .await;
        assert!(matches!(outcome.result, Err(Error::Range { .. })), "{:?}", outcome.result);
        assert!(outcome.requests.len() <= 12);
    }

    #[tokio::test]
    async fn a_rest_of_another_file_is_noticed_and_fetched_again() {
        let outcome = check(|seen| match seen.earlier {
            0 => Reply::ok(vec![7; wheel().len()]).cut(500_000),
            _ => Reply::file(seen, wheel()),
        })
        .await;
        outcome.result.unwrap();
        assert_eq!(outcome.requests.len(), 3);
    }

    #[tokio::test]
    async fn a_flipped_bit_is_refused_with_both_digests() {
        let mut bad = wheel().to_vec();
        bad[1000] ^= 1;
        let found = Digest::of(&bad);
        let outcome = check(move |_| Reply::ok(bad.clone())).await;
        let text = outcome.result.unwrap_err().to_string();
        assert!(
            text.contains(&found.to_string()) && text.contains(&Digest::of(wheel()).to_string()),
            "{text}"
        );
        assert_eq!(outcome.requests.len(), 1);
    }

    #[tokio::test]
    async fn another_length_is_refused_before_the_body() {
        for bytes in [wheel()[1..].to_vec(), [wheel(), &[0]].concat(), b"<html>".to_vec()] {
            let outcome = check(move |_| Reply::ok(bytes.clone())).await;
            assert!(matches!(outcome.result, Err(Error::Size { .. })), "{:?}", outcome.result);
            assert_eq!((outcome.requests.len(), outcome.moved), (1, 0));
        }
    }

    #[tokio::test]
    async fn a_body_without_a_length_is_held_to_the_size() {
        let outcome = check(|_| Reply::ok([wheel(), &[0]].concat()).length(Length::Absent)).await;
        assert!(matches!(outcome.result, Err(Error::Size { .. })), "{:?}", outcome.result);
        let outcome = check(|seen| match seen.earlier {
            0 => Reply::ok(&wheel()[..500_000]).length(Length::Absent),
            _ => Reply::file(seen, wheel()),
        })
        .await;
        outcome.result.unwrap();
    }

    #[tokio::test]
    async fn without_a_size_the_limit_holds() {
        let server = Server::start(|_| Reply::ok(wheel()).length(Length::Absent));
        let url = server.url("/");
        let what = Download { url: &url, auth: None, expected: None, size: None, limit: 1000 };
        assert!(matches!(download(what).await.0, Err(Error::Large { limit: 1000, .. })));
        let what = Download { limit: u64::MAX, ..what };
        download(what).await.0.unwrap();
    }

    #[tokio::test]
    async fn local_files_are_checked_like_others() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "local").unwrap();
        let url = Url::from_file_path(file.path()).unwrap();
        let what =
            Download { url: &url, auth: None, expected: Some(Digest::of("local")), size: Some(5), limit: 5 };
        download(what).await.0.unwrap();
        let what = Download { expected: Some(Digest::of("other")), ..what };
        assert!(matches!(download(what).await.0, Err(Error::Digest { .. })));
    }
}
