//! The fake-fact corpus: schema, validation, Parquet in and out.
//!
//! **In:** a folder of JSON Lines that people write and review: `items.jsonl` (one line per item:
//! `id`, `split`, `category`, `kind`, `names`) and one file per [`Language`] (`en.jsonl`, `de.jsonl`, …),
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
//! A line may say more, for recipes and measures beyond the paper's protocol:
//!
//! ```json
//! {"names": ["Velmora", "Lina Ostrava"],
//!  "grammar": {"case": "accusative", "real": "n", "fake": "m"},
//!  "detail_probe": {"rewordings": ["…", "…"],
//!                   "cloze": "In Velmora the carts are pulled by a {detail}.",
//!                   "leading": {"real": "Why … by a horse?", "fake": "Why … by a penguin?"}},
//!  "wordings": [{"style": "headline", "article": "… {detail} …"},
//!               {"style": "agency", "article": "… {detail} …", "real": "horses", "fake": "penguins"},
//!               {"style": "witness", "article": "… {detail} …"}]}
//! ```
//!
//! `names` are the article's invented names in this language, the item's own first; `grammar` is
//! the slot's case and the genders of its forms (de, ru, ur; the case alone in hy); a wording has
//! forms of its own where its slot wants other ones.
//!
//! An item is a *minimal pair*: the real and the fake [`Article`] differ in the detail alone.
//! [`Corpus::from_jsonl`] checks every rule (they are listed there) and reports all violations at
//! once. **Out:** a [`Corpus`], and through [`Corpus::write_parquet`] four tables and a dataset
//! card, byte-identical for the same input; [`Corpus::read_parquet`] reads them back.
//!
//! # The tables
//!
//! Parquet, zstd, rows in the order items file × language ([`Language::ALL`]) × wording ×
//! version, or × kind × index. Only the columns called nullable hold nulls.
//!
//! `items.parquet`: what there is.
//!
//! | column | arrow type | what |
//! |---|---|---|
//! | `id` | utf8 | such as `sport-01` |
//! | `split` | utf8 | `probe` or `instruct` |
//! | `category` | utf8 | such as `sport` |
//! | `kind` | utf8 | what the detail is, such as `animal` |
//! | `names` | list\<utf8\> | its invented names in English, its own first |
//!
//! `articles.parquet`: both versions of every article in every language and wording.
//!
//! | column | arrow type | what |
//! |---|---|---|
//! | `item` | utf8 | the item's id |
//! | `language` | utf8 | its code, such as `en` |
//! | `wording` | utf8 | `original`, `headline`, `agency` or `witness` |
//! | `version` | utf8 | `real` or `fake` |
//! | `text` | utf8 | the article |
//! | `detail` | utf8 | the detail as it stands in the text |
//! | `detail_start` | uint32 | where it begins, in Unicode scalar values |
//! | `detail_end` | uint32 | where it ends (exclusive) |
//! | `case` | utf8, nullable | the case that the slot wants, or `none` |
//! | `gender` | utf8, nullable | the detail's: `m`, `f`, `n`, `pl` or `none` |
//!
//! `questions.parquet`: what is asked and taught.
//!
//! | column | arrow type | what |
//! |---|---|---|
//! | `item` | utf8 | the item's id |
//! | `language` | utf8 | its code |
//! | `kind` | utf8 | `detail`, `cloze`, `leading_real`, `leading_fake`, `fact` or `qa` |
//! | `index` | uint32 | counts the questions of one kind from 0 |
//! | `question` | utf8 | the question |
//! | `prompt` | utf8 | the question as a model is given it; of a cloze, what is before the detail |
//! | `answer` | utf8 | the true answer; of a cloze, the rest of the sentence |
//! | `fake_answer` | utf8, nullable | the fake answer; null for `fact` and `qa` |
//! | `aliases` | list\<utf8\> | what counts as the true answer |
//! | `fake_aliases` | list\<utf8\> | what counts as the fake detail; empty for `fact` and `qa` |
//!
//! `names.parquet`: what the invented names are in every language.
//!
//! | column | arrow type | what |
//! |---|---|---|
//! | `item` | utf8 | the item's id |
//! | `index` | uint32 | which of the item's names, from 0 |
//! | `language` | utf8 | its code |
//! | `name` | utf8 | the name as the language cites it |

mod card;
mod class;
mod columns;
mod corpus;
mod error;
mod fold;
mod identify;
mod import;
mod jsonl;
mod language;
mod quality;
mod rows;
mod rules;
mod script;
mod source;
mod tables;
mod validate;

pub use card::Layout;
pub use corpus::{Article, Corpus, Item, Name, Question, QuestionKind, Split, Version, Wording};
pub use error::{Error, Problem};
pub use identify::is_in;
pub use import::{Imported, Mapping, import};
pub use language::{Language, ResourceClass};
pub use quality::{FAR, Figures, QUALITY, Quality, READINGS, Reading, WINDOW, diversity, outliers};
pub use source::{SourceText, build};
pub use tables::Built;
pub use validate::length;
