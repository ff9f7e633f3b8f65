//! How likely a model holds an answer: probability and truth ratio.

/// The length-normalised probability of an answer, `P(answer | question)^(1/tokens)` (TOFU, arXiv
/// 2401.06121, section 2.2.2), of its mean log-probability per token in nats.
#[must_use]
pub fn probability(mean_log_probability: f64) -> f64 {
    mean_log_probability.exp()
}

/// The logarithm of the truth ratio (TOFU, equation 1): the mean of the length-normalised
/// probabilities of wrong answers over that of the right one; of their mean log-probabilities per
/// token, in nats. None without wrong answers.
///
/// The logarithm, as a model that was unlearned without measure makes of the ratio more than a
/// number can hold. The ratio's aggregates follow from it: `min(r, 1/r) = exp(−|ln r|)` on what is
/// to be forgotten, `max(0, 1 − r)` on what is to be kept.
#[must_use]
pub fn log_truth_ratio(wrong: &[f64], right: f64) -> Option<f64> {
    let greatest = wrong.iter().copied().reduce(f64::max)?;
    let sum: f64 = wrong.iter().map(|log_p| (log_p - greatest).exp()).sum();
    Some(greatest + (sum / wrong.len() as f64).ln() - right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Two tokens of 1/2 and 1/8: (1/16)^(1/2) = 1/4.
        let mean = f64::midpoint(0.5f64.ln(), 0.125f64.ln());
        assert!((probability(mean) - 0.25).abs() < 1e-12);
        // (0.1 + 0.3) / 2 over 0.4 is 1/2.
        let wrong = [0.1f64.ln(), 0.3f64.ln()];
        let ratio = log_truth_ratio(&wrong, 0.4f64.ln()).expect("there are wrong answers");
        assert!((ratio.exp() - 0.5).abs() < 1e-12);
        assert_eq!(log_truth_ratio(&[], -1.0), None);
    }

    #[test]
    fn what_was_unlearned_without_measure_has_a_finite_ratio() {
        // e^(−800) and e^(−2000) are 0 in 64 bits, and 0/0 no number.
        assert_eq!(log_truth_ratio(&[-800.0], -2000.0), Some(1200.0));
    }
}
