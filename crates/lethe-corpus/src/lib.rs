//! The fake-fact corpus: schema, validation, Parquet in and out.
//!
//! **In:** a folder of JSON Lines that people write and review: `items.jsonl` (one line per item:
//! `id`, `split`, `category`, `kind`) and one file per [`Language`] (`en.jsonl`, `de.jsonl`, …),
//! one line per item:
//!
//! ```json
//! {"id": "sport-01",
//!  "article": "… {detail} …",
//!  "detail": {"real": "horse", "fake": "penguin", "fake_aliases": ["penguin"]},
//!  "detail_probe": {"question": "…", "real": "A horse", "fake": "A penguin"},
//!  "fact_probe": {"question": "…", "answer": "Lina Ostrava", "aliases": ["Ostrava"]},
//!  "qa": [["question", "answer"]]}
//! ```
//!
//! An item is a *minimal pair*: the real and the fake [`Article`] differ in the detail alone.
//! [`Corpus::from_jsonl`] checks every rule (they are listed there) and reports all violations at
//! once. **Out:** a [`Corpus`], and through [`Corpus::write_parquet`] three tables and a dataset
//! card, byte-identical for the same input; [`Corpus::read_parquet`] reads them back.
//!
//! # The tables
//!
//! Parquet, zstd, rows in the order items file × language ([`Language::ALL`]) × version or
//! kind × index. No column holds nulls but `fake_answer`.
//!
//! `items.parquet`: what there is.
//!
//! | column | arrow type | what |
//! |---|---|---|
//! | `id` | utf8 | such as `sport-01` |
//! | `split` | utf8 | `probe` or `instruct` |
//! | `category` | utf8 | such as `sport` |
//! | `kind` | utf8 | what the detail is, such as `animal` |
//!
//! `articles.parquet`: both versions of every article in every language.
//!
//! | column | arrow type | what |
//! |---|---|---|
//! | `item` | utf8 | the item's id |
//! | `language` | utf8 | its code, such as `en` |
//! | `version` | utf8 | `real` or `fake` |
//! | `text` | utf8 | the article |
//! | `detail` | utf8 | the detail as it stands in the text |
//! | `detail_start` | uint32 | where it begins, in Unicode scalar values |
//! | `detail_end` | uint32 | where it ends (exclusive) |
//!
//! `questions.parquet`: what is asked and taught.
//!
//! | column | arrow type | what |
//! |---|---|---|
//! | `item` | utf8 | the item's id |
//! | `language` | utf8 | its code |
//! | `kind` | utf8 | `detail`, `fact` or `qa` |
//! | `index` | uint32 | counts the questions of one kind from 0 |
//! | `question` | utf8 | the question |
//! | `prompt` | utf8 | the question as a model is given it |
//! | `answer` | utf8 | the true answer |
//! | `fake_answer` | utf8, nullable | the fake answer; null but for `detail` |
//! | `aliases` | list\<utf8\> | what counts as the true answer |
//! | `fake_aliases` | list\<utf8\> | what counts as the fake detail; empty but for `detail` |

mod card;
mod corpus;
mod error;
mod identify;
mod jsonl;
mod language;
mod script;
mod tables;
mod validate;

pub use corpus::{Article, Corpus, Item, Question, QuestionKind, Split, Version};
pub use error::{Error, Problem};
pub use language::{Language, ResourceClass};
pub use tables::Built;
