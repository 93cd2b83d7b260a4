//! What two parts of `crates/blob` are worth that known crates cover: the inflater, and two hashes in step.
//!
//! ```text
//! cargo bench -p wainwright-layer --bench own_parts -- FOLDER-OF-WHEELS [--rounds N]
//! ```
//!
//! Every inflater does what a splice needs of one: from the deflate stream of a member it makes the content, checks its
//! CRC-32, and finds the bit where the last block begins and the bit where the stream ends. All members of all wheels are
//! in memory; one thread; seconds are those of the processor, and the inflaters take turns, so that a busy moment hits all
//! alike. Those that cannot say the bits
//! are measured for what they would be worth if they could.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{BlockBoundaryState, DecompressorOxide, decompress};
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};
use wainwright_blob::{Content, Kind};
use wainwright_layer::{ConflictLosers, InstalledWheel, wheel_entries};
use wainwright_oci::ImagePath;
use wainwright_wheel::{Layout, Wheel};
use zlib_rs::{Inflate, InflateFlush, Status};

use crate::inflate::{INPUT_PADDING, Inflater, Input, Output, SLACK, Stop};
use crate::step_hasher::StepHasher;

#[path = "../crates/blob/src/corrupt.rs"]
#[allow(dead_code)]
mod corrupt;
#[path = "../crates/blob/src/huffman.rs"]
#[allow(dead_code)]
mod huffman;
#[path = "../crates/blob/src/inflate.rs"]
#[allow(dead_code)]
mod inflate;
#[path = "../crates/blob/src/step_hasher.rs"]
#[allow(dead_code)]
mod step_hasher;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let (mut folder, mut rounds) = (None, 7);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--rounds" => rounds = words.next().ok_or("a number is missing")?.parse()?,
            path => folder = Some(PathBuf::from(path)),
        }
    }
    // `cargo bench` runs this with all others.
    let Some(folder) = folder else {
        println!("give a folder of wheels: cargo bench -p wainwright-layer --bench own_parts -- FOLDER");
        return Ok(());
    };
    let mut members = members(&folder)?;
    let plain: usize = members.iter().map(|member| member.size).sum();
    let packed: usize = members.iter().map(|member| member.length).sum();
    println!("{} deflated members, {:.0} MB, {:.0} MB unpacked", members.len(), mb(packed), mb(plain));
    inflaters(&mut members, rounds)?;
    hashers(&members, rounds)
}

/// A deflate stream of a wheel and what it must inflate to.
struct Member {
    /// The stream, then [`INPUT_PADDING`] bytes.
    packed: Vec<u8>,
    length: usize,
    size: usize,
    crc32: u32,
}

fn members(folder: &Path) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "whl") {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().parse()?;
        let wheel = Wheel::open(Arc::new(File::open(&path)?), &name)?;
        let layout = Layout::venv(ImagePath::new("app/.venv")?, "3.13".parse()?);
        for entry in
            wheel_entries(vec![InstalledWheel::new(&wheel, &layout, &ConflictLosers::new())?], &layout)?
        {
            let Kind::File(Content::Deflated(deflated)) = &entry.kind else { continue };
            let length = deflated.span.length as usize;
            let mut packed = vec![0; length + INPUT_PADDING];
            deflated.span.file.read_exact_at(&mut packed[..length], deflated.span.offset)?;
            members.push(Member { packed, length, size: deflated.size as usize, crc32: deflated.crc32 });
        }
    }
    if members.is_empty() {
        return Err(format!("no wheels in {}", folder.display()).into());
    }
    Ok(members)
}

/// The bit where the last block begins and the bit where the stream ends.
type Bits = (u64, u64);

/// Inflates a member to the front of a buffer that has room for it and [`SLACK`]; may clear the final bit and set it
/// again. `None` from those that do not find the bits.
type Run = dyn FnMut(&mut Member, &mut [u8]) -> Result<Option<Bits>>;

fn inflaters(members: &mut [Member], rounds: usize) -> Result<()> {
    let mut ours = Inflater::new();
    let mut miniz = Box::<DecompressorOxide>::default();
    let mut zlib_blocks = Inflate::new(false, 15);
    let mut zlib = Inflate::new(false, 15);
    let mut libdeflate = libdeflater::Decompressor::new();
    let mut peers: Vec<(&str, Box<Run>)> = vec![
        ("ours", Box::new(move |member, plain| run_ours(&mut ours, member, plain).map(Some))),
        (
            "miniz_oxide, block-boundary",
            Box::new(move |member, plain| run_miniz(&mut miniz, member, plain).map(Some)),
        ),
        (
            "zlib-rs, Block (no bits)",
            Box::new(move |member, plain| run_zlib_blocks(&mut zlib_blocks, member, plain)),
        ),
        ("zlib-rs, at once (no bits)", Box::new(move |member, plain| run_zlib(&mut zlib, member, plain))),
        (
            "libdeflate, C (no bits)",
            Box::new(move |member, plain| {
                libdeflate.deflate_decompress(&member.packed[..member.length], &mut plain[..member.size])?;
                Ok(None)
            }),
        ),
    ];
    let largest = members.iter().map(|member| member.size).max().unwrap_or_default();
    let mut plain = vec![0; largest + SLACK];
    let mut seconds: Vec<Vec<f64>> = vec![Vec::new(); peers.len()];
    // The first round warms up and checks that all agree.
    for round in 0..=rounds {
        let mut expected: Vec<Bits> = Vec::new();
        for ((name, run), seconds) in peers.iter_mut().zip(&mut seconds) {
            let start = seconds_of_processor();
            for (index, member) in members.iter_mut().enumerate() {
                let bits = run(member, &mut plain).map_err(|error| format!("{name}: {error}"))?;
                if crc32fast::hash(&plain[..member.size]) != member.crc32 {
                    return Err(format!("{name}: wrong CRC-32").into());
                }
                match (bits, expected.get(index)) {
                    (Some(bits), None) => expected.push(bits),
                    (Some(bits), Some(expected)) if bits != *expected => {
                        return Err(format!("{name}: {bits:?} instead of {expected:?}").into());
                    }
                    _ => {}
                }
            }
            if round > 0 {
                seconds.push(seconds_of_processor() - start);
            }
        }
    }
    let names: Vec<&str> = peers.iter().map(|(name, _)| *name).collect();
    table(&names, &seconds, members.iter().map(|member| member.size).sum());
    Ok(())
}

fn run_ours(inflater: &mut Inflater, member: &mut Member, plain: &mut [u8]) -> Result<Bits> {
    inflater.reset();
    let mut from = Input { bytes: &member.packed, length: member.length, is_whole: true, next: 0 };
    let mut to = Output { bytes: plain, limit: member.size, next: 0 };
    match inflater.run(&mut from, &mut to)? {
        Stop::End => inflater.last_block().zip(inflater.end()).ok_or_else(|| "no bits".into()),
        stop => Err(format!("{stop:?}").into()),
    }
}

/// It stops behind every block but the last; with its final bit cleared, it stops behind that one too.
fn run_miniz(inflater: &mut DecompressorOxide, member: &mut Member, plain: &mut [u8]) -> Result<Bits> {
    inflater.init();
    let (mut next_in, mut next_out) = (0, 0);
    let (mut bit, mut last_block) = (0_u64, None);
    loop {
        if last_block.is_none() {
            let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
            if member.packed[byte] & mask != 0 {
                member.packed[byte] &= !mask;
                // A byte that was begun is in the inflater's hands already.
                if byte < next_in {
                    let state = inflater.block_boundary_state().ok_or("no state")?;
                    *inflater = DecompressorOxide::from_block_boundary_state(&BlockBoundaryState {
                        bit_buf: state.bit_buf & !1,
                        ..state
                    });
                }
                last_block = Some(bit);
            }
        }
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
        let input = &member.packed[next_in..member.length];
        let (status, read, made) = decompress(inflater, input, &mut plain[..member.size], next_out, flags);
        next_in += read;
        next_out += made;
        if status != TINFLStatus::BlockBoundary {
            return Err(format!("{status:?}").into());
        }
        let held = inflater.block_boundary_state().ok_or("no state")?.num_bits;
        bit = next_in as u64 * 8 - u64::from(held);
        if let Some(last_block) = last_block {
            member.packed[(last_block / 8) as usize] |= 1 << (last_block % 8);
            return if next_out == member.size { Ok((last_block, bit)) } else { Err("wrong size".into()) };
        }
    }
}

/// It stops behind every block; how many bits of the last byte are left, only its C interface says.
fn run_zlib_blocks(inflater: &mut Inflate, member: &mut Member, plain: &mut [u8]) -> Result<Option<Bits>> {
    inflater.reset(false);
    loop {
        let (read, made) = (inflater.total_in() as usize, inflater.total_out() as usize);
        let input = &member.packed[read..member.length];
        let status = inflater.decompress(input, &mut plain[made..member.size], InflateFlush::Block);
        match status.map_err(|error| error.as_str())? {
            Status::StreamEnd if inflater.total_out() as usize == member.size => return Ok(None),
            Status::Ok => {}
            status => return Err(format!("{status:?}").into()),
        }
    }
}

fn run_zlib(inflater: &mut Inflate, member: &mut Member, plain: &mut [u8]) -> Result<Option<Bits>> {
    inflater.reset(false);
    let input = &member.packed[..member.length];
    let status = inflater.decompress(input, &mut plain[..member.size], InflateFlush::Finish);
    match status.map_err(|error| error.as_str())? {
        Status::StreamEnd => Ok(None),
        status => Err(format!("{status:?}").into()),
    }
}

/// The sha256 of a tar and of a content in it, over the same bytes: compressed streams serve as well as any.
fn hashers(members: &[Member], rounds: usize) -> Result<()> {
    let mut seconds = vec![Vec::new(); 2];
    for _ in 0..rounds {
        let start = seconds_of_processor();
        let (mut tar, mut content) = (StepHasher::default(), StepHasher::default());
        for member in members {
            tar.update_both(&mut content, &member.packed[..member.length / 64 * 64]);
        }
        let ours = [tar.finish(), content.finish()];
        seconds[0].push(seconds_of_processor() - start);
        let start = seconds_of_processor();
        let (mut tar, mut content) = (Sha256::new(), Sha256::new());
        for member in members {
            // In pieces that stay in the cache of a core.
            for piece in member.packed[..member.length / 64 * 64].chunks(16 << 10) {
                tar.update(piece);
                content.update(piece);
            }
        }
        let theirs = [tar.finalize(), content.finalize()];
        seconds[1].push(seconds_of_processor() - start);
        if ours.iter().zip(&theirs).any(|(ours, theirs)| ours.as_bytes()[..] != theirs[..]) {
            return Err("the hashes differ".into());
        }
        black_box((ours, theirs));
    }
    println!();
    let bytes = members.iter().map(|member| member.length / 64 * 64).sum();
    table(&["two hashes, ours in step", "two hashes, sha2 in turns"], &seconds, bytes);
    Ok(())
}

fn table(names: &[&str], seconds: &[Vec<f64>], bytes: usize) {
    println!("| | MB/s | best round | time, ours = 1 | best round |\n|---|---|---|---|---|");
    for (name, of) in names.iter().zip(seconds) {
        let [median_of, best_of] = [median(of), best(of)];
        let [median_ours, best_ours] = [median(&seconds[0]), best(&seconds[0])];
        println!(
            "| {name} | {:.0} | {:.0} | {:.2} | {:.2} |",
            mb(bytes) / median_of,
            mb(bytes) / best_of,
            median_of / median_ours,
            best_of / best_ours
        );
    }
}

/// On a busy machine the clock on the wall says little.
fn seconds_of_processor() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn mb(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn best(seconds: &[f64]) -> f64 {
    seconds.iter().copied().fold(f64::INFINITY, f64::min)
}
