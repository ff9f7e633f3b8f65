//! What can go wrong while training.

use std::path::PathBuf;

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model refused.
    #[error(transparent)]
    Model(#[from] lethe_model::Error),
    /// A setting outside its range.
    #[error("training: {key} is {found}, expected {expected}")]
    Setting {
        /// The setting.
        key: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The device did not give a tensor back.
    #[error("training: a tensor could not be read from the device: {0}")]
    Read(String),
    /// A run's state cannot be kept, or the one that is there is not of this run.
    #[error("{}: not a state to go on from: {reason}; remove the file to begin anew", file.display())]
    State {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is nothing to train on.
    #[error("training: no example has a target token; check the corpus and the recipe")]
    Empty,
    /// The loss or its gradient is no number any more.
    #[error(
        "training: the {what} is {found} at step {step}; lower the learning rate \
         (now {learning_rate:e}) or clip the gradient (`clip`)"
    )]
    Diverged {
        /// `loss` or `gradient's norm`.
        what: &'static str,
        /// What it became.
        found: f64,
        /// The step, from 1.
        step: usize,
        /// The learning rate of that step.
        learning_rate: f64,
    },
}
