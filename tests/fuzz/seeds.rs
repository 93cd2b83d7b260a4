//! Writes the samples of a target into a folder: `seeds TARGET FOLDER`; without arguments it prints the targets.

use std::path::Path;

use wainwright_mutations::{TARGETS, target};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = words.as_slice() else {
        for target in TARGETS {
            println!("{}", target.name);
        }
        return Ok(());
    };
    let target = target(name).ok_or_else(|| format!("there is no target `{name}`"))?;
    for (number, seed) in (target.seeds)().into_iter().enumerate() {
        std::fs::write(Path::new(folder).join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}
