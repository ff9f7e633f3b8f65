//! Unlearning: a [`Strategy`] (what is minimised on the forget set) × a [`Retain`] loss (on what must
//! stay) × a [`LanguageScope`] (in which languages the forget set is written) × a [`StopRule`] (when
//! it is enough).
//!
//! **In:** a tuned model, the forget set (fake articles in the scope's languages), a [`RetainSet`],
//! and a [`Method`] from the [`Registry`]. **Out:** the unlearned model and an [`Unlearned`] record,
//! which says what was reached and what was not.
//!
//! A strategy is one file that implements [`Strategy`] and says what it is called
//! ([`Registered`]), and one line in the registry, here or in a crate of one's own:
//! `methods/npo.rs` is a good one to read, `cargo xtask new strategy NAME` writes one, and
//! [`contract`] has what all of them must keep.

pub mod contract;
mod error;
mod methods;
mod registry;
mod retain;
mod scope;
mod strategy;
mod unlearn;

pub use error::Error;
pub use registry::{Hyperparameter, Method, Registered, Registry, Values};
pub use retain::{Retain, RetainSet};
pub use scope::LanguageScope;
pub use strategy::{Alternative, Average, Batch, Needs, Reference, ReferenceLosses, Strategy};
pub use unlearn::{
    Aside, Checkpoint, Choose, Forgetting, Guard, Measurement, Outcome, StopRule, UnlearnConfig,
    Unlearned, unlearn,
};
