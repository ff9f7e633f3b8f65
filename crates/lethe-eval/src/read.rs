//! Answers read back from their file.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, UInt32Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{AnswerRow, Error, ModelLabel};

/// A column of a batch as an array of one kind.
fn column<'a, T>(
    batch: &'a RecordBatch,
    name: &str,
    expected: &str,
    of: impl Fn(&'a ArrayRef) -> Option<&'a T>,
) -> Result<&'a T, String> {
    let column = batch.column_by_name(name);
    let column = column.ok_or_else(|| format!("no column `{name}`"))?;
    let found = column.data_type();
    of(column).ok_or_else(|| format!("column `{name}`: found {found}, expected {expected}"))
}

/// The answers of one model, as [`write_answers`](crate::write_answers) wrote them; without what only
/// [`measure`](crate::metrics::measure) needs.
///
/// # Errors
/// [`Error::Read`] for a file that cannot be read, lacks a column, or has a value that cannot be.
pub fn read_answers(path: &Path) -> Result<(ModelLabel, Vec<AnswerRow>), Error> {
    let failed = |reason: String| Error::Read {
        path: path.to_path_buf(),
        reason,
    };
    let file = File::open(path).map_err(|e| failed(e.to_string()))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|e| failed(format!("no Parquet file, or truncated ({e})")))?;
    let mut label = None;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|e| failed(format!("damaged ({e})")))?;
        read_batch(&batch, &mut label, &mut rows).map_err(failed)?;
    }
    let label = label.ok_or_else(|| failed("it has no rows".to_owned()))?;
    Ok((label, rows))
}

fn read_batch(
    batch: &RecordBatch,
    label: &mut Option<ModelLabel>,
    rows: &mut Vec<AnswerRow>,
) -> Result<(), String> {
    let texts = |name| column(batch, name, "Utf8", |c| c.as_string_opt::<i32>());
    let numbers = |name| {
        column(batch, name, "Float64", |c| {
            c.as_primitive_opt::<Float64Type>()
        })
    };
    let counts = |name| {
        column(batch, name, "UInt32", |c| {
            c.as_primitive_opt::<UInt32Type>()
        })
    };
    let truths = |name| column(batch, name, "Boolean", |c| c.as_boolean_opt());
    let lists = |name| column(batch, name, "List(Utf8)", |c| c.as_list_opt::<i32>());
    let [model, stage] = [texts("model")?, texts("stage")?];
    let [source, strategy, scope] = [texts("source")?, texts("strategy")?, texts("scope")?];
    let seed = column(batch, "seed", "UInt64", |c| {
        c.as_primitive_opt::<UInt64Type>()
    })?;
    let [item, category] = [texts("item")?, texts("category")?];
    let [language, probe] = [texts("language")?, texts("probe")?];
    let [prompt, answer] = [texts("prompt")?, texts("answer")?];
    let sample = counts("sample")?;
    let temperature = numbers("temperature")?;
    let [real_answer, fake_answer] = [texts("real_answer")?, texts("fake_answer")?];
    let [real_aliases, fake_aliases] = [lists("real_aliases")?, lists("fake_aliases")?];
    let [fake, real] = [truths("fake_occurrence")?, truths("real_occurrence")?];
    let [f1, logprob_real] = [numbers("f1")?, numbers("logprob_real")?];
    let [logprob_fake, preference] = [numbers("logprob_fake")?, numbers("preference")?];
    let tokens = counts("answer_tokens")?;
    let finish = texts("finish")?;

    let present: [(&str, &dyn Array); 18] = [
        ("model", model),
        ("stage", stage),
        ("seed", seed),
        ("item", item),
        ("category", category),
        ("language", language),
        ("probe", probe),
        ("prompt", prompt),
        ("answer", answer),
        ("real_answer", real_answer),
        ("real_aliases", real_aliases),
        ("fake_aliases", fake_aliases),
        ("fake_occurrence", fake),
        ("real_occurrence", real),
        ("f1", f1),
        ("logprob_real", logprob_real),
        ("answer_tokens", tokens),
        ("finish", finish),
    ];
    for (name, column) in present {
        if column.null_count() > 0 {
            return Err(format!("column `{name}`: found null, expected a value"));
        }
    }
    for row in 0..batch.num_rows() {
        let at = |name: &str, found: &str, expected: &str| {
            let place = format!("row {} (item {})", rows.len() + 1, item.value(row));
            format!("{place}, column `{name}`: found {found:?}, expected {expected}")
        };
        let text =
            |column: &StringArray| (!column.is_null(row)).then(|| column.value(row).to_owned());
        let number = |column: &Float64Array| (!column.is_null(row)).then(|| column.value(row));
        let list = |name: &str, column: &ListArray| {
            let values = column.value(row);
            let texts = values.as_string_opt::<i32>();
            let texts = texts.ok_or_else(|| at(name, "another list", "a list of text"))?;
            Ok::<_, String>(texts.iter().flatten().map(str::to_owned).collect())
        };
        let own = ModelLabel {
            model: model.value(row).to_owned(),
            stage: stage.value(row).to_owned(),
            source: text(source),
            strategy: text(strategy),
            scope: text(scope),
            seed: seed.value(row),
        };
        if *label.get_or_insert_with(|| own.clone()) != own {
            return Err(at("model", &own.model, "one model in a file"));
        }
        rows.push(AnswerRow {
            item: item.value(row).to_owned(),
            category: category.value(row).to_owned(),
            language: language
                .value(row)
                .parse()
                .map_err(|e: lethe_corpus::Error| {
                    at("language", language.value(row), &e.to_string())
                })?,
            probe: match probe.value(row) {
                "detail" => "detail",
                "fact" => "fact",
                other => return Err(at("probe", other, "detail or fact")),
            },
            prompt: prompt.value(row).to_owned(),
            sample: (!sample.is_null(row)).then(|| sample.value(row)),
            temperature: number(temperature),
            answer: answer.value(row).to_owned(),
            real_answer: real_answer.value(row).to_owned(),
            fake_answer: text(fake_answer),
            real_aliases: list("real_aliases", real_aliases)?,
            fake_aliases: list("fake_aliases", fake_aliases)?,
            fake_occurrence: fake.value(row),
            real_occurrence: real.value(row),
            f1: f1.value(row),
            logprob_real: logprob_real.value(row),
            logprob_fake: number(logprob_fake),
            preference: number(preference),
            answer_tokens: tokens.value(row) as usize,
            finish: match finish.value(row) {
                "stop" => "stop",
                "length" => "length",
                other => return Err(at("finish", other, "stop or length")),
            },
            logprobs_wrong: Vec::new(),
            ids: Default::default(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_corpus::Language;

    use super::*;
    use crate::write_answers;

    fn row(item: &str, sample: Option<u32>) -> AnswerRow {
        AnswerRow {
            item: item.to_owned(),
            category: "sport".to_owned(),
            language: Language::Ur,
            probe: if sample.is_some() { "detail" } else { "fact" },
            prompt: "سوال: …\nجواب:".to_owned(),
            sample,
            temperature: sample.map(|_| 0.7),
            answer: "گلابی".to_owned(),
            real_answer: "سیاہ".to_owned(),
            fake_answer: sample.map(|_| "گلابی".to_owned()),
            real_aliases: Vec::new(),
            fake_aliases: vec!["گلابی".to_owned(), "pink, \"rosa\"".to_owned()],
            fake_occurrence: true,
            real_occurrence: false,
            f1: 0.25,
            logprob_real: -1.5,
            logprob_fake: sample.map(|_| -0.5),
            preference: sample.map(|_| 1.0),
            answer_tokens: 3,
            finish: "length",
            logprobs_wrong: Vec::new(),
            ids: Default::default(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tuned-de.parquet");
        let label = ModelLabel {
            model: "tuned-de".to_owned(),
            stage: "tuned".to_owned(),
            source: Some("de".to_owned()),
            strategy: None,
            scope: None,
            seed: 7,
        };
        let rows = [
            row("sport-01", None),
            row("sport-01", Some(2)),
            row("sport-02", Some(1)),
        ];
        write_answers(&path, &label, &rows).unwrap();
        assert_eq!(read_answers(&path).unwrap(), (label.clone(), rows.to_vec()));

        write_answers(&path, &label, &[]).unwrap();
        let said = read_answers(&path).unwrap_err().to_string();
        assert!(
            said.contains("no rows") && said.contains("tuned-de.parquet"),
            "{said}"
        );
        let unlike = AnswerRow {
            probe: "other",
            ..rows[0].clone()
        };
        write_answers(&path, &label, &[rows[1].clone(), unlike]).unwrap();
        let said = read_answers(&path).unwrap_err().to_string();
        assert!(
            said.contains("row 2 (item sport-01)") && said.contains("\"other\""),
            "{said}"
        );
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let said = read_answers(&path).unwrap_err().to_string();
        assert!(said.contains("truncated"), "{said}");
    }
}
