use wainwright_testing::wheel;

use super::row::{Row, hashed, locked};
use super::world::{World, hex};

/// The lockfile itself is odd.
pub(super) fn rows() -> Vec<Row> {
    vec![
        locked("weak_hash", "the lockfile has an md5 and no sha256")
            .project(|_| {
                let text = format!("greet==1.0 --hash=md5:{}\n", "0".repeat(32));
                vec![("project/requirements.txt", text)]
            })
            .fails(1, &["greet", "md5"]),
        locked("weak_pylock", "the lockfile has a sha1 and no sha256")
            .project(|world| pylock(world, &[(&format!("sha1 = \"{}\"", "0".repeat(40)), None)]))
            .fails(1, &["`greet` has only sha1 hashes"]),
        locked("no_hash_locked", "the lockfile has no hash")
            .project(|world| pylock(world, &[("", None)]))
            .fails(1, &["greet-1.0-py3-none-any.whl", "hash"]),
        locked("two_hashes", "the lockfile has two entries for one file, with two hashes")
            .project(|world| {
                let right = format!("sha256 = \"{}\"", hex(&wheel("greet")));
                pylock(world, &[(&right, None), (&format!("sha256 = \"{}\"", "0".repeat(64)), None)])
            })
            .fails(1, &["greet-1.0-py3-none-any.whl"]),
        locked("size", "the lockfile has another size than the wheel")
            .project(|world| {
                let right = format!("sha256 = \"{}\"", hex(&wheel("greet")));
                pylock(world, &[(&right, Some(17))])
            })
            .fails(1, &["does not match the lockfile: expected 17 bytes"]),
        locked("spelling", "the lockfile spells the name in its own way")
            .project(|_| {
                let text = format!("dotted.NAME==1.0 --hash=sha256:{}\n", hex(&wheel("Dotted_Name")));
                vec![("project/requirements.txt", text)]
            })
            .keeps_public_out(),
        locked("letters", "a name has a letter that only looks like one of ours")
            .project(|_| vec![("project/requirements.txt", hashed().replace("greet", "gr\u{435}et"))])
            .fails(1, &["requirements.txt"])
            .keeps_public_out(),
        locked("many", "100,000 requirements")
            .project(|_| {
                let line = |at: u32| format!("p{at}==1.0 --hash=sha256:{}\n", "0".repeat(64));
                vec![("project/requirements.txt", (0..100_000).map(line).collect())]
            })
            .fails(1, &["requirements.txt"])
            .keeps_public_out()
            .within(120),
        locked("long", "a line of 10 MB")
            .project(|_| vec![("project/requirements.txt", format!("greet=={}\n", "1".repeat(10_000_000)))])
            .fails(1, &["requirements.txt"])
            .keeps_public_out()
            .within(120),
        locked("outside", "the lockfile names a file of another folder that is not there")
            .project(|_| {
                let text = format!(
                    "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"greet\"\nversion = \"1.0\"\n\
                     [[packages.wheels]]\nname = \"greet-1.0-py3-none-any.whl\"\npath = \"../../../x/greet-1.0-py3-none-any.whl\"\n\
                     hashes = {{ sha256 = \"{}\" }}\n",
                    "0".repeat(64)
                );
                vec![("project/pylock.toml", text)]
            })
            .fails(3, &["greet-1.0-py3-none-any.whl"])
            .keeps_public_out(),
    ]
}

/// A `pylock.toml` with `greet`, a wheel for each pair of hashes and size.
fn pylock(world: &World, wheels: &[(&str, Option<u32>)]) -> Vec<(&'static str, String)> {
    let mut text =
        "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"greet\"\nversion = \"1.0\"\n"
            .to_owned();
    for (hashes, size) in wheels {
        let size = size.map(|size| format!("size = {size}\n")).unwrap_or_default();
        text += &format!(
            "[[packages.wheels]]\nurl = \"http://{}/packages/greet-1.0-py3-none-any.whl\"\n{size}hashes = {{ {hashes} }}\n",
            world.public.address()
        );
    }
    vec![("project/pylock.toml", text)]
}
