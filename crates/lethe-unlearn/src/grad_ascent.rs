//! Gradient ascent.

use burn::tensor::Tensor;

use crate::{Batch, Error, Hyperparameters, Strategy};

/// Maximises the forget set's negative log-likelihood: `L = -ℓ_forget`, with `ℓ` the mean over
/// target tokens (Jang et al., "Knowledge Unlearning for Mitigating Privacy Risks in Language
/// Models", arXiv 2210.01504, equation 2; the method of arXiv 2406.13748).
#[derive(Debug, Clone, Copy)]
pub struct GradAscent;

impl GradAscent {
    /// Its name, reference and hyper-parameters (none).
    pub(crate) const DEFAULTS: &[(&'static str, f64)] = &[];

    pub(crate) fn from(_: &Hyperparameters) -> Result<Box<dyn Strategy>, Error> {
        Ok(Box::new(GradAscent))
    }
}

impl Strategy for GradAscent {
    fn name(&self) -> &'static str {
        "grad-ascent"
    }

    fn loss(&self, batch: &Batch) -> Tensor<1> {
        batch.policy.token_losses(batch.forget).mean().neg()
    }
}
