//! What can go wrong while unlearning.

use crate::Alternative;

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The training loop refused or diverged.
    #[error(transparent)]
    Train(#[from] lethe_train::Error),
    /// No strategy has this name.
    #[error(
        "no unlearning strategy is called {name:?}; the nearest is {nearest:?}, known are {known}"
    )]
    UnknownStrategy {
        /// What was asked for.
        name: String,
        /// The registered name that is most like it.
        nearest: &'static str,
        /// The registered names.
        known: String,
    },
    /// No retain loss has this name.
    #[error("no retain loss is called {0:?}; known are none, ce, kl, embedding")]
    UnknownRetain(String),
    /// A strategy of this name is registered already.
    #[error("a strategy is called {0:?} already; names are there once")]
    Registered(&'static str),
    /// No language scope has this name.
    #[error(
        "no language scope is called {found:?}: {reason}; known are {known}, and lists such as de,fr,ru"
    )]
    UnknownScope {
        /// What was asked for.
        found: String,
        /// What is wrong with it.
        reason: String,
        /// The names.
        known: String,
    },
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
    NoRetainSet(String),
    /// The strategy needs alternatives, and nothing in the forget set has one.
    #[error(
        "strategy {strategy} needs to know what should be said instead ({kind:?}), and no example of the \
         forget set has such an alternative; refusals are there for questions only \
         (`unlearn.questions = true`)"
    )]
    NoAlternative {
        /// The strategy.
        strategy: String,
        /// What it needs.
        kind: Alternative,
    },
    /// A checkpoint should be chosen, and there is nothing to choose by.
    #[error("the checkpoint should be chosen on items held aside, and none are")]
    NoProbes,
}
