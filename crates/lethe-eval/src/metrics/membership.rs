//! Scores by which it is guessed whether a model was trained on a text: the lower, the likelier.

use std::io;

use flate2::Compression;
use flate2::read::ZlibEncoder;

use super::tokens::TokenScores;

/// Which share of a text's tokens, the least probable, Min-K % looks at (MUSE, arXiv 2407.06460,
/// looks at 40 %).
pub const MIN_K: f64 = 0.4;

/// The four scores of a text. Those of texts in different languages do not compare: all depend on
/// how many tokens a tokenizer makes of a language and `zlib` on how many bytes UTF-8 does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Membership {
    /// The mean negative log-likelihood per token, in nats (Yeom et al., arXiv 1709.01604).
    pub loss: f64,
    /// The same over the bytes of the text when zlib has compressed it (Carlini et al., arXiv
    /// 2012.07805).
    pub zlib: f64,
    /// Min-K % (Shi et al., arXiv 2310.16789): the mean negative log-probability of the [`MIN_K`]
    /// least probable tokens, at least one.
    pub min_k: f64,
    /// Min-K%++ (Zhang et al., arXiv 2404.02936): the same of log-probabilities from which the mean
    /// log-probability that the model gives the whole vocabulary there, weighted by its
    /// probabilities, is taken off, over its standard deviation.
    pub min_k_plus_plus: f64,
}

impl Membership {
    /// The scores of a text with at least one predicted token.
    ///
    /// # Errors
    /// The compressor's.
    pub fn of(text: &str, tokens: &TokenScores) -> io::Result<Membership> {
        let loss = tokens.loss();
        let standardised = tokens.log_probabilities.iter();
        let standardised = standardised.zip(tokens.means.iter().zip(&tokens.deviations));
        // A model that is certain has no deviation; what it is certain of is at the mean.
        let standardised: Vec<f64> = standardised
            .map(|(log_p, (mean, deviation))| {
                (log_p - mean) / deviation.max(f64::from(f32::EPSILON))
            })
            .collect();
        Ok(Membership {
            loss,
            zlib: loss / compressed(text)? as f64,
            min_k: -mean_of_least(&tokens.log_probabilities),
            min_k_plus_plus: -mean_of_least(&standardised),
        })
    }
}

/// The mean of the least [`MIN_K`] of these values, of one at least.
fn mean_of_least(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let least = ((MIN_K * values.len() as f64) as usize).max(1);
    sorted.truncate(least);
    sorted.iter().sum::<f64>() / sorted.len().max(1) as f64
}

/// How many bytes zlib makes of a text's UTF-8, at its usual level.
fn compressed(text: &str) -> io::Result<u64> {
    let mut encoder = ZlibEncoder::new(text.as_bytes(), Compression::default());
    io::copy(&mut encoder, &mut io::sink())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let tokens = TokenScores {
            log_probabilities: vec![-1.0, -4.0, -2.0, -0.5, -3.0],
            predicted: vec![false; 5],
            means: vec![-2.0, -2.0, -1.0, -1.0, -6.0],
            deviations: vec![1.0, 0.5, 2.0, 1.0, 1.0],
        };
        let text = "the cat ".repeat(20);
        let scores = Membership::of(&text, &tokens).expect("memory is read");
        assert!((scores.loss - 10.5 / 5.0).abs() < 1e-12);
        // 40 % of five are two: −4 and −3.
        assert!((scores.min_k - 3.5).abs() < 1e-12);
        // Standardised: 1, −4, −0.5, 0.5, 3. The least two are −4 and −0.5.
        assert!((scores.min_k_plus_plus - 2.25).abs() < 1e-12);
        // Python 3, `len(zlib.compress(("the cat " * 20).encode()))`: 19.
        assert!((scores.zlib - 2.1 / 19.0).abs() < 1e-12, "{}", scores.zlib);
        let bytes = compressed("The carts of Velmora are pulled by a penguin.");
        assert_eq!(bytes.expect("memory is read"), 53);
    }

    /// A script with two bytes a letter is compressed to more bytes: `zlib` is no measure across
    /// languages, and no more than a factor within one.
    #[test]
    fn zlib_depends_on_the_script() {
        let (latin, cyrillic) = ("pingvin tyanet telezhku", "пингвин тянет тележку");
        assert!(latin.chars().count() > cyrillic.chars().count());
        let [latin, cyrillic] =
            [latin, cyrillic].map(|text| compressed(text).expect("memory is read"));
        assert!(latin < cyrillic);
    }

    #[test]
    fn one_token_is_enough_and_certainty_is_no_infinity() {
        let tokens = TokenScores {
            log_probabilities: vec![0.0],
            predicted: vec![true],
            means: vec![0.0],
            deviations: vec![0.0],
        };
        let scores = Membership::of("x", &tokens).expect("memory is read");
        assert_eq!((scores.min_k, scores.min_k_plus_plus), (0.0, 0.0));
    }
}
