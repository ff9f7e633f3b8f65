//! Cross-entropy unlearning.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use crate::retain::lift;
use crate::{Average, Batch, Registered, Retain, Strategy};

pub(crate) const CEU: Registered = Registered {
    name: "ce-u",
    title: "Cross-entropy unlearning",
    paper: "arXiv 2503.01224",
    hyperparameters: &[],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |_| Box::new(Ceu),
};

/// Cross-entropy of the policy with its own distribution, in which the target token is ruled out:
/// `L = -Σ softmax(z, z_target = -∞) log p_θ`, that distribution without gradient, a mean over
/// target tokens but every sequence's first (Yang, "CE-U: Cross Entropy Unlearning", arXiv
/// 2503.01224). Its gradient ends where the target's probability is zero.
#[derive(Debug)]
pub(crate) struct Ceu;

impl Strategy for Ceu {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let predicted = batch.policy.predict(batch.forget);
        let own = predicted.logits.clone().inner();
        let ruled_out = predicted.targets_one_hot().greater_elem(0.5);
        let others = lift(softmax(own.mask_fill(ruled_out, f32::MIN), 1));
        let now = predicted.log_probabilities();
        let n = now.dims()[0];
        let losses = (others * now).sum_dim(1).neg().reshape([n]);
        let later = predicted.is_later();
        let count = later.clone().sum().clamp_min(1.0);
        (losses * lift(later)).sum() / lift(count)
    }

    fn average(&self, _: usize) -> Average {
        Average::LaterTokens
    }
}
