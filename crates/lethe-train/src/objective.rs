//! What a training step minimises.

use burn::tensor::Tensor;
use lethe_model::{Network, Sequence};

use crate::resume::Named;

/// One training sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The tokens and which of them are predicted.
    pub sequence: Sequence,
    /// What it was made from, for messages: `politics-01 de fake`.
    pub label: String,
}

/// A loss over micro-batches, which several threads compute at a time.
///
/// It is a sum of terms, each a mean over something: target tokens, sequences, another set's
/// tokens. A micro-batch has its share in each, so that accumulated micro-batches give the loss and
/// the gradient of one large batch.
pub trait Objective: Sync {
    /// What every term is a mean over: how much of it is in this micro-batch. By default one term,
    /// over the target tokens.
    fn weights(&self, batch: &MicroBatch) -> Vec<f64> {
        vec![batch.targets() as f64]
    }

    /// The sum of the terms over this micro-batch, each times the micro-batch's share in the
    /// step's (its weight over the step's sum of weights): shape `[1]`.
    fn loss(&self, network: &Network, batch: &MicroBatch, shares: &[f64]) -> Tensor<1>;

    /// What changes while it runs, so that a run can be resumed.
    fn state(&self) -> (serde_json::Value, Named) {
        (serde_json::Value::Null, Named::new())
    }

    /// Goes on from a [`state`](Self::state), with the network as it is then.
    fn resume(&self, _network: &Network, _state: &serde_json::Value, _tensors: Named) {}
}

/// Some examples of a step.
#[derive(Debug, Clone)]
pub struct MicroBatch<'a> {
    /// How many examples earlier steps and micro-batches held: what an objective that walks over
    /// a second set starts from.
    pub seen: usize,
    /// The pass over all examples that it is part of, from 0.
    pub pass: usize,
    /// Where the examples are among all.
    pub places: Vec<usize>,
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
    fn loss(&self, network: &Network, batch: &MicroBatch, shares: &[f64]) -> Tensor<1> {
        let share = shares.first().copied().unwrap_or(1.0);
        network.token_losses(&batch.sequences()).mean() * share
    }
}
