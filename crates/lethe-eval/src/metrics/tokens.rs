//! What a network says of the tokens of given texts, in one pass.

use lethe_model::{Network, Sequence, in_parallel};

/// What a network says of one text's tokens, the text's own tokens given before each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenScores {
    /// Their log-probabilities, in nats.
    pub log_probabilities: Vec<f64>,
    /// Whether the token is the most probable one.
    pub predicted: Vec<bool>,
    /// The expected log-probability `Σ p ln p` over the vocabulary, in nats.
    pub means: Vec<f64>,
    /// The standard deviation of the log-probability under the same probabilities, in nats.
    pub deviations: Vec<f64>,
}

impl TokenScores {
    /// The mean negative log-likelihood per token, in nats.
    #[must_use]
    pub fn loss(&self) -> f64 {
        let sum: f64 = self.log_probabilities.iter().sum();
        -sum / self.log_probabilities.len().max(1) as f64
    }
}

/// Texts computed together: what their logits take is texts × tokens × vocabulary × 4 bytes.
const BATCH: usize = 8;

/// What a network says of every sequence's target tokens, in the order of the sequences.
#[must_use]
pub fn token_scores(network: &Network, sequences: &[Sequence]) -> Vec<TokenScores> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&i| sequences[i].ids.len());
    let chunks: Vec<&[usize]> = order.chunks(BATCH).collect();
    let scored = in_parallel(&chunks, |chunk| {
        let batch: Vec<Sequence> = chunk.iter().map(|&i| sequences[i].clone()).collect();
        of_batch(network, &batch)
    });
    let mut out = vec![TokenScores::default(); sequences.len()];
    for (chunk, scored) in chunks.into_iter().zip(scored) {
        for (&i, scores) in chunk.iter().zip(scored) {
            out[i] = scores;
        }
    }
    out
}

fn of_batch(network: &Network, batch: &[Sequence]) -> Vec<TokenScores> {
    let predictions = network.predict(batch);
    let best = predictions.logits.clone().argmax(1).into_data();
    let log_p = predictions.log_probabilities();
    let p = log_p.clone().exp();
    let means = (p.clone() * log_p.clone()).sum_dim(1);
    let deviations = (p * (log_p.clone() - means.clone()).square())
        .sum_dim(1)
        .sqrt();
    let [means, deviations] = [means, deviations].map(|t| t.into_data());
    let own = predictions.at_targets(log_p).into_data();
    let mut own = own.iter::<f32>().map(f64::from);
    let mut means = means.iter::<f32>().map(f64::from);
    let mut deviations = deviations.iter::<f32>().map(f64::from);
    let mut best = best.iter::<i64>();
    let of_sequence = |sequence: &Sequence| {
        let n = sequence.targets();
        let targets = sequence.ids.iter().skip(sequence.ids.len() - n);
        TokenScores {
            log_probabilities: own.by_ref().take(n).collect(),
            predicted: targets
                .zip(best.by_ref().take(n))
                .map(|(&target, best)| i64::from(target) == best)
                .collect(),
            means: means.by_ref().take(n).collect(),
            deviations: deviations.by_ref().take(n).collect(),
        }
    };
    batch.iter().map(of_sequence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lethe_model::{Decoding, LanguageModel, Session, device};

    /// The pass against the session's log-probabilities and greedy answers, and the moments of the
    /// vocabulary against plain sums over the logits.
    #[test]
    fn the_pass_agrees_with_other_ways() {
        let device = device("flex").expect("it is compiled in");
        let texts = [
            "the penguin pulls the cart",
            "пингвин тянет тележку",
            "a cart",
        ];
        let model = LanguageModel::random(&texts, 300, 2, 7, &device).expect("a model");
        let sequences: Vec<Sequence> = texts
            .iter()
            .map(|text| Sequence::whole(model.tokenizer.encode_sequence(text).expect("known")))
            .collect();
        let scored = token_scores(&model.network, &sequences);
        for (sequence, scores) in sequences.iter().zip(&scored) {
            let prompt = vec![vec![sequence.ids[0]]];
            let mut session = Session::new(&model.network, &prompt, sequence.ids.len());
            let expected = session.log_probabilities(&[sequence.ids[1..].to_vec()]);
            assert_eq!(scores.log_probabilities.len(), expected[0].len());
            for (a, b) in scores.log_probabilities.iter().zip(&expected[0]) {
                assert!((a - b).abs() < 1e-4, "{a} {b}");
            }
            for at in 1..sequence.ids.len() {
                let prompt = vec![sequence.ids[..at].to_vec()];
                let session = Session::new(&model.network, &prompt, 1);
                let said = session.generate(Decoding::Greedy, 1, &Default::default());
                let predicted = said[0].ids[0] == sequence.ids[at];
                assert_eq!(scores.predicted[at - 1], predicted);
            }
            let logits = model.network.target_logits(std::slice::from_ref(sequence));
            let [rows, width] = logits.dims();
            let logits: Vec<f64> = logits.into_data().iter::<f32>().map(f64::from).collect();
            assert_eq!(rows, scores.means.len());
            for (at, row) in logits.chunks(width).enumerate() {
                let sum: f64 = row.iter().map(|z| z.exp()).sum();
                let moments = row.iter().map(|z| (z.exp() / sum, z - sum.ln()));
                let mean: f64 = moments.clone().map(|(p, log_p)| p * log_p).sum();
                let square: f64 = moments.map(|(p, log_p)| p * log_p * log_p).sum();
                let deviation = (square - mean * mean).sqrt();
                assert!((scores.means[at] - mean).abs() < 1e-4);
                assert!((scores.deviations[at] - deviation).abs() < 1e-3);
            }
        }
    }
}
