//! What a training step minimises.

use burn::tensor::Tensor;
use lethe_model::{Network, Sequence};

/// One training sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The tokens and which of them are predicted.
    pub sequence: Sequence,
    /// What it was made from, for messages: `politics-01 de fake`.
    pub label: String,
}

/// A loss over micro-batches, which several threads compute at a time.
pub trait Objective: Sync {
    /// The loss of a micro-batch: a mean (shape `[1]`) in which the micro-batch counts with
    /// [`Self::weight`]. Accumulated micro-batches therefore give the gradient of one large batch.
    fn loss(&self, network: &Network, batch: &MicroBatch) -> Tensor<1>;

    /// The micro-batch's share in the mean over a step: by default its number of target tokens.
    fn weight(&self, batch: &MicroBatch) -> f64 {
        batch.targets() as f64
    }
}

/// Some examples of a step.
#[derive(Debug, Clone)]
pub struct MicroBatch<'a> {
    /// How many examples earlier steps and micro-batches held: what an objective that walks over
    /// a second set starts from.
    pub seen: usize,
    /// The examples.
    pub examples: Vec<&'a Example>,
}

impl MicroBatch<'_> {
    /// The token sequences.
    #[must_use]
    pub fn sequences(&self) -> Vec<Sequence> {
        self.examples.iter().map(|e| e.sequence.clone()).collect()
    }

    /// How many tokens are predicted.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.examples.iter().map(|e| e.sequence.targets()).sum()
    }
}

/// Maximum likelihood: the mean negative log-likelihood (nats) of the target tokens.
#[derive(Debug, Clone, Copy)]
pub struct NextToken;

impl Objective for NextToken {
    fn loss(&self, network: &Network, batch: &MicroBatch) -> Tensor<1> {
        network.token_losses(&batch.sequences()).mean()
    }
}
