//! Asking Gemma 3 270M, with the vocabulary trimmed to the corpus: ten items, nine languages, two probes,
//! 24 new tokens, as a run asks. Throughput is in prompts; an evaluation of 100 items is ten times this.
//!
//! `cargo bench -p xtask --bench evaluate`; the model is fetched on first use.

#![allow(clippy::expect_used, missing_docs)]

use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lethe_corpus::{Corpus, Language};
use lethe_eval::{AskConfig, ask};
use lethe_model::{Pretrained, store};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn benchmarks(criterion: &mut Criterion) {
    let news = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/news");
    let all = Corpus::from_jsonl(&news).expect("the corpus");
    let articles = all.articles.iter().map(|a| a.text.as_str());
    let questions = all.questions.iter().flat_map(|q| {
        let fake = q.fake_answer.as_deref();
        [q.prompt.as_str(), q.answer.as_str()]
            .into_iter()
            .chain(fake)
    });
    let texts: Vec<&str> = articles.chain(questions).collect();
    let cache = store::cache_dir().expect("a cache folder");
    let path = store::pull(&store::MODELS[0], &cache, &mut |_, _, _| {}).expect("the model");
    let pretrained = Pretrained::open(&path).expect("readable");
    let kept = pretrained
        .tokenizer()
        .tokens_of(texts.into_iter())
        .expect("tokens");
    let device = lethe_model::device("auto").expect("a device");
    let model = pretrained.load(&device, Some(&kept)).expect("loadable");

    let asked = all.sample(10, 1, 1).expect("ten items");
    let languages: Vec<Language> = Language::ALL.to_vec();
    let prompts = 10 * languages.len() as u64 * 2;
    let mut group = criterion.benchmark_group("evaluate");
    group.sample_size(10);
    group.throughput(Throughput::Elements(prompts));
    for (what, wrong_answers) in [("both answers", 0), ("and two wrong ones", 2)] {
        let config = AskConfig {
            new_tokens: 24,
            wrong_answers,
            ..AskConfig::default()
        };
        group.bench_function(what, |b| {
            b.iter(|| ask(&model, &asked, &languages, &config, 1, &|_, _| {}).expect("answers"));
        });
    }
    group.finish();
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
