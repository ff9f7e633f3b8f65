//! What shape a model has.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::gguf::{Gguf, Value};

/// The hyper-parameters of a Gemma 3 text model, under the names of Hugging Face's `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// The architecture; `gemma3_text` is what this crate implements.
    pub model_type: String,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the gated feed-forward layer.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; query heads share them in equal groups.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Attention scores are divided by the square root of this.
    pub query_pre_attn_scalar: f64,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies in global layers.
    pub rope_theta: f64,
    /// Base of the rotary frequencies in sliding-window layers.
    pub rope_local_base_freq: f64,
    /// How many positions a sliding-window layer sees, its own included.
    pub sliding_window: usize,
    /// Every `n`-th layer is global.
    pub sliding_window_pattern: usize,
    /// The longest sequence that the model was trained for, in tokens.
    pub max_position_embeddings: usize,
    /// First token of every sequence.
    pub bos_token_id: u32,
    /// Ends a sequence.
    pub eos_token_id: u32,
    /// Fills a batch.
    pub pad_token_id: u32,
    /// In a model with a trimmed vocabulary: the ids of the kept tokens in the full vocabulary,
    /// ascending; row `i` of the embedding belongs to token `kept_tokens[i]`. The three special
    /// ids above are ids in the full vocabulary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_tokens: Option<Vec<u32>>,
}

impl ModelConfig {
    /// Reads the hyper-parameters from a GGUF file's metadata.
    ///
    /// Three values that the converter leaves out when they equal the architecture's definition
    /// are taken from the Gemma 3 report (arXiv 2503.19786): one global layer in six, local
    /// rotary base 10,000, and score scale `head_dim^-1/2`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another architecture, [`Error::Format`] for a missing key.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, Error> {
        let architecture = gguf.text("general.architecture")?;
        if architecture != "gemma3" {
            return Err(Error::unsupported(
                gguf.path(),
                format!("architecture {architecture:?}; supported is \"gemma3\""),
            ));
        }
        let key = |name: &str| format!("gemma3.{name}");
        let size = |name: &str| gguf.size(&key(name));
        let special = |name: &str| -> Result<u32, Error> {
            let name = format!("tokenizer.ggml.{name}_token_id");
            u32::try_from(gguf.size(&name)?)
                .map_err(|_| Error::format(gguf.path(), format!("{name} is no token id")))
        };
        let head_dim = size("attention.key_length")?;
        let or = |name: &str, default: f64| match gguf.get(&key(name)) {
            Some(Value::Float(x)) => *x,
            _ => default,
        };
        let config = ModelConfig {
            model_type: "gemma3_text".to_owned(),
            vocab_size: gguf.list("tokenizer.ggml.tokens")?.len(),
            hidden_size: size("embedding_length")?,
            intermediate_size: size("feed_forward_length")?,
            num_hidden_layers: size("block_count")?,
            num_attention_heads: size("attention.head_count")?,
            num_key_value_heads: size("attention.head_count_kv")?,
            head_dim,
            query_pre_attn_scalar: head_dim as f64,
            rms_norm_eps: gguf.number(&key("attention.layer_norm_rms_epsilon"))?,
            rope_theta: gguf.number(&key("rope.freq_base"))?,
            rope_local_base_freq: or("rope.freq_base_swa", 10_000.0),
            sliding_window: size("attention.sliding_window")?,
            sliding_window_pattern: 6,
            max_position_embeddings: size("context_length")?,
            bos_token_id: special("bos")?,
            eos_token_id: special("eos")?,
            pad_token_id: special("padding")?,
            kept_tokens: None,
        };
        config.check(gguf.path())?;
        Ok(config)
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`] for JSON with a missing or mistyped key,
    /// [`Error::Unsupported`] for another architecture.
    pub fn from_json(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let config: ModelConfig =
            serde_json::from_str(&text).map_err(|e| Error::format(path, e.to_string()))?;
        config.check(path)?;
        Ok(config)
    }

    /// Whether layer `index` attends to all earlier positions rather than a sliding window.
    #[must_use]
    pub fn is_global(&self, index: usize) -> bool {
        (index + 1).is_multiple_of(self.sliding_window_pattern)
    }

    fn check(&self, path: &Path) -> Result<(), Error> {
        if self.model_type != "gemma3_text" {
            return Err(Error::unsupported(
                path,
                format!(
                    "model_type {:?}; supported is \"gemma3_text\"",
                    self.model_type
                ),
            ));
        }
        let positive = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
            ("sliding_window", self.sliding_window),
            ("sliding_window_pattern", self.sliding_window_pattern),
        ];
        for (name, value) in positive {
            if value == 0 {
                return Err(Error::format(
                    path,
                    format!("{name} is 0, expected at least 1"),
                ));
            }
        }
        if !self
            .num_attention_heads
            .is_multiple_of(self.num_key_value_heads)
        {
            return Err(Error::format(
                path,
                format!(
                    "{} query heads cannot share {} key heads in equal groups",
                    self.num_attention_heads, self.num_key_value_heads
                ),
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(Error::format(
                path,
                format!(
                    "head_dim {} is odd; rotary embedding needs pairs",
                    self.head_dim
                ),
            ));
        }
        if let Some(kept) = &self.kept_tokens
            && kept.len() != self.vocab_size
        {
            return Err(Error::format(
                path,
                format!(
                    "kept_tokens lists {} tokens, vocab_size is {}",
                    kept.len(),
                    self.vocab_size
                ),
            ));
        }
        Ok(())
    }
}
