use wainwright_testing::{Act, Asked, Length, Reply, wheel};

use super::row::{Row, alter, hashed, html, is_file, is_page, locked, status};
use super::world::demand;

/// What comes is not what was locked, or comes in an odd way.
pub(super) fn rows() -> Vec<Row> {
    vec![
        locked("none", "none, with the password in UV_INDEX_CORP_PASSWORD").keeps_public_out(),
        locked("other_bytes", "the wheel has other bytes than were locked")
            .private(|asked| {
                is_file(asked).then(|| {
                    Act::Alter(Box::new(|reply| {
                        let mut body = reply.body.clone();
                        body.iter_mut().skip(40).take(1).for_each(|byte| *byte ^= 1);
                        reply.body(body)
                    }))
                })
            })
            .fails(
                1,
                &["does not match the lockfile: expected sha256:", "has sha256:", "/packages/greet-1.0"],
            )
            .keeps_public_out()
            .mends(),
        locked("other_file", "the index replaced the wheel, and its page says so")
            .private(|asked| match (is_page(asked), is_file(asked)) {
                (true, _) => Some(alter(|text| text.replace("#sha256=", "#sha256=00"))),
                (_, true) => Some(Act::Answer(Reply::ok(wheel("greet").file("x", "").bytes()))),
                _ => None,
            })
            .fails(1, &["does not match the lockfile"])
            .mends(),
        locked("other_hash", "the page has another sha256 than the lockfile, which names no file")
            .private(|asked| is_page(asked).then(other_hash))
            .fails(1, &["greet 1.0: the lockfile has no hash of py3-none-any"])
            .keeps_public_out()
            .mends(),
        locked("index_changed", "the page has another sha256 than the lockfile, whose the file has")
            .project(|_| {
                let text = format!(
                    "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"greet\"\nversion = \"1.0\"\n\
                     index = \"http://other.example/simple\"\n[[packages.wheels]]\n\
                     url = \"http://other.example/greet-1.0-py3-none-any.whl\"\nhashes = {{ sha256 = \"{}\" }}\n",
                    super::world::hex(&wheel("greet"))
                );
                vec![("project/pylock.toml", text)]
            })
            .private(|asked| is_page(asked).then(other_hash))
            .says(&["matches the lockfile, but the index lists the digest sha256:0000"])
            .keeps_public_out(),
        locked("no_hash", "the page names no sha256")
            .private(|asked| is_page(asked).then(|| alter(|text| text.replace("#sha256=", "#md5=")))),
        locked("cut", "the connection ends in the middle of the wheel, once").private(|asked| {
            (is_file(asked) && asked.number < 3).then(|| Act::Alter(Box::new(|reply| reply.cut(100))))
        }),
        locked("cut_always", "the connection always ends in the middle of the wheel")
            .private(|asked| is_file(asked).then(|| Act::Alter(Box::new(|reply| reply.cut(0)))))
            .fails(3, &["cannot fetch `greet-1.0-py3-none-any.whl`"])
            .keeps_public_out()
            .mends(),
        locked("no_length", "the wheel comes in pieces, without a length").private(|asked| {
            is_file(asked).then(|| Act::Alter(Box::new(|reply| reply.length(Length::Chunked))))
        }),
        locked("redirected", "the wheel is on another server, which must not see the password")
            .private(|asked| {
                let is_elsewhere = asked.host.starts_with("localhost");
                match is_elsewhere && asked.headers.contains_key("authorization") {
                    true => Some(status(500)),
                    false if is_elsewhere => Some(Act::Answer(Reply::ok(wheel("greet").bytes()))),
                    false => is_file(asked).then(|| elsewhere(asked)),
                }
            })
            .keeps_public_out(),
        locked("disposition", "the wheel comes under another name, `../../evil.whl`")
            .private(|asked| {
                is_file(asked).then(|| {
                    let name = "attachment; filename=\"../../evil.whl\"";
                    Act::Alter(Box::new(move |reply| reply.header("Content-Disposition", name)))
                })
            })
            .check(|world| {
                let evil = ["evil.whl", "project/evil.whl", "store/evil.whl"];
                demand(!evil.iter().any(|name| world.shop.path(name).exists()), || "evil.whl".into())
            }),
        locked("dots", "the address of the wheel has `..%2f..%2f` before its name")
            .private(|asked| {
                is_page(asked).then(|| alter(|text| text.replace("/packages/", "/packages/..%2f..%2f")))
            })
            .fails(1, &["has `greet`, but no file of version 1.0"])
            .keeps_public_out()
            .mends(),
        locked("local_link", "the page links to a file of this machine")
            .private(|asked| {
                is_page(asked).then(|| html("<a href='file:///etc/greet-1.0-py3-none-any.whl'>x</a>"))
            })
            .fails(3, &["to `file:///etc/greet-1.0-py3-none-any.whl`: only http and https"])
            .mends(),
        locked("yanked", "the wheel that was locked is yanked")
            .private(|asked| {
                is_page(asked).then(|| alter(|text| text.replace("<a ", "<a data-yanked='eats data' ")))
            })
            .says(&["`greet-1.0-py3-none-any.whl` was yanked: eats data"]),
        locked("old_python", "the page says that the wheel is not for this Python; the wheel decides")
            .private(|asked| {
                is_page(asked)
                    .then(|| alter(|text| text.replace("<a ", "<a data-requires-python='&lt;3.0' ")))
            })
            .keeps_public_out(),
        locked("no_tag", "the wheels are for another Python, and for another C library")
            .project(|_| {
                let wheels = super::world::public_wheels();
                let fast = wheels.iter().filter(|one| one.name() == "fast");
                let hashes: String =
                    fast.map(|one| format!(" --hash=sha256:{}", super::world::hex(one))).collect();
                vec![("project/requirements.txt", format!("fast==1.0{hashes}\n"))]
            })
            .fails(1, &["fast 1.0", "cp312-cp312-manylinux_2_17_x86_64", "musllinux_1_2_x86_64", "glibc"]),
        locked("login_page", "a page for people answers in the place of the index")
            .private(|asked| is_page(asked).then(|| html("<!DOCTYPE html><title>Please log in</title>")))
            .fails(1, &["greet", "127.0.0.1:"])
            .keeps_public_out()
            .mends(),
        locked("text_page", "plain text answers in the place of the index")
            .private(|asked| {
                is_page(asked).then(|| Act::Answer(Reply::ok("hello").header("Content-Type", "text/plain")))
            })
            .fails(3, &["is not a package index page: it is `text/plain`", "login page"])
            .keeps_public_out()
            .mends(),
        locked("page_moved", "the page is on another server, which must not see the password")
            .private(|asked| {
                let is_here = is_page(asked) && asked.host.starts_with("127.");
                is_here.then(|| elsewhere(asked))
            })
            .fails(3, &["401", "localhost"])
            .keeps_public_out(),
        locked("page_cut", "the page ends in the middle, always")
            .private(|asked| is_page(asked).then(|| Act::Alter(Box::new(|reply| reply.cut(50)))))
            .fails(3, &["cannot look up `greet`"])
            .keeps_public_out()
            .mends(),
        locked("netrc", "none, with the password in ~/.netrc")
            .project(|_| {
                let netrc = "machine 127.0.0.1 login ann password CANARY-7\n".to_owned();
                vec![("home/.netrc", netrc), ("project/requirements.txt", hashed())]
            })
            .vars(|world| vec![("UV_INDEX", format!("http://{}/simple/", world.private.address()))])
            .keeps_public_out(),
        locked("in_address", "none, with the password in the address of the index")
            .vars(|world| {
                vec![("UV_INDEX", format!("http://ann:CANARY-7@{}/simple/", world.private.address()))]
            })
            .keeps_public_out(),
    ]
}

fn other_hash() -> Act {
    let other = format!("#sha256={}", "0".repeat(64));
    alter(move |text| text.replace("#sha256=", &format!("{other}&was=")))
}

/// A redirect to another name of this machine.
fn elsewhere(asked: &Asked) -> Act {
    let port = asked.host.rsplit(':').next().unwrap_or_default();
    let there = format!("http://localhost:{port}{}", asked.target);
    Act::Answer(Reply::status(302).header("Location", there))
}
