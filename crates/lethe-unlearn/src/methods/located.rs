//! Located preference optimization, Lethe's own.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Tensor, TensorData};
use lethe_model::Sequence;

use crate::methods::npo::NPO;
use crate::retain::{divergence, lift};
use crate::{
    Alternative, Average, Batch, Hyperparameter, Needs, Reference, Registered, Retain, Strategy,
};

pub(crate) const LOCATED: Registered = Registered {
    name: "located",
    title: "Located preference optimization",
    paper: Registered::OWN,
    hyperparameters: &[
        NPO.hyperparameters[0],
        Hyperparameter::positive(
            "context",
            1.0,
            "weight of all other tokens, which must stay",
        ),
    ],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |values| {
        Box::new(Located {
            beta: values.get("beta"),
            context: values.get("context"),
        })
    },
};

/// Changes a model only where the fake text departs from the true one, and holds it everywhere else on
/// the same text. With `k` the first token in which the fake `y` and the truth `a` differ,
///
/// `L = E [-(2/β) log σ(β m) + c Σ_{t≠k} KL(p_ref,t ‖ p_θ,t)]`, where
/// `m = log p_θ(a_k)/p_θ(y_k) - log p_ref(a_k)/p_ref(y_k)`,
///
/// a mean over sequences. `m` is what DPO prefers by (arXiv 2305.18290), taken at one token: before it
/// the two texts are the same and cancel, and after it the fake's own words follow from it. DPO leaves
/// everything else free to drift; here the fake text is its own retain set, so that what it says
/// beside the detail (names, grammar, the rest of the news) stays. β = 0.1 as in NPO.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) beta: f64,
    pub(crate) context: f64,
}

/// Where a sequence departs from its alternative, and with which token that goes on; nowhere if that
/// is before its first target token, or if one is the other's beginning.
fn departure(fake: &Sequence, truth: &Sequence) -> Option<(usize, u32)> {
    let both = fake.ids.iter().zip(&truth.ids);
    let at = both.take_while(|(a, b)| a == b).count();
    let token = *truth.ids.get(at)?;
    (at < fake.ids.len() && at >= fake.first_target.max(1)).then_some((at, token))
}

impl Strategy for Located {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let (mut located, mut truths) = (Vec::new(), Vec::new());
        for (fake, truth) in batch.forget.iter().zip(batch.alternatives) {
            let departure = departure(fake, truth);
            for at in fake.first_target.max(1)..fake.ids.len() {
                let here = departure.filter(|(place, _)| *place == at);
                located.push(f32::from(here.is_some()));
                truths.push(here.map_or(0, |(_, token)| token));
            }
        }
        let before = batch.reference().predict(batch.forget);
        let policy = batch.policy.predict(batch.forget);
        let (was, now) = (before.log_probabilities(), policy.log_probabilities());
        let n = located.len();
        let located = TensorData::new(located, [n]);
        let located = lift(Tensor::<1>::from_data(
            located,
            &was.clone().inner().device(),
        ));

        let truth_over_fake = lift(before.one_hot(&truths) - before.targets_one_hot());
        let risen = (now.clone() - lift(was.clone())) * truth_over_fake;
        let margin = risen.sum_dim(1).reshape([n]);
        let preferred = log_sigmoid(margin * self.beta) * (-2.0 / self.beta);
        let changed = divergence(lift(was), now) * self.context;
        let elsewhere = -located.clone() + 1.0;
        policy
            .sums(preferred * located + changed * elsewhere)
            .mean()
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
