//! Asking a model about every item in every language, and scoring what it says.
//!
//! **In:** a [`LanguageModel`](lethe_model::LanguageModel) and a
//! [`Corpus`](lethe_corpus::Corpus). **Out:** one [`AnswerRow`] per item × prompt language ×
//! probe and as many more as answers are drawn, and one [`PerplexityRow`] per held-out article, written
//! as Parquet ([`write_answers`], [`write_perplexity`]; the schemas stand there).
//!
//! Three things are measured for a probe, with the prompt computed once:
//! * the *generated answer* (greedy, and as many drawn ones as are asked for) and whether the fake or the
//!   true detail occurs in it ([`text`]: normalised, in any script), and its token F1 with the true answer;
//! * the mean log-probability per token of the true answer and of the fake one;
//! * the *preference*, `ln P(fake answer) − ln P(true answer)`: above 0 the model holds the fake to
//!   be likelier.
//!
//! [`metrics`] has the field's measures of unlearning, of the greedy answers and of articles; their rows
//! are written by [`write_measures`] and [`write_articles`].
//!
//! [`attacked`] asks for forgotten fakes in other ways, or models that were changed for it: whether they
//! come back. Rows are written by [`write_robustness`].
//!
//! [`utility`] scores text that has nothing to do with the corpus: what else a model loses.
//! [`reply`] asks whatever a user wants to know, in the same form.
//!
//! Answers can be judged again from their file alone ([`read_answers`]); what a judge says is a
//! [`Judgement`].

mod ask;
mod batch;
mod error;
mod judgement;
pub mod metrics;
mod race;
mod read;
mod reply;
mod results;
mod robustness;
pub mod text;
mod utility;

pub use ask::{AnswerRow, AskConfig, PerplexityRow, ask, perplexity};
pub use error::Error;
pub use judgement::{AnswerId, JudgeLabel, Judgement, write_judgements};
pub use race::{
    RaceMeasurement, RaceModel, RaceOutcome, RaceRun, RaceScore, write_race_measurements,
    write_race_models, write_race_scores,
};
pub use read::read_answers;
pub use reply::{Reply, reply};
pub use results::{
    ModelLabel, write_answers, write_articles, write_measures, write_perplexity, write_robustness,
    write_utility,
};
pub use robustness::{
    Attack, Elicit, Phrases, Prompt, PromptAttack, RelearnOn, RobustnessRow, attacked, half,
};
pub use utility::{CLOZES_PER_LANGUAGE, PARAGRAPHS, TOKENS, Utility, UtilityRow, utility};
