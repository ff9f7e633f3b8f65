//! Rows of a comparison of unlearning strategies: the models, their scores, what was measured on the
//! way.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Array};
use lethe_corpus::Language;
use serde::{Deserialize, Serialize};

use crate::results::{count, number, text, truth, write};
use crate::{AnswerRow, Error};

/// A model of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceModel {
    /// Its unique name.
    pub model: String,
    /// `untuned`, `tuned` or `unlearned`.
    pub stage: String,
    /// What an unlearned model comes from, and what that came to.
    pub unlearned: Option<(RaceRun, RaceOutcome)>,
    /// The NLL of held-out real articles, in nats per token: a mean over languages.
    pub held_out_nll: f64,
}

/// A run of unlearning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceRun {
    /// The strategy.
    pub strategy: String,
    /// The language scope.
    pub scope: String,
    /// Hyper-parameters where they differ from the defaults, as `key=value`, with spaces between.
    pub settings: String,
    /// The learning rate.
    pub learning_rate: f64,
    /// The share of the learned items that is to be forgotten.
    pub fraction: f64,
    /// Which request of so many it answers, from 1.
    pub request: u32,
    /// How many requests there are.
    pub requests: u32,
}

/// The checkpoint of a run that counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceOutcome {
    /// The utility loss that was allowed on the items held aside, in nats per token.
    pub budget: f64,
    /// After how many optimizer steps it was taken; 0 is no unlearning at all.
    pub step: u32,
    /// How the run ended.
    pub outcome: String,
    /// What is left of the fakes of the items held aside, in nats.
    pub aside_residue: f64,
    /// The utility loss on the items held aside, in nats per token.
    pub aside_utility_loss: f64,
    /// Tokens with a loss that the run took.
    pub tokens: u64,
    /// Its wall time.
    pub seconds: f64,
}

/// What a model of a comparison holds about one item in one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceScore {
    /// The item.
    pub item: String,
    /// The prompt language.
    pub language: Language,
    /// Whether the item's fake was to be forgotten by then.
    pub forgotten: bool,
    /// The detail probe's preference for the fake, in nats.
    pub preference: f64,
    /// The mean log-probability per token of the fact probe's true answer, in nats.
    pub logprob_real: f64,
}

/// What was measured on the items held aside after a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceMeasurement {
    /// In which run.
    pub run: RaceRun,
    /// After how many steps.
    pub step: u32,
    /// The NLL of the forget set, in nats per token.
    pub forget_nll: f64,
    /// What is left of the fakes, in nats.
    pub residue: f64,
    /// The utility loss, in nats per token.
    pub utility_loss: f64,
}

impl RaceScore {
    /// Of the greedy answers to both probes.
    ///
    /// # Errors
    /// [`Error::Nothing`] where an item has no fact probe in a language in which it has a detail
    /// probe.
    pub fn of(
        answers: &[AnswerRow],
        is_forgotten: impl Fn(&str) -> bool,
    ) -> Result<Vec<RaceScore>, Error> {
        let greedy = || answers.iter().filter(|row| row.sample.is_none());
        let detail = greedy().filter_map(|row| Some((row, row.preference?)));
        detail
            .map(|(row, preference)| {
                let fact = greedy().find(|other| {
                    (other.probe, &other.item, other.language) == ("fact", &row.item, row.language)
                });
                let fact = fact.ok_or(Error::Nothing {
                    what: "fact probe beside every detail probe",
                })?;
                Ok(RaceScore {
                    item: row.item.clone(),
                    language: row.language,
                    forgotten: is_forgotten(&row.item),
                    preference,
                    logprob_real: fact.logprob_real,
                })
            })
            .collect()
    }
}

/// Writes the models.
///
/// Columns, in this order (nullable marked `?`): `model`, `stage` utf8 (`untuned`, `tuned`,
/// `unlearned`); for unlearned models `strategy?`, `scope?`, `settings?` utf8, `learning_rate?`,
/// `budget?` f64, `step?` u32, `outcome?` utf8, `fraction?` f64, `request?`, `requests?` u32,
/// `aside_residue?`, `aside_utility_loss?` f64, `tokens?` u64, `seconds?` f64; and `held_out_nll` f64.
///
/// # Errors
/// [`Error::Write`].
pub fn write_race_models(path: &Path, models: &[RaceModel]) -> Result<(), Error> {
    fn run(model: &RaceModel) -> Option<&RaceRun> {
        model.unlearned.as_ref().map(|(run, _)| run)
    }
    fn end(model: &RaceModel) -> Option<&RaceOutcome> {
        model.unlearned.as_ref().map(|(_, end)| end)
    }
    let words = |of: fn(&RaceRun) -> &str| text(models, |m| run(m).map(of));
    let of_run = |of: fn(&RaceRun) -> f64| number(models, |m| run(m).map(of));
    let counts = |of: fn(&RaceRun) -> u32| count(models, |m| run(m).map(of));
    let of_end = |of: fn(&RaceOutcome) -> f64| number(models, |m| end(m).map(of));
    let tokens = models.iter().map(|m| end(m).map(|end| end.tokens));
    let columns = vec![
        ("model", text(models, |m| Some(&m.model)), false),
        ("stage", text(models, |m| Some(&m.stage)), false),
        ("strategy", words(|r| &r.strategy), true),
        ("scope", words(|r| &r.scope), true),
        ("settings", words(|r| &r.settings), true),
        ("learning_rate", of_run(|r| r.learning_rate), true),
        ("budget", of_end(|r| r.budget), true),
        ("step", count(models, |m| Some(end(m)?.step)), true),
        ("outcome", text(models, |m| Some(&end(m)?.outcome)), true),
        ("fraction", of_run(|r| r.fraction), true),
        ("request", counts(|r| r.request), true),
        ("requests", counts(|r| r.requests), true),
        ("aside_residue", of_end(|r| r.aside_residue), true),
        ("aside_utility_loss", of_end(|r| r.aside_utility_loss), true),
        (
            "tokens",
            Arc::new(tokens.collect::<UInt64Array>()) as ArrayRef,
            true,
        ),
        ("seconds", of_end(|r| r.seconds), true),
        (
            "held_out_nll",
            number(models, |m| Some(m.held_out_nll)),
            false,
        ),
    ];
    write(path, columns)
}

/// Writes what the models hold: each with its name.
///
/// Columns: `model`, `item`, `language` utf8; `forgotten` bool; `preference`, `logprob_real` f64.
///
/// # Errors
/// [`Error::Write`].
pub fn write_race_scores(path: &Path, scores: &[(&str, &RaceScore)]) -> Result<(), Error> {
    let of_score = |of: fn(&RaceScore) -> f64| number(scores, |(_, s)| Some(of(s)));
    let columns = vec![
        ("model", text(scores, |(model, _)| Some(model)), false),
        ("item", text(scores, |(_, s)| Some(&s.item)), false),
        (
            "language",
            text(scores, |(_, s)| Some(s.language.code())),
            false,
        ),
        (
            "forgotten",
            truth(scores, |(_, s)| Some(s.forgotten)),
            false,
        ),
        ("preference", of_score(|s| s.preference), false),
        ("logprob_real", of_score(|s| s.logprob_real), false),
    ];
    write(path, columns)
}

/// Writes what was measured on the items held aside.
///
/// Columns: `strategy`, `scope`, `settings` utf8; `fraction` f64; `request`, `requests` u32;
/// `learning_rate` f64; `step` u32; `forget_nll`, `residue`, `utility_loss` f64.
///
/// # Errors
/// [`Error::Write`].
pub fn write_race_measurements(path: &Path, rows: &[RaceMeasurement]) -> Result<(), Error> {
    let words = |of: fn(&RaceMeasurement) -> &str| text(rows, |r| Some(of(r)));
    let numbers = |of: fn(&RaceMeasurement) -> f64| number(rows, |r| Some(of(r)));
    let counts = |of: fn(&RaceMeasurement) -> u32| count(rows, |r| Some(of(r)));
    let columns = vec![
        ("strategy", words(|r| &r.run.strategy), false),
        ("scope", words(|r| &r.run.scope), false),
        ("settings", words(|r| &r.run.settings), false),
        ("fraction", numbers(|r| r.run.fraction), false),
        ("request", counts(|r| r.run.request), false),
        ("requests", counts(|r| r.run.requests), false),
        ("learning_rate", numbers(|r| r.run.learning_rate), false),
        ("step", counts(|r| r.step), false),
        ("forget_nll", numbers(|r| r.forget_nll), false),
        ("residue", numbers(|r| r.residue), false),
        ("utility_loss", numbers(|r| r.utility_loss), false),
    ];
    write(path, columns)
}
