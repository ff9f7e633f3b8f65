//! What a judge is to this crate.

use lethe_eval::JudgeLabel;
use lethe_service::Failure;
use serde::{Deserialize, Serialize};

use crate::Answer;

/// What a judge says of one answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Whether the fake detail occurs; none where the judge cannot say.
    pub fake: Option<bool>,
    /// The quality of the real information, from 0 (none) to 1 (the true answer); none where the
    /// judge cannot say.
    pub quality: Option<f64>,
}

/// Somebody or something that judges answers.
pub trait Judge: Sync {
    /// Who judges: a part of every judgement.
    fn label(&self) -> JudgeLabel;

    /// What verdicts are kept under, where they are worth keeping: two judges that may judge
    /// differently have different identities.
    fn identity(&self) -> Option<String> {
        None
    }

    /// How many answers are judged together at most.
    fn batch(&self) -> usize {
        1
    }

    /// A verdict for every answer, in their order.
    ///
    /// # Errors
    /// [`Failure::Malformed`] and [`Failure::Unanswered`] where these answers, or so many of them at
    /// a time, get no verdict; [`Failure::Passing`] and [`Failure::Lasting`] of a service.
    fn judge(&self, answers: &[&Answer]) -> Result<Vec<Verdict>, Failure>;
}
