//! What the orchestrator says about a run: `run.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A run: what was studied, with what, and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The preset's name.
    pub preset: String,
    /// The preset's TOML text, with overrides applied.
    pub preset_toml: String,
    /// The model that was studied.
    pub model: ModelInfo,
    /// The texts that it was taught and asked.
    pub corpus: CorpusInfo,
    /// The device that computed.
    pub device: String,
    /// Training seeds.
    pub seeds: Vec<u64>,
    /// Codes of the prompt languages.
    pub languages: Vec<String>,
    /// Codes of the languages in which fakes were taught, one tuned model each.
    pub sources: Vec<String>,
    /// The unlearning scopes that were asked for.
    pub scopes: Vec<String>,
    /// Software and its versions.
    pub versions: BTreeMap<String, String>,
    /// The stages in the order in which they ran.
    pub stages: Vec<StageInfo>,
    /// One record per trained model.
    pub training: Vec<TrainingInfo>,
    /// One record per unlearned model.
    pub unlearning: Vec<UnlearningInfo>,
    /// Differences from the paper, one sentence each.
    pub deviations: Vec<String>,
    /// How much worse than the instruct model still counts as answering.
    pub margins: Margins,
    /// By the code of a source, the name of its oracle: the model that tuning comes to without the
    /// fakes. Empty where none was trained.
    #[serde(default)]
    pub oracles: BTreeMap<String, String>,
}

/// The model that was studied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Its weights' file.
    pub file: String,
    /// That file's sha256, hexadecimal.
    pub sha256: String,
    /// Number of parameters in use.
    pub parameters: u64,
    /// Its vocabulary in words: `5,123 of 262,144 tokens`.
    pub vocabulary: String,
}

/// The corpus that was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorpusInfo {
    /// sha256 of the built corpus, hexadecimal.
    pub sha256: String,
    /// Items that are probed.
    pub probe_items: u32,
    /// Items of the instruct stage.
    pub instruct_items: u32,
    /// Items that no stage trains on.
    pub held_out_items: u32,
}

/// One stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageInfo {
    /// Its name.
    pub name: String,
    /// Wall time in seconds, of the run that computed it.
    pub seconds: f64,
    /// What it did, in a few words.
    pub detail: String,
    /// Whether an earlier run's result was used.
    pub cached: bool,
}

/// How a model was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingInfo {
    /// The model's name in the results.
    pub model: String,
    /// Optimizer steps.
    pub steps: u32,
    /// Tokens with a loss.
    pub tokens: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Mean loss of the first step, in nats per token.
    pub first_loss: f64,
    /// Mean loss of the last step, in nats per token.
    pub final_loss: f64,
}

/// How a model was made to unlearn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnlearningInfo {
    /// The model's name in the results.
    pub model: String,
    /// The strategy.
    pub strategy: String,
    /// The language scope.
    pub scope: String,
    /// The language in which the fakes were learned.
    pub source: String,
    /// When it stops, in words.
    pub rule: String,
    /// Optimizer steps taken.
    pub steps: u32,
    /// The most steps allowed.
    pub cap: u32,
    /// Why it stopped, in words.
    pub outcome: String,
    /// The forget set's mean NLL per token that was aimed at.
    pub target_nll: f64,
    /// The forget set's mean NLL per token before.
    pub start_nll: f64,
    /// The forget set's mean NLL per token after.
    pub final_nll: f64,
}

/// How much worse than the instruct model still counts as answering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Margins {
    /// Fall of the mean log-probability of the fact probe's true answer, in nats per token.
    pub logprob: f64,
    /// Fall of the fact probe's token F1.
    pub f1: f64,
    /// Perplexity of held-out real articles, as a multiple of the instruct model's.
    pub perplexity_ratio: f64,
}
