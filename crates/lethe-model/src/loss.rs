//! Token losses of whole sequences, with gradients when the network has them.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::blocks::{log_softmax, token_losses};
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

/// What a network says where target tokens are predicted: one row for every target token of every
/// sequence, in order. Padding is computed but never read.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// `[Σ targets, vocabulary]`.
    pub logits: Tensor<2>,
    /// The target tokens.
    targets: Vec<i32>,
    /// How many there are of every sequence.
    lengths: Vec<usize>,
}

impl Predictions {
    /// Logarithms of the probabilities (nats) of every token: `[Σ targets, vocabulary]`.
    #[must_use]
    pub fn log_probabilities(&self) -> Tensor<2> {
        log_softmax(self.logits.clone())
    }

    /// Negative log-likelihoods (nats) of the target tokens: `[Σ targets]`.
    #[must_use]
    pub fn token_losses(&self) -> Tensor<1> {
        token_losses(self.logits.clone(), &self.targets)
    }

    /// Of one value for every target token, every sequence's sum: `[sequences]`.
    #[must_use]
    pub fn sums(&self, values: Tensor<1>) -> Tensor<1> {
        let n = self.targets.len();
        let mut rows = vec![0.0f32; self.lengths.len() * n];
        let mut at = 0;
        for (row, &length) in self.lengths.iter().enumerate() {
            rows[row * n + at..row * n + at + length].fill(1.0);
            at += length;
        }
        let rows = TensorData::new(rows, [self.lengths.len(), n]);
        let rows = Tensor::<2>::from_data(rows, &values.device());
        rows.matmul(values.reshape([n, 1]))
            .reshape([self.lengths.len()])
    }

    /// Every sequence's number of target tokens: `[sequences]`.
    #[must_use]
    pub fn counts(&self) -> Tensor<1> {
        let counts: Vec<f32> = self.lengths.iter().map(|&n| n as f32).collect();
        let counts = TensorData::new(counts, [self.lengths.len()]);
        Tensor::from_data(counts, &self.logits.device())
    }

    /// Of one value for every token of the vocabulary, the target token's: `[Σ targets]`.
    #[must_use]
    pub fn at_targets(&self, values: Tensor<2>) -> Tensor<1> {
        let n = self.targets.len();
        let targets = TensorData::new(self.targets.clone(), [n, 1]);
        let targets = Tensor::<2, Int>::from_data(targets, &values.device());
        values.gather(1, targets).reshape([n])
    }

    /// Zero for every sequence's first target token, one for the others: `[Σ targets]`, without
    /// gradients.
    #[must_use]
    pub fn is_later(&self) -> Tensor<1> {
        let later = |&n: &usize| (0..n).map(|at| if at == 0 { 0.0f32 } else { 1.0 });
        let later: Vec<f32> = self.lengths.iter().flat_map(later).collect();
        let later = TensorData::new(later, [self.targets.len()]);
        Tensor::from_data(later, &self.logits.clone().inner().device())
    }

    /// One at the target token, zero elsewhere: `[Σ targets, vocabulary]`, without gradients.
    #[must_use]
    pub fn targets_one_hot(&self) -> Tensor<2> {
        self.at(self.targets.clone())
    }

    /// One at a token for each target token, zero elsewhere: `[Σ targets, vocabulary]`, without
    /// gradients.
    #[must_use]
    pub fn one_hot(&self, tokens: &[u32]) -> Tensor<2> {
        self.at(tokens.iter().map(|token| token.cast_signed()).collect())
    }

    fn at(&self, tokens: Vec<i32>) -> Tensor<2> {
        let [n, size] = self.logits.dims();
        let device = self.logits.clone().inner().device();
        let chosen = Tensor::<2, Int>::from_data(TensorData::new(tokens, [n, 1]), &device);
        let all = Tensor::<1, Int>::arange(0..size as i64, &device).reshape([1, size]);
        all.expand([n, size])
            .equal(chosen.expand([n, size]))
            .float()
    }
}

impl Network {
    /// What is predicted for every target token.
    #[must_use]
    pub fn predict(&self, sequences: &[Sequence]) -> Predictions {
        let device = self.device();
        let places = Places::of(self, sequences);
        let hidden = self.hidden(&places.rows(), None);
        Predictions {
            logits: self.logits(places.select(hidden, &device)),
            targets: places.targets,
            lengths: sequences.iter().map(Sequence::targets).collect(),
        }
    }

    /// Negative log-likelihoods (nats) of every target token of every sequence, in order: a
    /// vector of `Σ targets` numbers.
    #[must_use]
    pub fn token_losses(&self, sequences: &[Sequence]) -> Tensor<1> {
        self.predict(sequences).token_losses()
    }

    /// The residual stream after so many layers, where target tokens are predicted:
    /// `[Σ targets, hidden]`. No later layer is computed.
    #[must_use]
    pub fn activations(&self, sequences: &[Sequence], layers: usize) -> Tensor<2> {
        let places = Places::of(self, sequences);
        let hidden = self.residual(&places.rows(), None, layers);
        places.select(hidden, &self.device())
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
        self.predict(sequences).logits
    }
}

/// Sequences side by side, and where in them target tokens are predicted.
struct Places {
    ids: Vec<u32>,
    left_pad: Vec<usize>,
    places: Vec<i32>,
    targets: Vec<i32>,
}

impl Places {
    fn of(network: &Network, sequences: &[Sequence]) -> Places {
        let width = sequences.iter().map(|s| s.ids.len()).max().unwrap_or(0);
        let pad = network.config.pad_token_id;
        let mut ids = Vec::with_capacity(sequences.len() * width);
        let (mut places, mut targets) = (Vec::new(), Vec::new());
        for (row, sequence) in sequences.iter().enumerate() {
            // Padding stands on the right: no real token ever attends to it.
            ids.extend(&sequence.ids);
            ids.resize(
                (row + 1) * width,
                pad.min(network.config.vocab_size as u32 - 1),
            );
            for position in sequence.first_target.max(1)..sequence.ids.len() {
                places.push((row * width + position - 1) as i32);
                targets.push(sequence.ids[position].cast_signed());
            }
        }
        Places {
            ids,
            left_pad: vec![0; sequences.len()],
            places,
            targets,
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            ids: &self.ids,
            batch: self.left_pad.len(),
            left_pad: &self.left_pad,
        }
    }

    /// The rows of `[batch * width, n]` that predict target tokens.
    fn select(&self, values: Tensor<2>, device: &Device) -> Tensor<2> {
        let places = TensorData::new(self.places.clone(), [self.places.len()]);
        values.select(0, Tensor::<1, Int>::from_data(places, device))
    }
}
