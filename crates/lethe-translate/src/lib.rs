//! Corpus text in further languages, for corpora that come in one language only.
//!
//! **In:** a folder of corpus text ([`SourceText`](lethe_corpus::SourceText)) and a [`Provider`]:
//! [`File`] (translations that somebody made), [`OpenAi`] (any OpenAI-compatible chat endpoint) or
//! [`LibreTranslate`]. **Out:** [`translate`] writes a folder with the same items and one more file
//! for every language that was asked for.
//!
//! Every row is one request. Names and the detail's slot are taken out before it is sent and put
//! back when they have all returned ([`row`]); the row is then checked against every rule of
//! the corpus. What fails is asked for again, with the reasons, and in the end listed and not
//! written. What passed is kept in a
//! [`Cache`](lethe_service::Cache) under the hash of all that was asked, so that
//! nothing is paid for twice and a stopped run goes on where it was.
//!
//! To add a provider, implement [`Provider`] in a file of its own.

mod file;
mod libretranslate;
mod openai;
mod provider;
pub mod row;
mod run;

pub use file::File;
pub use libretranslate::LibreTranslate;
pub use openai::{OpenAi, PROMPT};
pub use provider::{Provider, Request};
pub use run::{Error, Estimate, Failed, Job, Outcome, Progress, estimate, translate};
