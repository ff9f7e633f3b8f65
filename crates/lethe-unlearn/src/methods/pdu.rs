//! Primal-dual unlearning.

use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;

use crate::{Batch, Hyperparameter, Registered, Retain, Strategy};

pub(crate) const PDU: Registered = Registered {
    name: "pdu",
    title: "Primal-dual unlearning",
    paper: "arXiv 2506.05314",
    hyperparameters: &[
        Hyperparameter::positive(
            "epsilon",
            3.0,
            "greatest retain loss, in nats per token (TOFU's answers, which are learned by heart: 0.3)",
        ),
        Hyperparameter::positive("lambda", 1.0, "first weight of the retain loss"),
        Hyperparameter::positive("eta", 1.0, "step of that weight"),
        Hyperparameter::positive("warmup", 5.0, "passes in which the weight stays"),
    ],
    retain: Retain::Ce,
    gamma: 1.0,
    alpha: 1.0,
    make: |values| {
        Box::new(Pdu {
            epsilon: values.get("epsilon"),
            eta: values.get("eta"),
            warmup: values.get("warmup"),
            lambda: Mutex::new(values.get("lambda")),
        })
    },
};

/// Flat logits on the forget set under a constraint on the retain set: `L = mean (max z - mean z)²`
/// over target tokens, plus `λ (ℓ_retain - ε)`, where after every step `λ ← max(0, λ + η (ℓ_retain -
/// ε))` (Entesari et al., "Constrained Entropic Unlearning", arXiv 2506.05314;
/// λ₀ = η = 1, warm-up of 5 epochs). `λ` stands in the place of α.
#[derive(Debug)]
pub(crate) struct Pdu {
    pub(crate) epsilon: f64,
    pub(crate) eta: f64,
    pub(crate) warmup: f64,
    pub(crate) lambda: Mutex<f64>,
}

impl Pdu {
    fn with_lambda<T>(&self, work: impl FnOnce(&mut f64) -> T) -> T {
        // A number cannot be left half-changed.
        let mut lambda = self.lambda.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut lambda)
    }
}

impl Strategy for Pdu {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let logits = batch.policy.predict(batch.forget).logits;
        let spread = logits.clone().max_dim(1) - logits.mean_dim(1);
        spread.square().mean()
    }

    fn after_step(&self, pass: usize, retain_loss: f64) {
        if pass as f64 >= self.warmup {
            let step = self.eta * (retain_loss - self.epsilon);
            self.with_lambda(|lambda| *lambda = (*lambda + step).max(0.0));
        }
    }

    fn alpha(&self) -> Option<f64> {
        Some(self.with_lambda(|lambda| *lambda))
    }

    fn state(&self) -> Vec<f64> {
        vec![self.with_lambda(|lambda| *lambda)]
    }

    fn resume(&self, state: &[f64]) {
        if let [saved] = state {
            self.with_lambda(|lambda| *lambda = *saved);
        }
    }
}
