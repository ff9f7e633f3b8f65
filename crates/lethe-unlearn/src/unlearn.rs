//! Running a strategy until its stopping rule says enough.

use burn::tensor::Tensor;
use lethe_model::{LanguageModel, Network, Sequence};
use lethe_train::{
    Example, MicroBatch, Objective, OptimizerConfig, TrainConfig, Trained, Verdict, train,
};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Batch, Error, Strategy};

/// When unlearning ends. The same rule holds for every scope of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StopRule {
    /// After this many optimizer steps (the paper).
    Steps {
        /// How many.
        steps: usize,
    },
    /// When the forget set's NLL is back at that of the model before it learned the fakes: when
    /// the mean over sequences of what each one's NLL still lacks is at most 5 % of the untuned
    /// mean.
    ///
    /// Raw ascent has no minimum: left alone it destroys the model, so "as improbable as before"
    /// is the natural place to stop. What lacks is counted per sequence, so that a sequence that
    /// was never learned (a translation, say) or is long forgotten does not make up for one that
    /// is still known.
    Untuned {
        /// Optimizer steps between two measurements.
        check_every: usize,
        /// At most this many steps, reached or not.
        cap: usize,
    },
}

impl std::fmt::Display for StopRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StopRule::Steps { steps } => write!(f, "{steps} steps"),
            StopRule::Untuned { check_every, cap } => write!(
                f,
                "until the forget set's NLL is the untuned model's again, sequence by sequence (measured \
                 every {check_every} steps), at most {cap} steps"
            ),
        }
    }
}

/// How unlearning is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnlearnConfig {
    /// Sequences in a step.
    pub batch: usize,
    /// AdamW, schedule, clipping.
    pub optimizer: OptimizerConfig,
    /// When it ends.
    pub stop: StopRule,
}

/// The sets that a strategy works on.
#[derive(Debug, Clone, Copy)]
pub struct Forgetting<'a> {
    /// The fake articles in the scope's languages.
    pub forget: &'a [Example],
    /// What must stay; read by strategies that need it.
    pub retain: &'a [Example],
    /// The mean NLL (nats per token) of each of [`Forgetting::monitored`] under the untuned model.
    pub untuned_nll: &'a [f64],
}

impl Forgetting<'_> {
    /// The sequences whose NLL the stopping rule measures: all of a small forget set, else a
    /// fixed sample of it, which every run draws alike.
    #[must_use]
    pub fn monitored(forget: &[Example]) -> Vec<Sequence> {
        const MONITORED: usize = 48;
        let mut chosen: Vec<&Example> = forget.iter().collect();
        chosen.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
        chosen
            .into_iter()
            .take(MONITORED)
            .map(|example| example.sequence.clone())
            .collect()
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The forget set is as improbable as before it was learned.
    Reached,
    /// The cap came first.
    Capped,
    /// The fixed number of steps was taken.
    FixedSteps,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unlearned {
    /// The training loop's record.
    pub trained: Trained,
    /// How it ended.
    pub outcome: Outcome,
    /// The monitored NLL to get back to: like the two below, a mean over sequences of their means
    /// per token, in nats.
    pub untuned_nll: f64,
    /// The monitored NLL before the first step.
    pub start_nll: f64,
    /// The monitored NLL at the end.
    pub final_nll: f64,
}

struct StrategyObjective<'a> {
    strategy: &'a dyn Strategy,
    reference: Network,
    retain: &'a [Example],
}

impl Objective for StrategyObjective<'_> {
    fn loss(&self, policy: &Network, batch: &MicroBatch) -> Tensor<1> {
        let mut retain = Vec::new();
        if self.strategy.needs_retain() {
            // As many as there are to forget, walking over the retain set again and again.
            let cycle = self
                .retain
                .iter()
                .cycle()
                .skip(batch.seen % self.retain.len());
            retain.extend(cycle.take(batch.examples.len()).map(|e| e.sequence.clone()));
        }
        self.strategy.loss(&Batch {
            policy,
            reference: &self.reference,
            forget: &batch.sequences(),
            retain: &retain,
        })
    }
}

/// How near to the untuned model's NLL counts as back, as a share of it.
const NEAR: f64 = 0.05;

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Unlearns the forget set from `model`; the observer sees every step with its monitored NLL,
/// where one was measured.
///
/// # Errors
/// [`Error::NoRetainSet`], and the training loop's errors.
pub fn unlearn(
    model: &mut LanguageModel,
    strategy: &dyn Strategy,
    sets: &Forgetting,
    config: &UnlearnConfig,
    seed: u64,
    observe: &mut dyn FnMut(usize, Option<f64>) -> Verdict,
) -> Result<Unlearned, Error> {
    if strategy.needs_retain() && sets.retain.is_empty() {
        return Err(Error::NoRetainSet(strategy.name()));
    }
    let (limit, check_every) = match config.stop {
        StopRule::Steps { steps } => (steps, None),
        StopRule::Untuned { check_every, cap } => (cap, Some(check_every.max(1))),
    };
    let steps_in_pass = sets.forget.len().div_ceil(config.batch.max(1)).max(1);
    let train_config = TrainConfig {
        passes: limit.div_ceil(steps_in_pass),
        batch: config.batch,
        optimizer: config.optimizer.clone(),
        ..TrainConfig::default()
    };
    let monitored = Forgetting::monitored(sets.forget);
    let measure = |model: &LanguageModel| {
        let now = model.network.mean_nll(&monitored).1;
        let lacks = sets
            .untuned_nll
            .iter()
            .zip(&now)
            .map(|(before, now)| (before - now).max(0.0));
        let lacking = lacks.sum::<f64>() / now.len().max(1) as f64;
        (mean(&now), lacking <= NEAR * mean(sets.untuned_nll))
    };
    let (start_nll, back) = measure(model);
    let mut last = (0, start_nll);
    let mut reached = check_every.is_some() && back;
    let objective = StrategyObjective {
        strategy,
        reference: model.network.clone().without_gradients(),
        retain: sets.retain,
    };
    let mut trained = Trained::default();
    if !reached && limit > 0 {
        trained = train(
            model,
            &objective,
            sets.forget,
            &train_config,
            seed,
            &mut |progress, model| {
                let mut measured = None;
                if check_every.is_some_and(|every| progress.step.is_multiple_of(every)) {
                    let (nll, back) = measure(model);
                    last = (progress.step, nll);
                    measured = Some(nll);
                    reached = back;
                }
                let verdict = observe(progress.step, measured);
                if reached || progress.step >= limit {
                    Verdict::Stop
                } else {
                    verdict
                }
            },
        )?;
    }
    let final_nll = if last.0 == trained.steps {
        last.1
    } else {
        measure(model).0
    };
    Ok(Unlearned {
        outcome: match (check_every, reached) {
            (None, _) => Outcome::FixedSteps,
            (Some(_), true) => Outcome::Reached,
            (Some(_), false) => Outcome::Capped,
        },
        trained,
        untuned_nll: mean(sets.untuned_nll),
        start_nll,
        final_nll,
    })
}
