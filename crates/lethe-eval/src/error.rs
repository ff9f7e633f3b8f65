//! What can go wrong while evaluating.

use std::path::PathBuf;

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model refused.
    #[error(transparent)]
    Model(#[from] lethe_model::Error),
    /// A score is no number.
    #[error(
        "{item} in {language}, {probe} probe: the log-probability of {answer:?} is {value}; \
         the model is broken (diverged training, or unlearning past its cap)"
    )]
    NotFinite {
        /// The item.
        item: String,
        /// The prompt language.
        language: String,
        /// The probe.
        probe: String,
        /// The answer that was scored.
        answer: String,
        /// What came out.
        value: f64,
    },
    /// zlib refused a text.
    #[error("{item}: zlib cannot compress the article: {source}")]
    Compress {
        /// The item.
        item: String,
        /// What happened.
        source: std::io::Error,
    },
    /// Nothing can be drawn at this temperature.
    #[error(
        "temperature {found}: expected a number above 0 (eval.temperature), or eval.samples = 0"
    )]
    Temperature {
        /// What was asked for.
        found: f64,
    },
    /// A result file is something else.
    #[error("{path}: {reason}; evaluate again with this version (`cargo xtask eval`)")]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the row where there is one.
        reason: String,
    },
    /// The corpus has nothing to ask.
    #[error("the corpus has no {what}; check the preset's items and languages")]
    Nothing {
        /// What is missing.
        what: &'static str,
    },
    /// A prompt cannot have so many examples.
    #[error(
        "the held-out items have {found} pairs of question and answer in {language}, expected at least \
         {wanted} to show before a question; lower robustness.few_shot or raise corpus.held_out"
    )]
    Examples {
        /// How many there are.
        found: usize,
        /// The language.
        language: lethe_corpus::Language,
        /// How many were asked for.
        wanted: usize,
    },
    /// A data set in the repository is not as it should be.
    #[error("{path}: {reason}; the repository has it in datasets/")]
    Data {
        /// The file.
        path: PathBuf,
        /// Which line, what was found, what was expected.
        reason: String,
    },
    /// The results could not be written.
    #[error("{path}: {reason}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
}
