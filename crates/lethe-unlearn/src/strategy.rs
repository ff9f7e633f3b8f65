//! What an unlearning strategy is.

use burn::tensor::{Tensor, TensorData};
use lethe_model::{Network, Sequence};

/// A loss that makes a model forget.
///
/// One method is required. What is minimised in a step is `γ · loss + α · retain loss`; the second
/// term is chosen beside the strategy ([`Retain`](crate::Retain)).
pub trait Strategy: std::fmt::Debug + Send + Sync {
    /// The loss on the forget set: shape `[1]`, a mean over what [`average`](Self::average) says.
    fn loss(&self, batch: &Batch) -> Tensor<1>;

    /// What [`Batch`] has to hold for it; by default nothing but the forget set.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// What the loss is a mean over, in a pass over the forget set (from 0).
    fn average(&self, _pass: usize) -> Average {
        Average::Tokens
    }

    /// After an optimizer step of a pass, with the mean retain loss of that step: for what changes
    /// while it runs. [`state`](Self::state) must then say it.
    fn after_step(&self, _pass: usize, _retain_loss: f64) {}

    /// The weight of the retain loss, if it is not the configured one.
    fn alpha(&self) -> Option<f64> {
        None
    }

    /// The unlearned network, given that before the first step and the trained one.
    ///
    /// Called only when [`Needs::start`] is on; what is measured on the way is its result, too.
    fn result(&self, _start: &Network, trained: &Network) -> Network {
        trained.clone()
    }

    /// What changed while it ran, so that a run can be resumed.
    fn state(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Goes on from a [`state`](Self::state).
    fn resume(&self, _state: &[f64]) {}
}

/// What a strategy needs beside the forget set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// What it must know of the model from before unlearning.
    pub reference: Reference,
    /// What should be said instead, for every sequence of the forget set.
    pub alternative: Option<Alternative>,
    /// Whether its loss reads [`Batch::retain`] itself.
    pub retain: bool,
    /// Whether [`Strategy::result`] makes something of the network before the first step.
    pub start: bool,
}

/// What must be known of the model from before unlearning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// Nothing.
    #[default]
    None,
    /// The log-probabilities of the sequences. They are computed once: no second model is kept.
    LogProbabilities,
    /// All of it. It is kept, frozen; with adapters it is the same weights without them.
    Network,
}

/// What should be said instead of what is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alternative {
    /// The same text with the real detail.
    Truth,
    /// To a question, that the answer is not known.
    Refusal,
    /// The same text with another plausible detail; another one in every pass.
    Plausible,
}

/// What a loss is a mean over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// Target tokens of the forget set.
    Tokens,
    /// Target tokens of the forget set but every sequence's first.
    LaterTokens,
    /// Sequences of the forget set.
    Sequences,
    /// Target tokens of the retain set.
    RetainTokens,
}

/// What a strategy sees of one micro-batch.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The model that is being changed, with gradients.
    pub policy: &'a Network,
    /// Sequences to forget.
    pub forget: &'a [Sequence],
    /// For every one of them, what should be said instead; empty unless it is asked for.
    pub alternatives: &'a [Sequence],
    /// Sequences to retain; empty unless they are asked for.
    pub retain: &'a [Sequence],
    /// The pass over the forget set that this is part of, from 0.
    pub pass: usize,
    reference: Option<&'a Network>,
    reference_losses: Option<&'a ReferenceLosses>,
}

/// What the reference model gives to the sequences of a batch: negative log-likelihoods (nats), sums
/// over their target tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReferenceLosses {
    /// Of what is to be forgotten.
    pub forget: Vec<f64>,
    /// Of the alternatives.
    pub alternatives: Vec<f64>,
}

impl<'a> Batch<'a> {
    /// A batch of the first pass, without anything that a strategy may ask for.
    #[must_use]
    pub fn new(policy: &'a Network, forget: &'a [Sequence]) -> Batch<'a> {
        Batch {
            policy,
            forget,
            alternatives: &[],
            retain: &[],
            pass: 0,
            reference: None,
            reference_losses: None,
        }
    }

    /// The same with what is known of the reference model.
    #[must_use]
    pub fn with_reference(
        self,
        network: Option<&'a Network>,
        losses: &'a ReferenceLosses,
    ) -> Batch<'a> {
        Batch {
            reference: network,
            reference_losses: Some(losses),
            ..self
        }
    }

    /// The frozen model from before unlearning, without gradients.
    ///
    /// # Panics
    /// When [`Needs::reference`] did not ask for it.
    #[must_use]
    pub fn reference(&self) -> &'a Network {
        match self.reference {
            Some(network) => network,
            None => panic!("`needs` must ask for the reference network"),
        }
    }

    /// The negative log-likelihoods (nats; sums over target tokens) of the forget set's sequences
    /// under the reference model: `[sequences]`.
    ///
    /// # Panics
    /// When [`Needs::reference`] asked for less than [`Reference::LogProbabilities`].
    #[must_use]
    pub fn reference_forget_losses(&self) -> Tensor<1> {
        self.known(|known| &known.forget)
    }

    /// The same for the alternatives.
    ///
    /// # Panics
    /// As [`reference_forget_losses`](Self::reference_forget_losses).
    #[must_use]
    pub fn reference_alternative_losses(&self) -> Tensor<1> {
        self.known(|known| &known.alternatives)
    }

    fn known(&self, which: fn(&ReferenceLosses) -> &Vec<f64>) -> Tensor<1> {
        let losses = match self.reference_losses.map(which) {
            Some(losses) => losses.iter().map(|&loss| loss as f32).collect::<Vec<f32>>(),
            None => panic!("`needs` must ask for the reference's log-probabilities"),
        };
        let n = losses.len();
        Tensor::from_data(TensorData::new(losses, [n]), &self.policy.device())
    }
}

impl ReferenceLosses {
    /// Of sequences and their alternatives, under a network.
    #[must_use]
    pub fn of(network: &Network, forget: &[Sequence], alternatives: &[Sequence]) -> Self {
        let sums = |sequences: &[Sequence]| {
            let means = network.mean_nll(sequences).1;
            let both = means.into_iter().zip(sequences);
            both.map(|(mean, s)| mean * s.targets() as f64).collect()
        };
        ReferenceLosses {
            forget: sums(forget),
            alternatives: sums(alternatives),
        }
    }
}
