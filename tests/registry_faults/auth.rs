use wainwright_testing::Kind::{PutManifest, PutUpload, Token};
use wainwright_testing::{Act, Asked, Reply};

use super::row::{Job, Row, page, pull, push, status};
use super::world::World;

/// What goes wrong between a registry, its token server and a password.
pub(super) fn rows() -> Vec<Row> {
    [basic(), challenges(), tokens(), realms()].into_iter().flatten().collect()
}

fn basic() -> Vec<Row> {
    vec![
        push("basic_ok", "none, with basic authentication").login(true).script(wants_basic),
        push("basic_repeated", "a refusal that repeats the password it was shown")
            .login(true)
            .script(|asked, world| {
                let Some(shown) = asked.authorization() else { return wants_basic(asked, world) };
                let text = format!("bad header `Authorization: {shown}`");
                Some(Act::Answer(Reply::refusal(400, "BAD_HEADER", &text)))
            })
            .fails(&["400", "BAD_HEADER: bad header `Authorization: Basic ***"]),
        push("basic_nobody", "401 to those without a password")
            .script(wants_basic)
            .fails(&["401", "wain login"])
            .requests(2),
        push("basic_wrong", "401 to this password too")
            .login(true)
            .script(|_, _| Some(Act::Answer(basic_challenge())))
            .fails(&["HEAD http://", "401", "`ann`", "log in again"])
            .requests(3),
        push("basic_realm_elsewhere", "the name of a basic challenge is an address").login(true).script(
            |asked, world| {
                let reply = Reply::status(401).header(
                    "www-authenticate",
                    format!("Basic realm=\"http://{}\"", world.stranger.address()),
                );
                asked.authorization().is_none().then(|| Act::Answer(reply))
            },
        ),
        pull("challenge_first_of_two", "Negotiate and Basic in one header").login(true).script(|asked, _| {
            let reply = Reply::status(401).header("www-authenticate", "Negotiate, BASIC Realm=\"a, b\"");
            asked.authorization().is_none().then(|| Act::Answer(reply))
        }),
    ]
}

fn challenges() -> Vec<Row> {
    let refused = |name, fault, header: &'static str| {
        pull(name, fault)
            .login(true)
            .script(move |_, _| Some(Act::Answer(Reply::status(401).header("www-authenticate", header))))
    };
    vec![
        pull("challenge_missing", "401 without a challenge")
            .script(|_, _| Some(Act::Answer(Reply::status(401))))
            .fails(&["does not name a scheme", "basic and bearer"]),
        refused("challenge_negotiate", "a challenge that we cannot meet", "Negotiate").fails(&["negotiate"]),
        refused("challenge_no_realm", "Bearer without a realm", "Bearer service=\"x\"")
            .fails(&["names no token server"]),
        refused("challenge_realm_garbage", "a realm that is no URL", "Bearer realm=\"http://[\"")
            .fails(&["not a URL"]),
        refused("challenge_realm_file", "a realm that is a file", "Bearer realm=\"file:///etc/passwd\"")
            .fails(&["only http and https"]),
        refused("challenge_unclosed", "a challenge that does not end", "Bearer realm=\"http://x")
            .fails(&["does not name a scheme"]),
        pull("challenge_64k", "a challenge of 64 KB")
            .script(|_, _| {
                let long = format!("Bearer realm=\"{}\"", "x".repeat(64 << 10));
                Some(Act::Answer(Reply::status(401).header("www-authenticate", long)))
            })
            .fails(&["does not name a scheme"]),
    ]
}

fn tokens() -> Vec<Row> {
    vec![
        push("token_ok", "none, with a token").wants_token(),
        push("identity_token", "an identity token for the token server, which takes it by POST only")
            .tune(|settings, world| {
                let entry = r#"{"identitytoken":"CANARY-refresh"}"#;
                let text = format!(r#"{{"auths":{{"{}":{entry}}}}}"#, world.address());
                std::fs::write(world.folder.path().join("config.json"), text).unwrap();
                let folder = world.folder.path().display().to_string();
                let vars = [("DOCKER_CONFIG".to_owned(), folder)].into();
                settings.credentials = wainwright_registry::Credentials::load(&vars, None);
            })
            .script(|asked, world| match asked.kind {
                Token if asked.method == "POST" && asked.authorization().is_none() => {
                    Some(Act::Answer(world.token("\"expires_in\":300")))
                }
                Token => Some(Act::Answer(Reply::status(401))),
                _ if asked.authorization().is_none() => Some(Act::Answer(world.challenge())),
                _ => None,
            }),
        pull("token_anonymous", "none, with a token for anybody").script(|asked, world| match asked.kind {
            Token => Some(Act::Answer(world.token("\"a\":1"))),
            _ if asked.authorization().is_none() => Some(Act::Answer(world.challenge())),
            _ => None,
        }),
        push("token_access_token", "`access_token` instead of `token`")
            .wants_token()
            .script(token_body(r#"{"access_token":"CANARY-token-x"}"#)),
        push("token_no_expiry", "a token without expires_in")
            .wants_token()
            .script(token_body(r#"{"token":"CANARY-token-x"}"#)),
        push("token_expiry_null", "expires_in is null, and other nonsense").wants_token().script(token_body(
            r#"{"token":"CANARY-token-x","expires_in":null,"issued_at":7,"access_token":null}"#,
        )),
        push("token_expiry_0", "expires_in is 0")
            .wants_token()
            .script(token_body(r#"{"token":"CANARY-token-x","expires_in":0}"#)),
        push("token_expired", "the token ends in the middle of the push: 401 to the PUT of a blob")
            .wants_token()
            .script(first_token_ends(Act::Answer)),
        push(
            "token_expired_files",
            "the token ends in the middle of the push, 401 comes before the body is read",
        )
        .job(Job::PushFiles)
        .wants_token()
        .script(first_token_ends(Act::AnswerEarly)),
        push("token_expired_manifest", "the token ends before the PUT of the manifest").wants_token().script(
            |asked, world| {
                (asked.kind == PutManifest && asked.earlier == 0).then(|| Act::Answer(world.challenge()))
            },
        ),
        push("token_never_good", "401 to every token")
            .wants_token()
            .script(|asked, world| (asked.kind != Token).then(|| Act::Answer(world.challenge())))
            .fails(&["401", "`ann`", "log in again"])
            .requests(6),
        push("token_wrong_password", "the token server does not know the password")
            .wants_token()
            .script(|asked, _| {
                (asked.kind == Token).then(|| {
                    Act::Answer(Reply::refusal(401, "UNAUTHORIZED", "incorrect username or password"))
                })
            })
            .fails(&["/token", "401", "incorrect username or password", "ann"])
            .requests(3),
        push("token_500_twice", "500 to the first two questions for a token").wants_token().script(
            |asked, _| (asked.kind == Token && asked.earlier < 2).then(|| Act::Answer(Reply::status(500))),
        ),
        push("token_500", "500 to every question for a token")
            .wants_token()
            .always(Token, status(500))
            .fails(&["GET http://", "/token", "500"]),
        push("token_429", "429 with Retry-After: 3 to the first question for a token")
            .wants_token()
            .script(|asked, _| {
                (asked.kind == Token && asked.earlier == 0)
                    .then(|| Act::Answer(Reply::status(429).header("retry-after", "3")))
            })
            .waits(3.0, 4.0),
        push("token_reset", "the token server hangs up once")
            .wants_token()
            .script(|asked, _| (asked.kind == Token && asked.earlier == 0).then_some(Act::Lose)),
        push("token_404", "there is no token server")
            .wants_token()
            .always(Token, status(404))
            .fails(&["/token", "404"])
            .requests(3),
        push("token_html", "the token is a web page")
            .wants_token()
            .always(Token, page)
            .fails(&["/token", "web page"]),
        push("token_none", "no token in the answer")
            .wants_token()
            .script(token_body(r#"{"expires_in":300}"#))
            .fails(&["did not send a token"]),
        push("token_number", "the token is a number")
            .wants_token()
            .script(token_body(r#"{"token":7}"#))
            .fails(&["did not send a token"]),
        push("token_letters", "a token with line ends in it")
            .wants_token()
            .script(token_body(r#"{"token":"CANARY\r\nx: y"}"#))
            .fails(&["did not send a token"]),
        push("token_huge", "a token server that never stops")
            .wants_token()
            .always(Token, || {
                let reply = Reply::status(200).body(vec![b' '; 1 << 16]);
                Act::Answer(reply.length(wainwright_testing::Length::Chunked).endless())
            })
            .fails(&["/token", "larger than"]),
        push("token_redirected", "the token server redirects")
            .wants_token()
            .script(|asked, world| {
                let to = format!("http://{}/token", world.stranger.address());
                (asked.kind == Token).then(|| Act::Answer(Reply::status(307).header("location", to)))
            })
            .fails(&["/token", "307"]),
        push("token_scope", "tokens must be for this repository, with pull and push").wants_token().script(
            |asked, world| {
                let scope =
                    format!("scope=repository%3A{}%3Apull%2Cpush", world.repository.replace('/', "%2F"));
                let is_right = asked.target.contains(&scope) && asked.target.contains("service=test");
                (asked.kind == Token && !is_right).then(|| Act::Answer(Reply::status(400)))
            },
        ),
        push("token_scope_mount", "tokens for mounts must be for both repositories")
            .job(Job::Mount)
            .wants_token()
            .script(|asked, _| {
                let is_right = asked.target.contains("%2Forigin%3Apull");
                (asked.kind == Token && !is_right).then(|| Act::Answer(Reply::status(400)))
            })
            .requests(12),
    ]
}

/// Who decides where a password goes.
fn realms() -> Vec<Row> {
    vec![
        pull("realm_stranger", "the token server is another host, which gives tokens to anybody")
            .login(true)
            .script(|asked, world| {
                let realm = format!("http://{}/token", world.stranger.address());
                asked.authorization().is_none().then(|| Act::Answer(world.challenge_to(&realm)))
            })
            .fails(&["token", "404"]),
        pull("realm_public_stranger", "the token server of a public registry is another public host")
            .proxied()
            .login(true)
            .script(|asked, world| {
                if asked.host == "tokens.evil.test" {
                    let body = r#"{"token":"given-to-anybody"}"#;
                    return Some(Act::Answer(Reply::status(200).body(body)));
                }
                let realm = "http://tokens.evil.test/token";
                asked.authorization().is_none().then(|| Act::Answer(world.challenge_to(realm)))
            })
            .says("no credentials are sent"),
        pull("realm_alike", "the token server has a name that only begins alike")
            .proxied()
            .login(true)
            .script(|asked, world| {
                if asked.host.ends_with("evil.test") {
                    return Some(Act::Answer(Reply::refusal(401, "UNAUTHORIZED", "who are you")));
                }
                Some(Act::Answer(world.challenge_to("http://registry.example.evil.test/token")))
            })
            .fails(&["registry.example.evil.test", "401"]),
        pull("realm_private", "the token server of a public registry is at a private address")
            .proxied()
            .login(true)
            .script(|_, world| Some(Act::Answer(world.challenge_to("http://10.0.0.1/token"))))
            .fails(&["private address"]),
        pull("realm_downgrade", "the token server of an encrypted registry has no encryption")
            .encrypted()
            .login(true)
            .script(|_, world| Some(Act::Answer(world.challenge_to("http://registry.example/token"))))
            .fails(&["the target is not encrypted"]),
        pull("realm_named", "the token server is another host, which the user named")
            .login(true)
            .tune(|settings, world| {
                let allowed = [world.stranger.address()].into();
                settings.hosts.token_servers.insert(world.address().to_owned(), allowed);
            })
            .script(|asked, world| {
                let realm = format!("http://{}/v2/", world.stranger.address());
                asked.authorization().is_none().then(|| Act::Answer(world.challenge_to(&realm)))
            })
            .fails(&["did not send a token"])
            .stranger_is_trusted(),
    ]
}

fn basic_challenge() -> Reply {
    Reply::refusal(401, "UNAUTHORIZED", "authentication required")
        .header("www-authenticate", "Basic realm=\"test\"")
}

fn wants_basic(asked: &Asked, _: &World) -> Option<Act> {
    let is_known = asked.authorization().is_some_and(|shown| shown.starts_with("Basic "));
    (!is_known).then(|| Act::Answer(basic_challenge()))
}

/// What the token server says to those who know the password.
fn token_body(body: &'static str) -> impl Fn(&Asked, &World) -> Option<Act> + Send + Sync {
    move |asked, _| {
        let is_known = asked.authorization().is_some_and(|shown| shown.starts_with("Basic "));
        (asked.kind == Token && is_known).then(|| Act::Answer(Reply::status(200).body(body)))
    }
}

/// The first token is good until a blob comes.
fn first_token_ends(answer: fn(Reply) -> Act) -> impl Fn(&Asked, &World) -> Option<Act> + Send + Sync {
    let is_over = std::sync::atomic::AtomicBool::new(false);
    move |asked, world| {
        use std::sync::atomic::Ordering::SeqCst;
        is_over.fetch_or(asked.kind == PutUpload, SeqCst);
        let is_old = asked.authorization() == Some("Bearer CANARY-token-1");
        (is_old && is_over.load(SeqCst)).then(|| answer(world.challenge()))
    }
}
