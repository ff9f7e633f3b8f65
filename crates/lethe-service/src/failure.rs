//! What can go wrong with a request.

use std::time::Duration;

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It may be answered later: too many requests, a server's error, a time-out, an answer cut
    /// short. A server may say when.
    Passing {
        /// What happened.
        reason: String,
        /// How long the server wants to be left alone.
        after: Option<Duration>,
    },
    /// A chat model answered with something else than it was asked for.
    Malformed(String),
    /// This request gets no better answer.
    Unanswered(String),
    /// No request will be answered: a wrong key, an unknown model, an unsupported language.
    Lasting(String),
}

impl Failure {
    /// May be answered later.
    pub fn passing(reason: impl Into<String>) -> Failure {
        Failure::Passing {
            reason: reason.into(),
            after: None,
        }
    }

    /// What happened.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Failure::Passing { reason, .. }
            | Failure::Malformed(reason)
            | Failure::Unanswered(reason)
            | Failure::Lasting(reason) => reason,
        }
    }
}
