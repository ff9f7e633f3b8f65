//! Self-distillation with a lowered logit.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use crate::retain::lift;
use crate::{Batch, Hyperparameter, Needs, Reference, Registered, Retain, Strategy};

pub(crate) const UNDIAL: Registered = Registered {
    name: "undial",
    title: "Unlearning by self-distillation on adjusted logits",
    paper: "arXiv 2402.10052",
    hyperparameters: &[Hyperparameter::positive(
        "beta",
        10.0,
        "by how much the target token's logit is lowered",
    )],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |values| {
        Box::new(Undial {
            beta: values.get("beta"),
        })
    },
};

/// Cross-entropy of the policy with the reference's distribution, whose target token's logit is
/// lowered: `L = -Σ softmax(z_ref - β 1[target]) log p_θ`, a mean over target tokens (Dong et al.,
/// "UNDIAL", arXiv 2402.10052; β = 10, learning rate 1e-4).
#[derive(Debug)]
pub(crate) struct Undial {
    pub(crate) beta: f64,
}

impl Strategy for Undial {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let before = batch.reference().predict(batch.forget);
        let lowered = before.logits.clone().inner() - before.targets_one_hot() * self.beta;
        let teacher = lift(softmax(lowered, 1));
        let now = batch.policy.predict(batch.forget).log_probabilities();
        (teacher * now).sum_dim(1).mean().neg()
    }

    fn needs(&self) -> Needs {
        Needs {
            reference: Reference::Network,
            ..Needs::default()
        }
    }
}
