//! Services that take JSON and answer with JSON: what translation and judging have in common.
//!
//! * [`Client`] sends one request and says what its answer means: a [`Failure`] that passes, one
//!   that lasts, or one of this request alone; [`Limits`] keep a distance between requests.
//! * [`Chat`] is a model at any endpoint that speaks OpenAI's chat completions, asked for JSON.
//! * [`Retry`] sends again what failed in passing.
//! * [`Cache`] keeps good replies on disk under the hash of all that was asked, so that nothing is
//!   paid for twice and a stopped run goes on where it was.

mod cache;
mod chat;
mod client;
mod failure;
mod retry;

pub use cache::Cache;
pub use chat::{Chat, Message, Structure};
pub use client::{Client, Limits};
pub use failure::Failure;
pub use retry::Retry;
