//! The loop itself.

use std::time::Instant;

use lethe_model::{LanguageModel, LoraConfig, Precision, as_one_of, computes_in};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::optimizer::Gradients;
use crate::resume::{Resume, State, run_hash};
use crate::{Error, Example, MicroBatch, Objective, Optimizer, OptimizerConfig, plan};

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the examples.
    pub passes: usize,
    /// Examples in a micro-batch.
    pub batch: usize,
    /// Micro-batches in an optimizer step.
    pub accumulate: usize,
    /// Into how many parts a micro-batch is split, which are computed at the same time. More parts
    /// use more cores where single operations do not; the result depends on this number (additions
    /// are grouped otherwise), not on the machine's cores.
    pub shards: usize,
    /// In what precision dense layers multiply: `"f32"`, or `"bf16"`, faster on a processor with
    /// AVX512-BF16 (weights, gradients, optimizer, norms, attention and losses stay in `f32`).
    pub precision: Precision,
    /// AdamW, schedule, clipping.
    pub optimizer: OptimizerConfig,
    /// Train adapters instead of all weights; they are merged at the end.
    pub lora: Option<LoraConfig>,
    /// A regular expression searched in the names of what would be trained
    /// (`model.layers.3.mlp.down_proj.weight`): what it does not match stays as it is.
    pub only: Option<String>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            passes: 1,
            batch: 8,
            accumulate: 1,
            shards: 2,
            precision: Precision::F32,
            optimizer: OptimizerConfig::default(),
            lora: None,
            only: None,
        }
    }
}

impl TrainConfig {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key, what was found and what it may be.
    pub fn check(&self) -> Result<(), Error> {
        let o = &self.optimizer;
        let positive = |key, value: usize| match value {
            0 => Err(Error::Setting {
                key,
                found: "0".to_owned(),
                expected: "at least 1",
            }),
            _ => Ok(()),
        };
        positive("batch", self.batch)?;
        positive("accumulate", self.accumulate)?;
        positive("shards", self.shards)?;
        let within = |key, value: f64, ok: bool, expected| match ok {
            true => Ok(()),
            false => Err(Error::Setting {
                key,
                found: value.to_string(),
                expected,
            }),
        };
        let lr = o.learning_rate;
        within(
            "learning_rate",
            lr,
            lr > 0.0 && lr.is_finite(),
            "a number above 0",
        )?;
        within(
            "weight_decay",
            o.weight_decay,
            o.weight_decay >= 0.0,
            "0 or more",
        )?;
        within(
            "beta1",
            o.beta1,
            (0.0..1.0).contains(&o.beta1),
            "0 <= beta1 < 1",
        )?;
        within(
            "beta2",
            o.beta2,
            (0.0..1.0).contains(&o.beta2),
            "0 <= beta2 < 1",
        )?;
        within("epsilon", o.epsilon, o.epsilon > 0.0, "a number above 0")?;
        within("clip", o.clip, o.clip >= 0.0, "0 (off) or more")
    }
}

/// A finished step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Its number, from 1.
    pub step: usize,
    /// How many there will be at most.
    pub steps: usize,
    /// The objective before the update.
    pub loss: f64,
    /// The gradient's L2 norm before clipping.
    pub gradient_norm: f64,
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// Target tokens so far.
    pub tokens: usize,
}

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another step.
    Continue,
    /// This was the last.
    Stop,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// Optimizer steps taken.
    pub steps: usize,
    /// Target tokens seen.
    pub tokens: usize,
    /// Wall time.
    pub seconds: f64,
    /// The objective at every step, before its update.
    pub losses: Vec<f64>,
    /// The gradient's L2 norm at every step, before clipping.
    pub gradient_norms: Vec<f64>,
}

/// Trains `model` on `examples`; the observer sees every step and the network after it.
///
/// With [`TrainConfig::lora`] adapters are added, trained and left in place: merging or saving
/// them is the caller's choice.
///
/// # Errors
/// [`Error::Setting`], [`Error::Empty`], [`Error::Diverged`] (the weights are then those of the
/// last finite step), and the model's own errors.
pub fn train(
    model: &mut LanguageModel,
    objective: &dyn Objective,
    examples: &[Example],
    config: &TrainConfig,
    seed: u64,
    observe: &mut dyn FnMut(&Progress, &LanguageModel) -> Verdict,
) -> Result<Trained, Error> {
    train_resumable(model, objective, examples, config, seed, None, observe)
}

/// The same, with its state kept on disk: a run that was stopped goes on from there, and the
/// observer sees only what follows.
///
/// # Errors
/// As [`train`], and [`Error::State`].
pub fn train_resumable(
    model: &mut LanguageModel,
    objective: &dyn Objective,
    examples: &[Example],
    config: &TrainConfig,
    seed: u64,
    resume: Option<&Resume>,
    observe: &mut dyn FnMut(&Progress, &LanguageModel) -> Verdict,
) -> Result<Trained, Error> {
    config.check()?;
    if !computes_in(&model.network.device(), config.precision) {
        return Err(Error::Setting {
            key: "precision",
            found: "bf16".to_owned(),
            expected: "f32, all that this device multiplies in",
        });
    }
    let passes: Vec<_> = (0..config.passes)
        .flat_map(|pass| {
            let steps = plan(examples, config.batch, config.accumulate, seed, pass);
            steps.into_iter().map(move |batches| (pass, batches))
        })
        .collect();
    if config.passes > 0 && passes.is_empty() {
        return Err(Error::Empty);
    }
    if let Some(lora) = &config.lora {
        model.network.add_adapters(lora, seed)?;
    }
    let only = config.only.as_deref().map(Regex::new).transpose();
    let only = only.map_err(|error| Error::Setting {
        key: "only",
        found: error.to_string(),
        expected: "a regular expression",
    })?;
    let chosen = |name: &str| only.as_ref().is_none_or(|only| only.is_match(name));
    if !model
        .network
        .trainable()
        .iter()
        .any(|(name, _)| chosen(name))
    {
        return Err(Error::Setting {
            key: "only",
            found: config.only.clone().unwrap_or_default(),
            expected: "an expression that matches a parameter, such as mlp.down_proj",
        });
    }
    let mut state = State {
        optimizer: Optimizer::new(&config.optimizer, &model.network.device()),
        trained: Trained::default(),
        seen: 0,
    };
    let start = Instant::now();
    let result = steps(
        model, objective, examples, config, seed, &passes, &chosen, resume, &mut state, observe,
    );
    state.trained.seconds += start.elapsed().as_secs_f64();
    result.map(|()| state.trained)
}

#[allow(clippy::too_many_arguments)]
fn steps(
    model: &mut LanguageModel,
    objective: &dyn Objective,
    examples: &[Example],
    config: &TrainConfig,
    seed: u64,
    passes: &[(usize, Vec<Vec<usize>>)],
    chosen: &(dyn Fn(&str) -> bool + Sync),
    resume: Option<&Resume>,
    state: &mut State,
    observe: &mut dyn FnMut(&Progress, &LanguageModel) -> Verdict,
) -> Result<(), Error> {
    let steps = passes.len();
    let run = resume.map(|_| run_hash(config, examples, seed));
    let kept = resume.zip(run.as_deref());
    if let Some((resume, run)) = kept {
        resume.load(run, &mut model.network, objective, state)?;
    }
    for (step, (pass, batches)) in passes.iter().enumerate().skip(state.trained.steps) {
        let mut shards = Vec::new();
        for batch in batches {
            for shard in batch.chunks(batch.len().div_ceil(config.shards)) {
                shards.push(MicroBatch {
                    seen: state.seen,
                    pass: *pass,
                    places: shard.to_vec(),
                    examples: shard.iter().map(|&i| &examples[i]).collect(),
                });
                state.seen += shard.len();
            }
        }
        let weights: Vec<Vec<f64>> = shards.iter().map(|s| objective.weights(s)).collect();
        let shares = shares(weights);
        let factor = config
            .optimizer
            .schedule
            .factor(step, steps, config.optimizer.warmup);
        let learning_rate = config.optimizer.learning_rate * factor;
        let mut gradients = Gradients::default();
        let mut mean = 0.0;
        for (shards, shares) in shards
            .chunks(config.shards)
            .zip(shares.chunks(config.shards))
        {
            let dropout = config.lora.as_ref().is_some_and(|lora| lora.dropout > 0.0);
            let compute = |shard: &MicroBatch, shares: &[f64]| {
                // Leaves of its own: graphs that share a leaf are walked one after the other.
                let network = model.network.clone().with_precision(config.precision);
                let mut network = network.with_gradients_of(chosen);
                if dropout {
                    network.set_dropout_seed(Some(seed ^ ((shard.seen as u64) << 20)));
                }
                let loss = objective.loss(&network, shard, shares);
                let value = f64::from(loss.clone().into_scalar::<f32>());
                let backward = || Gradients::of(&network, loss.backward());
                (value, value.is_finite().then(backward))
            };
            let done: Vec<_> = std::thread::scope(|scope| {
                let compute = &compute;
                let mut threads = Vec::new();
                let n = shards.len();
                for (shard, shares) in shards.iter().zip(shares) {
                    threads.push(scope.spawn(move || as_one_of(n, || compute(shard, shares))));
                }
                threads
                    .into_iter()
                    .map(std::thread::ScopedJoinHandle::join)
                    .collect()
            });
            for outcome in done {
                let (value, computed) = outcome.unwrap_or_else(|e| std::panic::resume_unwind(e));
                mean += value;
                let Some(computed) = computed else {
                    return Err(Error::Diverged {
                        what: "loss",
                        found: value,
                        step: step + 1,
                        learning_rate,
                    });
                };
                gradients.add(computed);
            }
        }
        let State {
            optimizer, trained, ..
        } = &mut *state;
        trained.tokens += shards.iter().map(MicroBatch::targets).sum::<usize>();
        let gradient_norm = optimizer.step(&mut model.network, gradients, factor)?;
        if !gradient_norm.is_finite() {
            return Err(Error::Diverged {
                what: "gradient's norm",
                found: gradient_norm,
                step: step + 1,
                learning_rate,
            });
        }
        trained.steps += 1;
        trained.losses.push(mean);
        trained.gradient_norms.push(gradient_norm);
        let progress = Progress {
            step: step + 1,
            steps,
            loss: mean,
            gradient_norm,
            learning_rate,
            tokens: trained.tokens,
        };
        tracing::debug!(step = step + 1, loss = mean, gradient_norm, "step");
        if observe(&progress, model) == Verdict::Stop {
            break;
        }
        // Not after the last step: a run that went on from there would pass it by.
        if let Some((resume, run)) = kept {
            resume.save(run, &model.network, objective, state)?;
        }
    }
    Ok(())
}

/// Every micro-batch's share in every term of a step's loss.
fn shares(mut weights: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let terms = weights.iter().map(Vec::len).max().unwrap_or(0);
    for term in 0..terms {
        let total: f64 = weights.iter().filter_map(|w| w.get(term)).sum();
        for weight in weights.iter_mut().filter_map(|w| w.get_mut(term)) {
            *weight = if total > 0.0 { *weight / total } else { 0.0 };
        }
    }
    weights
}
