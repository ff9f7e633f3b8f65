//! The bootstrap: how far a mean over items can be trusted.
//!
//! The unit is the item: items are resampled with replacement, and whatever is compared is
//! resampled together, so that an item's difficulty cancels. Intervals are percentile intervals
//! (Efron and Tibshirani 1993, chapter 13) at 95 % from [`RESAMPLES`] resamples. The resamples
//! depend on the number of items and the seed alone: swapping the two sides of a comparison
//! mirrors its interval exactly. P-values are of the same resamples; where a verdict rests on many of
//! them, [`holm`] corrects for their number. What compares two samples that are not paired stands in
//! a file of its own: [`kolmogorov_smirnov`], [`auc`].

mod two_samples;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

pub use two_samples::{
    KolmogorovSmirnov, auc, kolmogorov_smirnov, least_distance, privacy_leakage,
};

/// Resamples per interval.
pub const RESAMPLES: usize = 10_000;

/// The seed of all intervals in a report.
pub const SEED: u64 = 240_613_748;

/// Adjusted p-values up to this decide.
pub const LEVEL: f64 = 0.05;

/// What is detectable is detected with this probability.
pub const POWER: f64 = 0.8;

/// Resampled means below a 95 % interval, and as many above.
const TAIL: usize = RESAMPLES / 40;

/// A mean with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean over the units.
    pub mean: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// How many units there are.
    pub n: usize,
}

impl Estimate {
    /// The same with every number put through `f`, which must not decrease.
    pub(crate) fn map(self, f: impl Fn(f64) -> f64) -> Estimate {
        Estimate {
            mean: f(self.mean),
            low: f(self.low),
            high: f(self.high),
            n: self.n,
        }
    }
}

/// Values that no interval can be taken of.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// There is nothing to average.
    #[error("a bootstrap needs at least one value")]
    Empty,
    /// Pairs do not match up.
    #[error("paired values: {a} on one side, {b} on the other")]
    Unpaired {
        /// Values on the first side.
        a: usize,
        /// Values on the second side.
        b: usize,
    },
    /// A value is NaN or infinite.
    #[error("value {index} is {value}")]
    NotFinite {
        /// Its place, counted from 0.
        index: usize,
        /// What it is.
        value: f64,
    },
}

/// The mean of `values`, one per item, with its 95 % percentile interval.
///
/// # Errors
/// [`StatsError::Empty`], [`StatsError::NotFinite`].
pub fn bootstrap_mean(values: &[f64], seed: u64) -> Result<Estimate, StatsError> {
    check(values)?;
    Ok(estimate(values, &draw(values.len(), seed)))
}

/// The mean of `a[i] − b[i]`, where `i` is the item, with its 95 % percentile interval.
///
/// # Errors
/// [`StatsError::Unpaired`] for slices of different length, [`StatsError::Empty`],
/// [`StatsError::NotFinite`].
pub fn paired_bootstrap(a: &[f64], b: &[f64], seed: u64) -> Result<Estimate, StatsError> {
    check_pairs(a, b)?;
    bootstrap_mean(&differences(a, b), seed)
}

/// The two-sided bootstrap p-value of a mean of `a[i] − b[i]` that is not 0: twice the share of
/// resamples whose mean lies at or beyond 0, on the side where fewer do. No smaller than
/// 1/[`RESAMPLES`], below which that many resamples cannot tell.
///
/// # Errors
/// Those of [`paired_bootstrap`].
pub fn paired_p(a: &[f64], b: &[f64], seed: u64) -> Result<f64, StatsError> {
    check_pairs(a, b)?;
    Ok(two_sided(&differences(a, b), &draw(a.len(), seed)))
}

/// Holm's adjusted p-values, in the order of `p`: at most a level of them is wrongly at or below
/// that level, however the tests depend on each other (Holm 1979).
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest = 0.0f64;
    for (rank, i) in order.into_iter().enumerate() {
        largest = largest.max((p.len() - rank) as f64 * p[i]).min(1.0);
        adjusted[i] = largest;
    }
    adjusted
}

/// The minimum detectable effect of `n` values with the standard deviation `sd`: the distance of the
/// true mean from a threshold that a two-sided test at the level `alpha` shows with probability
/// `power` (normal approximation: (z of 1 − alpha/2 + z of power) · sd / √n).
#[must_use]
pub fn minimum_detectable(sd: f64, n: usize, alpha: f64, power: f64) -> f64 {
    let normal = Normal::standard();
    let quantiles = normal.inverse_cdf(1.0 - alpha / 2.0) + normal.inverse_cdf(power);
    quantiles * sd / (n as f64).sqrt()
}

/// The probability with which that test shows a distance of `effect`, on whichever side.
#[must_use]
pub fn achieved_power(sd: f64, n: usize, alpha: f64, effect: f64) -> f64 {
    let normal = Normal::standard();
    let (needed, far) = (
        normal.inverse_cdf(1.0 - alpha / 2.0),
        effect * (n as f64).sqrt() / sd,
    );
    normal.cdf(far - needed) + normal.cdf(-far - needed)
}

/// The [`minimum_detectable`] effect at 5 % with 80 % power of values that scatter like these. None of
/// fewer than two values, which have no scatter.
#[must_use]
pub fn detectable(values: &[f64]) -> Option<f64> {
    let sd = deviation(values)?;
    Some(minimum_detectable(sd, values.len(), LEVEL, POWER))
}

/// The mean of the values that share a key, by key.
pub(crate) fn means<K: Ord>(values: impl IntoIterator<Item = (K, f64)>) -> BTreeMap<K, f64> {
    let mut sums: BTreeMap<K, (f64, f64)> = BTreeMap::new();
    for (key, value) in values {
        let (sum, count) = sums.entry(key).or_default();
        *sum += value;
        *count += 1.0;
    }
    let means = sums.into_iter();
    means
        .map(|(key, (sum, count))| (key, sum / count))
        .collect()
}

/// The standard deviation (n − 1), of two values or more.
pub(crate) fn deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    Some((squares / (n - 1.0)).sqrt())
}

/// The least p-value that `n` units can have, which is what a sign test of as many that all agree
/// gives: 2/2ⁿ.
pub(crate) fn least_p(n: usize) -> f64 {
    let n = i32::try_from(n).unwrap_or(i32::MAX);
    2f64.powi(1i32.saturating_sub(n)).min(1.0)
}

/// Two judges' yes or no on the same things: how often which of them said what, by what the first
/// and what the second said.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Agreement([[f64; 2]; 2]);

impl Agreement {
    /// Counts a pair.
    pub fn add(&mut self, first: bool, second: bool) {
        self.0[usize::from(first)][usize::from(second)] += 1.0;
    }

    /// How many pairs there are.
    #[must_use]
    pub fn pairs(&self) -> f64 {
        self.0.iter().flatten().sum()
    }

    /// The share of pairs in which both said the same; none without pairs.
    #[must_use]
    pub fn observed(&self) -> Option<f64> {
        let pairs = self.pairs();
        (pairs > 0.0).then(|| (self.0[0][0] + self.0[1][1]) / pairs)
    }

    /// Cohen's kappa, (p_o − p_e) / (1 − p_e), where p_e is the agreement that two judges have by
    /// chance who say yes as often as these do (Cohen 1960): 1 is full agreement, 0 no more than
    /// chance. None without pairs, or where both judges always say the same one thing: then chance
    /// alone agrees fully.
    #[must_use]
    pub fn kappa(&self) -> Option<f64> {
        let n = self.pairs();
        let observed = self.observed()?;
        let [[a, b], [c, d]] = self.0;
        let expected = ((a + b) * (a + c) + (c + d) * (b + d)) / (n * n);
        (expected < 1.0).then(|| (observed - expected) / (1.0 - expected))
    }

    fn plus(self, other: &Agreement) -> Agreement {
        let mut sum = self;
        for (row, others) in sum.0.iter_mut().zip(other.0) {
            for (count, other) in row.iter_mut().zip(others) {
                *count += other;
            }
        }
        sum
    }
}

/// Cohen's kappa of all pairs, with its 95 % percentile interval over the items that they are
/// about: an item is resampled with all of its pairs. `n` is the number of items with pairs.
/// Resamples that have no kappa are left out; none where the pairs themselves have none.
#[must_use]
pub fn bootstrap_kappa(items: &[Agreement], seed: u64) -> Option<Estimate> {
    let items: Vec<&Agreement> = items.iter().filter(|item| item.pairs() > 0.0).collect();
    let all = |chosen: &mut dyn Iterator<Item = &Agreement>| {
        chosen.fold(Agreement::default(), Agreement::plus).kappa()
    };
    let mean = all(&mut items.iter().copied())?;
    let drawn = draw(items.len(), seed);
    let mut kappas: Vec<f64> = drawn
        .chunks_exact(items.len())
        .filter_map(|row| all(&mut row.iter().map(|&i| items[i as usize])))
        .collect();
    kappas.sort_unstable_by(f64::total_cmp);
    let tail = kappas.len() * TAIL / RESAMPLES;
    Some(Estimate {
        mean,
        low: *kappas.get(tail)?,
        high: *kappas.get(kappas.len() - 1 - tail)?,
        n: items.len(),
    })
}

fn check_pairs(a: &[f64], b: &[f64]) -> Result<(), StatsError> {
    if a.len() != b.len() {
        return Err(StatsError::Unpaired {
            a: a.len(),
            b: b.len(),
        });
    }
    check(a)?;
    check(b)
}

fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn check(values: &[f64]) -> Result<(), StatsError> {
    if values.is_empty() {
        return Err(StatsError::Empty);
    }
    match values
        .iter()
        .enumerate()
        .find(|(_, value)| !value.is_finite())
    {
        Some((index, &value)) => Err(StatsError::NotFinite { index, value }),
        None => Ok(()),
    }
}

/// `RESAMPLES` rows of `n` indices below `n`.
pub(crate) fn draw(n: usize, seed: u64) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = u32::try_from(n).unwrap_or(u32::MAX);
    (0..RESAMPLES * n as usize)
        .map(|_| rng.random_range(0..n))
        .collect()
}

pub(crate) fn resampled(values: &[f64], drawn: &[u32]) -> Vec<f64> {
    let n = values.len() as f64;
    let mean = |row: &[u32]| row.iter().map(|&i| values[i as usize]).sum::<f64>() / n;
    drawn.chunks_exact(values.len()).map(mean).collect()
}

fn estimate(values: &[f64], drawn: &[u32]) -> Estimate {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    around(mean, resampled(values, drawn), values.len())
}

/// A value of `n` units with the percentile interval of its resamples.
fn around(value: f64, mut resamples: Vec<f64>, n: usize) -> Estimate {
    resamples.sort_unstable_by(f64::total_cmp);
    Estimate {
        mean: value,
        low: resamples[TAIL],
        high: resamples[RESAMPLES - 1 - TAIL],
        n,
    }
}

fn two_sided(values: &[f64], drawn: &[u32]) -> f64 {
    p_beyond(&resampled(values, drawn), 0.0)
}

/// The two-sided p-value of a threshold, from resampled means.
pub(crate) fn p_beyond(means: &[f64], threshold: f64) -> f64 {
    let below = means.iter().filter(|mean| **mean <= threshold).count();
    let above = means.iter().filter(|mean| **mean >= threshold).count();
    let fewer = below.min(above) as f64 / RESAMPLES as f64;
    (2.0 * fewer).clamp(1.0 / RESAMPLES as f64, 1.0)
}

/// Intervals of many quantities over the same items, which share one set of resamples.
#[derive(Default)]
pub(crate) struct Intervals {
    drawn: RefCell<HashMap<usize, Rc<Vec<u32>>>>,
}

impl Intervals {
    /// What [`bootstrap_mean`] gives with [`SEED`], for values that are known to be finite.
    /// Without values: zero with no units, on which no verdict can rest.
    pub(crate) fn mean(&self, values: &[f64]) -> Estimate {
        if values.is_empty() {
            return Estimate {
                mean: 0.0,
                low: 0.0,
                high: 0.0,
                n: 0,
            };
        }
        estimate(values, &self.drawn(values.len()))
    }

    /// What [`paired_bootstrap`] gives with [`SEED`].
    pub(crate) fn paired(&self, a: &[f64], b: &[f64]) -> Estimate {
        self.mean(&differences(a, b))
    }

    /// The same, with what [`paired_p`] gives with [`SEED`].
    pub(crate) fn tested(&self, a: &[f64], b: &[f64]) -> (Estimate, f64) {
        let values = differences(a, b);
        let p = match values.is_empty() {
            true => 1.0,
            false => two_sided(&values, &self.drawn(values.len())),
        };
        (self.mean(&values), p)
    }

    /// The harmonic mean of the means of several quantities over the same items, with the interval
    /// of its resamples; none without items. Zero where a mean is not above zero.
    pub(crate) fn harmonic_mean(&self, quantities: &[Vec<f64>]) -> Option<Estimate> {
        let n = quantities.iter().map(Vec::len).min().filter(|&n| n > 0)?;
        let drawn = self.drawn(n);
        let of_means = |means: &mut dyn Iterator<Item = f64>| {
            let sum: f64 = means.map(|mean| 1.0 / mean.max(0.0)).sum();
            quantities.len() as f64 / sum
        };
        let mean = |values: &Vec<f64>| values.iter().take(n).sum::<f64>() / n as f64;
        let value = of_means(&mut quantities.iter().map(mean));
        let of_row = |row: &[u32]| {
            let mean =
                |values: &Vec<f64>| row.iter().map(|&i| values[i as usize]).sum::<f64>() / n as f64;
            of_means(&mut quantities.iter().map(mean))
        };
        let resamples = drawn.chunks_exact(n).map(of_row).collect();
        Some(around(value, resamples, n))
    }

    /// The [`auc`] of two samples, with the interval of resampling both; none where either is empty.
    /// Its `n` is the number of the fewer.
    pub(crate) fn auc(&self, members: &[f64], others: &[f64]) -> Option<Estimate> {
        let value = auc(members, others)?;
        let wins: Vec<f64> = members
            .iter()
            .flat_map(|member| {
                others
                    .iter()
                    .map(move |other| two_samples::win(*member, *other))
            })
            .collect();
        let (m, n) = (members.len(), others.len());
        // Not the same draws for both where there are as many of both.
        let drawn_others = draw(n, SEED ^ 1);
        let rows = self.drawn(m);
        let rows = rows.chunks_exact(m).zip(drawn_others.chunks_exact(n));
        let of_row = |(row, column): (&[u32], &[u32])| {
            let of_member = |&i: &u32| {
                let own = &wins[i as usize * n..(i as usize + 1) * n];
                column.iter().map(|&j| own[j as usize]).sum::<f64>()
            };
            row.iter().map(of_member).sum::<f64>() / (m * n) as f64
        };
        Some(around(value, rows.map(of_row).collect(), m.min(n)))
    }

    fn drawn(&self, n: usize) -> Rc<Vec<u32>> {
        let mut known = self.drawn.borrow_mut();
        let drawn = known.entry(n).or_insert_with(|| Rc::new(draw(n, SEED)));
        Rc::clone(drawn)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;
    use rand::Rng;

    use super::*;

    /// Standard normal numbers by Box and Muller.
    fn normals(rng: &mut impl Rng, n: usize) -> Vec<f64> {
        let mut one = || {
            let u: f64 = 1.0 - rng.random::<f64>();
            let v: f64 = rng.random();
            (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        };
        (0..n).map(|_| one()).collect()
    }

    #[test]
    fn constant_differences_have_no_width() {
        let a = [1.5, 7.25, -3.0, 0.5, 12.0];
        let b = a.map(|x| x - 0.25);
        let e = paired_bootstrap(&a, &b, 7).unwrap();
        assert_eq!((e.mean, e.low, e.high, e.n), (0.25, 0.25, 0.25, 5));
    }

    #[test]
    fn two_values_reach_from_one_to_the_other() {
        // A resample of two is both times the smaller with probability 1/4, far above 2.5 %.
        let e = bootstrap_mean(&[0.0, 1.0], 1).unwrap();
        assert_eq!((e.mean, e.low, e.high), (0.5, 0.0, 1.0));
    }

    #[test]
    fn a_share_has_the_quantiles_of_the_binomial() {
        // The resampled number of ones among 20 with 10 ones is Binomial(20, 1/2): its 2.5 %
        // quantile is 6 (P(X ≤ 5) = 0.0207, P(X ≤ 6) = 0.0577), its 97.5 % quantile 14.
        let values: Vec<f64> = (0..20).map(|i| f64::from(i % 2)).collect();
        let e = bootstrap_mean(&values, 3).unwrap();
        assert!(
            (e.low - 0.3).abs() < 1e-12 && (e.high - 0.7).abs() < 1e-12,
            "{e:?}"
        );
    }

    #[test]
    fn agrees_with_the_normal_approximation() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let values = normals(&mut rng, 400);
        let e = bootstrap_mean(&values, 5).unwrap();
        let variance = values.iter().map(|x| (x - e.mean).powi(2)).sum::<f64>() / 400.0;
        let half = 1.959_964 * (variance / 400.0).sqrt();
        assert!(
            (e.low - (e.mean - half)).abs() < 0.06 * half,
            "{e:?} {half}"
        );
        assert!(
            (e.high - (e.mean + half)).abs() < 0.06 * half,
            "{e:?} {half}"
        );
    }

    #[test]
    fn covers_the_true_mean_about_as_often_as_it_says() {
        // n = 30: the percentile interval of normal data covers a little less than 95 %
        // (z instead of t and the biased variance: about 93.5 %). 400 trials: s.e. 1.2 %.
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let drawn = draw(30, 9);
        let covered = (0..400)
            .filter(|_| {
                let values: Vec<f64> = normals(&mut rng, 30).iter().map(|x| x + 4.0).collect();
                let e = estimate(&values, &drawn);
                e.low <= 4.0 && 4.0 <= e.high
            })
            .count();
        assert!((360..=389).contains(&covered), "{covered} of 400");
    }

    #[test]
    fn refuses_what_has_no_mean() {
        assert_eq!(bootstrap_mean(&[], 1), Err(StatsError::Empty));
        assert_eq!(
            paired_bootstrap(&[1.0], &[1.0, 2.0], 1),
            Err(StatsError::Unpaired { a: 1, b: 2 })
        );
        let e = paired_bootstrap(&[1.0, 2.0], &[1.0, f64::INFINITY], 1).unwrap_err();
        assert!(matches!(e, StatsError::NotFinite { index: 1, .. }), "{e}");
        assert!(bootstrap_mean(&[f64::NAN], 1).is_err());
    }

    #[test]
    fn p_values_are_those_of_known_distributions() {
        // With no draw of −3.9 or one, a resample's sum is above 0 (4 − 3.9); with two or more it
        // is below (3 − 7.8): P(X ≥ 2) = 1 − 0.8⁵ − 5 · 0.2 · 0.8⁴ = 0.26272.
        let a = [1.0, 1.0, 1.0, 1.0, -3.9];
        let p = paired_p(&a, &[0.0; 5], 4).unwrap();
        assert!((p - 2.0 * 0.262_72).abs() < 0.02, "{p}");
        // All resamples agree: the floor; all are 0: no evidence at all.
        assert_eq!(paired_p(&[1.0; 5], &[0.0; 5], 4).unwrap(), 1e-4);
        assert_eq!(paired_p(&[2.0; 5], &[2.0; 5], 4).unwrap(), 1.0);
        assert!(paired_p(&[1.0], &[], 4).is_err());
        let shared = Intervals::default().tested(&a, &[0.0; 5]);
        assert_eq!(shared.1, paired_p(&a, &[0.0; 5], SEED).unwrap());
        assert_eq!(shared.0, paired_bootstrap(&a, &[0.0; 5], SEED).unwrap());
    }

    #[test]
    fn holm_by_hand() {
        // Ranked 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1 = 0.02, 0.03, 0.06, 0.04, and the last
        // may not be below the one before it.
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (adjusted, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((adjusted - expected).abs() < 1e-12, "{adjusted}");
        }
        assert_eq!(holm(&[0.5, 0.9]), [1.0, 1.0]);
        assert_eq!(holm(&[0.03]), [0.03]);
        assert!(holm(&[]).is_empty());
    }

    fn agreement(counts: [[u32; 2]; 2]) -> Agreement {
        Agreement(counts.map(|row| row.map(f64::from)))
    }

    #[test]
    fn kappa_by_hand_and_of_scikit_learn() {
        // Both no 20 times, both yes 15, 5 and 10 apart: p_o = 35/50, p_e = (25·30 + 25·20)/2500.
        let mut counted = Agreement::default();
        for (first, second, times) in [
            (false, false, 20),
            (false, true, 5),
            (true, false, 10),
            (true, true, 15),
        ] {
            (0..times).for_each(|_| counted.add(first, second));
        }
        assert!((counted.kappa().unwrap() - 0.4).abs() < 1e-12);
        assert_eq!((counted.pairs(), counted.observed()), (50.0, Some(0.7)));
        // sklearn.metrics.cohen_kappa_score 1.9.1 of the same pairs.
        for (counts, expected) in [
            ([[45, 15], [25, 15]], 0.130_434_782_608_695_68),
            ([[118, 5], [2, 0]], -0.023_391_812_865_497_075),
            ([[3, 9], [7, 1]], -0.6),
            ([[7, 0], [0, 2]], 1.0),
            ([[0, 4], [0, 0]], 0.0),
        ] {
            let kappa = agreement(counts).kappa().unwrap();
            assert!((kappa - expected).abs() < 1e-12, "{counts:?}: {kappa}");
        }
        // There it is NaN.
        assert_eq!(agreement([[9, 0], [0, 0]]).kappa(), None);
        assert_eq!(Agreement::default().kappa(), None);
        assert_eq!(Agreement::default().observed(), None);
    }

    #[test]
    fn kappa_has_an_interval_over_items() {
        // Two items, resampled: both, or one of them twice. Kappas: 1 of the first alone, −1 of the
        // second, and 0 of both (p_o = 1/2 = p_e), with probabilities 1/4, 1/4, 1/2.
        let items = [agreement([[2, 0], [0, 2]]), agreement([[0, 2], [2, 0]])];
        let estimate = bootstrap_kappa(&items, 3).unwrap();
        assert_eq!(
            (estimate.mean, estimate.low, estimate.high, estimate.n),
            (0.0, -1.0, 1.0, 2)
        );
        // Items without pairs change nothing; pairs that always agree on both answers have no width.
        let same = vec![agreement([[3, 0], [0, 1]]); 8];
        let padded: Vec<Agreement> = same.iter().copied().chain([Agreement::default()]).collect();
        let estimate = bootstrap_kappa(&padded, 1).unwrap();
        assert_eq!((estimate.low, estimate.high, estimate.n), (1.0, 1.0, 8));
        assert_eq!(bootstrap_kappa(&[agreement([[9, 0], [0, 0]])], 1), None);
        assert_eq!(bootstrap_kappa(&[], 1), None);
    }

    #[test]
    fn detectable_by_hand() {
        // Deviations ±1.5 and ±0.5: variance 5/3, so 2.801585 · √(5/3) / √4 = 1.808415.
        let effect = detectable(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((effect - 1.808_415).abs() < 1e-5, "{effect}");
        assert_eq!(detectable(&[2.0, 2.0]), Some(0.0));
        assert_eq!(detectable(&[2.0]), None);
        assert_eq!(detectable(&[]), None);
    }

    #[test]
    fn detectable_effects_are_those_of_statsmodels() {
        // statsmodels 0.15.0: NormalIndPower(ddof=0).solve_power(nobs1=n, alpha=alpha, power=0.8,
        // ratio=0), in standard deviations; it also counts effects found on the wrong side.
        for (n, alpha, expected) in [
            (24, 0.05, 0.571_869_196_862_877_2),
            (100, 0.05, 0.280_156_833_466_726_6),
            (24, 0.05 / 9.0, 0.737_815_424_883_984_9),
            (100, 0.05 / 36.0, 0.403_857_146_010_492_4),
        ] {
            let effect = minimum_detectable(2.0, n, alpha, POWER) / 2.0;
            assert!((effect - expected).abs() < 5e-6, "{effect} {expected}");
            let power = achieved_power(3.0, n, alpha, 3.0 * expected);
            assert!((power - 0.8).abs() < 5e-6, "{power}");
        }
        // The same: NormalIndPower(ddof=0).power(0.5, 24, 0.05, ratio=0).
        assert!((achieved_power(1.0, 24, 0.05, 0.5) - 0.687_770_420_076_400_9).abs() < 1e-9);
        assert!((achieved_power(1.0, 24, 0.05, 0.0) - 0.05).abs() < 1e-9);
    }

    #[test]
    fn what_is_detectable_is_detected_four_times_in_five() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let effect = detectable(&normals(&mut rng, 4000)).unwrap() * 10.0;
        // The same scatter, 40 values: √(4000/40) = 10 times as far.
        let drawn = draw(40, 8);
        let detected = (0..300)
            .filter(|_| {
                let values: Vec<f64> = normals(&mut rng, 40).iter().map(|x| x + effect).collect();
                two_sided(&values, &drawn) <= LEVEL
            })
            .count();
        assert!((215..=270).contains(&detected), "{detected} of 300");
    }

    #[test]
    fn a_harmonic_mean_by_hand() {
        let shared = Intervals::default();
        // Means 1/2 and 1/4: 2 / (2 + 4) = 1/3.
        let e = shared
            .harmonic_mean(&[vec![0.25, 0.75], vec![0.25, 0.25]])
            .unwrap();
        assert!((e.mean - 1.0 / 3.0).abs() < 1e-12, "{e:?}");
        // A resample of two is both times the first with probability 1/4: 2 / (4 + 4).
        assert!((e.low - 0.25).abs() < 1e-12, "{e:?}");
        // Both times the second: 2 / (4/3 + 4) = 3/8.
        assert!((e.high - 0.375).abs() < 1e-12, "{e:?}");
        // One zero kills it, and does not make it no number.
        let e = shared
            .harmonic_mean(&[vec![0.0, 0.0], vec![0.5, 0.5]])
            .unwrap();
        assert_eq!((e.mean, e.low, e.high), (0.0, 0.0, 0.0));
        assert_eq!(shared.harmonic_mean(&[vec![], vec![]]), None);
    }

    #[test]
    fn an_auc_has_the_interval_of_both_samples() {
        let shared = Intervals::default();
        let apart = shared.auc(&[1.0, 2.0, 3.0], &[4.0, 5.0]).unwrap();
        assert_eq!(
            (apart.mean, apart.low, apart.high, apart.n),
            (1.0, 1.0, 1.0, 2)
        );
        // One of each kind on each side: a resample draws both times the same with probability
        // 1/16 for each pair of sides, so that the interval reaches from 0 to 1.
        let mixed = shared.auc(&[1.0, 4.0], &[2.0, 3.0]).unwrap();
        assert_eq!((mixed.mean, mixed.low, mixed.high), (0.5, 0.0, 1.0));
        assert_eq!(shared.auc(&[], &[1.0]), None);
    }

    #[test]
    fn shared_resamples_change_nothing() {
        let (a, b) = ([1.0, 5.0, 2.0, -4.0], [0.5, 1.0, 7.0, -1.0]);
        let shared = Intervals::default();
        shared.mean(&[1.0, 2.0]);
        assert_eq!(
            shared.paired(&a, &b),
            paired_bootstrap(&a, &b, SEED).unwrap()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn holds_the_mean_of_symmetric_data(
            centre in -50.0..50.0f64,
            halves in prop::collection::vec(0.01..20.0f64, 1..15),
            seed in 0u64..1000,
        ) {
            let values: Vec<f64> = halves.iter().flat_map(|h| [centre - h, centre + h]).collect();
            let e = bootstrap_mean(&values, seed).unwrap();
            prop_assert!(e.low <= e.mean && e.mean <= e.high);
            let largest = halves.iter().copied().fold(0.0, f64::max);
            prop_assert!(e.low >= centre - largest - 1e-9 && e.high <= centre + largest + 1e-9);
        }

        #[test]
        fn is_mirrored_by_swapping_sides(
            pairs in prop::collection::vec((-9.0..9.0f64, -9.0..9.0f64), 1..20),
            seed in 0u64..1000,
        ) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let forth = paired_bootstrap(&a, &b, seed).unwrap();
            let back = paired_bootstrap(&b, &a, seed).unwrap();
            prop_assert_eq!(forth.low, -back.high);
            prop_assert_eq!(forth.high, -back.low);
            prop_assert_eq!(forth.mean, -back.mean);
            prop_assert_eq!(paired_p(&a, &b, seed).unwrap(), paired_p(&b, &a, seed).unwrap());
        }

        #[test]
        fn holm_lies_between_nothing_and_bonferroni(p in prop::collection::vec(0.0..1.0f64, 1..12)) {
            let adjusted = holm(&p);
            let m = p.len() as f64;
            for i in 0..p.len() {
                prop_assert!(adjusted[i] >= p[i] && adjusted[i] <= (m * p[i]).min(1.0) + 1e-12);
                for j in 0..p.len() {
                    prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
                }
            }
            let least = p.iter().copied().fold(1.0, f64::min);
            let least_adjusted = adjusted.iter().copied().fold(1.0, f64::min);
            prop_assert!((least_adjusted - (m * least).min(1.0)).abs() < 1e-12);
        }
    }
}
