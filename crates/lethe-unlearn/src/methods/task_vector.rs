//! Task-vector negation.

use burn::tensor::Tensor;
use lethe_model::Network;

use crate::{Batch, Hyperparameter, Needs, Registered, Retain, Strategy};

pub(crate) const TASK_VECTOR: Registered = Registered {
    name: "task-vector",
    title: "Task-vector negation",
    paper: "arXiv 2212.04089",
    hyperparameters: &[Hyperparameter::positive(
        "scale",
        5.0,
        "how often the task vector is subtracted",
    )],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |values| {
        Box::new(TaskVector {
            scale: values.get("scale"),
        })
    },
};

/// Overfits the forget set, `L = ℓ`, and goes the other way: `θ - α (θ_overfit - θ)` (Ilharco et
/// al., "Editing Models with Task Arithmetic", arXiv 2212.04089; MUSE, arXiv 2407.06460:
/// α = 5 after 10 epochs at 1e-5).
#[derive(Debug)]
pub(crate) struct TaskVector {
    pub(crate) scale: f64,
}

impl Strategy for TaskVector {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        batch.policy.token_losses(batch.forget).mean()
    }

    fn needs(&self) -> Needs {
        Needs {
            start: true,
            ..Needs::default()
        }
    }

    fn result(&self, start: &Network, trained: &Network) -> Network {
        start.towards(trained, -self.scale)
    }
}
