//! Representation misdirection.

use burn::tensor::{Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::retain::layer_at;
use crate::{Batch, Hyperparameter, Registered, Retain, Strategy};

pub(crate) const RMU: Registered = Registered {
    name: "rmu",
    title: "Representation misdirection for unlearning",
    paper: "arXiv 2403.03218",
    hyperparameters: &[
        Hyperparameter::positive(
            "coefficient",
            2.0,
            "length of the vector that activations are drawn to",
        ),
        Hyperparameter::positive(
            "depth",
            0.4375,
            "share of the layers after which activations are taken (the field: 7 of 16)",
        )
        .between(0.0, 1.0),
    ],
    retain: Retain::Embedding,
    gamma: 1.0,
    alpha: 1.0,
    make: |values| {
        Box::new(Rmu {
            coefficient: values.get("coefficient"),
            depth: values.get("depth"),
        })
    },
};

/// `L = mean (h_θ - c u)²` over the activations `h` after one layer where target tokens are
/// predicted, `u` a fixed random unit vector with entries of one sign (Li et al., "The WMDP
/// Benchmark", arXiv 2403.03218, as a mean over entries as its code has it; c = 2, α = 1).
/// Later layers get no gradient.
#[derive(Debug)]
pub(crate) struct Rmu {
    pub(crate) coefficient: f64,
    pub(crate) depth: f64,
}

impl Rmu {
    /// `c u`, the same whenever it is asked for.
    pub(crate) fn target(&self, size: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let entries: Vec<f64> = (0..size).map(|_| rng.random::<f64>()).collect();
        let length = entries.iter().map(|x| x * x).sum::<f64>().sqrt();
        let scaled = entries.iter().map(|x| self.coefficient * x / length);
        scaled.map(|x| x as f32).collect()
    }
}

impl Strategy for Rmu {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let layers = layer_at(batch.policy, self.depth);
        let activations = batch.policy.activations(batch.forget, layers);
        let size = activations.dims()[1];
        let target = TensorData::new(self.target(size), [1, size]);
        let target = Tensor::<2>::from_data(target, &activations.device());
        (activations - target).square().mean()
    }
}
