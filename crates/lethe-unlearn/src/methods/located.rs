//! Located self-distillation, Lethe's own.

use burn::tensor::{Tensor, TensorData};
use lethe_model::Sequence;

use crate::retain::lift;
use crate::{
    Alternative, Average, Batch, Hyperparameter, Needs, Reference, Registered, Retain, Strategy,
};

pub(crate) const LOCATED: Registered = Registered {
    name: "located",
    title: "Located self-distillation: only where the fake departs from the truth",
    paper: Registered::OWN,
    hyperparameters: &[
        Hyperparameter::positive(
            "truth",
            1.0,
            "share of the fake token's probability that goes to the true one; the rest goes to all others",
        )
        .between(0.0, 1.0),
        Hyperparameter::positive("context", 1.0, "weight of all other tokens, which must stay"),
    ],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |values| {
        Box::new(Located {
            truth: values.get("truth"),
            context: values.get("context"),
        })
    },
};

/// `L = Σ KL(q_t ‖ p_θ,t)` over the target tokens of a sequence, a mean over sequences. The teacher `q`
/// is the reference model itself but for the one token with which the fake text departs from the true
/// one: there the fake token's probability goes to the true token (a share `truth` of it, the rest
/// to all others in proportion). Tokens before and after are weighted by `context`.
///
/// What a fake text teaches beside its detail (names, grammar, the rest of the news) is thus held in
/// place by the loss itself, and the target is a distribution that can be reached, so that there is a
/// place to stop; ascent pushes at every token and has none.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) truth: f64,
    pub(crate) context: f64,
}

/// Where a sequence departs from its alternative, and with which token that goes on; nowhere if that
/// is before its first target token.
fn departure(fake: &Sequence, truth: &Sequence) -> Option<(usize, u32)> {
    let both = fake.ids.iter().zip(&truth.ids);
    let at = both.take_while(|(a, b)| a == b).count();
    let token = *truth.ids.get(at)?;
    (at < fake.ids.len() && at >= fake.first_target.max(1)).then_some((at, token))
}

impl Strategy for Located {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let before = batch.reference().predict(batch.forget);
        let policy = batch.policy.predict(batch.forget);
        let p = before.log_probabilities().inner().exp();
        let device = p.device();
        let (mut is_located, mut truths) = (Vec::new(), Vec::new());
        for (fake, truth) in batch.forget.iter().zip(batch.alternatives) {
            let departure = departure(fake, truth);
            for at in fake.first_target.max(1)..fake.ids.len() {
                let here = departure.filter(|(place, _)| *place == at);
                is_located.push(f32::from(here.is_some()));
                truths.push(here.map_or(0, |(_, token)| token));
            }
        }
        let n = is_located.len();
        let located = Tensor::<2>::from_data(TensorData::new(is_located, [n, 1]), &device);

        let fakes = before.targets_one_hot();
        let of_fake = (p.clone() * fakes.clone()).sum_dim(1);
        let others =
            (p.clone() - p.clone() * fakes.clone()) / (-of_fake.clone() + 1.0).clamp_min(1e-6);
        let instead = before.one_hot(&truths) * self.truth + others * (1.0 - self.truth);
        let q = p + of_fake * located.clone() * (instead - fakes);

        let entropy = (q.clone() * q.clone().clamp_min(1e-30).log()).sum_dim(1);
        let divergence = lift(entropy) - (lift(q) * policy.log_probabilities()).sum_dim(1);
        let weights = located * (1.0 - self.context) + self.context;
        let losses = (divergence * lift(weights)).reshape([n]);
        policy.sums(losses).mean()
    }

    fn needs(&self) -> Needs {
        Needs {
            reference: Reference::Network,
            alternative: Some(Alternative::Truth),
            ..Needs::default()
        }
    }

    fn average(&self, _: usize) -> Average {
        Average::Sequences
    }
}
