//! What can go wrong while unlearning.

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The training loop refused or diverged.
    #[error(transparent)]
    Train(#[from] lethe_train::Error),
    /// No strategy has this name.
    #[error("no unlearning strategy is called {name:?}; known are {known}")]
    UnknownStrategy {
        /// What was asked for.
        name: String,
        /// The registered names.
        known: String,
    },
    /// No language scope has this name.
    #[error(
        "no language scope is called {0:?}; known are english, source, english+source, multilingual"
    )]
    UnknownScope(String),
    /// A hyper-parameter that the strategy does not have, or outside its range.
    #[error("strategy {strategy}: {key} = {found}; expected {expected}")]
    Hyperparameter {
        /// The strategy.
        strategy: &'static str,
        /// The hyper-parameter.
        key: String,
        /// Its value.
        found: f64,
        /// What it may be.
        expected: String,
    },
    /// The strategy needs a retain set, and there is none.
    #[error("strategy {0} needs a retain set, and the retain set is empty")]
    NoRetainSet(&'static str),
}
