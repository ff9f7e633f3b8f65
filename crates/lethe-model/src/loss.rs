//! Token losses of whole sequences, with gradients when the network has them.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::in_parallel;
use crate::network::{Network, Rows};

/// A sequence of token ids and which of them are predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// The model's ids, the token that begins every sequence included.
    pub ids: Vec<u32>,
    /// Tokens before this position are context only; position 0 is never predicted.
    pub first_target: usize,
}

impl Sequence {
    /// A sequence of which every token but the first is predicted.
    #[must_use]
    pub fn whole(ids: Vec<u32>) -> Self {
        Sequence {
            ids,
            first_target: 1,
        }
    }

    /// How many tokens are predicted.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.ids.len().saturating_sub(self.first_target.max(1))
    }
}

impl Network {
    /// Negative log-likelihoods (nats) of every target token of every sequence, in order: a
    /// vector of `Σ targets` numbers. Padding is computed but never read.
    #[must_use]
    pub fn token_losses(&self, sequences: &[Sequence]) -> Tensor<1> {
        let device = self.device();
        let (hidden, targets) = self.target_hidden(sequences, &device);
        let logits = self.logits(hidden);
        let n = targets.len();
        // The maximum is a constant shift: without gradient it cancels.
        let shifted = logits.clone() - logits.detach().max_dim(1);
        let log_sum = shifted.clone().exp().sum_dim(1).log().reshape([n]);
        let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [n, 1]), &device);
        log_sum - shifted.gather(1, targets).reshape([n])
    }

    /// The mean negative log-likelihood (nats) over all target tokens of a set, and each
    /// sequence's own mean, in the order given. Without gradients; computed in batches of similar
    /// length.
    #[must_use]
    pub fn mean_nll(&self, sequences: &[Sequence]) -> (f64, Vec<f64>) {
        let network = self.clone().without_gradients();
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.sort_by_key(|&i| sequences[i].ids.len());
        let mut means = vec![0.0; sequences.len()];
        let chunks: Vec<&[usize]> = order.chunks(8).collect();
        let losses = in_parallel(&chunks, |chunk| {
            let batch: Vec<Sequence> = chunk.iter().map(|&i| sequences[i].clone()).collect();
            let losses = network.token_losses(&batch).into_data();
            losses.iter::<f32>().map(f64::from).collect::<Vec<f64>>()
        });
        let (mut sum, mut count) = (0.0, 0);
        for (chunk, losses) in chunks.into_iter().zip(losses) {
            let mut losses = losses.into_iter();
            for &i in chunk {
                let targets = sequences[i].targets();
                let own: f64 = losses.by_ref().take(targets).sum();
                means[i] = own / targets.max(1) as f64;
                sum += own;
                count += targets;
            }
        }
        (sum / count.max(1) as f64, means)
    }

    /// Logits `[Σ targets, vocabulary]` that predict the target tokens of every sequence.
    #[must_use]
    pub fn target_logits(&self, sequences: &[Sequence]) -> Tensor<2> {
        let (hidden, _) = self.target_hidden(sequences, &self.device());
        self.logits(hidden)
    }

    /// The hidden states that predict target tokens, and those tokens.
    fn target_hidden(&self, sequences: &[Sequence], device: &Device) -> (Tensor<2>, Vec<i32>) {
        let width = sequences.iter().map(|s| s.ids.len()).max().unwrap_or(0);
        let pad = self.config.pad_token_id;
        let mut ids = Vec::with_capacity(sequences.len() * width);
        let (mut places, mut targets) = (Vec::new(), Vec::new());
        for (row, sequence) in sequences.iter().enumerate() {
            // Padding stands on the right: no real token ever attends to it.
            ids.extend(&sequence.ids);
            ids.resize(
                (row + 1) * width,
                pad.min(self.config.vocab_size as u32 - 1),
            );
            for position in sequence.first_target.max(1)..sequence.ids.len() {
                places.push((row * width + position - 1) as i32);
                targets.push(sequence.ids[position].cast_signed());
            }
        }
        let rows = Rows {
            ids: &ids,
            batch: sequences.len(),
            left_pad: &vec![0; sequences.len()],
        };
        let hidden = self.hidden(&rows, None);
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [targets.len()]), device);
        (hidden.select(0, places), targets)
    }
}
