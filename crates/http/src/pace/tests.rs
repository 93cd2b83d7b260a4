use std::sync::{Arc, Mutex};

use super::*;
use crate::{Body, Clock, Exchange, Method, Request, Settings};
use wainwright_testing::{Act, Proxy, Reply, Server};

/// What is waited for in hours otherwise.
fn settings() -> Settings {
    let mut settings = Settings::new("test");
    settings.clock = Clock::on_paper();
    settings.idle_timeout = Duration::from_secs(5);
    settings.slow_window = Duration::from_secs(1);
    settings.slow_bytes = 1000;
    settings.notice = Duration::from_millis(200);
    settings.tries = 2;
    settings
}

#[tokio::test]
async fn a_trickle_is_given_up() {
    let drip = |_: &_| Reply::ok(vec![7; 5000]).pace(5, Duration::from_millis(20));
    let server = Server::start(drip);
    let url = server.url("/");
    let client = Client::new(&settings()).unwrap();
    let request = Request { url: &url, accept: None, auth: None, limit: 9000 };
    let error = client.get(request).await.unwrap_err().to_string();
    assert!(error.contains("fewer than 1000 bytes in 1 s"), "{error}");
    assert!(error.contains("(2 tries)"), "{error}");

    let exchange =
        Exchange { method: Method::GET, url: &url, headers: Vec::new(), auth: None, body: Body::Empty };
    let answer = client.exchange(&exchange).await.ok().unwrap();
    let fault = answer.bytes(9000).await.err().unwrap();
    assert_eq!(fault.retry, Retry::Later { lost: settings().slow_window });
}

#[tokio::test]
async fn what_is_slow_but_moves_arrives() {
    let server = Server::start(|_| Reply::ok(vec![7; 120_000]).pace(2000, Duration::from_millis(40)));
    let client = Client::new(&settings()).unwrap();
    let url = server.url("/");
    let request = Request { url: &url, accept: None, auth: None, limit: 200_000 };
    assert_eq!(client.get(request).await.unwrap().body.len(), 120_000);
}

#[tokio::test]
async fn a_server_that_hardly_takes_anything_is_given_up() {
    let server = Proxy::start(None, None, |_| Act::Sip(64, Duration::from_millis(1)));
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(256 << 20).unwrap();
    let body =
        Body::File { path: file.path().into(), offset: 0, length: 256 << 20, progress: Arc::new(|_| ()) };
    let url = format!("http://{}/", server.address()).parse().unwrap();
    let exchange = Exchange { method: Method::PUT, url: &url, headers: Vec::new(), auth: None, body };
    let client = Client::new(&settings()).unwrap();
    let fault = client.exchange(&exchange).await.err().unwrap();
    let text = fault.error.to_string();
    assert!(text.contains("no data for 5 s") || text.contains("fewer than 1000 bytes"), "{text}");
}

#[tokio::test]
async fn a_wait_is_told_once_for_all_requests() {
    let server = Server::start(|_| Reply::ok("x").late(Duration::from_millis(700)));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut settings = settings();
    settings.idle_timeout = Duration::from_secs(20);
    let listener = heard.clone();
    settings.on_wait = Arc::new(move |host, time| listener.lock().unwrap().push((host.to_owned(), time)));
    let client = Client::new(&settings).unwrap();
    let url = server.url("/");
    let ask = || client.get(Request { url: &url, accept: None, auth: None, limit: 10 });
    let start = std::time::Instant::now();
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    let periods = start.elapsed().as_millis() / settings.notice.as_millis();
    let heard = heard.lock().unwrap();
    // Each of the three would tell it once in a period.
    assert!((1..3 * periods).contains(&(heard.len() as u128)), "{heard:?} in {periods} periods");
    let (host, time) = &heard[0];
    assert_eq!(*host, url.socket_addrs(|| None).unwrap()[0].to_string());
    assert!(*time >= settings.notice, "{time:?}");
}

#[test]
fn a_pace_is_measured_anew_in_every_window() {
    let limits = Limits { window: Duration::ZERO, ..Limits::new(&settings()) };
    let mut pace = Pace::new(limits);
    assert!(pace.is_too_slow(999));
    assert!(!pace.is_too_slow(1000));
    assert!(pace.is_too_slow(1));
}
