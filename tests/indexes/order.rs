use std::time::Duration;

use wainwright_testing::{Act, Reply};

use super::row::{Row, Script, html, is_page, locked, open, status};
use super::world::{World, demand};

/// Which index is asked, and what it takes to ask the next one.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        locked("absent", "the first index does not know the name: the next one is asked")
            .private(|asked| is_page(asked).then(|| status(404)))
            .check(public_was_asked),
        locked("gone", "the first index says 410")
            .private(|asked| is_page(asked).then(|| status(410)))
            .check(public_was_asked),
        locked("nobody", "no index knows the name")
            .private(|asked| is_page(asked).then(|| status(404)))
            .public(|asked| is_page(asked).then(|| status(404)))
            .fails(1, &["package `greet` not found; tried: `http://127.0.0.1:", "--extra-index-url"])
            .mends(),
        locked("links_once", "wheels on one page of links, which is asked for once")
            .project(|world| {
                let wheels = super::world::private_wheels();
                let line = |wheel: &wainwright_testing::Wheel| {
                    format!("{}==1.0 --hash=sha256:{}\n", wheel.name(), super::world::hex(wheel))
                };
                for wheel in &wheels {
                    world.shop.write(&format!("served/{}", wheel.filename()), wheel.bytes());
                }
                vec![("project/requirements.txt", wheels.iter().map(line).collect())]
            })
            .words(|world| {
                let page = format!("http://{}/links.html", world.public.address());
                vec!["--no-index".into(), "--find-links".into(), page]
            })
            .public(|asked| {
                let wheels = super::world::private_wheels();
                let found = wheels.iter().find(|one| asked.target.ends_with(&one.filename()));
                Some(match found {
                    Some(wheel) => Act::Answer(Reply::ok(wheel.bytes())),
                    None => {
                        let link = |one: &wainwright_testing::Wheel| {
                            format!("<a href='f/{0}'>{0}</a>", one.filename())
                        };
                        html(wheels.iter().map(link).collect::<String>())
                    }
                })
            })
            .check(|world| {
                let log = world.public.log();
                let asked = log.iter().filter(|asked| asked.target == "/links.html").count();
                demand(asked == 1, || format!("{asked} times"))
            }),
        open("first", "two indexes know the name, and the second one has a higher version")
            .keeps_public_out()
            .check(greet_1),
        open("absent_open", "unlocked: the first index does not know the name")
            .private(|asked| is_page(asked).then(|| status(404)))
            .check(|world| {
                demand(world.pylock().contains("version = \"9.0\""), || world.pylock())
            }),
        open("explicit", "unlocked: an index that is for the packages that name it only")
            .project(|world| {
                let pyproject = format!(
                    "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.12\"\n\
                     dependencies = [\"greet\", \"secret\"]\n[tool.uv.sources]\nsecret = {{ index = \"corp\" }}\n\
                     [[tool.uv.index]]\nname = \"corp\"\nurl = \"http://{}/simple/\"\nexplicit = true\n",
                    world.private.address()
                );
                vec![("project/pyproject.toml", pyproject)]
            })
            .vars(|_| vec![("UV_INDEX", String::new())])
            .command("build")
            .check(|world| {
                demand(world.pylock().contains("version = \"9.0\""), || world.pylock())?;
                let asked = |log: Vec<wainwright_testing::Asked>, name: &str| {
                    log.iter().any(|asked| asked.target == format!("/simple/{name}/"))
                };
                demand(!asked(world.public.log(), "secret"), || "the public index heard of it".into())?;
                demand(!asked(world.private.log(), "greet"), || "the private one was asked for greet".into())
            }),
        open("no_uv_password", "unlocked: there is no password")
            .vars(|_| vec![("UV_INDEX_CORP_USERNAME", String::new()), ("UV_INDEX_CORP_PASSWORD", String::new())])
            .fails(3, &["uv failed to query a package index", "127.0.0.1:", "UV_INDEX_<NAME>_PASSWORD"])
            .keeps_public_out(),
        locked("no_password", "there is no password")
            .vars(|_| vec![("UV_INDEX_CORP_USERNAME", String::new()), ("UV_INDEX_CORP_PASSWORD", String::new())])
            .fails(3, &["the package index `http://127.0.0.1:", "401", "UV_INDEX_<NAME>_PASSWORD"])
            .keeps_public_out(),
        locked("wrong_password", "the password is wrong")
            .vars(|_| vec![("UV_INDEX_CORP_PASSWORD", "CANARY-8".into())])
            .fails(3, &["the package index `http://127.0.0.1:", "403", "UV_INDEX_<NAME>_PASSWORD"])
            .keeps_public_out(),
    ];
    let faults: [(&str, &str, &str, Script); 7] = [
        ("401", "401_open", "says 401", |asked| is_page(asked).then(|| status(401))),
        ("403", "403_open", "says 403", |asked| is_page(asked).then(|| status(403))),
        ("500", "500_open", "says 500", |asked| is_page(asked).then(|| status(500))),
        ("503", "503_open", "says 503", |asked| is_page(asked).then(|| status(503))),
        ("407", "407_open", "says 407", |asked| is_page(asked).then(|| status(407))),
        ("reset", "reset_open", "ends every connection", |asked| is_page(asked).then(|| Act::Reset(0))),
        ("hangs", "hangs_open", "takes a second, and then ends the connection", |asked| {
            is_page(asked).then(|| Act::Hang(Duration::from_secs(1)))
        }),
    ];
    for (name, name_open, what, script) in faults {
        let fails: &[&str] = &["cannot look up `greet` on the package index `http://127.0.0.1:"];
        let fault: &'static str = Box::leak(format!("the first index {what}").into_boxed_str());
        rows.push(locked(name, fault).private(script).fails(3, fails).keeps_public_out().mends());
        let fault: &'static str = Box::leak(format!("unlocked: the first index {what}").into_boxed_str());
        rows.push(
            open(name_open, fault)
                .private(script)
                .fails(3, &["uv failed to query a package index"])
                .keeps_public_out()
                .mends()
                .check(|world| demand(world.pylock().is_empty(), || world.pylock())),
        );
    }
    rows
}

fn public_was_asked(world: &World) -> Result<(), String> {
    demand(!world.public.log().is_empty(), || "the public index was not asked".into())
}

fn greet_1(world: &World) -> Result<(), String> {
    let text = world.pylock();
    demand(text.contains("version = \"1.0\"") && text.contains(&world.private.address()), || text.clone())
}
