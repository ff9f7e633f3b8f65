//! Gradient difference.

use crate::methods::grad_ascent::GRAD_ASCENT;
use crate::{Registered, Retain};

/// Ascends on the forget set and descends on the retain set: `L = -γ ℓ_forget + α ℓ_retain` (Liu et
/// al., "Continual Learning and Private Unlearning", arXiv 2203.12817; as "gradient difference" in
/// TOFU, arXiv 2401.06121, with α = γ = 1).
pub(crate) const GRAD_DIFF: Registered = Registered {
    name: "grad-diff",
    title: "Gradient difference",
    paper: "arXiv 2203.12817",
    retain: Retain::Ce,
    alpha: 1.0,
    ..GRAD_ASCENT
};
