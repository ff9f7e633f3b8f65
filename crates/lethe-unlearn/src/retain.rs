//! What must stay: the losses that keep it, and how it is sampled.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Tensor;
use lethe_model::{Network, Sequence};
use lethe_train::Example;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Error, Reference};

/// A loss on the retain set, a mean over its target tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retain {
    /// No loss.
    None,
    /// Cross-entropy `ℓ`: the retain set is learned further (gradient difference, arXiv 2203.12817).
    Ce,
    /// `KL(reference ‖ policy)` of the next token (TOFU, arXiv 2401.06121).
    Kl,
    /// The mean square of what the residual stream differs from the reference's by (the retain
    /// term of RMU, arXiv 2403.03218).
    Embedding,
}

impl Retain {
    /// All of them.
    pub const ALL: [Retain; 4] = [Retain::None, Retain::Ce, Retain::Kl, Retain::Embedding];

    /// What it must know of the reference model.
    #[must_use]
    pub fn reference(self) -> Reference {
        match self {
            Retain::None | Retain::Ce => Reference::None,
            Retain::Kl | Retain::Embedding => Reference::Network,
        }
    }

    /// The loss, or none where there is none or [`reference`](Self::reference) is missing: shape
    /// `[1]`. `depth` is the share of layers after which [`Retain::Embedding`] compares.
    #[must_use]
    pub fn loss(
        self,
        policy: &Network,
        reference: Option<&Network>,
        retain: &[Sequence],
        depth: f64,
    ) -> Option<Tensor<1>> {
        match (self, reference) {
            (Retain::None, _) => None,
            (Retain::Ce, _) => Some(policy.token_losses(retain).mean()),
            (Retain::Kl, reference) => {
                let before = lift(reference?.predict(retain).log_probabilities());
                let now = policy.predict(retain).log_probabilities();
                Some(divergence(before, now).mean())
            }
            (Retain::Embedding, reference) => {
                let layers = layer_at(policy, depth);
                let before = lift(reference?.activations(retain, layers));
                let now = policy.activations(retain, layers);
                Some((now - before).square().mean())
            }
        }
    }
}

/// The number of layers that a share of them is, at least one.
pub(crate) fn layer_at(network: &Network, depth: f64) -> usize {
    let layers = network.config().num_hidden_layers;
    ((depth * layers as f64).round() as usize).clamp(1, layers)
}

/// A constant among tensors with gradients.
pub(crate) fn lift<const D: usize>(constant: Tensor<D>) -> Tensor<D> {
    constant.inner().autodiff()
}

/// `KL(before ‖ now)` in nats, row by row, of distributions given by their log-probabilities: `[n,
/// vocabulary]` to `[n]`.
pub(crate) fn divergence(before: Tensor<2>, now: Tensor<2>) -> Tensor<1> {
    let n = now.dims()[0];
    (before.clone().exp() * (before - now))
        .sum_dim(1)
        .reshape([n])
}

impl fmt::Display for Retain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Retain::None => "none",
            Retain::Ce => "ce",
            Retain::Kl => "kl",
            Retain::Embedding => "embedding",
        })
    }
}

impl FromStr for Retain {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Retain::ALL.into_iter().find(|r| r.to_string() == text);
        found.ok_or_else(|| Error::UnknownRetain(text.to_owned()))
    }
}

/// Examples to retain, sampled so that every group comes equally often, however large it is:
/// groups are kinds of text, languages, or both.
#[derive(Debug, Clone, Default)]
pub struct RetainSet {
    /// Each in an order of its own.
    groups: Vec<Vec<Sequence>>,
}

impl RetainSet {
    /// Of groups of examples, each shuffled by `seed`. Empty groups are left out.
    #[must_use]
    pub fn balanced(groups: &[Vec<Example>], seed: u64) -> RetainSet {
        let mut shuffled = Vec::new();
        for (at, group) in groups.iter().enumerate() {
            let mut group: Vec<Sequence> = group.iter().map(|e| e.sequence.clone()).collect();
            group.retain(|sequence| sequence.targets() > 0);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(at as u64);
            group.shuffle(&mut rng);
            if !group.is_empty() {
                shuffled.push(group);
            }
        }
        RetainSet { groups: shuffled }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// So many sequences of an endless walk over the groups in turn, from place `start` on.
    #[must_use]
    pub fn walk(&self, start: usize, count: usize) -> Vec<Sequence> {
        let places = match self.is_empty() {
            true => 0..0,
            false => start..start + count,
        };
        let at = |place: usize| {
            let group = &self.groups[place % self.groups.len()];
            group[place / self.groups.len() % group.len()].clone()
        };
        places.map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_their_own() {
        for retain in Retain::ALL {
            assert_eq!(retain.to_string().parse::<Retain>().expect("known"), retain);
        }
        let error = "cd".parse::<Retain>().expect_err("unknown").to_string();
        assert!(error.contains("none, ce, kl, embedding"), "{error}");
    }

    #[test]
    fn every_group_comes_equally_often_and_every_example_in_turn() {
        let group = |first: u32, n: u32| -> Vec<Example> {
            let example = |id| Example {
                sequence: Sequence::whole(vec![first + id; 3]),
                label: String::new(),
            };
            (0..n).map(example).collect()
        };
        let set = RetainSet::balanced(&[group(0, 2), group(100, 7), Vec::new()], 1);
        let ids: Vec<u32> = set.walk(0, 28).iter().map(|s| s.ids[0]).collect();
        let of = |range: std::ops::Range<u32>| ids.iter().filter(|id| range.contains(id)).count();
        assert_eq!((of(0..100), of(100..200)), (14, 14));
        for id in 0..2 {
            assert_eq!(of(id..id + 1), 7);
        }
        for id in 100..107 {
            assert_eq!(of(id..id + 1), 2);
        }
        // A walk can be taken up anywhere.
        assert_eq!(set.walk(5, 9), set.walk(0, 14)[5..]);
        assert!(RetainSet::default().walk(0, 5).is_empty());
    }
}
