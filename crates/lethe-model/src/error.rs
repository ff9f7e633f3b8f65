//! What can go wrong between a file on disk and a running model.

use std::path::{Path, PathBuf};

/// The errors of this crate. Every message names the file (or key), what was found, what was
/// expected, and the way out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file does not have the structure that its format demands.
    #[error("{path}: {reason}; fetch or write the file again")]
    Format {
        /// The file.
        path: PathBuf,
        /// Where in it, what was found, what was expected.
        reason: String,
    },
    /// The file is whole but describes something that this crate does not implement.
    #[error("{path}: {reason}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What was found and what is supported.
        reason: String,
    },
    /// A file's contents are not the ones that were asked for.
    #[error(
        "{path}: {kind} is {found}, expected {expected}; delete the file and pull the model again"
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Which hash: sha256, or git's for small files of a hub.
        kind: &'static str,
        /// The hash that it has.
        found: String,
        /// The hash that it should have.
        expected: String,
    },
    /// The model could not be had from any source.
    #[error("{0}")]
    Store(String),
    /// A device was asked for that is not there or not compiled in.
    #[error("{0}")]
    Device(String),
    /// The tokenizer refused.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A token outside the trimmed vocabulary.
    #[error(
        "token {token:?} (id {id}) in {text:?} is not in the trimmed vocabulary of {size} tokens; \
         use the full vocabulary (`vocabulary = \"full\"`) for text that the corpus cannot produce"
    )]
    Vocabulary {
        /// The id in the full vocabulary.
        id: u32,
        /// The token.
        token: String,
        /// The text that was to be encoded.
        text: String,
        /// How many tokens the vocabulary has.
        size: usize,
    },
    /// An argument outside its range.
    #[error("{0}")]
    Argument(String),
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { path, source }
    }

    pub(crate) fn format(path: &Path, reason: impl Into<String>) -> Error {
        Error::Format {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }

    pub(crate) fn unsupported(path: &Path, reason: impl Into<String>) -> Error {
        Error::Unsupported {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }
}
