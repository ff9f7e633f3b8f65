//! Gradient difference.

use burn::tensor::Tensor;

use crate::{Batch, Error, Hyperparameters, Strategy};

/// Ascends on the forget set and descends on the retain set: `L = -γ ℓ_forget + α ℓ_retain`, with
/// `ℓ` the mean over target tokens (Liu et al., "Continual Learning and Private Unlearning",
/// arXiv 2203.12817; as "gradient difference" in TOFU, arXiv 2401.06121, with α = γ = 1).
#[derive(Debug, Clone, Copy)]
pub struct GradDiff {
    gamma: f64,
    alpha: f64,
}

impl GradDiff {
    pub(crate) const DEFAULTS: &[(&'static str, f64)] = &[("gamma", 1.0), ("alpha", 1.0)];

    pub(crate) fn from(hyper: &Hyperparameters) -> Result<Box<dyn Strategy>, Error> {
        Ok(Box::new(GradDiff {
            gamma: hyper.at_least_zero("gamma")?,
            alpha: hyper.at_least_zero("alpha")?,
        }))
    }
}

impl Strategy for GradDiff {
    fn name(&self) -> &'static str {
        "grad-diff"
    }

    fn needs_retain(&self) -> bool {
        true
    }

    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let forget = batch.policy.token_losses(batch.forget).mean();
        let retain = batch.policy.token_losses(batch.retain).mean();
        retain * self.alpha - forget * self.gamma
    }
}
