//! Wheels on disk, when the environment says where: `WAIN_CASES` names a folder with `wheels/manifest.json` and odd
//! wheels, `WAIN_WHEELS` a folder of published wheels, none of which may be refused.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use super::maker::layout;
use crate::{Error, Warning, Wheel};

fn judge(path: &Path) -> Result<Vec<Warning>, Error> {
    let filename = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let wheel = Wheel::open(Arc::new(File::open(path).unwrap()), &filename)?;
    wheel.install(&layout())?;
    wheel.empty_directories(&layout())?;
    wheel.check()?;
    Ok(wheel.warnings().to_vec())
}

#[test]
fn odd_wheels_get_their_verdict() {
    let Some(folder) = std::env::var_os("WAIN_CASES") else { return };
    let folder = Path::new(&folder).join("wheels");
    let manifest = fs::read(folder.join("manifest.json")).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&manifest).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let word = |key: &str| case[key].as_str().unwrap();
        let (id, rule) = (word("id"), word("rule"));
        // Clashes are not known before there is a second wheel, or a base image.
        let is_warned = rule.starts_with("W-") && rule != "W-CLASH";
        let is_right = match (word("expect"), judge(&folder.join(word("file")))) {
            ("reject", Err(ref error)) => error.rule() == Some(rule),
            ("accept", Ok(ref warnings)) => {
                !is_warned && warnings.is_empty() || warnings.iter().any(|warning| warning.rule == rule)
            }
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{id}: expected {rule}, found {:?}", judge(&folder.join(word("file")))));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn published_wheels_are_accepted() {
    let Some(folder) = std::env::var_os("WAIN_WHEELS") else { return };
    let mut refused = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "whl")
            && let Err(error) = judge(&path)
        {
            refused.push(error.to_string());
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
