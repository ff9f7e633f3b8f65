//! What there is to measure.

use std::collections::BTreeMap;

use color_eyre::eyre::{Result, bail};
use lethe_corpus::Language;
use lethe_model::{LoraConfig, ModelConfig, Precision};
use lethe_train::OptimizerConfig;
use lethe_unlearn::{Registry, StopRule, UnlearnConfig};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::flop::{decoding, forward, training};
use crate::checkpoint::Rows;
use crate::plan::memory::{Beside, SHARDS, Step};

/// A piece of work that is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Work {
    /// A product of two square matrices: what the network uses, or (`plain`) burn's own.
    Product { precision: Precision, plain: bool },
    /// A training step with AdamW and clipping, of all weights or of adapters.
    Train {
        rows: Rows,
        lora: Option<LoraConfig>,
        precision: Precision,
        batch: usize,
        length: usize,
        /// With this many layers instead of the model's.
        layers: Option<usize>,
    },
    /// Token losses without gradients.
    Score {
        rows: Rows,
        batch: usize,
        length: usize,
    },
    /// Greedy answers.
    Decode {
        rows: Rows,
        prompts: usize,
        length: usize,
        new: usize,
    },
    /// A step of an unlearning strategy, on 8 sequences of 64 tokens and, where it has one, as large a
    /// retain set.
    Unlearn { strategy: String },
    /// Building a corpus of generated text: read, checked and written.
    Corpus { items: usize },
}

/// A piece of work with its name.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub what: String,
    pub work: Work,
    /// Of one point of a curve: along what, and where.
    pub growth: Option<(&'static str, f64)>,
}

/// Sequences and tokens of a step, as in the project's criterion benchmarks.
pub const BATCH: usize = 8;
pub const LENGTH: usize = 64;
/// Prompts, their tokens and how many follow.
const DECODED: [usize; 3] = [32, 24, 24];

/// The greatest number of rows of a trimmed vocabulary.
pub const TRIMMED: usize = 4096;

impl Work {
    /// What there is so much of in a repeat.
    pub fn amount(&self) -> (&'static str, f64) {
        let tokens = |n: usize| ("tokens", n as f64);
        match self {
            Work::Product { .. } => ("products", 1.0),
            Work::Train { batch, length, .. } | Work::Score { batch, length, .. } => {
                tokens(batch * length)
            }
            Work::Decode { prompts, new, .. } => tokens(prompts * new),
            Work::Unlearn { .. } => tokens(BATCH * LENGTH),
            Work::Corpus { items } => ("articles", (items * Language::ALL.len()) as f64),
        }
    }

    /// In what precision dense layers multiply.
    pub fn precision(&self) -> Precision {
        match self {
            Work::Product { precision, .. } | Work::Train { precision, .. } => *precision,
            _ => Precision::F32,
        }
    }

    /// The peak memory of a training step's process, in bytes, as planned from the model's shape; nothing
    /// of what is no training step.
    pub fn planned(&self, full: &ModelConfig) -> Result<Option<u64>> {
        let (rows, lora, layers, batch, length, beside) = match self {
            Work::Train {
                rows,
                lora,
                batch,
                length,
                layers,
                ..
            } => (
                *rows,
                lora.as_ref(),
                *layers,
                *batch,
                *length,
                Beside::default(),
            ),
            Work::Unlearn { strategy } => {
                let method = crate::strategies::registry()?.method(strategy, &BTreeMap::new())?;
                let beside = Beside::of(&method, &unlearning(1));
                (Rows::Trimmed, None, None, BATCH, LENGTH, beside)
            }
            _ => return Ok(None),
        };
        let config = shape(full, rows, layers);
        let targets = lora.map(|lora| Regex::new(&lora.targets)).transpose()?;
        let step = Step {
            config: &config,
            known: full.vocab_size,
            lora: lora.zip(targets.as_ref()),
            tokens: batch * length,
            targets: batch * (length - 1),
            parts: SHARDS.min(batch),
            beside,
        };
        Ok(Some(step.memory().peak))
    }

    /// Operations in a repeat; nothing where the model's shape does not say it.
    pub fn flop(&self, full: &ModelConfig, size: usize) -> Result<Option<f64>> {
        let of = |rows: Rows| shape(full, rows, None);
        let flop = match self {
            Work::Product { .. } => return Ok(Some(2.0 * (size as f64).powi(3))),
            Work::Train {
                rows,
                lora,
                batch,
                length,
                layers,
                ..
            } => {
                let config = shape(full, *rows, *layers);
                let targets = lora.as_ref().map(|lora| Regex::new(&lora.targets));
                let targets = targets.transpose()?;
                training(
                    &config,
                    lora.as_ref().zip(targets.as_ref()),
                    *batch,
                    *length,
                )
            }
            Work::Score {
                rows,
                batch,
                length,
            } => forward(&of(*rows), *batch, 0, *length, batch * (length - 1)),
            Work::Decode {
                rows,
                prompts,
                length,
                new,
            } => decoding(&of(*rows), *prompts, *length, *new),
            Work::Unlearn { .. } | Work::Corpus { .. } => return Ok(None),
        };
        Ok(Some(flop.total()))
    }

    /// Whether `benches/pytorch_baseline.py` does the same.
    pub fn in_torch(&self) -> bool {
        match self {
            Work::Product { plain, .. } => !plain,
            Work::Train { layers, .. } => layers.is_none(),
            Work::Score { .. } | Work::Decode { .. } => true,
            Work::Unlearn { .. } | Work::Corpus { .. } => false,
        }
    }

    /// Which vocabulary of the model it needs, if it needs the model.
    pub fn rows(&self) -> Option<Rows> {
        match self {
            Work::Train { rows, .. } | Work::Score { rows, .. } | Work::Decode { rows, .. } => {
                Some(*rows)
            }
            Work::Unlearn { .. } => Some(Rows::Trimmed),
            Work::Product { .. } | Work::Corpus { .. } => None,
        }
    }
}

/// The model's shape with as many rows of the vocabulary as are loaded, and another number of layers where
/// one is given.
fn shape(full: &ModelConfig, rows: Rows, layers: Option<usize>) -> ModelConfig {
    ModelConfig {
        vocab_size: match rows {
            Rows::Trimmed => full.vocab_size.min(TRIMMED),
            Rows::Full => full.vocab_size,
        },
        num_hidden_layers: layers.unwrap_or(full.num_hidden_layers),
        ..full.clone()
    }
}

/// How the strategies' steps are run.
pub fn unlearning(steps: usize) -> UnlearnConfig {
    UnlearnConfig::new(BATCH, OptimizerConfig::default(), StopRule::Steps { steps })
}

fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    }
}

/// Every case that counts for itself.
fn cases(registry: &Registry) -> Vec<Case> {
    let mut out = Vec::new();
    let mut add = |name: String, what: String, work: Work| {
        out.push(Case {
            name,
            what,
            work,
            growth: None,
        });
    };
    let both = [Precision::F32, Precision::Bf16];
    let what = "a product of two large square matrices";
    for precision in both {
        let work = Work::Product {
            precision,
            plain: false,
        };
        add(
            format!("product-{}", name(precision)),
            what.to_owned(),
            work,
        );
    }
    let work = Work::Product {
        precision: Precision::F32,
        plain: true,
    };
    add(
        "product-burn-f32".to_owned(),
        format!("{what}, burn's own"),
        work,
    );
    let lora = LoraConfig {
        rank: 16,
        alpha: 32.0,
        dropout: 0.0,
        targets: "(q|k|v)_proj".to_owned(),
    };
    let [prompts, length, new] = DECODED;
    for rows in [Rows::Trimmed, Rows::Full] {
        let (end, of) = match rows {
            Rows::Trimmed => ("", format!("{TRIMMED} rows of the vocabulary")),
            Rows::Full => ("-full-vocabulary", "the whole vocabulary".to_owned()),
        };
        for (short, long, lora) in [
            ("finetune", "full fine-tuning", None),
            ("lora", "LoRA of rank 16 on q, k, v", Some(lora.clone())),
        ] {
            for precision in both {
                add(
                    format!("{short}-{}{end}", name(precision)),
                    format!("{long}, a step of {BATCH}×{LENGTH} tokens, {of}"),
                    Work::Train {
                        rows,
                        lora: lora.clone(),
                        precision,
                        batch: BATCH,
                        length: LENGTH,
                        layers: None,
                    },
                );
            }
        }
        add(
            format!("score-f32{end}"),
            format!("token losses of {BATCH}×{LENGTH} tokens, {of}"),
            Work::Score {
                rows,
                batch: BATCH,
                length: LENGTH,
            },
        );
        add(
            format!("decode-f32{end}"),
            format!("{prompts} prompts of {length} tokens, {new} more each, greedily, {of}"),
            Work::Decode {
                rows,
                prompts,
                length,
                new,
            },
        );
    }
    for entry in registry.all() {
        add(
            format!("unlearn-{}", entry.name),
            format!(
                "{}, a step of {BATCH}×{LENGTH} tokens to forget",
                entry.title
            ),
            Work::Unlearn {
                strategy: entry.name.to_owned(),
            },
        );
    }
    add(
        "corpus-100".to_owned(),
        "100 items in nine languages read, checked and written as Parquet".to_owned(),
        Work::Corpus { items: 100 },
    );
    out
}

/// The points of the curves; a model has so many layers.
fn growth(layers: usize) -> Vec<Case> {
    let mut out = Vec::new();
    let mut add = |name: String, axis: &'static str, at: usize, work: Work| {
        let what = match &work {
            Work::Corpus { .. } => "building a corpus".to_owned(),
            Work::Train { batch, length, .. } => {
                format!("full fine-tuning, a step of {batch}×{length} tokens")
            }
            _ => String::new(),
        };
        out.push(Case {
            name,
            what,
            work,
            growth: Some((axis, at as f64)),
        });
    };
    let step = |batch: usize, length: usize, layers: Option<usize>| Work::Train {
        rows: Rows::Trimmed,
        lora: None,
        precision: Precision::F32,
        batch,
        length,
        layers,
    };
    for power in 5..=11 {
        let length = 1 << power;
        let work = step(2, length, None);
        add(
            format!("growth-length-{length}"),
            "tokens in a sequence",
            length,
            work,
        );
    }
    for power in 0..=6 {
        let batch = 1 << power;
        let work = step(batch, LENGTH, None);
        add(
            format!("growth-batch-{batch}"),
            "sequences in a batch",
            batch,
            work,
        );
    }
    let powers = (0..).map(|power| 1 << power).take_while(|&n| n < layers);
    for depth in powers.chain([layers]) {
        let work = step(BATCH, LENGTH, Some(depth));
        add(format!("growth-depth-{depth}"), "layers", depth, work);
    }
    for items in [10, 100, 1000, 10_000] {
        add(
            format!("growth-items-{items}"),
            "items",
            items,
            Work::Corpus { items },
        );
    }
    out
}

/// The cases that are asked for: by name, or all but those of curves, which are asked for together.
pub fn chosen(
    registry: &Registry,
    layers: usize,
    only: &[String],
    curves: bool,
) -> Result<Vec<Case>> {
    let (own, curve) = (cases(registry), growth(layers));
    if only.is_empty() {
        let curve = curve.into_iter().filter(|_| curves);
        return Ok(own.into_iter().chain(curve).collect());
    }
    let all: Vec<Case> = own.into_iter().chain(curve).collect();
    let mut out = Vec::new();
    for asked in only {
        let Some(found) = all.iter().find(|case| case.name == *asked) else {
            let near = |case: &&Case| strsim::jaro_winkler(asked, &case.name);
            let nearest = all.iter().max_by(|a, b| near(a).total_cmp(&near(b)));
            let names: Vec<&str> = all.iter().map(|case| case.name.as_str()).collect();
            bail!(
                "--only {asked:?}: no such case; the nearest is {:?}; known are {}",
                nearest.map_or("", |case| case.name.as_str()),
                names.join(", ")
            );
        };
        out.push(found.clone());
    }
    // Shares of the roofline need it.
    let products = all.iter().filter(|case| {
        let is_product = matches!(case.work, Work::Product { plain: false, .. });
        let is_needed = || {
            out.iter()
                .any(|c| c.work.precision() == case.work.precision())
        };
        is_product && is_needed() && !only.contains(&case.name)
    });
    let mut products: Vec<Case> = products.cloned().collect();
    products.append(&mut out);
    Ok(products)
}

#[cfg(test)]
mod tests {
    use super::super::flop::tests::gemma;
    use super::*;

    #[test]
    fn names_are_unique_and_every_strategy_and_curve_has_its_cases() {
        let registry = Registry::builtin();
        let all = chosen(&registry, 18, &[], true).expect("all");
        let mut names: Vec<&str> = all.iter().map(|case| case.name.as_str()).collect();
        for entry in registry.all() {
            assert!(names.contains(&&*format!("unlearn-{}", entry.name)));
        }
        let depths = names
            .iter()
            .filter(|name| name.starts_with("growth-depth-"));
        let depths: Vec<&str> = depths.map(|name| &name[13..]).collect();
        assert_eq!(depths, ["1", "2", "4", "8", "16", "18"]);
        for name in [
            "growth-length-2048",
            "growth-batch-64",
            "growth-items-10000",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_case_comes_with_the_roofline_that_it_is_measured_by() {
        let of = |name: &str| -> Vec<String> {
            let only = [name.to_owned()];
            let cases = chosen(&Registry::builtin(), 18, &only, false).expect("known");
            cases.into_iter().map(|case| case.name).collect()
        };
        assert_eq!(of("lora-bf16"), ["product-bf16", "lora-bf16"]);
        assert_eq!(of("product-f32"), ["product-f32"]);
        let only = ["fintune-f32".to_owned()];
        let error = chosen(&Registry::builtin(), 18, &only, false).expect_err("unknown");
        let error = error.to_string();
        assert!(error.contains("the nearest is \"finetune-f32\""), "{error}");
        assert!(
            error.contains("decode-f32, unlearn-") || error.contains("corpus-100"),
            "{error}"
        );
    }

    #[test]
    fn the_operations_of_a_step_are_those_of_its_shape() {
        let full = ModelConfig {
            vocab_size: 262_144,
            ..gemma()
        };
        let all = chosen(&Registry::builtin(), 18, &[], true).expect("all");
        let gflop = |name: &str| {
            let case = all.iter().find(|case| case.name == name).expect("known");
            let flop = case.work.flop(&full, 2048).expect("countable");
            flop.map(|flop| flop / case.work.amount().1 / 1e9)
        };
        let two = |name: &str| gflop(name).map(|x| format!("{x:.2}"));
        assert_eq!(two("finetune-bf16"), Some("0.62".to_owned()));
        // 6 (100.27 M + 262144 · 640 · 63/64) and the same attention.
        let whole = 6.0 * (100_270_080.0 + 167_772_160.0 * 63.0 / 64.0) + 7_188_480.0;
        assert_eq!(gflop("finetune-f32-full-vocabulary"), Some(whole / 1e9));
        assert_eq!(gflop("product-f32"), Some(2.0 * 2048f64.powi(3) / 1e9));
        assert_eq!(gflop("unlearn-npo"), None);
        // Half the layers, half of everything but the output layer.
        let (one, two) = (gflop("growth-depth-8"), gflop("growth-depth-16"));
        let head = 6.0 * 2_580_480.0 / 1e9;
        let both = one.zip(two).map(|(one, two)| (two - head) / (one - head));
        assert!((both.expect("counted") - 2.0).abs() < 1e-12);
    }
}
