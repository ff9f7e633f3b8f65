//! What can go wrong while reporting.

use std::path::PathBuf;

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder of results is missing or has no result file.
    #[error("{}: {reason}; run the evaluation first (`cargo xtask eval`)", path.display())]
    NoResults {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// A column is absent or has another type.
    #[error("{}: column `{column}`: expected {expected}, found {found}; \
             evaluate again with this version", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: String,
        /// The type that it must have.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A value that cannot stand where it stands.
    #[error("{}: row {row} ({key}), column `{column}`: found {found}, expected {expected}",
            path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The row, counted from 1.
        row: usize,
        /// The row's item, language and probe.
        key: String,
        /// The column's name.
        column: &'static str,
        /// What is there.
        found: String,
        /// What must be there.
        expected: String,
    },
    /// A file lacks a row that the other models have.
    #[error("{}: no row for {key}, which {} has; all models must be asked the same: \
             evaluate this model again", path.display(), other.display())]
    MissingRow {
        /// The file that lacks it.
        path: PathBuf,
        /// The row's item, language and probe.
        key: String,
        /// A file that has it.
        other: PathBuf,
    },
    /// A model lacks a row that it must have.
    #[error("{}: no {what} for {key}: {reason}; score this model again", path.display())]
    MissingScore {
        /// The file.
        path: PathBuf,
        /// The row's model, item and language.
        key: String,
        /// Which row.
        what: String,
        /// Why it is needed.
        reason: String,
    },
    /// A model that the findings compare with is not among the results.
    #[error("{}: no {what}; {reason}", path.display())]
    MissingModel {
        /// The folder of results.
        path: PathBuf,
        /// Which model.
        what: String,
        /// Why it is needed.
        reason: String,
    },
    /// Two files claim to be the same model.
    #[error("{} and {}: both are {label}; remove the stale one", first.display(), second.display())]
    SameModel {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// Stage, source, strategy, scope and seed.
        label: String,
    },
    /// A file of claims states something that cannot be tested.
    #[error("{}: claim {claim}, key `{key}`: found {found}, expected {expected}", path.display())]
    Claim {
        /// The file.
        path: PathBuf,
        /// The claim's name, or its place where it has none yet.
        claim: Box<str>,
        /// The key, with the test that it is in.
        key: Box<str>,
        /// What is there.
        found: String,
        /// What can be there.
        expected: String,
    },
    /// The output folder holds something that is not a report.
    #[error("{}: exists and is not a report ({reason}); it would be replaced: give another folder \
             or remove it", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The report cannot be written.
    #[error("{}: cannot be written: {reason}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// What is planned or assumed cannot be.
    #[error("{what}: found {found}, expected {expected}")]
    Plan {
        /// Which part of it.
        what: String,
        /// What was given.
        found: String,
        /// What can be given.
        expected: String,
    },
    /// A figure cannot be drawn.
    #[error("figure `{figure}`: {reason}")]
    Figure {
        /// Its name.
        figure: String,
        /// What happened.
        reason: String,
    },
    /// The page cannot be made.
    #[error("the report's template: {0}")]
    Page(#[from] minijinja::Error),
}
