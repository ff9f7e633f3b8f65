//! How much memory a training step takes at its peak, from the model's shape and what is computed at the same
//! time. Counted for the processor's fused blocks (`lethe-kernels`), whose operations keep their inputs for
//! the way back and nothing else; everything is `f32`, whatever dense layers multiply.
//!
//! A step holds the most at one of three moments. When the losses' gradients are there: everything that the
//! forward pass kept, logits and their gradients. When the output layer's gradient is there: the same with
//! one gradient of the embedding a part for half of the logits. When the way back is done: every part's
//! gradients, and of the embedding, which was used twice, one more.

use lethe_model::{LoraConfig, ModelConfig};
use lethe_unlearn::{Method, Reference, Retain, UnlearnConfig};
use regex::Regex;
use serde::Serialize;

use crate::bench::flop::groups;

/// Bytes of a number.
const NUMBER: u64 = 4;

/// What a process of this program takes without a model: its code, its threads' stacks and what products are
/// packed into. Measured, as the next two are: the rest is counted.
const PROCESS: u64 = 65_000_000;

/// What the tokenizer keeps for each token that it knows: pieces, their ids and how they are merged.
const TOKEN: u64 = 450;

/// By how much more memory the allocator holds than is in use, when blocks of many sizes come and go.
const HELD: f64 = 1.07;

/// The parts that a step is computed in at the same time: `TrainConfig::shards`' default, which unlearning
/// has.
pub const SHARDS: usize = 2;

/// A training step.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The model, with as many rows of the vocabulary as are loaded.
    pub config: &'a ModelConfig,
    /// Tokens that its tokenizer knows, loaded or not.
    pub known: usize,
    /// Adapters and the layers that have one, if they are trained rather than all weights.
    pub lora: Option<(&'a LoraConfig, &'a Regex)>,
    /// Tokens of all sequences that are computed at the same time, padding included.
    pub tokens: usize,
    /// Of those, the ones that are predicted.
    pub targets: usize,
    /// In how many parts they are computed at the same time.
    pub parts: usize,
    /// What a strategy adds.
    pub beside: Beside,
}

/// What an unlearning strategy computes and keeps beside what fine-tuning does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside {
    /// Further sets of as many sequences that the trained network reads in the same step.
    pub sets: usize,
    /// Of those sets, the ones in which whole distributions are compared with the reference's.
    pub divergences: usize,
    /// Other networks of the same size, once the trained one has changed.
    pub networks: usize,
}

impl Beside {
    /// Of a strategy with its settings.
    pub fn of(method: &Method, config: &UnlearnConfig) -> Beside {
        let needs = method.strategy.needs();
        let reference = needs.reference.max(method.retain.reference());
        let keeps = config.choose.is_some()
            || config.guard.forget_nll.is_finite()
            || config.guard.perplexity_ratio.is_finite();
        let networks = [reference == Reference::Network, keeps, needs.start];
        Beside {
            sets: usize::from(needs.alternative.is_some()) + usize::from(method.needs_retain()),
            divergences: usize::from(method.retain == Retain::Kl),
            // With adapters they all share the weights, which do not change.
            networks: match config.lora {
                None => networks.into_iter().filter(|&is_kept| is_kept).count(),
                Some(_) => 0,
            },
        }
    }
}

/// Bytes, by what they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The program and its tokenizer.
    pub process: u64,
    pub weights: u64,
    /// What is trained.
    pub trained: u64,
    /// AdamW's.
    pub moments: u64,
    /// Of all parts, when the way back is done.
    pub gradients: u64,
    /// What the forward pass keeps.
    pub activations: u64,
    /// And of what it predicts.
    pub logits: u64,
    /// The reference and other networks.
    pub networks: u64,
    /// What is there at the same time, at most, with what the allocator holds beside it.
    pub peak: u64,
}

/// What the allocator holds when so much is in use.
fn held(used: u64) -> u64 {
    (used as f64 * HELD) as u64
}

/// The numbers of a model's weights.
pub fn parameters(config: &ModelConfig) -> u64 {
    let linears = groups(config).into_iter().flatten();
    let linears: usize = linears.map(|(_, outputs, inputs)| outputs * inputs).sum();
    let norms = 4 * config.hidden_size + 2 * config.head_dim;
    let blocks = config.num_hidden_layers * (linears + norms);
    (config.vocab_size * config.hidden_size + blocks + config.hidden_size) as u64
}

/// The numbers that a token leaves in one layer for the way back: each operation's inputs. Adapters of a
/// layer add theirs.
fn kept(config: &ModelConfig, lora: Option<(&LoraConfig, &Regex)>, layer: usize) -> usize {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let queries = config.num_attention_heads * config.head_dim;
    let keys = config.num_key_value_heads * config.head_dim;
    // The stream before attention and after it, each normalised, and what both halves add to it.
    let stream = 6 * hidden;
    let attention = queries + 2 * keys + queries;
    let gated = 3 * inner;
    let mut adapters = 0;
    if let Some((lora, targets)) = lora {
        for (name, _, inputs) in groups(config).into_iter().flatten() {
            if targets.is_match(&format!("model.layers.{layer}.{name}")) {
                // Dropout: the mask, and what it leaves.
                let masked = if lora.dropout > 0.0 { 2 * inputs } else { 0 };
                adapters += lora.rank + masked;
            }
        }
    }
    stream + attention + gated + adapters
}

impl Step<'_> {
    /// The numbers that are trained.
    fn trained(&self) -> u64 {
        let Some((lora, targets)) = self.lora else {
            return parameters(self.config);
        };
        let mut out = 0;
        for layer in 0..self.config.num_hidden_layers {
            for (name, outputs, inputs) in groups(self.config).into_iter().flatten() {
                if targets.is_match(&format!("model.layers.{layer}.{name}")) {
                    out += lora.rank * (outputs + inputs);
                }
            }
        }
        out as u64
    }

    /// What it takes.
    pub fn memory(&self) -> Memory {
        let config = self.config;
        let layers = 0..config.num_hidden_layers;
        let kept: usize = layers.map(|layer| kept(config, self.lora, layer)).sum();
        let sets = 1 + self.beside.sets as u64;
        // Also the stream before the last norm, and the normalised places that are read.
        let hidden = config.hidden_size;
        let activations = self.tokens * (kept + hidden) + self.targets * hidden;
        let activations = sets * NUMBER * activations as u64;
        let of_set = NUMBER * (self.targets * config.vocab_size) as u64;
        // Of a divergence: log-probabilities of both, the reference's probabilities and the difference.
        let logits = (sets + 4 * self.beside.divergences as u64) * of_set;
        let weights = NUMBER * parameters(config);
        let trained = NUMBER * self.trained();
        let embedding = match self.lora {
            None => NUMBER * (config.vocab_size * hidden) as u64,
            Some(_) => 0,
        };
        let parts = self.parts as u64;
        let gradients = parts * (trained + embedding);
        let networks = self.beside.networks as u64 * weights;
        let adapters = if self.lora.is_some() { trained } else { 0 };
        let process = PROCESS + TOKEN * self.known as u64;
        let always = process + weights + adapters + 2 * trained + networks;
        let moments = [
            activations + logits + of_set,
            activations + logits + parts * embedding,
            gradients,
        ];
        Memory {
            process,
            weights,
            trained,
            moments: 2 * trained,
            gradients,
            activations,
            logits: logits + of_set,
            networks,
            peak: held(always + moments.into_iter().max().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lethe_train::OptimizerConfig;
    use lethe_unlearn::{Registry, StopRule};

    use super::*;
    use crate::bench::flop::tests::{gemma, lora};

    fn step<'a>(config: &'a ModelConfig, lora: Option<(&'a LoraConfig, &'a Regex)>) -> Step<'a> {
        Step {
            config,
            known: 262_144,
            lora,
            tokens: 512,
            targets: 504,
            parts: 2,
            beside: Beside::default(),
        }
    }

    #[test]
    fn the_parts_are_those_of_a_calculation_by_hand() {
        let config = gemma();
        let full = step(&config, None).memory();
        // "270M": 168 M of the embedding, of which 4,096 of 262,144 rows are left, and 100 M of the blocks.
        let norms = 18 * (4 * 640 + 2 * 256) + 640;
        let numbers = 2_621_440 + 100_270_080 + norms;
        assert_eq!(parameters(&config), numbers);
        assert_eq!((full.weights, full.moments), (4 * numbers, 8 * numbers));
        // A layer and token: six times 640; 1024, 256, 256 and 1024; three times 2048.
        let kept = 6 * 640 + 2560 + 3 * 2048;
        let activations = 512 * (18 * kept + 640) + 504 * 640;
        assert_eq!(full.activations, 4 * activations);
        assert_eq!(full.logits, 2 * 4 * 504 * 4096);
        assert_eq!(full.gradients, 2 * 4 * (numbers + 2_621_440));
        // Gradients of both halves are more than what the forward pass kept.
        let always = full.process + 12 * numbers;
        assert_eq!(full.peak, held(always + full.gradients));
    }

    #[test]
    fn adapters_need_neither_moments_nor_gradients_of_the_weights() {
        let config = gemma();
        let (lora, targets) = lora();
        let adapters = step(&config, Some((&lora, &targets))).memory();
        assert_eq!(adapters.trained, 4 * 18 * 16 * (1664 + 896 + 896));
        let full = step(&config, None).memory();
        let more = adapters.activations - full.activations;
        assert_eq!(more, 4 * 512 * 18 * 3 * 16);
        let all = adapters.process + adapters.weights + 3 * adapters.trained;
        let all = all + adapters.activations + adapters.logits;
        assert_eq!(adapters.peak, held(all));
        let dropped = LoraConfig {
            dropout: 0.1,
            ..lora.clone()
        };
        let masked = step(&config, Some((&dropped, &targets))).memory();
        assert_eq!(
            masked.activations - adapters.activations,
            4 * 512 * 18 * 6 * 640
        );
    }

    #[test]
    fn a_strategy_adds_what_it_needs() {
        let of = |name: &str| {
            let method = Registry::builtin().method(name, &BTreeMap::new());
            let stop = StopRule::Steps { steps: 1 };
            let config = UnlearnConfig::new(8, OptimizerConfig::default(), stop);
            Beside::of(&method.expect("known"), &config)
        };
        let beside = |sets, divergences, networks| Beside {
            sets,
            divergences,
            networks,
        };
        assert_eq!(of("grad-ascent"), beside(0, 0, 0));
        assert_eq!(of("npo"), beside(0, 0, 0));
        assert_eq!(of("npo+ce"), beside(1, 0, 0));
        assert_eq!(of("npo+kl"), beside(1, 1, 1));
        assert_eq!(of("dpo").sets, 1);
        assert_eq!(of("task-vector").networks, 1);
        let config = gemma();
        let mut alone = step(&config, None);
        let before = alone.memory();
        alone.beside = of("npo+kl");
        let with = alone.memory();
        assert_eq!(with.networks, with.weights);
        assert_eq!(with.activations, 2 * before.activations);
    }
}
