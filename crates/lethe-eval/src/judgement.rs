//! What a judge says of answers, as Parquet.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use lethe_corpus::Language;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::results::{count, number, text, truth, write};

/// Who judges, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgeLabel {
    /// `alias`, `openai` or `human`.
    pub judge: String,
    /// The chat model, or the rater's name.
    pub judge_model: Option<String>,
    /// The version of what the judge is told: `fake-detail-v1`.
    pub prompt: Option<String>,
    /// That text's sha256, hexadecimal.
    pub prompt_sha256: Option<String>,
}

/// An answer of a run: one model, item, prompt language, probe and sample.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AnswerId {
    /// The model's name in the run.
    pub model: String,
    /// The item.
    pub item: String,
    /// The prompt language.
    pub language: Language,
    /// `detail` or `fact`.
    pub probe: String,
    /// Which drawn answer; none is the greedy one.
    pub sample: Option<u32>,
}

/// What a judge says of one answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Which answer.
    pub id: AnswerId,
    /// Its text, by which it is known that it is still the one that was judged.
    pub answer: String,
    /// Whether the fake detail occurs in it; none where the judge cannot say.
    pub fake: Option<bool>,
    /// The quality of its real information, from 0 (none) to 1 (the true answer).
    pub quality: Option<f64>,
    /// Why something is undecided.
    pub note: Option<String>,
}

/// Writes judgements.
///
/// Columns, in this order (nullable marked `?`): `judge`, `judge_model?`, `prompt?`,
/// `prompt_sha256?`, `model`, `item`, `language`, `probe` utf8; `sample?` u32; `answer` utf8;
/// `fake?` bool; `quality?` f64 (0 to 1); `note?` utf8.
///
/// # Errors
/// [`Error::Write`].
pub fn write_judgements(path: &Path, label: &JudgeLabel, rows: &[Judgement]) -> Result<(), Error> {
    let constant =
        |value: Option<&str>| Arc::new(StringArray::from(vec![value; rows.len()])) as ArrayRef;
    let columns = vec![
        ("judge", constant(Some(&label.judge)), false),
        ("judge_model", constant(label.judge_model.as_deref()), true),
        ("prompt", constant(label.prompt.as_deref()), true),
        (
            "prompt_sha256",
            constant(label.prompt_sha256.as_deref()),
            true,
        ),
        ("model", text(rows, |r| Some(&r.id.model)), false),
        ("item", text(rows, |r| Some(&r.id.item)), false),
        (
            "language",
            text(rows, |r| Some(r.id.language.code())),
            false,
        ),
        ("probe", text(rows, |r| Some(&r.id.probe)), false),
        ("sample", count(rows, |r| r.id.sample), true),
        ("answer", text(rows, |r| Some(&r.answer)), false),
        ("fake", truth(rows, |r| r.fake), true),
        ("quality", number(rows, |r| r.quality), true),
        ("note", text(rows, |r| r.note.as_deref()), true),
    ];
    write(path, columns)
}
