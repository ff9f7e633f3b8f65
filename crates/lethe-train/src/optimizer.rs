//! AdamW over named matrices, with clipping by global norm and learning-rate schedules.

use std::collections::BTreeMap;

use burn::optim::{AdamW, AdamWConfig, AdamWState, Optimizer as _};
use burn::tensor::{Gradients, Tensor};
use lethe_model::Network;
use serde::{Deserialize, Serialize};

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
pub(crate) struct Accumulated(BTreeMap<String, Tensor<2>>);

impl Accumulated {
    /// Adds the gradients of a backward pass of which `network`'s trainable matrices are leaves.
    pub fn add(&mut self, network: &Network, mut gradients: Gradients) {
        for (name, parameter) in network.trainable() {
            let Some(gradient) = parameter.grad_remove(&mut gradients) else {
                continue;
            };
            let sum = match self.0.remove(&name) {
                Some(sum) => sum + gradient,
                None => gradient,
            };
            self.0.insert(name, sum);
        }
    }

    fn norm(&self) -> f64 {
        let square = |g: &Tensor<2>| f64::from(g.clone().square().sum().into_scalar::<f32>());
        self.0.values().map(square).sum::<f64>().sqrt()
    }
}

/// AdamW with its moments.
pub struct Optimizer {
    config: OptimizerConfig,
    rule: AdamW,
    state: BTreeMap<String, AdamWState<2>>,
}

impl Optimizer {
    /// An optimizer that has seen no gradient yet.
    #[must_use]
    pub fn new(config: &OptimizerConfig) -> Self {
        let rule = AdamWConfig::new()
            .with_beta_1(config.beta1 as f32)
            .with_beta_2(config.beta2 as f32)
            .with_epsilon(config.epsilon as f32)
            .with_weight_decay(config.weight_decay as f32)
            .build();
        Optimizer {
            config: config.clone(),
            rule,
            state: BTreeMap::new(),
        }
    }

    /// Updates the network's trainable matrices; returns the gradient's global L2 norm before
    /// clipping.
    pub(crate) fn step(
        &mut self,
        network: &mut Network,
        gradients: Accumulated,
        factor: f64,
    ) -> f64 {
        let norm = gradients.norm();
        let scale = if self.config.clip > 0.0 && norm > self.config.clip {
            self.config.clip / norm
        } else {
            1.0
        };
        let mut gradients = gradients.0;
        let learning_rate = self.config.learning_rate * factor;
        for (name, parameter) in network.trainable_mut() {
            let Some(gradient) = gradients.remove(&name) else {
                continue;
            };
            let gradient = if scale == 1.0 { gradient } else { gradient * scale };
            let state = self.state.remove(&name);
            let rule = &self.rule;
            let mut next = None;
            parameter.inplace(|tensor| {
                let (tensor, state) = rule.step(learning_rate, tensor.inner(), gradient, state);
                next = state;
                tensor.autodiff().require_grad()
            });
            if let Some(next) = next {
                self.state.insert(name, next);
            }
        }
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn schedules_rise_and_fall_as_defined() {
        let at = |s: Schedule, step| s.factor(step, 12, 2);
        assert_eq!(at(Schedule::Constant, 0), 0.5);
        assert_eq!(at(Schedule::Constant, 1), 1.0);
        assert_eq!(at(Schedule::Constant, 11), 1.0);
        assert_eq!(at(Schedule::Linear, 2), 1.0);
        assert_eq!(at(Schedule::Linear, 7), 0.5);
        assert!((at(Schedule::Cosine, 7) - 0.5).abs() < 1e-12);
        assert!((at(Schedule::Cosine, 4) - 0.5 * (1.0 + (0.2f64 * 3.141_592_653_589_793).cos())).abs() < 1e-12);
    }
}
