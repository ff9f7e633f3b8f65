//! Building a corpus: JSON Lines read, checked against every rule, and written as Parquet.
//!
//! The text is that of `datasets/news`, over and over under ever new English names, without what
//! the paper's protocol leaves out. `cargo bench --bench corpus` measures 1,000 and 10,000 items;
//! whether the cost is linear is the ratio of the two rates. A million items need 9 GB of disk and
//! some minutes, and are measured once, with the most memory that the process ever had:
//!
//! ```console
//! LETHE_BENCH_ITEMS=1000000 cargo bench -p lethe-corpus --bench corpus
//! ```
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use criterion::{Criterion, Throughput};
use lethe_corpus::{Language, Layout, build};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The rows of a file of `datasets/news`.
fn rows(file: &str) -> Vec<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets/news");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Writes a corpus of so many items.
fn generate(folder: &Path, items: usize) {
    let rules = "english_pairs = 0\nother_pairs = 0\n";
    std::fs::write(folder.join("corpus.toml"), rules).unwrap();
    let sources = rows("items.jsonl");
    let names: Vec<Vec<String>> = sources
        .iter()
        .map(|item| serde_json::from_value(item["names"].clone()).unwrap_or_default())
        .collect();
    // Text in which `@` follows every word of an English name, to be filled with letters.
    let marked = |text: String, at: usize| {
        let mut text = text.replace('@', "");
        for word in names[at].iter().flat_map(|name| name.split(' ')) {
            text = text.replace(word, &format!("{word}@"));
        }
        text
    };
    let write = |file: &str, lines: &[(String, String)]| {
        let mut out = BufWriter::new(File::create(folder.join(file)).unwrap());
        for number in 0..items {
            let at = number % lines.len();
            let (id, rest) = &lines[at];
            let mut letters = String::new();
            let mut round = number / lines.len();
            while round > 0 {
                // No vowels: they would make words, and a fake detail's name among them.
                letters.push(char::from(b"bcdfghjkpq"[round % 10]));
                round /= 10;
            }
            let rest = rest.replace('@', &letters);
            writeln!(out, "{{\"id\":\"{id}{number:07}\",{rest}").unwrap();
        }
        out.flush().unwrap();
    };
    let line = |mut row: Value, at: usize, english: bool| {
        let id = sources[at]["category"].as_str().unwrap();
        row.as_object_mut().unwrap().remove("id");
        let text = row.to_string();
        let text = if english { marked(text, at) } else { text };
        (format!("{id}-"), text[1..].to_owned())
    };
    let all: Vec<_> = (0..sources.len())
        .map(|at| line(sources[at].clone(), at, true))
        .collect();
    write("items.jsonl", &all);
    for language in Language::ALL {
        let rows = rows(&format!("{language}.jsonl"));
        let lines: Vec<_> = rows
            .into_iter()
            .enumerate()
            .map(|(at, mut row)| {
                let probe = &row["detail_probe"];
                let probe = json!({
                    "question": probe["question"], "real": probe["real"], "fake": probe["fake"],
                });
                row["detail_probe"] = probe;
                row["qa"] = json!([]);
                row.as_object_mut().unwrap().remove("wordings");
                line(row, at, language == Language::En)
            })
            .collect();
        write(&format!("{language}.jsonl"), &lines);
    }
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
