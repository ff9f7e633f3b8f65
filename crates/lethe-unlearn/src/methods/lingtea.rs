//! Language-adaptive distillation.

use burn::tensor::Tensor;

use crate::retain::{divergence, lift};
use crate::{Average, Batch, Hyperparameter, Needs, Reference, Registered, Retain, Strategy};

pub(crate) const LINGTEA: Registered = Registered {
    name: "lingtea",
    title: "Language-adaptive unlearning with a teacher",
    paper: "arXiv 2406.12354",
    hyperparameters: &[Hyperparameter::positive(
        "temperature",
        1.0,
        "temperature of both distributions",
    )
    .between(0.01, 100.0)],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |values| {
        Box::new(Lingtea {
            temperature: values.get("temperature"),
        })
    },
};

/// Passes take turns: ascent on the forget set, `L = -ℓ`; then, on the retain set, distillation from
/// the model before unlearning as far as it knows the language, `L = mean of p_T T² KL(teacher ‖
/// policy) plus (1 - p_T) (-log p)`, with `p_T` the teacher's probability of the target token (Choi et al.,
/// "Cross-Lingual Unlearning of Selective Knowledge in Multilingual Language Models", arXiv
/// 2406.12354; T = 1). There every item is in a language drawn at random; here the
/// scope says the languages of the forget set, and the retain set is sampled evenly over its own.
#[derive(Debug)]
pub(crate) struct Lingtea {
    pub(crate) temperature: f64,
}

impl Strategy for Lingtea {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        if batch.pass.is_multiple_of(2) {
            return batch.policy.token_losses(batch.forget).mean().neg();
        }
        let teacher = batch.reference().predict(batch.retain);
        let known = lift(teacher.token_losses().neg().exp());
        let policy = batch.policy.predict(batch.retain);
        let soft = |mut predicted: lethe_model::Predictions| {
            predicted.logits = predicted.logits / self.temperature;
            predicted.log_probabilities()
        };
        let unknown = known.clone().neg() + 1.0;
        let learned = unknown * policy.token_losses();
        let divergence = divergence(lift(soft(teacher)), soft(policy));
        let distilled = divergence * known * self.temperature.powi(2);
        (distilled + learned).mean()
    }

    fn needs(&self) -> Needs {
        Needs {
            reference: Reference::Network,
            retain: true,
            ..Needs::default()
        }
    }

    fn average(&self, pass: usize) -> Average {
        match pass.is_multiple_of(2) {
            true => Average::Tokens,
            false => Average::RetainTokens,
        }
    }
}
