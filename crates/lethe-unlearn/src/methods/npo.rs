//! Negative preference optimization.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;

use crate::{Average, Batch, Hyperparameter, Needs, Reference, Registered, Retain, Strategy};

pub(crate) const NPO: Registered = Registered {
    name: "npo",
    title: "Negative preference optimization",
    paper: "arXiv 2404.05868",
    hyperparameters: &[
        Hyperparameter::positive("beta", 0.1, "inverse temperature, per nat").between(1e-6, 1e3),
    ],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |values| {
        Box::new(Npo {
            beta: values.get("beta"),
        })
    },
};

/// With cross-entropy on the retain set ("NPO + RT").
pub(crate) const NPO_CE: Registered = Registered {
    name: "npo+ce",
    title: "NPO, cross-entropy on the retain set",
    retain: Retain::Ce,
    alpha: 1.0,
    ..NPO
};

/// With KL to the reference on the retain set ("NPO + KL").
pub(crate) const NPO_KL: Registered = Registered {
    name: "npo+kl",
    title: "NPO, KL to the reference on the retain set",
    retain: Retain::Kl,
    alpha: 1.0,
    ..NPO
};

/// `L = -(2/β) E log σ(-β log(π_θ(y) / π_ref(y)))` over whole sequences `y` (Zhang et al., "Negative
/// Preference Optimization", arXiv 2404.05868; β = 0.1). What is far below the
/// reference is pushed no further; as β → 0 it is ascent on the sequences' NLL.
#[derive(Debug)]
pub(crate) struct Npo {
    pub(crate) beta: f64,
}

impl Strategy for Npo {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let predicted = batch.policy.predict(batch.forget);
        let now = predicted.sums(predicted.token_losses());
        let risen = now - batch.reference_forget_losses();
        log_sigmoid(risen * self.beta).mean() * (-2.0 / self.beta)
    }

    fn needs(&self) -> Needs {
        Needs {
            reference: Reference::LogProbabilities,
            ..Needs::default()
        }
    }

    fn average(&self, _: usize) -> Average {
        Average::Sequences
    }
}
