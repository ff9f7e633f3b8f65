//! Two samples that are not paired: do they come from one distribution, and which has the lower values?

use serde::Serialize;

/// How far two samples are apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct KolmogorovSmirnov {
    /// The greatest distance between their empirical distribution functions.
    pub distance: f64,
    /// How often two samples of one distribution are as far apart, or further.
    pub p: f64,
}

/// The two-sided two-sample Kolmogorov–Smirnov test with its exact p-value (Hodges 1958: paths on a
/// lattice), which is conservative where values are tied. None where a sample is empty or holds what
/// is no finite number.
#[must_use]
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> Option<KolmogorovSmirnov> {
    if a.is_empty() || b.is_empty() || a.iter().chain(b).any(|x| !x.is_finite()) {
        return None;
    }
    let sorted = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let (a, b) = (sorted(a), sorted(b));
    let up_to = |sorted: &[f64], x: f64| sorted.partition_point(|value| *value <= x);
    // In units of 1/(m·n), so that nothing is rounded.
    let apart = |&x: &f64| {
        let (i, j) = (up_to(&a, x) * b.len(), up_to(&b, x) * a.len());
        i.abs_diff(j)
    };
    let distance = a.iter().chain(&b).map(apart).max().unwrap_or(0);
    Some(KolmogorovSmirnov {
        distance: distance as f64 / (a.len() * b.len()) as f64,
        p: as_far_apart(a.len(), b.len(), distance),
    })
}

/// The least distance between two samples of `n` values each whose p-value is at most `level`; none
/// where even samples that do not overlap are not that improbable.
#[must_use]
pub fn least_distance(n: usize, level: f64) -> Option<f64> {
    let steps = (1..=n).find(|step| as_far_apart(n, n, step * n) <= level)?;
    Some(steps as f64 / n as f64)
}

/// The share of the orders of `m + n` values whose greatest distance is at least `distance` in units
/// of 1/(m·n): one less the share of lattice paths from (0, 0) to (m, n) that stay nearer than that
/// to the diagonal.
fn as_far_apart(m: usize, n: usize, distance: usize) -> f64 {
    let near = |i: usize, j: usize| (i * n).abs_diff(j * m) < distance;
    // Of the paths to (i, j), the share that stayed near: of a step to it, i of i + j come from
    // (i − 1, j).
    let mut shares = vec![0.0; n + 1];
    for i in 0..=m {
        for j in 0..=n {
            shares[j] = match (i, j) {
                _ if !near(i, j) => 0.0,
                (0, 0) => 1.0,
                (0, _) => shares[j - 1],
                (_, 0) => shares[0],
                _ => (i as f64 * shares[j] + j as f64 * shares[j - 1]) / (i + j) as f64,
            };
        }
    }
    (1.0 - shares[n]).clamp(0.0, 1.0)
}

/// The area under the ROC curve of telling `members` by their lower score: how often a member's
/// score is lower than another's, ties counted half. 1/2 where nothing tells them apart. None where
/// there are none of either.
#[must_use]
pub fn auc(members: &[f64], others: &[f64]) -> Option<f64> {
    if members.is_empty() || others.is_empty() {
        return None;
    }
    let wins: f64 = members
        .iter()
        .flat_map(|member| others.iter().map(move |other| win(*member, *other)))
        .sum();
    Some(wins / (members.len() * others.len()) as f64)
}

/// 1 where the member has the lower score, 1/2 in a tie.
pub(super) fn win(member: f64, other: f64) -> f64 {
    match member.total_cmp(&other) {
        std::cmp::Ordering::Less => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Greater => 0.0,
    }
}

/// Privacy leakage (MUSE, arXiv 2407.06460) in percent, of [`auc`]s of the model and of one that
/// never saw the forget set: `100 ((1 − auc) − (1 − oracle)) / (1 − oracle)`.
///
/// 0 is as private as the oracle, −100 is a model that has forgotten nothing, and values far above 0
/// are no privacy but a forget set that stands out by being improbable. Not bounded above; none where
/// the oracle's AUC is 1.
#[must_use]
pub fn privacy_leakage(auc: f64, oracle: f64) -> Option<f64> {
    let left = 1.0 - oracle;
    (left > 0.0).then(|| 100.0 * ((1.0 - auc) - left) / left)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn kolmogorov_smirnov_is_as_published() {
        // scipy 1.17.1, `ks_2samp(a, b, method="exact")`.
        let a = [
            0.61, 0.29, 0.06, 0.59, -1.73, -0.74, 0.51, -0.56, 0.39, 1.64, 0.05, -0.06, 0.64,
            -0.82, 0.37, 1.77, 1.09, -1.28, 2.36, 1.31, 1.05, -0.32, -0.40, 1.06, -2.47,
        ];
        let b = [
            0.2, -1.1, 0.9, 1.9, 2.4, 0.7, 1.4, 2.2, 1.8, 0.95, 1.65, 2.9,
        ];
        for (a, b, distance, p) in [
            (
                &a[..],
                &b[..],
                0.553_333_333_333_333_3,
                0.008_140_691_187_213_467,
            ),
            (&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], 1.0, 0.1),
            (
                &[1.0, 2.0, 2.0, 3.0],
                &[2.0, 3.0, 4.0],
                0.416_666_666_666_666_7,
                0.885_714_285_714_285_8,
            ),
        ] {
            let found = kolmogorov_smirnov(a, b).unwrap();
            assert!((found.distance - distance).abs() < 1e-12, "{found:?}");
            assert!((found.p - p).abs() < 1e-12, "{found:?}");
            assert_eq!(kolmogorov_smirnov(b, a).unwrap().distance, found.distance);
            assert!((kolmogorov_smirnov(b, a).unwrap().p - p).abs() < 1e-12);
        }
        // The same values: nothing is apart.
        let same = kolmogorov_smirnov(&b, &b).unwrap();
        assert_eq!((same.distance, same.p), (0.0, 1.0));
        assert_eq!(kolmogorov_smirnov(&[], &b), None);
        assert_eq!(kolmogorov_smirnov(&[f64::NAN], &b), None);
    }

    #[test]
    fn few_values_show_little() {
        // Of the C(6, 3) = 20 orders of three and three values, 2 keep them apart: p = 0.1.
        assert_eq!(least_distance(3, 0.05), None);
        assert_eq!(least_distance(3, 0.1), Some(1.0));
        // Of the C(8, 4) = 70, 2 do: 0.029; of a distance of 3/4, more than 5 %.
        assert_eq!(least_distance(4, 0.05), Some(1.0));
        // Tables of the test (for instance Siegel, table L_I): for n = 20 a difference of 9 is
        // significant at 5 %, two-sided.
        assert_eq!(least_distance(20, 0.05), Some(9.0 / 20.0));
    }

    #[test]
    fn auc_by_hand() {
        // 1 < 2, 1 < 3, 3 = 3 (half), 3 > 2: 2.5 of 4.
        assert_eq!(auc(&[1.0, 3.0], &[2.0, 3.0]), Some(0.625));
        assert_eq!(auc(&[1.0], &[2.0, 3.0]), Some(1.0));
        assert_eq!(auc(&[4.0], &[2.0, 3.0]), Some(0.0));
        assert_eq!(auc(&[], &[1.0]), None);
    }

    #[test]
    fn privacy_leakage_by_hand() {
        // Nothing forgotten, forgotten as if never seen, and forgotten too much.
        assert_eq!(privacy_leakage(1.0, 0.5), Some(-100.0));
        assert_eq!(privacy_leakage(0.5, 0.5), Some(0.0));
        assert_eq!(privacy_leakage(0.25, 0.5), Some(50.0));
        // ((1 − 0.9) − 0.2) / 0.2, and the other way it has no bound.
        assert!((privacy_leakage(0.9, 0.8).unwrap() + 50.0).abs() < 1e-9);
        assert!((privacy_leakage(0.0, 0.95).unwrap() - 1900.0).abs() < 1e-9);
        assert_eq!(privacy_leakage(0.5, 1.0), None);
    }
}
