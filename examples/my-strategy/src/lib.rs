//! An unlearning strategy of one's own: ascent that ends at a level.
//!
//! `cargo test` checks what every strategy must keep, and that it is found by its name beside the
//! strategies that Lethe brings.

use burn::tensor::Tensor;
use lethe_unlearn::{Batch, Hyperparameter, Registered, Retain, Strategy};

/// Its name, its hyper-parameters, and how it is made.
pub const BOUNDED_ASCENT: Registered = Registered {
    name: "bounded-ascent",
    title: "Ascent up to a level",
    paper: "none",
    hyperparameters: &[Hyperparameter::positive(
        "level",
        8.0,
        "nats per token to stop at",
    )],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |values| {
        Box::new(BoundedAscent {
            level: values.get("level"),
        })
    },
};

/// `L = mean (level - NLL)⁺` over target tokens: nothing is pushed further than the level.
#[derive(Debug)]
struct BoundedAscent {
    level: f64,
}

impl Strategy for BoundedAscent {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let losses = batch.policy.token_losses(batch.forget);
        (losses.neg() + self.level).clamp_min(0.0).mean()
    }
}
