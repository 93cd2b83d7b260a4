//! How far the making of layers is from what it cannot do without.
//!
//! ```text
//! cargo bench -p wainwright-layer --bench floor -- FOLDER-OF-WHEELS [--rounds N] [--threads N]
//! ```
//!
//! The floor: every member of every wheel inflated by libdeflate into a buffer that stays in the cache, the sha256 of
//! the tar, and the sha256 of the compressed bytes, on all processors. Nothing is parsed, checked, joined or written.
//! Ours: the same wheels opened, checked against RECORD, joined and hashed, one layer for each; once with the bytes
//! thrown away, once into a store on the disk. The three take turns, so that a busy moment hits all alike. Threads are
//! named `floor` and `ours`, for `perf report --comms ours`.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use libdeflater::Decompressor;
use rayon::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use wainwright_blob::{Compression, Content, Entry, Kind, Lazy, Options, write};
use wainwright_layer::{ConflictLosers, InstalledWheel, wheel_entries};
use wainwright_oci::{Hasher, ImagePath};
use wainwright_python::WheelFilename;
use wainwright_store::Store;
use wainwright_wheel::{Layout, Wheel};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let Some(arguments) = Arguments::read()? else { return Ok(()) };
    let mut wheels = find(&arguments.folder)?;
    // The longest first, so that none is left alone at the end.
    wheels.sort_by_key(|wheel| std::cmp::Reverse(wheel.size));
    let given: u64 = wheels.iter().map(|wheel| wheel.size).sum();
    let tasks = tasks(&wheels)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .thread_name(|_| "ours".into())
        .build()?;
    let scratch = tempfile::tempdir_in(&arguments.folder)?;
    let store = Store::open(scratch.path())?;

    let mut costs = [Vec::new(), Vec::new(), Vec::new()];
    // The first round warms the caches and does not count.
    for round in 0..=arguments.rounds {
        let now = [
            timed(|| floor(&tasks, arguments.threads))?,
            timed(|| pool.install(|| ours(&wheels, None)))?,
            timed(|| pool.install(|| ours(&wheels, Some(&store))))?,
        ];
        if round > 0 {
            costs.iter_mut().zip(now).for_each(|(costs, now)| costs.push(now));
        }
    }
    drop(scratch);

    println!(
        "{} wheels, {:.0} MB, on {} threads, medians of {} rounds",
        wheels.len(),
        given as f64 / 1e6,
        arguments.threads,
        arguments.rounds
    );
    let columns = ["seconds", "at best", "processors", "x floor", "at best", "by procs"];
    println!("{:<28}{}", "", columns.map(|column| format!("{column:>11}")).concat());
    let (floor, floor_at_best) = (median(&costs[0]), best(&costs[0]));
    for (name, costs) in ["floor", "ours, bytes thrown away", "ours, into a store"].iter().zip(&costs) {
        let (cost, at_best) = (median(costs), best(costs));
        let ratios = [cost.0 / floor.0, at_best / floor_at_best, cost.1 / floor.1];
        let numbers = [cost.0, at_best, cost.1].map(|seconds| format!("{seconds:>11.3}")).concat();
        println!("{name:<28}{numbers}{}", ratios.map(|ratio| format!("{ratio:>11.2}")).concat());
    }
    Ok(())
}

struct Arguments {
    folder: PathBuf,
    rounds: usize,
    threads: usize,
}

impl Arguments {
    /// `None` when nobody gave a folder: `cargo bench` runs this with all others.
    fn read() -> Result<Option<Self>> {
        let threads = std::thread::available_parallelism()?.get();
        let mut read = Self { folder: PathBuf::new(), rounds: 7, threads };
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            match word.as_str() {
                "--rounds" => read.rounds = number(words.next())?,
                "--threads" => read.threads = number(words.next())?,
                folder => read.folder = folder.into(),
            }
        }
        if read.folder == Path::new("") {
            println!("give a folder of wheels: cargo bench -p wainwright-layer --bench floor -- FOLDER");
            return Ok(None);
        }
        Ok(Some(read))
    }
}

fn number(word: Option<String>) -> Result<usize> {
    Ok(word.ok_or("a number is missing")?.parse()?)
}

struct WheelFile {
    path: PathBuf,
    name: WheelFilename,
    size: u64,
}

fn find(folder: &Path) -> Result<Vec<WheelFile>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "whl") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().parse()?;
            found.push(WheelFile { size: path.metadata()?.len(), path, name });
        }
    }
    if found.is_empty() {
        return Err(format!("no wheels in {}", folder.display()).into());
    }
    Ok(found)
}

fn entries(wheel: &WheelFile) -> Result<Vec<Entry>> {
    let layout = Layout::venv(ImagePath::new("app/.venv")?, "3.13".parse()?);
    let wheel = Wheel::open(Arc::new(File::open(&wheel.path)?), &wheel.name)?;
    Ok(wheel_entries(vec![InstalledWheel::new(&wheel, &layout, &ConflictLosers::new())?], &layout)?)
}

/// One of the three things that cannot be left out, for one wheel.
struct Task {
    entries: Arc<Vec<Entry>>,
    does_inflate: bool,
    cost: u64,
}

/// Inflating feeds the hash of the tar; the hash of the compressed bytes is a task of its own, for balance.
fn tasks(wheels: &[WheelFile]) -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    for wheel in wheels {
        let entries = Arc::new(entries(wheel)?);
        let plain = entries.iter().map(Entry::size).sum::<u64>();
        tasks.push(Task { entries: entries.clone(), does_inflate: true, cost: 3 * plain });
        tasks.push(Task { entries, does_inflate: false, cost: wheel.size });
    }
    tasks.sort_by_key(|task| std::cmp::Reverse(task.cost));
    Ok(tasks)
}

fn floor(tasks: &[Task], threads: usize) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut tools = Tools { decompressor: Decompressor::new(), packed: Vec::new(), plain: Vec::new() };
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut hasher = Hasher::new();
            for entry in &*task.entries {
                tools.hash(entry, task.does_inflate, &mut hasher)?;
            }
            std::hint::black_box(hasher.finish());
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let start = |_| std::thread::Builder::new().name("floor".into()).spawn_scoped(scope, work);
        let workers = (0..threads).map(start).collect::<std::io::Result<Vec<_>>>()?;
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a thread panicked")?)
    })
}

/// What a thread of the floor keeps, so that its memory stays warm.
struct Tools {
    decompressor: Decompressor,
    packed: Vec<u8>,
    plain: Vec<u8>,
}

impl Tools {
    /// Hashes the compressed bytes of an entry, or what it is in the tar.
    fn hash(&mut self, entry: &Entry, does_inflate: bool, hasher: &mut Hasher) -> Result<()> {
        const BLOCK: [u8; 512] = [0; 512];
        let (span, size) = match &entry.kind {
            Kind::File(Content::Deflated(deflated)) => (&deflated.span, Some(deflated.size as usize)),
            Kind::File(Content::Stored { span, .. }) => (span, None),
            Kind::File(Content::Bytes(bytes)) => {
                hasher.update(bytes);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let packed = room(&mut self.packed, span.length as usize);
        span.file.read_exact_at(packed, span.offset)?;
        if !does_inflate {
            hasher.update(packed);
            return Ok(());
        }
        let content = match size {
            Some(size) => {
                let plain = room(&mut self.plain, size);
                self.decompressor.deflate_decompress(packed, plain)?;
                plain
            }
            None => packed,
        };
        hasher.update(&BLOCK);
        hasher.update(content);
        hasher.update(&BLOCK[..(512 - content.len() % 512) % 512]);
        Ok(())
    }
}

/// The front of a buffer that grows when it must.
fn room(buffer: &mut Vec<u8>, size: usize) -> &mut [u8] {
    buffer.resize(buffer.len().max(size), 0);
    &mut buffer[..size]
}

/// The layers as a build makes them: as many jobs at a time as there are threads, the longest first, their contents
/// shared out further by `write`; somebody else waits for the disk.
fn ours(wheels: &[WheelFile], store: Option<&Store>) -> Result<()> {
    let options = Options { mtime: 315_532_801, compression: Compression::Splice, lazy: Lazy::No };
    let next = AtomicUsize::new(0);
    std::thread::scope(|disk| {
        let job = |_| {
            let mut syncs = Vec::new();
            while let Some(wheel) = wheels.get(next.fetch_add(1, Ordering::Relaxed)) {
                let entries = entries(wheel)?;
                let Some(store) = store else {
                    write(&entries, &options, &mut std::io::sink())?;
                    continue;
                };
                let mut draft = store.draft()?;
                let written = write(&entries, &options, &mut draft)?;
                syncs.push(disk.spawn(move || draft.commit(&written.descriptor.digest)));
            }
            Ok(syncs)
        };
        let jobs: Vec<_> = (0..rayon::current_num_threads()).collect();
        let syncs = jobs.into_par_iter().with_max_len(1).map(job).collect::<Result<Vec<_>>>()?;
        for sync in syncs.into_iter().flatten() {
            sync.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

/// Seconds on the clock, and of processors.
type Cost = (f64, f64);

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Cost> {
    let (clock, processors) = (Instant::now(), seconds_of_processors());
    work()?;
    Ok((clock.elapsed().as_secs_f64(), seconds_of_processors() - processors))
}

fn seconds_of_processors() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The median of each by itself.
fn median(costs: &[Cost]) -> Cost {
    let middle = |of: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    (middle(|cost| cost.0), middle(|cost| cost.1))
}

/// The seconds of the round that was disturbed least.
fn best(costs: &[Cost]) -> f64 {
    costs.iter().map(|cost| cost.0).fold(f64::INFINITY, f64::min)
}
