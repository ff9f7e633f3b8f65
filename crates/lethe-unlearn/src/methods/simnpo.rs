//! Simple negative preference optimization.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;

use crate::{Average, Batch, Hyperparameter, Registered, Retain, Strategy};

pub(crate) const SIMNPO: Registered = Registered {
    name: "simnpo",
    title: "Simple NPO",
    paper: "arXiv 2410.07163",
    hyperparameters: &[
        Hyperparameter::positive("beta", 4.5, "inverse temperature, per nat").between(1e-6, 1e3),
        Hyperparameter::positive("delta", 0.0, "margin of the reward, in nats per token"),
    ],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |values| {
        Box::new(SimNpo {
            beta: values.get("beta"),
            delta: values.get("delta"),
        })
    },
};

/// As published: γ = 0.125, with cross-entropy on the retain set.
pub(crate) const SIMNPO_CE: Registered = Registered {
    name: "simnpo+ce",
    title: "Simple NPO, cross-entropy on the retain set",
    retain: Retain::Ce,
    gamma: 0.125,
    alpha: 1.0,
    ..SIMNPO
};

/// `L = -(2/β) E log σ(β (NLL(y)/|y| - δ))`: NPO without a reference, by mean rather than sum over
/// tokens (Fan et al., "Simplicity Prevails", arXiv 2410.07163; β = 4.5, δ = 0).
#[derive(Debug)]
pub(crate) struct SimNpo {
    pub(crate) beta: f64,
    pub(crate) delta: f64,
}

impl Strategy for SimNpo {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let predicted = batch.policy.predict(batch.forget);
        let means = predicted.sums(predicted.token_losses()) / predicted.counts();
        log_sigmoid((means - self.delta) * self.beta).mean() * (-2.0 / self.beta)
    }

    fn average(&self, _: usize) -> Average {
        Average::Sequences
    }
}
