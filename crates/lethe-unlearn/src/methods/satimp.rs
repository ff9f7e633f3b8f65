//! Saturation-importance weighting.

use burn::tensor::Tensor;

use crate::{Batch, Hyperparameter, Registered, Retain, Strategy};

/// With cross-entropy on the retain set. The published weights disagree (γ, α = 1, 0.1 in a text,
/// 0.1, 1 in the settings that are run); these are the latter.
pub(crate) const SAT_IMP: Registered = Registered {
    name: "satimp",
    title: "Saturation and importance weighted ascent",
    paper: "arXiv 2505.11953",
    hyperparameters: &[
        Hyperparameter::positive("beta1", 5.0, "power of the token's probability"),
        Hyperparameter::positive("beta2", 1.0, "power of what it lacks to 1"),
    ],
    retain: Retain::Ce,
    gamma: 0.1,
    alpha: 1.0,
    make: |values| {
        Box::new(SatImp {
            beta1: values.get("beta1"),
            beta2: values.get("beta2"),
        })
    },
};

/// `L = mean p^β₁ (1-p)^β₂ log p` over target tokens of probability `p`, the weights without
/// gradient: neither what is forgotten already nor what is certain anyway counts (Yang et al.,
/// "Exploring Criteria of Loss Reweighting", arXiv 2505.11953; β₁ = 5, β₂ = 1).
#[derive(Debug)]
pub(crate) struct SatImp {
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
}

impl Strategy for SatImp {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let losses = batch.policy.token_losses(batch.forget);
        let p = losses.clone().detach().neg().exp();
        let lacks = (p.clone().neg() + 1.0).clamp_min(0.0);
        let weights = p.powf_scalar(self.beta1) * lacks.powf_scalar(self.beta2);
        (weights * losses).mean().neg()
    }
}
