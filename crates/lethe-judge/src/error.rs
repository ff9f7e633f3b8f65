//! What can go wrong while judging.

use std::path::PathBuf;

use lethe_corpus::Language;

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to judge.
    #[error(
        "{}: {reason}; name the folder of a finished run (`cargo xtask eval` makes one)",
        .path.display()
    )]
    NoAnswers {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The results cannot be read or written.
    #[error(transparent)]
    Results(#[from] lethe_eval::Error),
    /// It is not known what is fake.
    #[error(
        "{}: {item} has no detail probe in {}, so that its fake detail is not known; \
         evaluate again", .path.display(), .language.name()
    )]
    NoFake {
        /// The file.
        path: PathBuf,
        /// The item.
        item: String,
        /// The language.
        language: Language,
    },
    /// The service answers no request.
    #[error("{judge}: {reason}; {kept} verdicts are kept, nothing was written")]
    Refused {
        /// The judge.
        judge: String,
        /// What it says.
        reason: String,
        /// Verdicts that are in the cache.
        kept: usize,
    },
    /// Some answers were not judged.
    #[error(
        "{judge}: {left} of {of} different answers were not judged ({reason}); {kept} verdicts are \
         kept, nothing was written: the same command goes on from there"
    )]
    Unfinished {
        /// The judge.
        judge: String,
        /// How many.
        left: usize,
        /// Of how many.
        of: usize,
        /// What happened to the first of them.
        reason: String,
        /// Verdicts that are in the cache.
        kept: usize,
    },
    /// The judge could say nothing of any answer.
    #[error(
        "{judge} gave no verdict on any of {of} different answers ({reason}); nothing was written: \
         take another model, or another way of asking it for JSON"
    )]
    Undecided {
        /// The judge.
        judge: String,
        /// How many there are.
        of: usize,
        /// What happened to the first of them.
        reason: String,
    },
    /// A file of ratings or a key cannot be read.
    #[error("{}: {reason}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What happened, and what to do.
        reason: String,
    },
    /// Ratings that cannot stand.
    #[error(
        "{}: {} of its ratings cannot be read; nothing was imported:\n  {}", .path.display(),
        .problems.len(), listed(.problems)
    )]
    Ratings {
        /// The file.
        path: PathBuf,
        /// What is wrong, each with its row.
        problems: Vec<String>,
    },
    /// A sheet, its key or a cache could not be written.
    #[error("{}: {reason}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
}

/// The first problems, and how many more there are.
fn listed(problems: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut lines: Vec<String> = problems.iter().take(SHOWN).cloned().collect();
    if problems.len() > SHOWN {
        lines.push(format!("… and {} more", problems.len() - SHOWN));
    }
    lines.join("\n  ")
}
