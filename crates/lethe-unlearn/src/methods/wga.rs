//! Weighted gradient ascent.

use burn::tensor::Tensor;

use crate::{Batch, Hyperparameter, Registered, Retain, Strategy};

pub(crate) const WGA: Registered = Registered {
    name: "wga",
    title: "Weighted gradient ascent",
    paper: "arXiv 2502.19301",
    hyperparameters: &[Hyperparameter::positive(
        "beta",
        1.0,
        "power of the token's probability that weights it",
    )],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |values| {
        Box::new(Wga {
            beta: values.get("beta"),
        })
    },
};

/// `L = mean p^β log p` over target tokens of probability `p`, the weight `p^β` without gradient:
/// what is improbable already is pushed no further (Wang et al., "Rethinking LLM Unlearning
/// Objectives", arXiv 2502.19301; β = 1).
#[derive(Debug)]
pub(crate) struct Wga {
    pub(crate) beta: f64,
}

impl Strategy for Wga {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let losses = batch.policy.token_losses(batch.forget);
        let weights = (losses.clone().detach() * -self.beta).exp();
        (weights * losses).mean().neg()
    }
}
