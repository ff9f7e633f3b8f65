//! What a translation service is to this crate.

use std::collections::BTreeMap;

use lethe_corpus::Language;
use lethe_service::Failure;

/// The texts of one row.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The item's id.
    pub item: &'a str,
    /// The texts' language.
    pub from: Language,
    /// The language that they are wanted in.
    pub to: Language,
    /// The texts by their places in the row (JSON pointers such as `/detail_probe/question`), with
    /// `{detail}` and, for names, `{1}`, `{2}`, ….
    pub texts: &'a BTreeMap<String, String>,
    /// What was wrong with an earlier answer.
    pub complaints: &'a [String],
}

/// A translation service.
pub trait Provider: Sync {
    /// Who translates, and how: a part of what translations are kept under. Two providers that may
    /// answer differently have different identities.
    fn identity(&self) -> String;

    /// The translations of all texts, under their keys, with every place in braces kept.
    ///
    /// # Errors
    /// [`Failure`].
    fn translate(&self, request: &Request) -> Result<BTreeMap<String, String>, Failure>;

    /// Whether names come back in their places rather than as `{1}`, `{2}`, …. It also says that
    /// the names of [`Request::texts`] need not be looked at.
    fn places_names(&self) -> bool {
        false
    }

    /// Whether requests leave this machine and may cost something.
    fn is_remote(&self) -> bool {
        true
    }
}
