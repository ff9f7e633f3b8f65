//! Running a strategy until its stopping rule says enough.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;
use lethe_model::{LanguageModel, LoraConfig, Network, Precision, Sequence};
use lethe_train::{
    Example, MicroBatch, Named, Objective, OptimizerConfig, Resume, TrainConfig, Trained, Verdict,
    train_resumable,
};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Average, Batch, Error, Method, Reference, ReferenceLosses, RetainSet};

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

impl StopRule {
    /// The most optimizer steps that are taken.
    #[must_use]
    pub fn limit(&self) -> usize {
        match self {
            StopRule::Steps { steps } => *steps,
            StopRule::Untuned { cap, .. } => *cap,
        }
    }
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
    /// In what precision dense layers multiply in the training steps, the policy's and the reference's;
    /// what is measured on the way is in `f32`.
    #[serde(default)]
    pub precision: Precision,
    /// When it ends.
    pub stop: StopRule,
    /// Train adapters instead of all weights. The reference is then the same weights without them.
    #[serde(default)]
    pub lora: Option<LoraConfig>,
    /// A regular expression searched in parameters' names: what it does not match is not trained.
    #[serde(default)]
    pub only: Option<String>,
    /// Which checkpoint counts; left out, the last.
    #[serde(default)]
    pub choose: Option<Choose>,
    /// What counts as a collapse.
    #[serde(default)]
    pub guard: Guard,
}

impl UnlearnConfig {
    /// All weights are trained, and the last checkpoint counts.
    #[must_use]
    pub fn new(batch: usize, optimizer: OptimizerConfig, stop: StopRule) -> UnlearnConfig {
        UnlearnConfig {
            batch,
            optimizer,
            precision: Precision::F32,
            stop,
            lora: None,
            only: None,
            choose: None,
            guard: Guard::default(),
        }
    }
}

/// The checkpoint that counts: of those measured, the one that leaves least of the fakes of the items
/// that are held aside, among those that are still of use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choose {
    /// Optimizer steps between two measurements.
    pub check_every: usize,
    /// By how much [`Measurement::utility_nll`] (nats per token) may rise over what it was before the
    /// first step.
    pub utility_margin: f64,
}

/// A collapse, or a loss that is no number any more, stops the run, and the last checkpoint that was
/// measured before it is kept. Without bounds nothing is kept, and a loss that is no number is an
/// error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Optimizer steps between two measurements.
    pub check_every: usize,
    /// The greatest NLL (nats per token) of what is monitored of the forget set; a uniform
    /// distribution has the logarithm of the vocabulary's size.
    pub forget_nll: f64,
    /// The greatest perplexity of what the model should still be able to say ([`Aside`]), as a
    /// multiple of what it was before the first step.
    pub perplexity_ratio: f64,
}

impl Default for Guard {
    fn default() -> Self {
        Guard {
            check_every: 5,
            forget_nll: f64::INFINITY,
            perplexity_ratio: f64::INFINITY,
        }
    }
}

/// The sets that a strategy works on.
#[derive(Debug, Clone, Copy)]
pub struct Forgetting<'a> {
    /// The fake articles in the scope's languages.
    pub forget: &'a [Example],
    /// For every one of them, what should be said instead, of the kind that the strategy needs
    /// ([`Alternative`](crate::Alternative)); examples without one are left out. May be empty for
    /// strategies that need none.
    pub alternatives: &'a [Vec<Sequence>],
    /// What must stay; read by strategies that need it.
    pub retain: &'a RetainSet,
    /// The mean NLL (nats per token) of each of [`Forgetting::monitored`] under the untuned model.
    pub untuned_nll: &'a [f64],
    /// What is measured on the way.
    pub aside: &'a Aside,
}

/// Items whose fakes are learned and unlearned, but not reported: to choose by and to see a collapse
/// with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Aside {
    probes: Vec<Probe>,
    utility: Vec<Vec<Sequence>>,
}

/// A question that is asked on the way.
#[derive(Debug, Clone, PartialEq)]
struct Probe {
    /// The fake and the real answer, each with the question before it.
    answers: [Sequence; 2],
    /// By how much the untuned model preferred the fake one.
    untuned: f64,
}

impl Aside {
    /// Asks `probes`, a fake and a real answer each with the question before it, of the model from
    /// before it learned the fakes. `utility` is what the model should still be able to say, by kind
    /// of text; every kind counts alike, however much there is of it.
    #[must_use]
    pub fn new(
        untuned: &Network,
        probes: Vec<[Sequence; 2]>,
        mut utility: Vec<Vec<Sequence>>,
    ) -> Aside {
        let before = preferences(untuned, &probes);
        let probes = probes.into_iter().zip(before);
        utility.retain(|kind| !kind.is_empty());
        Aside {
            probes: probes
                .map(|(answers, untuned)| Probe { answers, untuned })
                .collect(),
            utility,
        }
    }

    /// How much of the fakes is left (see [`Measurement::residue`]).
    fn residue(&self, network: &Network) -> Option<f64> {
        let answers: Vec<[Sequence; 2]> = self.probes.iter().map(|p| p.answers.clone()).collect();
        let now = preferences(network, &answers);
        let both = now.iter().zip(&self.probes);
        let residues: Vec<f64> = both.map(|(now, p)| (now - p.untuned).max(0.0)).collect();
        (!residues.is_empty()).then(|| match now.iter().all(|p| p.is_finite()) {
            true => mean(&residues),
            false => f64::NAN,
        })
    }

    fn utility_nll(&self, network: &Network) -> Option<f64> {
        let kinds = self.utility.iter();
        let means: Vec<f64> = kinds.map(|kind| mean(&network.mean_nll(kind).1)).collect();
        (!means.is_empty()).then(|| mean(&means))
    }
}

/// `ln P(fake answer) − ln P(real answer)` of every probe, whole answers given the question.
fn preferences(network: &Network, probes: &[[Sequence; 2]]) -> Vec<f64> {
    let answers: Vec<Sequence> = probes.iter().flatten().cloned().collect();
    let means = network.mean_nll(&answers).1;
    let sums: Vec<f64> = answers
        .iter()
        .zip(means)
        .map(|(answer, mean)| mean * answer.targets() as f64)
        .collect();
    sums.chunks(2).map(|pair| pair[1] - pair[0]).collect()
}

/// What was measured after a step. What is no number any more is the greatest there is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// After how many steps.
    pub step: usize,
    /// The NLL of what is monitored of the forget set: a mean over sequences of their means per
    /// token, in nats.
    pub forget_nll: f64,
    /// What is left of the fakes of the items held aside: a mean over probes of `max(0, preference -
    /// preference of the untuned model)`, where a preference is `ln P(fake answer) - ln P(real
    /// answer)`, in nats. Going beyond the untuned model is not rewarded: elsewhere it would make up
    /// for fakes that are still there.
    pub residue: Option<f64>,
    /// The mean NLL of what the model should still be able to say, in nats per token: a mean over
    /// kinds of text of the mean over sequences.
    pub utility_nll: Option<f64>,
}

/// What was measured, and the network that it was measured of.
pub type Checkpoint<'a> = (&'a Measurement, &'a Network);

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
    /// The loss was no number any more, or [`Guard`] saw a collapse.
    Collapsed,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unlearned {
    /// The training loop's record.
    pub trained: Trained,
    /// How it ended.
    pub outcome: Outcome,
    /// After how many steps the model was as it is given back.
    pub step: usize,
    /// Examples of the forget set that were left out because they have no alternative.
    pub left_out: usize,
    /// The monitored NLL to get back to: like the two below, a mean over sequences of their means
    /// per token, in nats.
    pub untuned_nll: f64,
    /// The monitored NLL before the first step.
    pub start_nll: f64,
    /// The monitored NLL of the model that is given back.
    pub final_nll: f64,
    /// Everything that was measured, before the first step and after the last one too.
    pub measured: Vec<Measurement>,
}

struct MethodObjective<'a> {
    method: &'a Method,
    reference: Option<Network>,
    /// The reference's, of the whole forget set.
    losses: ReferenceLosses,
    /// Of every example, with the reference's loss.
    alternatives: Vec<Vec<(Sequence, f64)>>,
    retain: &'a RetainSet,
    /// The retain loss of the step so far, where the strategy wants to know.
    retain_loss: Mutex<f64>,
    run: Mutex<Run>,
}

/// What a run has come to.
struct Run {
    measured: Vec<Measurement>,
    /// The checkpoint to go back to, if one is kept: the best, or else the last that was good.
    kept: Option<(Measurement, Network)>,
}

/// [`Run`] and the strategy's own state, as they are saved.
#[derive(Serialize, Deserialize)]
struct Saved {
    measured: Vec<Measurement>,
    kept: Option<Measurement>,
    strategy: Vec<f64>,
}

/// What one thread left is whole: nothing in here is changed in parts.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MethodObjective<'_> {
    fn retain(&self, batch: &MicroBatch) -> Vec<Sequence> {
        match self.method.needs_retain() {
            true => self.retain.walk(batch.seen, batch.examples.len()),
            false => Vec::new(),
        }
    }

    fn take_retain_loss(&self) -> f64 {
        std::mem::take(&mut *locked(&self.retain_loss))
    }
}

impl Objective for MethodObjective<'_> {
    fn weights(&self, batch: &MicroBatch) -> Vec<f64> {
        let retained = || -> usize { self.retain(batch).iter().map(Sequence::targets).sum() };
        let forgotten = match self.method.strategy.average(batch.pass) {
            Average::Tokens => batch.targets(),
            Average::LaterTokens => batch.targets() - batch.examples.len(),
            Average::Sequences => batch.examples.len(),
            Average::RetainTokens => retained(),
        };
        vec![forgotten as f64, retained() as f64]
    }

    fn loss(&self, policy: &Network, batch: &MicroBatch, shares: &[f64]) -> Tensor<1> {
        let Method {
            strategy, retain, ..
        } = self.method;
        let share = |term: usize| shares.get(term).copied().unwrap_or_default();
        let mut alternatives = Vec::new();
        let mut losses = ReferenceLosses::default();
        for &place in &batch.places {
            losses.forget.extend(self.losses.forget.get(place));
            if let Some(own) = self.alternatives.get(place) {
                let (sequence, loss) = &own[batch.pass % own.len()];
                alternatives.push(sequence.clone());
                losses.alternatives.push(*loss);
            }
        }
        let (forget, retained) = (batch.sequences(), self.retain(batch));
        let reference = self.reference.as_ref();
        let mut seen = Batch::new(policy, &forget);
        seen.alternatives = &alternatives;
        seen.retain = &retained;
        seen.pass = batch.pass;
        let seen = match strategy.needs().reference {
            Reference::None => seen,
            _ => seen.with_reference(reference, &losses),
        };
        let loss = strategy.loss(&seen);
        let loss = loss * (self.method.gamma * share(0));
        match retain.loss(policy, reference, &retained, self.method.depth) {
            None => loss,
            Some(kept) => {
                let alpha = strategy.alpha();
                if alpha.is_some() {
                    let value = f64::from(kept.clone().into_scalar::<f32>()) * share(1);
                    *locked(&self.retain_loss) += value;
                }
                loss + kept * (alpha.unwrap_or(self.method.alpha) * share(1))
            }
        }
    }

    fn state(&self) -> (serde_json::Value, Named) {
        let run = locked(&self.run);
        let saved = Saved {
            measured: run.measured.clone(),
            kept: run.kept.as_ref().map(|(measured, _)| *measured),
            strategy: self.method.strategy.state(),
        };
        let trainable = |network: &Network| -> Named {
            let all = network.trainable().into_iter();
            all.map(|(name, weight)| (name, weight.clone())).collect()
        };
        let kept = run.kept.as_ref().map(|(_, network)| trainable(network));
        // Numbers and lists, which JSON can hold.
        let saved = serde_json::to_value(saved).unwrap_or_default();
        (saved, kept.unwrap_or_default())
    }

    fn resume(&self, network: &Network, state: &serde_json::Value, tensors: Named) {
        let Ok(saved) = Saved::deserialize(state) else {
            return;
        };
        self.method.strategy.resume(&saved.strategy);
        let mut tensors: BTreeMap<String, Tensor<2>> = tensors.into_iter().collect();
        let mut run = locked(&self.run);
        run.measured = saved.measured;
        run.kept = saved.kept.map(|measured| {
            let mut kept = network.clone();
            // A checkpoint from before the first step has no adapters.
            if !kept
                .trainable()
                .iter()
                .any(|(name, _)| tensors.contains_key(name))
            {
                kept.remove_adapters();
            }
            for (name, weight) in kept.trainable_mut() {
                if let Some(saved) = tensors.remove(&name) {
                    *weight = saved;
                }
            }
            (measured, kept)
        });
    }
}

/// How near to the untuned model's NLL counts as back, as a share of it.
const NEAR: f64 = 0.05;

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// What is measured of a network on the way, and what it was before.
struct Watch<'a> {
    monitored: Vec<Sequence>,
    untuned: &'a [f64],
    aside: &'a Aside,
}

impl Watch<'_> {
    /// The measurement, and whether the forget set is as improbable as before it was learned.
    fn measure(&self, step: usize, network: &Network) -> (Measurement, bool) {
        let now = network.mean_nll(&self.monitored).1;
        let lacks = self.untuned.iter().zip(&now);
        let lacking = lacks
            .map(|(before, now)| (before - now).max(0.0))
            .sum::<f64>();
        let lacking = lacking / now.len().max(1) as f64;
        let number = |x: f64| if x.is_finite() { x } else { f64::MAX };
        let measurement = Measurement {
            step,
            forget_nll: number(mean(&now)),
            residue: self.aside.residue(network).map(number),
            utility_nll: self.aside.utility_nll(network).map(number),
        };
        (measurement, lacking <= NEAR * mean(self.untuned))
    }
}

/// Whether the model has collapsed since `start`.
fn collapsed(guard: &Guard, start: &Measurement, now: &Measurement) -> bool {
    let within = |value: f64, most: f64| value <= most;
    let utility = start.utility_nll.zip(now.utility_nll);
    let ratio = utility.map_or(1.0, |(before, now)| (now - before).exp());
    !within(now.forget_nll, guard.forget_nll) || !within(ratio, guard.perplexity_ratio)
}

impl Choose {
    /// Whether `now` is a better checkpoint than `best` in a run that began at `start`.
    #[must_use]
    pub fn prefers(&self, start: &Measurement, best: &Measurement, now: &Measurement) -> bool {
        let forgets = now.residue.zip(best.residue);
        let utility = now.utility_nll.zip(start.utility_nll);
        forgets.is_some_and(|(now, best)| now < best)
            && utility.is_none_or(|(now, start)| now <= start + self.utility_margin)
    }
}

/// Unlearns the forget set from `model`; the observer sees every step, with what was measured after
/// it and of which network, if anything was; and, as step 0, what is before the first. With [`UnlearnConfig::lora`] the adapters stay in place. With a state to
/// [`Resume`] from, a run that was stopped goes on from there: `model` must be what it was before
/// the first step.
///
/// # Errors
/// [`Error::NoRetainSet`], [`Error::NoAlternative`], [`Error::NoProbes`], and the training loop's
/// errors.
pub fn unlearn(
    model: &mut LanguageModel,
    method: &Method,
    sets: &Forgetting,
    config: &UnlearnConfig,
    seed: u64,
    resume: Option<&Resume>,
    observe: &mut dyn FnMut(usize, Option<Checkpoint>) -> Verdict,
) -> Result<Unlearned, Error> {
    let needs = method.strategy.needs();
    if method.needs_retain() && sets.retain.is_empty() {
        return Err(Error::NoRetainSet(method.name.clone()));
    }
    if config.choose.is_some() && sets.aside.probes.is_empty() {
        return Err(Error::NoProbes);
    }
    let (forget, alternatives) = with_alternatives(method, sets)?;
    let limit = config.stop.limit();
    let check_every = match config.stop {
        StopRule::Steps { .. } => None,
        StopRule::Untuned { check_every, .. } => Some(check_every.max(1)),
    };
    let choose_every = config.choose.map(|choose| choose.check_every.max(1));
    let guards = config.guard.forget_nll.is_finite() || config.guard.perplexity_ratio.is_finite();
    let guard_every = guards.then_some(config.guard.check_every.max(1));
    let is_due = |step: usize| {
        let mut every = [check_every, choose_every, guard_every]
            .into_iter()
            .flatten();
        every.any(|every| step.is_multiple_of(every))
    };
    let steps_in_pass = forget.len().div_ceil(config.batch.max(1)).max(1);
    let train_config = TrainConfig {
        passes: limit.div_ceil(steps_in_pass),
        batch: config.batch,
        optimizer: config.optimizer.clone(),
        precision: config.precision,
        lora: config.lora.clone(),
        only: config.only.clone(),
        ..TrainConfig::default()
    };
    let watch = Watch {
        monitored: Forgetting::monitored(sets.forget),
        untuned: sets.untuned_nll,
        aside: sets.aside,
    };
    let start = needs.start.then(|| model.network.clone());
    let result = |network: &Network| match &start {
        Some(start) => method.strategy.result(start, network),
        None => network.clone(),
    };
    let (first, back) = watch.measure(0, &model.network);
    let mut reached = check_every.is_some() && back;
    let mut broken = false;
    let keeps = config.choose.is_some() || guards;
    let run = Run {
        measured: vec![first],
        kept: keeps.then(|| (first, model.network.clone())),
    };
    let objective = objective(
        model,
        method,
        sets,
        &forget,
        alternatives,
        config.precision,
        run,
    );
    let mut trained = Trained::default();
    let go = observe(0, Some((&first, &model.network)));
    if !reached && limit > 0 && go == Verdict::Continue {
        let outcome = train_resumable(
            model,
            &objective,
            &forget,
            &train_config,
            seed,
            resume,
            &mut |progress, model| {
                let pass = (progress.step - 1) / steps_in_pass;
                method
                    .strategy
                    .after_step(pass, objective.take_retain_loss());
                trained.steps = progress.step;
                let last = progress.step >= limit;
                let mut found = None;
                if is_due(progress.step) || last {
                    let network = result(&model.network);
                    let (now, back) = watch.measure(progress.step, &network);
                    broken = collapsed(&config.guard, &first, &now);
                    let due = check_every.is_some_and(|n| progress.step.is_multiple_of(n));
                    reached = due && back && !broken;
                    let mut run = locked(&objective.run);
                    run.measured.push(now);
                    if let Some((best, checkpoint)) = &mut run.kept {
                        let better = config
                            .choose
                            .is_none_or(|choose| choose.prefers(&first, best, &now));
                        if !broken && better {
                            (*best, *checkpoint) = (now, network.clone());
                        }
                    }
                    found = Some((now, network));
                }
                let found = found.as_ref().map(|(now, network)| (now, network));
                let verdict = observe(progress.step, found);
                match broken || reached || last {
                    true => Verdict::Stop,
                    false => verdict,
                }
            },
        );
        match outcome {
            Ok(record) => trained = record,
            Err(lethe_train::Error::Diverged { .. }) if keeps => broken = true,
            Err(error) => return Err(error.into()),
        }
    }
    let run = objective.run.into_inner();
    let Run { mut measured, kept } = run.unwrap_or_else(PoisonError::into_inner);
    if measured
        .last()
        .is_none_or(|last| last.step != trained.steps)
        && !broken
    {
        measured.push(watch.measure(trained.steps, &result(&model.network)).0);
    }
    let given = match kept {
        Some((best, network)) => {
            model.network = network;
            best
        }
        None => {
            model.network = result(&model.network);
            measured.last().copied().unwrap_or(first)
        }
    };
    if let Some(lora) = config
        .lora
        .as_ref()
        .filter(|_| !model.network.has_adapters())
    {
        // The model as it began is given back: adapters that change nothing, for whoever saves them.
        let added = model.network.add_adapters(lora, seed);
        added.map_err(lethe_train::Error::from)?;
    }
    Ok(Unlearned {
        outcome: match (broken, check_every, reached) {
            (true, _, _) => Outcome::Collapsed,
            (_, None, _) => Outcome::FixedSteps,
            (_, Some(_), true) => Outcome::Reached,
            (_, Some(_), false) => Outcome::Capped,
        },
        step: given.step,
        left_out: sets.forget.len() - forget.len(),
        trained,
        untuned_nll: mean(sets.untuned_nll),
        start_nll: first.forget_nll,
        final_nll: given.forget_nll,
        measured,
    })
}

/// The examples of the forget set that have an alternative, and those, where the strategy needs
/// them; else all examples.
fn with_alternatives(
    method: &Method,
    sets: &Forgetting,
) -> Result<(Vec<Example>, Vec<Vec<Sequence>>), Error> {
    let Some(kind) = method.strategy.needs().alternative else {
        return Ok((sets.forget.to_vec(), Vec::new()));
    };
    let both = sets.forget.iter().zip(sets.alternatives);
    let both = both.filter(|(_, alternatives)| !alternatives.is_empty());
    let (forget, alternatives): (Vec<Example>, Vec<_>) =
        both.map(|(e, a)| (e.clone(), a.clone())).unzip();
    match forget.is_empty() {
        true => Err(Error::NoAlternative {
            strategy: method.name.clone(),
            kind,
        }),
        false => Ok((forget, alternatives)),
    }
}

/// What is minimised, with what must be known of the model as it is now.
fn objective<'a>(
    model: &LanguageModel,
    method: &'a Method,
    sets: &Forgetting<'a>,
    forget: &[Example],
    alternatives: Vec<Vec<Sequence>>,
    precision: Precision,
    run: Run,
) -> MethodObjective<'a> {
    let network = model.network.clone().without_gradients();
    let network = network.with_precision(precision);
    let reference = method
        .strategy
        .needs()
        .reference
        .max(method.retain.reference());
    let mut losses = ReferenceLosses::default();
    if method.strategy.needs().reference == Reference::LogProbabilities {
        let forget: Vec<Sequence> = forget.iter().map(|e| e.sequence.clone()).collect();
        let all: Vec<Sequence> = alternatives.iter().flatten().cloned().collect();
        losses = ReferenceLosses::of(&network, &forget, &all);
    }
    let mut known = losses
        .alternatives
        .iter()
        .copied()
        .chain(std::iter::repeat(0.0));
    let alternatives = alternatives
        .into_iter()
        .map(|own| own.into_iter().zip(known.by_ref()).collect())
        .collect();
    MethodObjective {
        method,
        reference: (reference == Reference::Network).then_some(network),
        losses,
        alternatives,
        retain: sets.retain,
        retain_loss: Mutex::new(0.0),
        run: Mutex::new(run),
    }
}
