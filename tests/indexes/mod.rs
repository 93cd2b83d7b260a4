//! What package indexes do wrong, one row for each fault, on two real indexes of which one wants a password.
//!
//! `cargo test --test promises indexes -- --nocapture` prints the table; `FAULT=name` runs the rows of that name only.

mod files;
mod lockfiles;
mod modern;
mod order;
mod row;
mod world;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use wainwright_testing::{Access, PackageServer, need};

use crate::unlocked::path_with_uv;
use row::{Row, Want};
use world::Ended;

/// The program of the index, which `tests/run.sh` installs.
pub(crate) fn pypiserver() -> Option<std::path::PathBuf> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-tools");
    let program = tools.join("bin/pypi-server");
    if program.is_file() { Some(program) } else { need("pypi-server") }
}

#[test]
fn every_fault_ends_as_it_should() {
    let (Some(program), Some(path)) = (pypiserver(), path_with_uv()) else { return };
    let private = PackageServer::start(&program, Access::Password, &world::private_wheels());
    let public = PackageServer::start(&program, Access::Open, &world::public_wheels());
    let only = std::env::var("FAULT").unwrap_or_default();
    let rows = [files::rows(), lockfiles::rows(), order::rows(), modern::rows()].into_iter().flatten();
    let rows: Vec<Row> = rows.filter(|row| row.name.contains(&only)).collect();
    let start = Instant::now();
    let ended: Mutex<Vec<Option<Ended>>> = Mutex::new(rows.iter().map(|_| None).collect());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // Many wait most of the time.
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(row) = rows.get(at) else { return };
                    let end = world::run_row(row, private.address(), public.address(), &path);
                    ended.lock().unwrap()[at] = Some(end);
                }
            });
        }
    });
    let (mut table, mut failed) = (String::new(), Vec::new());
    for (row, end) in rows.iter().zip(ended.into_inner().unwrap()) {
        let end = end.unwrap();
        let verdict = if end.complaint.is_none() { "pass" } else { "FAIL" };
        let want = match row.want {
            Want::Good => "good".to_owned(),
            Want::Says(_) => "good, and says so".to_owned(),
            Want::Fails(code, _) => format!("exit {code}"),
        };
        let (name, fault, got, took) = (row.name, row.fault, end.got, end.took.as_secs_f32());
        writeln!(table, "{verdict}  {name:20} {fault:80} {want:18} {got:7} ({took:.1} s)").unwrap();
        failed.extend(end.complaint.map(|complaint| format!("{name}: {complaint}")));
    }
    let took = start.elapsed().as_secs_f32();
    writeln!(table, "{} faults, {} as they should not, {took:.1} s", rows.len(), failed.len()).unwrap();
    let _ = std::io::stdout().write_all(table.as_bytes());
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
    assert!(!rows.is_empty());
}
