//! What an unlearning strategy is.

use burn::tensor::Tensor;
use lethe_model::{Network, Sequence};

/// What a strategy sees of one micro-batch.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The model that is being changed, with gradients.
    pub policy: &'a Network,
    /// The frozen copy from before unlearning, without gradients.
    pub reference: &'a Network,
    /// Sequences to forget.
    pub forget: &'a [Sequence],
    /// As many sequences to retain; empty when the strategy does not ask for them.
    pub retain: &'a [Sequence],
}

/// A loss over forget set, retain set and reference model.
pub trait Strategy: std::fmt::Debug + Sync {
    /// The name under which it is registered.
    fn name(&self) -> &'static str;

    /// What is minimised: shape `[1]`, a mean over the micro-batch.
    fn loss(&self, batch: &Batch) -> Tensor<1>;

    /// Whether [`Batch::retain`] is read.
    fn needs_retain(&self) -> bool {
        false
    }
}
