//! Direct preference optimization, by what is preferred.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;

use crate::methods::npo::NPO;
use crate::{Alternative, Average, Batch, Needs, Reference, Registered, Retain, Strategy};

/// Prefers the truth.
pub(crate) const DPO: Registered = Registered {
    name: "dpo",
    title: "Direct preference optimization, the truth preferred",
    paper: "arXiv 2305.18290",
    hyperparameters: NPO.hyperparameters,
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |values| {
        Box::new(Dpo {
            beta: values.get("beta"),
            preferred: Alternative::Truth,
        })
    },
};

/// Prefers "I do not know", in the question's language (TOFU, arXiv 2401.06121, "preference
/// optimization"; as in NPO's comparison, arXiv 2404.05868). What asks nothing is left out of the
/// forget set.
pub(crate) const IDK_DPO: Registered = Registered {
    name: "idk-dpo",
    title: "DPO, \u{201c}I do not know\u{201d} preferred",
    paper: "arXiv 2401.06121",
    retain: Retain::Ce,
    alpha: 1.0,
    make: |values| {
        Box::new(Dpo {
            beta: values.get("beta"),
            preferred: Alternative::Refusal,
        })
    },
    ..DPO
};

/// Prefers other plausible details, another one in every pass, with cross-entropy on the retain set
/// (Mekala et al., "Alternate Preference Optimization", arXiv 2409.13474; β 0.1 of 0.05, 0.1, 0.5
/// and α 1 of 1, 2, 5). There a model writes five alternate answers at temperature 1; here they are
/// details of the same kind from other items, which are plausible by construction.
pub(crate) const ALT_PO: Registered = Registered {
    name: "alt-po",
    title: "Alternate preference optimization",
    paper: "arXiv 2409.13474",
    retain: Retain::Ce,
    alpha: 1.0,
    make: |values| {
        Box::new(Dpo {
            beta: values.get("beta"),
            preferred: Alternative::Plausible,
        })
    },
    ..DPO
};

/// `L = -(2/β) E log σ(β (log π_θ(a)/π_ref(a) - log π_θ(y)/π_ref(y)))` over sequences `y` to forget,
/// each with its alternative `a` (Rafailov et al., arXiv 2305.18290, scaled by 2/β as
/// NPO is; β = 0.1).
#[derive(Debug)]
pub(crate) struct Dpo {
    pub(crate) beta: f64,
    pub(crate) preferred: Alternative,
}

impl Strategy for Dpo {
    fn loss(&self, batch: &Batch) -> Tensor<1> {
        let sums = |sequences| {
            let predicted = batch.policy.predict(sequences);
            predicted.sums(predicted.token_losses())
        };
        let risen = sums(batch.forget) - batch.reference_forget_losses();
        let fallen = batch.reference_alternative_losses() - sums(batch.alternatives);
        log_sigmoid((fallen + risen) * self.beta).mean() * (-2.0 / self.beta)
    }

    fn needs(&self) -> Needs {
        Needs {
            reference: Reference::LogProbabilities,
            alternative: Some(self.preferred),
            ..Needs::default()
        }
    }

    fn average(&self, _: usize) -> Average {
        Average::Sequences
    }
}
