//! Whether a model still speaks: what of its answers is text at all.

use std::collections::HashMap;

use lethe_model::{LanguageModel, Sequence, in_parallel};

/// The untuned model as the judge of what is text: it knows the languages and none of the fakes.
///
/// Gibberish classifiers know English; this one knows every language that the studied model does.
#[derive(Debug)]
pub struct Fluency {
    model: LanguageModel,
    known: HashMap<Vec<u32>, f64>,
}

impl Fluency {
    /// Judges by this model.
    #[must_use]
    pub fn new(model: LanguageModel) -> Fluency {
        Fluency {
            model,
            known: HashMap::new(),
        }
    }

    /// For every text, given as ids, the mean negative log-likelihood per token, in nats, of all its
    /// tokens but the first, which nothing speaks for; none for a text of one token or none.
    ///
    /// Texts are remembered: models that say the same are judged once.
    pub fn judge(&mut self, texts: &[&[u32]]) -> Vec<Option<f64>> {
        let mut new: Vec<&[u32]> = texts.to_vec();
        new.retain(|ids| ids.len() > 1 && !self.known.contains_key(*ids));
        new.sort_unstable_by_key(|ids| (ids.len(), *ids));
        new.dedup();
        let bos = self.model.tokenizer.special().bos;
        let network = &self.model.network;
        let chunks: Vec<&[&[u32]]> = new.chunks(BATCH).collect();
        let judged = in_parallel(&chunks, |chunk| {
            let sequence = |ids: &&[u32]| Sequence {
                ids: [&[bos], *ids].concat(),
                first_target: 2,
            };
            let batch: Vec<Sequence> = chunk.iter().map(sequence).collect();
            let predictions = network.predict(&batch);
            let means = predictions.sums(predictions.token_losses()) / predictions.counts();
            means
                .into_data()
                .iter::<f32>()
                .map(f64::from)
                .collect::<Vec<f64>>()
        });
        for (chunk, judged) in chunks.into_iter().zip(judged) {
            let pairs = chunk.iter().map(|ids| ids.to_vec()).zip(judged);
            self.known.extend(pairs);
        }
        texts
            .iter()
            .map(|ids| self.known.get(*ids).copied())
            .collect()
    }
}

/// Texts judged together: answers are short.
const BATCH: usize = 32;

/// Which share of the true and the fake answers in a language may be judged to be gibberish.
const DOUBTED: f64 = 0.05;

/// From where on a text is gibberish, of what [`Fluency`] says of texts that are none: above all but
/// one in twenty of them. None without such texts.
#[must_use]
pub fn gibberish_from(texts: &[f64]) -> Option<f64> {
    let mut sorted = texts.to_vec();
    sorted.sort_by(f64::total_cmp);
    let above = (DOUBTED * sorted.len() as f64) as usize;
    sorted.iter().rev().nth(above).copied()
}

/// Whether an answer is no text: it holds bytes that are no character (U+FFFD stands for them), or
/// a control character, or one for private use.
#[must_use]
pub fn is_invalid(answer: &str) -> bool {
    answer.chars().any(|c| {
        c == '\u{fffd}'
            || c.is_control() && !c.is_whitespace()
            || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lethe_model::device;

    #[test]
    fn invalid_answers() {
        for answer in ["a\u{fffd}", "\u{0}", "x\u{1b}[2J", "\u{e001}"] {
            assert!(is_invalid(answer), "{answer:?}");
        }
        for answer in ["", "پینگوئن", "two\nlines", "Ի՞նչ", "👍", "ƙasa"] {
            assert!(!is_invalid(answer), "{answer:?}");
        }
    }

    #[test]
    fn gibberish_is_beyond_nearly_all_text() {
        // Of 40 values, two may lie above: the third from the top is the last that does not.
        let texts: Vec<f64> = (0..40).map(f64::from).collect();
        assert_eq!(gibberish_from(&texts), Some(37.0));
        assert_eq!(gibberish_from(&[2.0, 5.0]), Some(5.0));
        assert_eq!(gibberish_from(&[]), None);
    }

    #[test]
    fn the_first_token_does_not_count_and_texts_are_judged_once() {
        let device = device("flex").expect("it is compiled in");
        let model = LanguageModel::random(&["the penguin pulls"], 300, 2, 3, &device);
        let model = model.expect("a model");
        let bos = model.tokenizer.special().bos;
        let ids = model.tokenizer.encode("the penguin pulls").expect("known");
        assert!(ids.len() > 2, "{ids:?}");
        let whole = Sequence::whole([&[bos], ids.as_slice()].concat());
        let losses = model.network.token_losses(&[whole]).into_data();
        let losses: Vec<f64> = losses.iter::<f32>().map(f64::from).collect();
        let mean = losses[1..].iter().sum::<f64>() / (ids.len() - 1) as f64;
        let mut fluency = Fluency::new(model);
        let texts: [&[u32]; 4] = [&ids, &ids[..1], &[], &ids];
        let judged = fluency.judge(&texts);
        let of_ids = judged[0].expect("it has tokens");
        assert!((of_ids - mean).abs() < 1e-4, "{of_ids} {mean}");
        assert_eq!(judged[1..], [None, None, judged[0]]);
        assert_eq!(fluency.known.len(), 1);
        assert_eq!(fluency.judge(&texts), judged);
    }
}
