//! Building a corpus: JSON Lines read, checked against every rule, and written as Parquet.
//!
//! `cargo bench --bench corpus` measures 1,000 and 10,000 items of generated text (`items/mod.rs`); whether
//! the cost is linear is the ratio of the two rates. A million items need 9 GB of disk and some minutes, and
//! are measured once, with the most memory that the process ever had:
//!
//! ```console
//! LETHE_BENCH_ITEMS=1000000 cargo bench -p lethe-corpus --bench corpus
//! ```
#![allow(clippy::unwrap_used)]

mod items;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use criterion::{Criterion, Throughput};
use lethe_corpus::{Language, Layout, build};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Writes a corpus of so many items.
fn generate(folder: &Path, items: usize) {
    let news = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets/news");
    items::generate(&news, folder, items).unwrap();
}

/// Once, with the peak memory.
fn once(items: usize) {
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path(), items);
    let out = tempfile::tempdir().unwrap();
    let start = Instant::now();
    build(folder.path(), out.path(), Layout::Splits).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let articles = items * Language::ALL.len();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!(
        "{articles} articles in {seconds:.1} s: {:.0} articles/s; {}",
        articles as f64 / seconds,
        peak.unwrap_or("VmHWM: not known here")
    );
}

fn main() {
    if let Ok(items) = std::env::var("LETHE_BENCH_ITEMS") {
        once(items.parse().unwrap());
        return;
    }
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("corpus");
    for items in [1_000, 10_000] {
        let folder = tempfile::tempdir().unwrap();
        generate(folder.path(), items);
        group.throughput(Throughput::Elements((items * Language::ALL.len()) as u64));
        group.bench_function(format!("build/{items}"), |b| {
            b.iter(|| {
                let out = tempfile::tempdir().unwrap();
                black_box(build(folder.path(), out.path(), Layout::Splits).unwrap())
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
