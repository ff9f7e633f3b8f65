//! What can go wrong.

use std::fmt;
use std::path::PathBuf;

use crate::{Language, Split};

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Source text breaks the rules of [`Corpus::from_jsonl`](crate::Corpus::from_jsonl).
    #[error(
        "{}: {} in the corpus text:{}",
        .folder.display(),
        count(.problems.len()),
        .problems.iter().map(|p| format!("\n  {p}")).collect::<String>()
    )]
    Invalid {
        /// The folder.
        folder: PathBuf,
        /// Everything that is wrong, file by file.
        problems: Vec<Problem>,
    },
    /// A code that is none of the nine.
    #[error(
        "unknown language {found:?}; expected one of: {}",
        Language::ALL.map(Language::code).join(", ")
    )]
    UnknownLanguage {
        /// The code.
        found: String,
    },
    /// A sample larger than the corpus.
    #[error(
        "{asked} {split} items asked for, but the corpus has {available}; ask for at most {available}"
    )]
    TooFew {
        /// The split.
        split: Split,
        /// Items asked for.
        asked: usize,
        /// Items that there are.
        available: usize,
    },
    /// A file could not be read.
    #[error("{}: {source}; build the corpus first or check the path", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file could not be written. Whatever stood there before still does.
    #[error("{}: {reason}", .file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What happened.
        reason: String,
    },
    /// A file is cut short, damaged, or something else.
    #[error(
        "{}: not a whole Parquet file ({reason}); expected a table written by this crate: build the corpus again",
        .file.display()
    )]
    NotParquet {
        /// The file.
        file: PathBuf,
        /// The Parquet reader's reason.
        reason: String,
    },
    /// A file of figures or readings is damaged, or something else.
    #[error(
        "{}: {reason}; expected figures written by `cargo xtask corpus quality`, or a list of second readings",
        .file.display()
    )]
    NotFigures {
        /// The file.
        file: PathBuf,
        /// Where the JSON differs.
        reason: String,
    },
    /// A folder's `corpus.toml` is not what it should be.
    #[error(
        "{}: {reason}; expected languages, article_words, english_pairs, other_pairs, or no such file",
        .file.display()
    )]
    Rules {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A data set to import is not a table in the form that its name says.
    #[error("{}: not a table: {reason}", .file.display())]
    NotTable {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A column is missing or of another type.
    #[error(
        "{}: column {column:?}: found {found}, expected {expected}; build the corpus again",
        .file.display()
    )]
    Column {
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
        /// Its type there, or that there is none.
        found: String,
        /// The type that it should have.
        expected: String,
    },
    /// A cell holds what it cannot hold.
    #[error(
        "{}: column {column:?}, row {row}: found {found}, expected {expected}; build the corpus again",
        .file.display()
    )]
    Value {
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
        /// What is there.
        found: String,
        /// What could be.
        expected: String,
    },
}

fn count(problems: usize) -> String {
    match problems {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    }
}

/// One violation in the source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name, such as `fr.jsonl`.
    pub file: String,
    /// The line, from 1; none when a file or an item is missing.
    pub line: Option<usize>,
    /// The item's id, where it could be read.
    pub item: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// What was expected instead.
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(item) = &self.item {
            write!(f, ": {item}")?;
        }
        write!(f, ": {}; expected {}", self.reason, self.expected)
    }
}
