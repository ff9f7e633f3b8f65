//! Result rows as Parquet (zstd), one file per model, written whole or not at all.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    UInt32Array, UInt64Array,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use crate::metrics::{ArticleRow, MeasureRow};
use crate::{AnswerRow, Error, PerplexityRow, RobustnessRow, UtilityRow};

/// Which model a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelLabel {
    /// Its unique name in the run, which is also the file's: `unlearned-de-english+source`.
    pub model: String,
    /// `base`, `instruct`, `tuned` or `unlearned`.
    pub stage: String,
    /// The language in which it learned the fakes.
    pub source: Option<String>,
    /// The unlearning strategy.
    pub strategy: Option<String>,
    /// The unlearning language scope.
    pub scope: Option<String>,
    /// The training seed.
    pub seed: u64,
}

pub(crate) type Column = (&'static str, ArrayRef, bool);

fn label_columns(label: &ModelLabel, rows: usize) -> Vec<Column> {
    let constant = |value: &str| Arc::new(StringArray::from(vec![value; rows])) as ArrayRef;
    let optional = |value: &Option<String>| {
        Arc::new(StringArray::from(vec![value.as_deref(); rows])) as ArrayRef
    };
    vec![
        ("model", constant(&label.model), false),
        ("stage", constant(&label.stage), false),
        ("source", optional(&label.source), true),
        ("strategy", optional(&label.strategy), true),
        ("scope", optional(&label.scope), true),
        (
            "seed",
            Arc::new(UInt64Array::from(vec![label.seed; rows])),
            false,
        ),
    ]
}

/// Writes answers.
///
/// Columns, in this order (nullable marked `?`): `model`, `stage`, `source?`, `strategy?`,
/// `scope?` utf8; `seed` u64; `item`, `category`, `language`, `probe`, `prompt` utf8; `sample?` u32
/// (from 1; null is the greedy answer), `temperature?` f64; `answer`, `real_answer`,
/// `fake_answer?` utf8; `real_aliases`, `fake_aliases` lists of utf8; `fake_occurrence`,
/// `real_occurrence` bool; `f1`, `logprob_real`, `logprob_fake?`, `preference?` f64;
/// `answer_tokens` u32; `finish` utf8.
///
/// # Errors
/// [`Error::Write`].
pub fn write_answers(path: &Path, label: &ModelLabel, rows: &[AnswerRow]) -> Result<(), Error> {
    let lists = |of: fn(&AnswerRow) -> &[String]| {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in rows {
            lists.append_value(of(row).iter().map(Some));
        }
        Arc::new(lists.finish()) as ArrayRef
    };
    let mut columns = label_columns(label, rows.len());
    columns.extend([
        ("item", text(rows, |r| Some(&r.item)), false),
        ("category", text(rows, |r| Some(&r.category)), false),
        ("language", text(rows, |r| Some(r.language.code())), false),
        ("probe", text(rows, |r| Some(r.probe)), false),
        ("prompt", text(rows, |r| Some(&r.prompt)), false),
        ("sample", count(rows, |r| r.sample), true),
        ("temperature", number(rows, |r| r.temperature), true),
        ("answer", text(rows, |r| Some(&r.answer)), false),
        ("real_answer", text(rows, |r| Some(&r.real_answer)), false),
        (
            "fake_answer",
            text(rows, |r| r.fake_answer.as_deref()),
            true,
        ),
        ("real_aliases", lists(|r| &r.real_aliases), false),
        ("fake_aliases", lists(|r| &r.fake_aliases), false),
        (
            "fake_occurrence",
            truth(rows, |r| Some(r.fake_occurrence)),
            false,
        ),
        (
            "real_occurrence",
            truth(rows, |r| Some(r.real_occurrence)),
            false,
        ),
        ("f1", number(rows, |r| Some(r.f1)), false),
        (
            "logprob_real",
            number(rows, |r| Some(r.logprob_real)),
            false,
        ),
        ("logprob_fake", number(rows, |r| r.logprob_fake), true),
        ("preference", number(rows, |r| r.preference), true),
        (
            "answer_tokens",
            count(rows, |r| Some(r.answer_tokens as u32)),
            false,
        ),
        ("finish", text(rows, |r| Some(r.finish)), false),
    ]);
    write(path, columns)
}

/// A column of text, and so on: of every row what `of` says, or null.
pub(crate) fn text<'a, R>(rows: &'a [R], of: impl Fn(&'a R) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<StringArray>())
}

pub(crate) fn number<R>(rows: &[R], of: impl Fn(&R) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Float64Array>())
}

pub(crate) fn count<R>(rows: &[R], of: impl Fn(&R) -> Option<u32>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<UInt32Array>())
}

pub(crate) fn truth<R>(rows: &[R], of: impl Fn(&R) -> Option<bool>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<BooleanArray>())
}

/// Writes perplexities.
///
/// Columns: `model`, `stage`, `source?`, `strategy?`, `scope?` utf8; `seed` u64; `item`,
/// `language` utf8; `nll` f64 (mean per token, nats); `tokens` u32.
///
/// # Errors
/// [`Error::Write`].
pub fn write_perplexity(
    path: &Path,
    label: &ModelLabel,
    rows: &[PerplexityRow],
) -> Result<(), Error> {
    let mut columns = label_columns(label, rows.len());
    columns.extend([
        ("item", text(rows, |r| Some(&r.item)), false),
        ("language", text(rows, |r| Some(r.language.code())), false),
        ("nll", number(rows, |r| Some(r.nll)), false),
        ("tokens", count(rows, |r| Some(r.tokens as u32)), false),
    ]);
    write(path, columns)
}

/// Writes what a model makes of text that has nothing to do with the corpus.
///
/// Columns: `model`, `stage`, `source?`, `strategy?`, `scope?` utf8; `seed` u64; `set`, `item`,
/// `language` utf8; `nll?` f64 (mean per token, nats) and `tokens?` u32 of the set `declaration`;
/// `correct?` bool and `margin?` f64 (nats) of the sets `name` and `language`.
///
/// # Errors
/// [`Error::Write`].
pub fn write_utility(path: &Path, label: &ModelLabel, rows: &[UtilityRow]) -> Result<(), Error> {
    let mut columns = label_columns(label, rows.len());
    columns.extend([
        ("set", text(rows, |r| Some(&r.set)), false),
        ("item", text(rows, |r| Some(&r.item)), false),
        ("language", text(rows, |r| Some(r.language.code())), false),
        ("nll", number(rows, |r| r.nll), true),
        ("tokens", count(rows, |r| r.tokens.map(|n| n as u32)), true),
        ("correct", truth(rows, UtilityRow::correct), true),
        ("margin", number(rows, |r| r.margin), true),
    ]);
    write(path, columns)
}

/// Writes what attacks brought back.
///
/// Columns, in this order (nullable marked `?`): `model`, `stage`, `source?`, `strategy?`,
/// `scope?` utf8; `seed` u64; `attack` utf8 ([`Attack::name`](crate::Attack::name)); `amount?` u32 (steps,
/// bits or pairs), `with_language?` utf8 (of what is learned again, or of the wanted answer); `item`,
/// `language` utf8; `relearned` bool; `prompt`, `answer`, `real_answer`, `fake_answer` utf8;
/// `fake_occurrence`, `real_occurrence` bool; `logprob_real`, `logprob_fake`, `preference` f64;
/// `answer_tokens` u32; `finish` utf8. What they are: [`RobustnessRow`].
///
/// # Errors
/// [`Error::Write`].
pub fn write_robustness(
    path: &Path,
    label: &ModelLabel,
    rows: &[RobustnessRow],
) -> Result<(), Error> {
    let with_language = |r: &RobustnessRow| r.attack.language().map(lethe_corpus::Language::code);
    let mut columns = label_columns(label, rows.len());
    columns.extend([
        ("attack", text(rows, |r| Some(r.attack.name())), false),
        ("amount", count(rows, |r| r.attack.amount()), true),
        ("with_language", text(rows, with_language), true),
        ("item", text(rows, |r| Some(&r.item)), false),
        ("language", text(rows, |r| Some(r.language.code())), false),
        ("relearned", truth(rows, |r| Some(r.relearned)), false),
        ("prompt", text(rows, |r| Some(&r.prompt)), false),
        ("answer", text(rows, |r| Some(&r.answer)), false),
        ("real_answer", text(rows, |r| Some(&r.real_answer)), false),
        ("fake_answer", text(rows, |r| Some(&r.fake_answer)), false),
        (
            "fake_occurrence",
            truth(rows, |r| Some(r.fake_occurrence)),
            false,
        ),
        (
            "real_occurrence",
            truth(rows, |r| Some(r.real_occurrence)),
            false,
        ),
        (
            "logprob_real",
            number(rows, |r| Some(r.logprob_real)),
            false,
        ),
        (
            "logprob_fake",
            number(rows, |r| Some(r.logprob_fake)),
            false,
        ),
        ("preference", number(rows, |r| Some(r.preference)), false),
        (
            "answer_tokens",
            count(rows, |r| Some(r.answer_tokens)),
            false,
        ),
        ("finish", text(rows, |r| Some(r.finish)), false),
    ]);
    write(path, columns)
}

/// Writes the measures of answers.
///
/// Columns, in this order (nullable marked `?`): `model`, `stage`, `source?`, `strategy?`,
/// `scope?` utf8; `seed` u64; `item`, `language`, `probe` utf8; `probability_real`,
/// `probability_fake?`, `log_truth_ratio?` f64; `wrong_answers` u32; `rouge_real`, `rouge_fake?`,
/// `chrf_real`, `chrf_fake?` f64; `in_language?`, `invalid` bool; `untuned_nll?` f64; `gibberish`
/// bool. What they are: [`MeasureRow`].
///
/// # Errors
/// [`Error::Write`].
pub fn write_measures(path: &Path, label: &ModelLabel, rows: &[MeasureRow]) -> Result<(), Error> {
    let mut columns = label_columns(label, rows.len());
    columns.extend([
        ("item", text(rows, |r| Some(&r.item)), false),
        ("language", text(rows, |r| Some(r.language.code())), false),
        ("probe", text(rows, |r| Some(r.probe)), false),
        (
            "probability_real",
            number(rows, |r| Some(r.probability_real)),
            false,
        ),
        (
            "probability_fake",
            number(rows, |r| r.probability_fake),
            true,
        ),
        ("log_truth_ratio", number(rows, |r| r.log_truth_ratio), true),
        (
            "wrong_answers",
            count(rows, |r| Some(r.wrong_answers as u32)),
            false,
        ),
        ("rouge_real", number(rows, |r| Some(r.rouge_real)), false),
        ("rouge_fake", number(rows, |r| r.rouge_fake), true),
        ("chrf_real", number(rows, |r| Some(r.chrf_real)), false),
        ("chrf_fake", number(rows, |r| r.chrf_fake), true),
        ("in_language", truth(rows, |r| r.in_language), true),
        ("invalid", truth(rows, |r| Some(r.invalid)), false),
        ("untuned_nll", number(rows, |r| r.untuned_nll), true),
        ("gibberish", truth(rows, |r| Some(r.gibberish)), false),
    ]);
    write(path, columns)
}

/// Writes what a model has by heart of articles.
///
/// Columns, in this order (nullable marked `?`): `model`, `stage`, `source?`, `strategy?`,
/// `scope?` utf8; `seed` u64; `item`, `language` utf8; `member` bool; `tokens` u32;
/// `exact_memorisation`, `extraction_strength`, `loss`, `zlib`, `min_k`, `min_k_plus_plus` f64. What
/// they are: [`ArticleRow`] and [`Membership`](crate::metrics::Membership).
///
/// # Errors
/// [`Error::Write`].
pub fn write_articles(path: &Path, label: &ModelLabel, rows: &[ArticleRow]) -> Result<(), Error> {
    let known = |of: fn(&ArticleRow) -> f64| number(rows, |r| Some(of(r)));
    let mut columns = label_columns(label, rows.len());
    columns.extend([
        ("item", text(rows, |r| Some(&r.item)), false),
        ("language", text(rows, |r| Some(r.language.code())), false),
        ("member", truth(rows, |r| Some(r.member)), false),
        ("tokens", count(rows, |r| Some(r.tokens as u32)), false),
        ("exact_memorisation", known(|r| r.exact_memorisation), false),
        (
            "extraction_strength",
            known(|r| r.extraction_strength),
            false,
        ),
        ("loss", known(|r| r.membership.loss), false),
        ("zlib", known(|r| r.membership.zlib), false),
        ("min_k", known(|r| r.membership.min_k), false),
        (
            "min_k_plus_plus",
            known(|r| r.membership.min_k_plus_plus),
            false,
        ),
    ]);
    write(path, columns)
}

pub(crate) fn write(path: &Path, columns: Vec<Column>) -> Result<(), Error> {
    let failed = |reason: String| Error::Write {
        path: path.to_path_buf(),
        reason,
    };
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns).map_err(|e| failed(e.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| failed(e.to_string()))?;
    let file = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(e.to_string()))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(Default::default()))
        .build();
    let mut writer = ArrowWriter::try_new(file.as_file(), batch.schema(), Some(properties))
        .map_err(|e| failed(e.to_string()))?;
    writer.write(&batch).map_err(|e| failed(e.to_string()))?;
    writer.close().map_err(|e| failed(e.to_string()))?;
    file.as_file()
        .sync_all()
        .map_err(|e| failed(e.to_string()))?;
    file.persist(path)
        .map_err(|e| failed(e.error.to_string()))?;
    Ok(())
}
