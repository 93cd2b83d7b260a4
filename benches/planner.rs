//! What an image's layers cost when one package changes, over sets of published wheels.
//!
//! Prints for each set of `benches/planner/` the megabytes that have to be uploaded again when one of its wheels gets a new
//! version, each being as likely as the others: with one layer for all, with the largest wheels alone and the rest in one
//! layer, as `wain` plans it, and for the best division that knows the whole set (which moves other wheels about whenever
//! the set changes); then how many layers have to be made when a wheel gets a new version, goes, or comes. Run with `cargo bench --bench planner`; ends with an error when a row is not what it should be.

// A table is what this program is for.
#![allow(clippy::print_stdout)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use wainwright_engine::group;

/// Layers for wheels: the default of 40, without the environment and the project.
const BUDGET: usize = 38;
const MB: f64 = 1e6;

/// Wheels by name, with their sizes in bytes.
type Wheels = Vec<(String, u64)>;
/// Layers as sets of the wheels in them.
type Layers = BTreeSet<BTreeSet<(String, u64)>>;

fn main() -> ExitCode {
    println!("{:62}MB uploaded when one wheel changes{:19}layers changed by", "", "");
    println!(
        "{:<12}{:>7}{:>9}{:>8} | {:>10}{:>14}{:>8}{:>8} | {:>9}{:>9}{:>9}  result",
        "set", "wheels", "MB", "layers", "one layer", "largest+rest", "wain", "best", "new", "less", "more"
    );
    let mut names: Vec<_> = std::fs::read_dir(folder())
        .expect("the folder of sets can be read")
        .map(|entry| entry.expect("the folder of sets can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tsv"))
        .collect();
    names.sort();
    let mut is_good = !names.is_empty();
    for path in names {
        is_good &= show(&path);
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/planner")
}

/// Prints the row of a set; whether it is as it should be.
fn show(path: &Path) -> bool {
    let wheels = read(path);
    let all: u64 = wheels.iter().map(|(_, size)| size).sum();
    let groups = plan(&wheels);
    let planned = expected(&wheels, &groups);
    let best = best(&wheels);
    let changes = [new_version(&wheels), one_less(&wheels), one_more(&wheels)];
    // A change reaches one layer. Now and then a layer splits, a wheel outgrows its class, or a wheel more or less is the
    // one that makes the grain of a set at the budget coarser or finer.
    let [new, less, more] = changes;
    let is_good = planned <= best * 1.7 && new <= 1.15 && less <= 1.5 && more <= 1.5;
    println!(
        "{:<12}{:>7}{:>9.1}{:>8} | {:>10.1}{:>14.2}{:>8.2}{:>8.2} | {:>9.3}{:>9.3}{:>9.3}  {}",
        path.file_stem().unwrap_or_default().to_string_lossy(),
        wheels.len(),
        all as f64 / MB,
        groups.len(),
        all as f64 / MB,
        expected(&wheels, &largest_alone(&wheels)),
        planned,
        best,
        changes[0],
        changes[1],
        changes[2],
        if is_good { "ok" } else { "FAIL" },
    );
    is_good
}

/// Reads lines of name, version and size.
fn read(path: &Path) -> Wheels {
    let text = std::fs::read_to_string(path).expect("the set can be read");
    text.lines()
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            (cells[0].to_owned(), cells[2].parse().expect("the third cell is a size"))
        })
        .collect()
}

fn plan(wheels: &Wheels) -> Vec<Vec<usize>> {
    let borrowed: Vec<(&str, u64)> = wheels.iter().map(|(name, size)| (name.as_str(), *size)).collect();
    group(&borrowed, BUDGET)
}

/// Megabytes of the layers that hold the wheel that changes, on average over all wheels.
fn expected(wheels: &Wheels, groups: &[Vec<usize>]) -> f64 {
    let cost =
        |group: &Vec<usize>| group.len() as u64 * group.iter().map(|index| wheels[*index].1).sum::<u64>();
    groups.iter().map(cost).sum::<u64>() as f64 / wheels.len() as f64 / MB
}

fn largest_alone(wheels: &Wheels) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..wheels.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(wheels[*index].1));
    let rest = order.split_off(order.len().min(BUDGET - 1));
    order.into_iter().map(|index| vec![index]).chain((!rest.is_empty()).then_some(rest)).collect()
}

/// The least that any division into layers can cost: neighbours by size share layers, by dynamic programming.
fn best(wheels: &Wheels) -> f64 {
    let mut sizes: Vec<u64> = wheels.iter().map(|(_, size)| *size).collect();
    sizes.sort_unstable();
    let mut sums = vec![0];
    for size in &sizes {
        sums.push(sums[sums.len() - 1] + size);
    }
    // costs[n]: of the n smallest wheels in the layers allowed so far.
    let mut costs = vec![u64::MAX; sizes.len() + 1];
    costs[0] = 0;
    for _ in 0..BUDGET {
        let layer = |from: usize, to: usize| (to - from) as u64 * (sums[to] - sums[from]);
        costs = (0..=sizes.len())
            .map(|to| {
                (0..=to)
                    .filter(|from| costs[*from] < u64::MAX)
                    .map(|from| costs[from] + layer(from, to))
                    .min()
            })
            .map(|cost| cost.unwrap_or(u64::MAX))
            .collect();
    }
    costs[sizes.len()] as f64 / wheels.len() as f64 / MB
}

fn layers(wheels: &Wheels) -> Layers {
    plan(wheels).iter().map(|group| group.iter().map(|index| wheels[*index].clone()).collect()).collect()
}

/// How many layers have to be made, on average, when a wheel grows by a twentieth.
fn new_version(wheels: &Wheels) -> f64 {
    on_average(wheels, |wheels, index| wheels[index].1 += wheels[index].1 / 20 + 1)
}

/// The same when a wheel goes. The one that held it alone goes with it, which is no layer to make.
fn one_less(wheels: &Wheels) -> f64 {
    on_average(wheels, |wheels, index| drop(wheels.remove(index)))
}

/// The same when a wheel comes that is as large as one of the others.
fn one_more(wheels: &Wheels) -> f64 {
    on_average(wheels, |wheels, index| {
        let size = wheels[index].1;
        wheels.push((format!("{}-extra", wheels[index].0), size));
    })
}

fn on_average(wheels: &Wheels, change: impl Fn(&mut Wheels, usize)) -> f64 {
    let before = layers(wheels);
    let made = |index: usize| {
        let mut changed = wheels.clone();
        change(&mut changed, index);
        layers(&changed).difference(&before).count()
    };
    (0..wheels.len()).map(made).sum::<usize>() as f64 / wheels.len() as f64
}
