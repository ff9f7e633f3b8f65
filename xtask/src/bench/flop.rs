//! How many operations the matrix products of a piece of work are, from the model's shape.
//!
//! A product of `[n, k]` and `[k, m]` is `2 n k m` operations. Counted is what must be computed: the
//! gradient of an input that nothing trainable leads to is not, nor what is computed a second time to save
//! memory, nor attention to what is not seen. (As in PaLM's model FLOPs, arXiv 2204.02311, appendix B, but
//! for the causal half of attention, which that counts too.)

use lethe_model::{LoraConfig, ModelConfig};
use regex::Regex;

/// Operations, by what they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Flop {
    /// Dense layers and the output layer.
    pub dense: f64,
    /// Low-rank adapters.
    pub adapters: f64,
    /// Scores and weighted sums of values.
    pub attention: f64,
}

impl Flop {
    pub fn total(self) -> f64 {
        self.dense + self.adapters + self.attention
    }
}

/// A dense layer's name in its block, its outputs and its inputs.
pub type Shape = (&'static str, usize, usize);

/// The dense layers of a block; those of a group share their input.
pub fn groups(config: &ModelConfig) -> [Vec<Shape>; 4] {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let queries = config.num_attention_heads * config.head_dim;
    let keys = config.num_key_value_heads * config.head_dim;
    [
        vec![
            ("self_attn.q_proj", queries, hidden),
            ("self_attn.k_proj", keys, hidden),
            ("self_attn.v_proj", keys, hidden),
        ],
        vec![("self_attn.o_proj", hidden, queries)],
        vec![
            ("mlp.gate_proj", inner, hidden),
            ("mlp.up_proj", inner, hidden),
        ],
        vec![("mlp.down_proj", hidden, inner)],
    ]
}

/// The weights of a block's dense layers.
fn block(config: &ModelConfig) -> usize {
    let all = groups(config).into_iter().flatten();
    all.map(|(_, outputs, inputs)| outputs * inputs).sum()
}

/// How many pairs of a query and a key there are when tokens follow `past` others, in layer `layer`.
fn pairs(config: &ModelConfig, layer: usize, past: usize, tokens: usize) -> f64 {
    let window = match config.is_global(layer) {
        true => usize::MAX,
        false => config.sliding_window,
    };
    let seen = (past..past + tokens).map(|at| (at + 1).min(window));
    seen.sum::<usize>() as f64
}

/// Attention of one sequence in all layers, forward: scores, and what they weigh.
fn attention(config: &ModelConfig, past: usize, tokens: usize) -> f64 {
    let width = (config.num_attention_heads * config.head_dim) as f64;
    let layers = 0..config.num_hidden_layers;
    let all = layers.map(|layer| pairs(config, layer, past, tokens));
    4.0 * width * all.sum::<f64>()
}

/// The forward pass of `batch` sequences by `tokens` tokens after `past` others, of which `read` give logits.
pub fn forward(
    config: &ModelConfig,
    batch: usize,
    past: usize,
    tokens: usize,
    read: usize,
) -> Flop {
    let rows = (batch * tokens) as f64;
    let head = (config.vocab_size * config.hidden_size * read) as f64;
    Flop {
        dense: 2.0 * (rows * (config.num_hidden_layers * block(config)) as f64 + head),
        adapters: 0.0,
        attention: batch as f64 * attention(config, past, tokens),
    }
}

/// A training step on `batch` sequences of `length` tokens, all but the first of which are predicted; of
/// adapters where there are some, else of all weights.
pub fn training(
    config: &ModelConfig,
    lora: Option<(&LoraConfig, &Regex)>,
    batch: usize,
    length: usize,
) -> Flop {
    let rows = (batch * length) as f64;
    let full = lora.is_none();
    let mut out = Flop::default();
    // Whether anything trainable leads to what flows: with all weights, the embedding does.
    let mut led_to = full;
    let products = |led_to: bool| 1.0 + f64::from(u8::from(led_to)) + f64::from(u8::from(full));
    let width = (config.num_attention_heads * config.head_dim) as f64;
    for layer in 0..config.num_hidden_layers {
        for (at, group) in groups(config).into_iter().enumerate() {
            let before = led_to;
            for (name, outputs, inputs) in group {
                let weights = (outputs * inputs) as f64;
                out.dense += 2.0 * rows * weights * products(before);
                let name = format!("model.layers.{layer}.{name}");
                if let Some((lora, targets)) = lora
                    && targets.is_match(&name)
                {
                    let (first, second) = (lora.rank * inputs, outputs * lora.rank);
                    let first = first as f64 * (2.0 + f64::from(u8::from(before)));
                    out.adapters += 2.0 * rows * (first + 3.0 * second as f64);
                    led_to = true;
                }
            }
            if at == 0 {
                // Two products forward, and the gradients of both factors of each.
                let passes = if led_to { 3.0 } else { 1.0 };
                let pairs = batch as f64 * pairs(config, layer, 0, length);
                out.attention += passes * 4.0 * width * pairs;
            }
        }
    }
    let head = (config.vocab_size * config.hidden_size) as f64;
    let read = (batch * length.saturating_sub(1)) as f64;
    out.dense += 2.0 * read * head * products(led_to);
    out
}

/// Greedy decoding of `prompts` prompts of `length` tokens by `new` tokens each.
pub fn decoding(config: &ModelConfig, prompts: usize, length: usize, new: usize) -> Flop {
    let mut out = forward(config, prompts, 0, length, prompts);
    for step in 0..new.saturating_sub(1) {
        let next = forward(config, prompts, length + step, 1, prompts);
        out.dense += next.dense;
        out.attention += next.attention;
    }
    out
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Gemma 3 270M (arXiv 2503.19786; its `config.json`) with 4,096 rows.
    pub fn gemma() -> ModelConfig {
        ModelConfig {
            model_type: "gemma3_text".to_owned(),
            vocab_size: 4096,
            hidden_size: 640,
            intermediate_size: 2048,
            num_hidden_layers: 18,
            num_attention_heads: 4,
            num_key_value_heads: 1,
            head_dim: 256,
            query_pre_attn_scalar: 256.0,
            rms_norm_eps: 1e-6,
            rope_theta: 1e6,
            rope_local_base_freq: 1e4,
            sliding_window: 512,
            sliding_window_pattern: 6,
            max_position_embeddings: 32_768,
            bos_token_id: 2,
            eos_token_id: 1,
            pad_token_id: 0,
            kept_tokens: None,
        }
    }

    pub fn lora() -> (LoraConfig, Regex) {
        let lora = LoraConfig {
            rank: 16,
            alpha: 32.0,
            dropout: 0.0,
            targets: "(q|k|v)_proj".to_owned(),
        };
        let targets = Regex::new(&lora.targets).expect("an expression");
        (lora, targets)
    }

    #[test]
    fn full_fine_tuning_costs_what_a_calculation_by_hand_says() {
        let step = training(&gemma(), None, 8, 64);
        // A block: q and o 655,360 each, k and v 163,840 each, gate, up and down 1,310,720 each; 18 of
        // them. 4096 · 640 in the output layer, for 63 tokens of 64. Three products of two operations.
        let weights = 18.0 * (2.0 * 655_360.0 + 2.0 * 163_840.0 + 3.0 * 1_310_720.0);
        let dense = 6.0 * (weights + 2_621_440.0 * 63.0 / 64.0);
        assert_eq!(step.dense / 512.0, dense);
        assert_eq!(dense, 617_103_360.0);
        assert_eq!(format!("{:.2}", step.total() / 512.0 / 1e9), "0.62");
        // A token sees 32.5 on average, with four heads of 256, in six products.
        assert_eq!(step.attention / 512.0, 18.0 * 32.5 * 1024.0 * 2.0 * 6.0);
        assert_eq!(step.adapters, 0.0);
    }

    #[test]
    fn lora_saves_the_weights_gradients() {
        let (config, targets) = lora();
        let step = training(&gemma(), Some((&config, &targets)), 8, 64);
        // Two products instead of three; and nothing trainable leads to the first layer's q, k and v.
        let dense = 4.0 * (100_270_080.0 + 2_580_480.0) - 2.0 * 983_040.0;
        assert_eq!(step.dense / 512.0, dense);
        assert_eq!(format!("{:.2}", dense / 1e9), "0.41");
        // A of [16, 640] thrice, B of [1024, 16] and twice of [256, 16], 18 times.
        let (a, b) = (3.0 * 10_240.0, 16_384.0 + 2.0 * 4096.0);
        assert_eq!(step.adapters / 512.0, 18.0 * 6.0 * (a + b) - 2.0 * a);
    }

    #[test]
    fn a_window_bounds_what_attention_costs() {
        let config = ModelConfig {
            sliding_window: 4,
            ..gemma()
        };
        // Layers 6, 12 and 18 are global.
        let windowed = 1.0 + 2.0 + 3.0 + 4.0 * 7.0;
        assert_eq!(pairs(&config, 0, 0, 10), windowed);
        assert_eq!(pairs(&config, 5, 0, 10), 55.0);
        assert_eq!(pairs(&config, 5, 9, 1), 10.0);
        let all = 15.0 * windowed + 3.0 * 55.0;
        assert_eq!(forward(&config, 2, 0, 10, 20).attention, 2.0 * 4096.0 * all);
    }

    #[test]
    fn decoding_computes_every_token_once() {
        let config = gemma();
        let together = forward(&config, 1, 0, 30, 1);
        let apart = decoding(&config, 1, 24, 7);
        assert_eq!(together.attention, apart.attention);
        let heads = 2.0 * 2_621_440.0;
        assert_eq!(apart.dense - together.dense, 6.0 * heads);
    }
}
