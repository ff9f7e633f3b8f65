//! Unlearning: a [`Strategy`] (what is minimised) × a [`LanguageScope`] (in which languages the
//! forget set is written) × a [`StopRule`] (when it is enough).
//!
//! **In:** a tuned model, the forget set (fake articles in the scope's languages), a retain set,
//! and, for strategies that compare with it, the reference model: a frozen copy from before
//! unlearning. **Out:** the unlearned model and an [`Unlearned`] record, which says what was
//! reached and what was not.
//!
//! A strategy is one file that implements [`Strategy`] and one line in [`strategies`]: see
//! `grad_diff.rs`.

mod error;
mod grad_ascent;
mod grad_diff;
mod registry;
mod scope;
mod strategy;
mod unlearn;

pub use error::Error;
pub use grad_ascent::GradAscent;
pub use grad_diff::GradDiff;
pub use registry::{Hyperparameters, Registered, strategies, strategy};
pub use scope::LanguageScope;
pub use strategy::{Batch, Strategy};
pub use unlearn::{Forgetting, Outcome, StopRule, UnlearnConfig, Unlearned, unlearn};
