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

/// The mean negative log-likelihood (nats) over all target tokens of a set, and each sequence's
/// own mean, in the order given. Without gradients; computed in batches of similar length.
#[must_use]
pub fn mean_nll(network: &Network, sequences: &[Sequence]) -> (f64, Vec<f64>) {
    let network = network.clone().without_gradients();
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&i| sequences[i].ids.len());
    let mut means = vec![0.0; sequences.len()];
    let (mut sum, mut count) = (0.0, 0);
    for chunk in order.chunks(16) {
        let batch: Vec<Sequence> = chunk.iter().map(|&i| sequences[i].clone()).collect();
        let losses = network.token_losses(&batch).into_data();
        let mut losses = losses.iter::<f32>().map(f64::from);
        for (&i, sequence) in chunk.iter().zip(&batch) {
            let own: f64 = losses.by_ref().take(sequence.targets()).sum();
            means[i] = own / sequence.targets().max(1) as f64;
            sum += own;
            count += sequence.targets();
        }
    }
    (sum / f64::from(count.max(1) as u32), means)
}
