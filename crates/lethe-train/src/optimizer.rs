//! AdamW over named matrices, with clipping by global norm and learning-rate schedules.

use std::collections::BTreeMap;

use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer as _};
use burn::tensor::{Device, Tensor, TensorData};
use lethe_model::Network;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Named};

/// How the learning rate moves over a run, after a linear warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// It falls linearly to zero at the last step.
    Linear,
    /// It falls along half a cosine to zero at the last step.
    Cosine,
}

impl Schedule {
    /// The factor on the learning rate at `step` (from 0) of `steps`, the first `warmup` of which
    /// rise linearly.
    #[must_use]
    pub fn factor(self, step: usize, steps: usize, warmup: usize) -> f64 {
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        let done = (step - warmup) as f64 / (steps.saturating_sub(warmup)).max(1) as f64;
        match self {
            Schedule::Constant => 1.0,
            Schedule::Linear => (1.0 - done).max(0.0),
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos()),
        }
    }
}

/// AdamW (arXiv 1711.05101) and what surrounds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// The learning rate after warm-up.
    pub learning_rate: f64,
    /// How it moves.
    pub schedule: Schedule,
    /// Steps of linear warm-up.
    pub warmup: usize,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// The gradient over all parameters together is scaled down to this L2 norm; 0 leaves it.
    pub clip: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        OptimizerConfig {
            learning_rate: 2e-5,
            schedule: Schedule::Constant,
            warmup: 0,
            weight_decay: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            clip: 1.0,
        }
    }
}

/// Gradients by parameter name, without their graph.
#[derive(Debug, Default)]
pub(crate) struct Gradients(BTreeMap<String, Tensor<2>>);

impl Gradients {
    /// What a backward pass gave to the trainable matrices of `network`, which are its leaves.
    pub fn of(network: &Network, mut all: burn::tensor::Gradients) -> Self {
        let own = network.trainable().into_iter();
        Gradients(
            own.filter_map(|(name, p)| Some((name, p.grad_remove(&mut all)?)))
                .collect(),
        )
    }

    /// Adds another micro-batch's.
    pub fn add(&mut self, other: Gradients) {
        for (name, gradient) in other.0 {
            let sum = match self.0.remove(&name) {
                Some(sum) => sum + gradient,
                None => gradient,
            };
            self.0.insert(name, sum);
        }
    }
}

/// AdamW with its moments.
///
/// Where tensors live in the processor's memory, one fused parallel sweep over a matrix updates
/// moments and weights in place; elsewhere burn's AdamW does the same in tensor operations (the
/// test `both_ways_agree` compares them).
pub struct Optimizer {
    config: OptimizerConfig,
    state: State,
}

enum State {
    Fused {
        device: Device,
        step: i32,
        /// First and second moment.
        moments: BTreeMap<String, (Vec<f32>, Vec<f32>)>,
    },
    Burn {
        rule: Box<AdamW>,
        state: BTreeMap<String, AdamWState<2>>,
    },
}

/// Elements that one task of a parallel sweep handles: a few pages of each of its four arrays.
const CHUNK: usize = 1 << 14;

impl Optimizer {
    /// An optimizer that has seen no gradient yet.
    #[must_use]
    pub fn new(config: &OptimizerConfig, device: &Device) -> Self {
        let state = if is_host(device) {
            State::Fused {
                device: device.clone(),
                step: 0,
                moments: BTreeMap::new(),
            }
        } else {
            State::burn(config)
        };
        Optimizer {
            config: config.clone(),
            state,
        }
    }

    /// How many steps it has taken, and the moments of every matrix: `moment1 NAME`, `moment2
    /// NAME`.
    pub(crate) fn state(&self) -> (usize, Named) {
        let mut out = Named::new();
        let mut steps = 0;
        match &self.state {
            State::Fused {
                device,
                step,
                moments,
            } => {
                steps = usize::try_from(*step).unwrap_or_default();
                for (name, (first, second)) in moments {
                    for (kind, moment) in [("moment1", first), ("moment2", second)] {
                        let shape = [1, moment.len()];
                        let data = TensorData::new(moment.clone(), shape);
                        let moment = Tensor::from_data(data, device);
                        out.push((format!("{kind} {name}"), moment));
                    }
                }
            }
            State::Burn { state, .. } => {
                for (name, AdamWState { momentum }) in state {
                    steps = steps.max(momentum.time);
                    out.push((format!("moment1 {name}"), momentum.moment_1.clone()));
                    out.push((format!("moment2 {name}"), momentum.moment_2.clone()));
                }
            }
        }
        (steps, out)
    }

    /// Goes on from a [`state`](Self::state): both moments of every matrix.
    pub(crate) fn resume(
        &mut self,
        steps: usize,
        saved: Vec<(String, [Tensor<2>; 2])>,
    ) -> Result<(), Error> {
        match &mut self.state {
            State::Fused { step, moments, .. } => {
                *step = i32::try_from(steps).unwrap_or(i32::MAX);
                for (name, [first, second]) in saved {
                    moments.insert(name, (host(first)?, host(second)?));
                }
            }
            State::Burn { state, .. } => {
                for (name, [first, second]) in saved {
                    let momentum = AdaptiveMomentumState::new(steps, first, second);
                    state.insert(name, AdamWState { momentum });
                }
            }
        }
        Ok(())
    }

    /// Updates the network's trainable matrices; returns the gradient's global L2 norm before
    /// clipping. When that is no number, nothing is updated.
    pub(crate) fn step(
        &mut self,
        network: &mut Network,
        gradients: Gradients,
        factor: f64,
    ) -> Result<f64, Error> {
        let config = &self.config;
        let learning_rate = config.learning_rate * factor;
        let scale = |norm: f64| match config.clip > 0.0 && norm > config.clip {
            true => config.clip / norm,
            false => 1.0,
        };
        match &mut self.state {
            State::Fused { step, moments, .. } => {
                let read = |(name, g): (String, Tensor<2>)| Ok((name, host(g)?));
                let gradients = gradients.0.into_iter().map(read);
                let mut gradients = gradients.collect::<Result<BTreeMap<_, _>, Error>>()?;
                let norm = gradients
                    .values()
                    .map(|g| square_sum(g))
                    .sum::<f64>()
                    .sqrt();
                if !norm.is_finite() {
                    return Ok(norm);
                }
                *step += 1;
                let sweep = Sweep::new(config, learning_rate, scale(norm), *step);
                for (name, parameter) in network.trainable_mut() {
                    let Some(gradient) = gradients.remove(&name) else {
                        continue;
                    };
                    let zeros = || (vec![0.0; gradient.len()], vec![0.0; gradient.len()]);
                    let (m, v) = moments.entry(name).or_insert_with(zeros);
                    let (shape, device) = (parameter.dims(), parameter.device());
                    let mut weights = host(parameter.extract())?;
                    sweep.update(&mut weights, &gradient, m, v);
                    let weights = Tensor::from_data(TensorData::new(weights, shape), &device);
                    *parameter = weights;
                }
                Ok(norm)
            }
            State::Burn { rule, state } => {
                let mut gradients = gradients.0;
                let square =
                    |g: &Tensor<2>| f64::from(g.clone().square().sum().into_scalar::<f32>());
                let norm = gradients.values().map(square).sum::<f64>().sqrt();
                if !norm.is_finite() {
                    return Ok(norm);
                }
                for (name, parameter) in network.trainable_mut() {
                    let Some(gradient) = gradients.remove(&name) else {
                        continue;
                    };
                    let gradient = gradient * scale(norm);
                    let before = state.remove(&name);
                    parameter.inplace(|tensor| {
                        let (tensor, after) = rule.step(learning_rate, tensor, gradient, before);
                        state.extend(after.map(|after| (name, after)));
                        tensor
                    });
                }
                Ok(norm)
            }
        }
    }
}

impl State {
    fn burn(config: &OptimizerConfig) -> Self {
        let rule = AdamWConfig::new()
            .with_beta_1(config.beta1 as f32)
            .with_beta_2(config.beta2 as f32)
            .with_epsilon(config.epsilon as f32)
            .with_weight_decay(config.weight_decay as f32)
            .build();
        State::Burn {
            rule: Box::new(rule),
            state: BTreeMap::new(),
        }
    }
}

/// Whether tensors of this device are plain memory of this process.
fn is_host(device: &Device) -> bool {
    format!("{device:?}").contains("Flex")
}

/// A tensor's numbers; without a copy where nothing else holds it.
fn host(tensor: Tensor<2>) -> Result<Vec<f32>, Error> {
    tensor
        .try_into_vec_as()
        .map_err(|e| Error::Read(format!("{e:?}")))
}

/// A sum of squares whose order of additions does not depend on the number of threads.
fn square_sum(values: &[f32]) -> f64 {
    // Sixteen independent sums, so that the processor can add them side by side.
    let chunk = |c: &[f32]| {
        let mut lanes = [0.0f64; 16];
        for part in c.chunks(16) {
            for (lane, &x) in lanes.iter_mut().zip(part) {
                *lane += f64::from(x) * f64::from(x);
            }
        }
        lanes.iter().sum::<f64>()
    };
    let sums: Vec<f64> = values.par_chunks(CHUNK).map(chunk).collect();
    sums.iter().sum()
}

/// The constants of one AdamW step.
struct Sweep {
    beta1: f32,
    beta2: f32,
    /// `1 / (1 - beta^step)`.
    correct1: f32,
    correct2: f32,
    epsilon: f32,
    learning_rate: f32,
    decay: f32,
    scale: f32,
}

impl Sweep {
    fn new(config: &OptimizerConfig, learning_rate: f64, scale: f64, step: i32) -> Self {
        Sweep {
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            correct1: (1.0 / (1.0 - config.beta1.powi(step))) as f32,
            correct2: (1.0 / (1.0 - config.beta2.powi(step))) as f32,
            epsilon: config.epsilon as f32,
            learning_rate: learning_rate as f32,
            decay: (1.0 - learning_rate * config.weight_decay) as f32,
            scale: scale as f32,
        }
    }

    fn update(&self, weights: &mut [f32], gradient: &[f32], m: &mut [f32], v: &mut [f32]) {
        let moments = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
        let both = weights
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK));
        both.zip(moments).for_each(|((weights, gradient), (m, v))| {
            let moments = m.iter_mut().zip(v);
            for ((w, g), (m, v)) in weights.iter_mut().zip(gradient).zip(moments) {
                let g = g * self.scale;
                *m = self.beta1 * *m + (1.0 - self.beta1) * g;
                *v = self.beta2 * *v + (1.0 - self.beta2) * g * g;
                let step = *m * self.correct1 / ((*v * self.correct2).sqrt() + self.epsilon);
                *w = *w * self.decay - self.learning_rate * step;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lethe_model::{LanguageModel, Sequence};

    /// The fused sweep against burn's AdamW, over three steps of a small model.
    #[test]
    fn both_ways_agree() {
        let device = lethe_model::device("flex").expect("compiled in");
        let texts = ["a small model", "learns three steps", "of plain text"];
        let base = LanguageModel::random(&texts, 400, 2, 1, &device).expect("a model");
        let ids = |t: &str| base.tokenizer.encode_sequence(t).expect("encodable");
        let sequences: Vec<Sequence> = texts.iter().map(|t| Sequence::whole(ids(t))).collect();
        let config = OptimizerConfig {
            learning_rate: 1e-3,
            weight_decay: 0.1,
            clip: 0.5,
            ..OptimizerConfig::default()
        };
        let run = |mut optimizer: Optimizer| {
            let mut network = base.network.clone();
            let mut norms = Vec::new();
            for _ in 0..3 {
                let leaves = network.clone().with_gradients();
                let loss = leaves.token_losses(&sequences).mean();
                let gradients = Gradients::of(&leaves, loss.backward());
                drop(leaves);
                norms.push(
                    optimizer
                        .step(&mut network, gradients, 1.0)
                        .expect("readable"),
                );
            }
            let values = |w: &Tensor<2>| w.to_data().iter::<f32>().collect::<Vec<_>>();
            let weights: Vec<f32> = network
                .weights()
                .into_iter()
                .flat_map(|(_, w)| values(w))
                .collect();
            (norms, weights)
        };
        let fused = run(Optimizer::new(&config, &device));
        let burn = run(Optimizer {
            state: State::burn(&config),
            config: config.clone(),
        });
        for (a, b) in fused.0.iter().zip(&burn.0) {
            assert!((a - b).abs() < 1e-4 * b && *b > config.clip, "{a} {b}");
        }
        assert_eq!(fused.1.len(), burn.1.len());
        for (a, b) in fused.1.iter().zip(&burn.1) {
            assert!((a - b).abs() < 2e-5, "{a} {b}");
        }
    }

    #[test]
    fn schedules_rise_and_fall_as_defined() {
        let at = |s: Schedule, step| s.factor(step, 12, 2);
        assert_eq!(at(Schedule::Constant, 0), 0.5);
        assert_eq!(at(Schedule::Constant, 1), 1.0);
        assert_eq!(at(Schedule::Constant, 11), 1.0);
        assert_eq!(at(Schedule::Linear, 2), 1.0);
        assert_eq!(at(Schedule::Linear, 7), 0.5);
        assert!((at(Schedule::Cosine, 7) - 0.5).abs() < 1e-12);
        assert!(
            (at(Schedule::Cosine, 4) - 0.5 * (1.0 + (0.2 * std::f64::consts::PI).cos())).abs()
                < 1e-12
        );
    }
}
