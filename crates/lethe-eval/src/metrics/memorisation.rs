//! How much of a text a model has by heart, of whether its most probable token is the text's at
//! every place, the text's own tokens given before it.

/// Exact memorisation (Tirumala et al., arXiv 2205.10770): the share of tokens that the model
/// predicts. 0 for a text without tokens.
#[must_use]
pub fn exact_memorisation(predicted: &[bool]) -> f64 {
    let right = predicted.iter().filter(|&&right| right).count();
    right as f64 / predicted.len().max(1) as f64
}

/// Extraction strength (Carlini et al., "Extracting training data from large language models", arXiv
/// 2012.07805, as arXiv 2406.09179 measures it): `1 − k/L`, where `k` is the fewest of a text's `L`
/// tokens after which all others are predicted. 0 where the last one is not, and not `1/L`.
#[must_use]
pub fn extraction_strength(predicted: &[bool]) -> f64 {
    let right = predicted.iter().rev().take_while(|&&right| right).count();
    right as f64 / predicted.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let some = [true, false, true, false, true, true, true, true];
        assert_eq!(exact_memorisation(&some), 6.0 / 8.0);
        // After four tokens the other four follow.
        assert_eq!(extraction_strength(&some), 1.0 - 4.0 / 8.0);
        // None at all, and all but the last: nothing can be extracted.
        for none in [&[false; 4][..], &[true, true, true, false]] {
            assert_eq!(extraction_strength(none), 0.0);
        }
        assert_eq!(extraction_strength(&[true; 3]), 1.0);
        assert_eq!(
            (exact_memorisation(&[]), extraction_strength(&[])),
            (0.0, 0.0)
        );
    }
}
