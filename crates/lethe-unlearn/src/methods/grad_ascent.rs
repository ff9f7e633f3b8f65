//! Gradient ascent.

use burn::tensor::Tensor;

use crate::{Batch, Registered, Retain, Strategy};

pub(crate) const GRAD_ASCENT: Registered = Registered {
    name: "grad-ascent",
    title: "Gradient ascent",
    paper: "arXiv 2210.01504",
    hyperparameters: &[],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |_| Box::new(GradAscent),
};

/// With `KL(reference ‖ policy)` on the retain set (TOFU, arXiv 2401.06121, "KL
/// minimization").
pub(crate) const GRAD_ASCENT_KL: Registered = Registered {
    name: "grad-ascent-kl",
    title: "Gradient ascent, KL to the reference on the retain set",
    paper: "arXiv 2401.06121",
    retain: Retain::Kl,
    alpha: 1.0,
    ..GRAD_ASCENT
};

/// Maximises the forget set's negative log-likelihood: `L = -ℓ` (Jang et al., "Knowledge Unlearning
/// for Mitigating Privacy Risks in Language Models", arXiv 2210.01504; the method of
/// arXiv 2406.13748). It has no minimum: left alone it destroys the model.
#[derive(Debug)]
pub(crate) struct GradAscent;

impl Strategy for GradAscent {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        batch.policy.token_losses(batch.forget).mean().neg()
    }
}
