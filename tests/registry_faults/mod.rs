//! What registries, proxies and networks do wrong, one row for each fault, on real requests to a real registry.
//!
//! `cargo test --test promises registry_faults -- --nocapture` prints the table. Waits are only written down: the seconds in
//! it are those that a user would have waited.

mod auth;
mod network;
mod noise;
mod pull;
mod push;
mod row;
mod world;

use std::fmt::Write as _;
use std::io::Write as _;

use wainwright_testing::{Access, RegistryServer};

use row::Row;

#[test]
fn every_fault_ends_as_it_should() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let rows: Vec<Row> = [push::rows(), pull::rows(), auth::rows(), network::rows(), noise::rows()]
        .into_iter()
        .flatten()
        .collect();
    let only = std::env::var("FAULT").unwrap_or_default();
    let few = std::sync::Arc::new(tokio::sync::Semaphore::new(8));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let start = std::time::Instant::now();
    let rows = rows.into_iter().filter(|row| row.name.contains(&only));
    let jobs: Vec<_> = rows
        .map(|row| {
            let (server, few) = (server.address(), few.clone());
            let (name, fault) = (row.name, row.fault);
            (
                name,
                fault,
                runtime.spawn(async move {
                    let _permit = few.acquire().await;
                    world::run(row, &server).await
                }),
            )
        })
        .collect();
    let (mut table, mut failed, count) = (String::new(), Vec::new(), jobs.len());
    for (name, fault, job) in jobs {
        let ran = runtime.block_on(job).unwrap();
        let end = if ran.complaint.is_none() { "pass" } else { "FAIL" };
        let (got, requests, waited, took) = (ran.got, ran.requests, ran.waited, ran.took.as_secs_f32());
        writeln!(
            table,
            "{end}  {name:32} {fault:76} {got:8} {requests:>3} requests {waited:>6.1} s  ({took:.1} s)"
        )
        .unwrap();
        failed.extend(ran.complaint.map(|complaint| format!("{name}: {complaint}")));
    }
    let took = start.elapsed().as_secs_f32();
    writeln!(table, "{count} faults, {} as they should not, {took:.1} s", failed.len()).unwrap();
    let _ = std::io::stdout().write_all(table.as_bytes());
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
    assert!(count > 0);
}
