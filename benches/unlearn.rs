//! Unlearning steps on Gemma 3 270M with 4,096 vocabulary rows: 8 sequences of 64 tokens to forget, and
//! as many to retain. Throughput is in tokens to forget.
//!
//! `cargo bench -p xtask --bench unlearn` measures gradient difference and three kinds of NPO, and prints
//! the most memory that a process of each ever had: what a strategy needs of the reference model is
//! what it costs. `LETHE_BENCH_STRATEGIES=all` (or names with commas between) measures others; the
//! model is fetched on first use.

#![allow(clippy::expect_used, missing_docs)]

mod gemma;

use std::collections::BTreeMap;
use std::process::Command;

use criterion::{Criterion, Throughput};
use gemma::{model, sequences};
use lethe_model::{LanguageModel, Sequence};
use lethe_train::{Example, Verdict};
use lethe_unlearn::{Aside, Forgetting, Registry, RetainSet, StopRule, UnlearnConfig, unlearn};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Set in the process whose memory is measured.
const ALONE: &str = "LETHE_BENCH_ALONE";

/// `count` sequences of 64 different tokens.
fn whole(first: u32, count: u32) -> Vec<Sequence> {
    let ids = sequences(first, count, 64).into_iter();
    ids.map(Sequence::whole).collect()
}

/// So many steps of a strategy.
fn run(model: &mut LanguageModel, name: &str, steps: usize) {
    let example = |sequence| Example {
        sequence,
        label: String::new(),
    };
    let forget: Vec<Example> = whole(0, 8).into_iter().map(example).collect();
    let retained: Vec<Example> = whole(8, 8).into_iter().map(example).collect();
    let alternatives: Vec<Vec<Sequence>> = whole(16, 8).into_iter().map(|s| vec![s]).collect();
    let sets = Forgetting {
        forget: &forget,
        alternatives: &alternatives,
        retain: &RetainSet::balanced(&[retained], 1),
        untuned_nll: &[],
        aside: &Aside::default(),
    };
    let stop = StopRule::Steps { steps };
    let config = UnlearnConfig::new(8, lethe_train::OptimizerConfig::default(), stop);
    let method = Registry::builtin()
        .method(name, &BTreeMap::new())
        .expect("known");
    let go = &mut |_, _: Option<(&_, &_)>| Verdict::Continue;
    unlearn(model, &method, &sets, &config, 1, None, go).expect("it unlearns");
}

/// The most memory that this process ever had, in MB.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1e3)
}

fn main() {
    if let Ok(name) = std::env::var(ALONE) {
        run(&mut model(), &name, 3);
        println!("{}", peak().unwrap_or(f64::NAN));
        return;
    }
    let asked = std::env::var("LETHE_BENCH_STRATEGIES");
    let asked = asked.unwrap_or_else(|_| "grad-diff,npo,npo+ce,npo+kl".to_owned());
    let registry = Registry::builtin();
    let all = || registry.all().iter().map(|entry| entry.name);
    let names: Vec<&str> = match asked.as_str() {
        "all" => all().collect(),
        some => some.split(',').collect(),
    };
    let mut first = None;
    for name in &names {
        let own = std::env::current_exe().expect("this program");
        let output = Command::new(own)
            .env(ALONE, name)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let megabytes: f64 = said.trim().parse().unwrap_or(f64::NAN);
        let of_first = megabytes / *first.get_or_insert(megabytes);
        println!(
            "{name:<16} peak {megabytes:>6.0} MB, {of_first:.2} × {}",
            names[0]
        );
    }
    let model = model();
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("unlearning step 8x64");
    group.throughput(Throughput::Elements(8 * 64));
    for name in names {
        group.bench_function(name, |b| b.iter(|| run(&mut model.clone(), name, 1)));
    }
    group.finish();
    criterion.final_summary();
}
