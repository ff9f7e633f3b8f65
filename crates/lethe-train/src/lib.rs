//! The one training loop.
//!
//! **In:** a [`LanguageModel`](lethe_model::LanguageModel), [`Example`]s, an [`Objective`] that
//! says what is minimised, and a [`TrainConfig`]. **Out:** the model with new weights, and a
//! [`Trained`] record of what happened; every step is reported to an observer, which may stop the
//! loop.
//!
//! ```text
//! corpus ── recipe ──▶ examples ── plan ──▶ steps of micro-batches
//!                                              │ Objective::loss, backward, accumulate
//!                                              ▼
//!                              clip by global norm ─▶ AdamW (schedule) ─▶ weights
//! ```
//!
//! Fine-tuning minimises [`NextToken`]; an unlearning strategy is another objective over the same
//! loop. One seed on one machine gives bit-identical weights: the order of examples, dropout masks
//! and adapter initialisation come from it and from nothing else. A run that is stopped can go on
//! from its state on disk ([`Resume`]), to the same weights.

mod error;
mod objective;
mod optimizer;
mod plan;
mod recipe;
mod resume;
mod run;

pub use error::Error;
pub use objective::{Example, MicroBatch, NextToken, Objective};
pub use optimizer::{Optimizer, OptimizerConfig, Schedule};
pub use plan::plan;
pub use recipe::{
    article_example, neighbours, permuted, question_example, statement, statement_example,
};
pub use resume::{Named, Resume};
pub use run::{Progress, TrainConfig, Trained, Verdict, train, train_resumable};
