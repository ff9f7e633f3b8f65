//! Gemma 3 270M with 4,096 vocabulary rows: a training step of 8 × 64 tokens, scoring the same
//! tokens, and decoding 32 prompts of 24 tokens by 24 tokens each. Throughput is in tokens.
//!
//! `cargo bench -p xtask --bench model`; the model is fetched on first use.

#![allow(clippy::expect_used, missing_docs)]

mod gemma;

use std::collections::BTreeSet;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gemma::{model, sequences};
use lethe_model::{Decoding, LanguageModel, LoraConfig, Precision, Sequence, Session};
use lethe_train::{Example, NextToken, TrainConfig, Verdict, train};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn benchmarks(criterion: &mut Criterion) {
    let model = model();
    let batch: Vec<Sequence> = sequences(0, 8, 64)
        .into_iter()
        .map(Sequence::whole)
        .collect();
    let mut group = criterion.benchmark_group("gemma-3-270m");
    group.sample_size(10);

    group.throughput(Throughput::Elements(8 * 64));
    group.bench_function("score 8x64", |b| b.iter(|| model.network.mean_nll(&batch)));

    let examples: Vec<Example> = batch
        .iter()
        .map(|sequence| Example {
            sequence: sequence.clone(),
            label: String::new(),
        })
        .collect();
    group.throughput(Throughput::Elements(4 * 8 * 64));
    let lora = LoraConfig {
        rank: 16,
        alpha: 32.0,
        dropout: 0.0,
        targets: "(q|k|v)_proj".to_owned(),
    };
    for (what, lora) in [("full fine-tuning", None), ("LoRA", Some(lora))] {
        for precision in [Precision::F32, Precision::Bf16] {
            let config = TrainConfig {
                passes: 4,
                lora: lora.clone(),
                precision,
                ..TrainConfig::default()
            };
            let name = format!("{what}, {precision:?}, 4 steps of 8x64");
            group.bench_function(name, |b| {
                b.iter(|| {
                    let mut trained = model.clone();
                    let observe = &mut |_: &_, _: &LanguageModel| Verdict::Continue;
                    train(&mut trained, &NextToken, &examples, &config, 0, observe)
                        .expect("it trains")
                });
            });
        }
    }

    let prompts = sequences(0, 32, 24);
    group.throughput(Throughput::Elements(32 * 24));
    group.bench_function("decode 32 prompts by 24", |b| {
        b.iter(|| {
            let session = Session::new(&model.network, &prompts, 24);
            session.generate(Decoding::Greedy, 24, &BTreeSet::new())
        });
    });
    group.finish();
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
