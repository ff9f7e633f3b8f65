//! Judges of answers: does the fake detail occur, and how good is what is said about the real news.
//!
//! **In:** the answers of a finished run ([`answers`], from `results/answers/*.parquet`) and a
//! [`Judge`]: [`Alias`] (words and stems, offline), [`OpenAi`] (a chat model at any
//! OpenAI-compatible endpoint) or [`Human`] (ratings of a sheet that [`export`] wrote). **Out:** one
//! [`Judgement`](lethe_eval::Judgement) per answer, written by [`lethe_eval::write_judgements`].
//!
//! A judge sees an [`Answer`]: the question, what is true, what is fake and what was said, and
//! nothing of the model that said it. What several models said in the same words is judged once.
//! A chat model's verdicts are kept in a [`Cache`](lethe_service::Cache) one by one, so that a
//! stopped run goes on where it was.
//!
//! The two measures are those of arXiv 2406.13748, *occurrence of the fake detail* and *quality of
//! real information*; the scale of the latter, from 0 to 1 in quarters, is this crate's own.
//!
//! To add a judge, implement [`Judge`] in a file of its own.

mod alias;
mod answers;
mod error;
mod human;
mod judge;
mod openai;
mod run;

pub use alias::Alias;
pub use answers::{Answer, Said, answers};
pub use error::Error;
pub use human::{Exported, Human, Sheet, export};
pub use judge::{Judge, Verdict};
pub use openai::{OpenAi, PROMPT, PROMPT_VERSION};
pub use run::{Estimate, Job, Outcome, Progress, estimate, judge};
