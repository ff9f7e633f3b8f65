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

/// A loss over micro-batches.
pub trait Objective {
    /// The loss of a micro-batch: a mean (shape `[1]`) in which the micro-batch counts with
    /// [`Self::weight`]. Accumulated micro-batches therefore give the gradient of one large batch.
    fn loss(&mut self, network: &Network, batch: &[&Example]) -> Tensor<1>;

    /// The micro-batch's share in the mean over a step: by default its number of target tokens.
    fn weight(&self, batch: &[&Example]) -> f64 {
        target_tokens(batch) as f64
    }
}

pub(crate) fn target_tokens(batch: &[&Example]) -> usize {
    batch.iter().map(|example| example.sequence.targets()).sum()
}

/// Maximum likelihood: the mean negative log-likelihood (nats) of the target tokens.
#[derive(Debug, Clone, Copy)]
pub struct NextToken;

impl Objective for NextToken {
    fn loss(&mut self, network: &Network, batch: &[&Example]) -> Tensor<1> {
        let sequences: Vec<Sequence> = batch.iter().map(|e| e.sequence.clone()).collect();
        network.token_losses(&sequences).mean()
    }
}
