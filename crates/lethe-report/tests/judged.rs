//! Judgements beside a made-up study's answers.
#![allow(clippy::unwrap_used, missing_docs)]

// The other tests use the rest.
#[allow(dead_code)]
mod fixture;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array,
};
use arrow::compute::concat;
use fixture::{Columns, Fixture, claims, contents, run_info};
use lethe_report::{Error, build};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A judgement of a row of the answers.
#[derive(Clone)]
struct Row {
    item: String,
    language: String,
    probe: String,
    answer: String,
    /// What the aliases say.
    alias: bool,
    fake: Option<bool>,
    quality: Option<f64>,
}

fn answers(folder: &Path, model: &str) -> Vec<Row> {
    let file = File::open(folder.join(format!("answers/{model}.parquet"))).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch: RecordBatch = batch.unwrap();
        let text = |name: &str, row: usize| {
            batch
                .column_by_name(name)
                .unwrap()
                .as_string::<i32>()
                .value(row)
                .to_owned()
        };
        let fakes = batch
            .column_by_name("fake_occurrence")
            .unwrap()
            .as_boolean()
            .clone();
        rows.extend((0..batch.num_rows()).map(|row| Row {
            item: text("item", row),
            language: text("language", row),
            probe: text("probe", row),
            answer: text("answer", row),
            alias: fakes.value(row),
            fake: Some(fakes.value(row)),
            quality: Some(0.25),
        }));
    }
    rows
}

fn write(folder: &Path, file: &str, judge: &str, model: &str, rows: &[Row]) {
    let text = |of: &dyn Fn(&Row) -> String| {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of))) as ArrayRef
    };
    let n = rows.len();
    let fakes: BooleanArray = rows.iter().map(|r| r.fake).collect();
    let qualities: Float64Array = rows.iter().map(|r| r.quality).collect();
    let columns = vec![
        ("judge", text(&|_| judge.to_owned()), false),
        (
            "judge_model",
            Arc::new(StringArray::from(vec![Some("m-1"); n])) as ArrayRef,
            true,
        ),
        (
            "prompt",
            Arc::new(StringArray::from(vec![Some("fake-detail-v1"); n])) as ArrayRef,
            true,
        ),
        ("model", text(&|_| model.to_owned()), false),
        ("item", text(&|r| r.item.clone()), false),
        ("language", text(&|r| r.language.clone()), false),
        ("probe", text(&|r| r.probe.clone()), false),
        (
            "sample",
            Arc::new(UInt32Array::from(vec![None::<u32>; n])) as ArrayRef,
            true,
        ),
        ("answer", text(&|r| r.answer.clone()), false),
        ("fake", Arc::new(fakes) as ArrayRef, true),
        ("quality", Arc::new(qualities) as ArrayRef, true),
    ];
    fixture::write(&folder.join("judgements").join(file), columns);
}

/// A table of the report: the values of the row that begins with these.
fn row(out: &Path, table: &str, begins: &str) -> Vec<String> {
    let text = std::fs::read_to_string(out.join(format!("tables/{table}.csv"))).unwrap();
    let found = text.lines().find(|line| line.starts_with(begins));
    let found = found.unwrap_or_else(|| panic!("no {begins} in\n{text}"));
    found.split(',').map(str::to_owned).collect()
}

fn study() -> (tempfile::TempDir, Vec<Row>) {
    let folder = tempfile::tempdir().unwrap();
    // Fakes learned in German are said in German alone.
    let tuned = |_: &fixture::Model, language: &str| if language == "de" { 3.0 } else { -3.0 };
    Fixture::new(tuned).write(folder.path());
    let rows = answers(folder.path(), "tuned-de");
    (folder, rows)
}

fn report(folder: &Path) -> Result<std::path::PathBuf, Error> {
    let out = folder.join("out");
    build(folder, &run_info(), &claims(), &out)?;
    Ok(out)
}

#[test]
fn judges_stand_beside_the_aliases() {
    let (folder, mut rows) = study();
    let out = report(folder.path()).unwrap();
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(!page.contains("id=\"judged\"") && !out.join("tables/judged.csv").exists());

    // 24 items, 9 languages, 2 probes: aliases find the fake in the 24 German answers to the detail
    // probe. This judge finds it in French ones too, and is undecided on all Chinese ones.
    let detail = |row: &Row, language: &str| row.probe == "detail" && row.language == language;
    assert_eq!(rows.iter().filter(|row| row.alias).count(), 24);
    for row in &mut rows {
        if detail(row, "fr") {
            row.fake = Some(true);
        }
        if row.language == "zh" {
            (row.fake, row.quality) = (None, None);
        }
    }
    // Two answers are other ones by now.
    for row in rows.iter_mut().filter(|row| detail(row, "ur")).take(2) {
        row.answer.push('!');
    }
    write(
        folder.path(),
        "openai-m-1.parquet",
        "openai",
        "tuned-de",
        &rows,
    );
    write(folder.path(), "alias.parquet", "alias", "tuned-de", &rows);
    let out = report(folder.path()).unwrap();
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("id=\"judged\"") && page.contains("href=\"#judged\""));

    let all = row(&out, "agreement", "openai m-1,fake-detail-v1,all,");
    // Judged, undecided, changed.
    assert_eq!(all[3..6], ["430", "48", "2"]);
    // Of 382 decided ones, the 24 French differ: p_o = 358/382; aliases say yes to 24, the judge to
    // 48: p_e = (24 · 48 + 358 · 334) / 382².
    let number = |text: &str| text.parse::<f64>().unwrap();
    let (observed, chance) = (
        358.0 / 382.0,
        (24.0 * 48.0 + 358.0 * 334.0) / (382.0 * 382.0),
    );
    assert!((number(&all[6]) - observed).abs() < 1e-12);
    assert!((number(&all[7]) - (observed - chance) / (1.0 - chance)).abs() < 1e-12);
    assert!(number(&all[8]) <= number(&all[7]) && number(&all[7]) <= number(&all[9]));
    // In German both always say the same, which is worth a kappa there: yes to one probe, no to the
    // other. In French one of them never says yes.
    let german = row(&out, "agreement", "openai m-1,fake-detail-v1,German");
    assert_eq!(german[6..10], ["1", "1", "1", "1"]);
    let french = row(&out, "agreement", "openai m-1,fake-detail-v1,French");
    assert_eq!(french[6..8], ["0.5", "0"]);

    // Model, language, decoding; fake and quality by alias; judged, fake and quality by the judge.
    let french = row(&out, "judged", "tuned-de,French");
    assert_eq!(french[2..6], ["greedy", "0", "0", "0"]);
    assert_eq!(french[9..], ["48", "1", "1", "1", "0.25", "0.25", "0.25"]);
    let chinese = row(&out, "judged", "tuned-de,Chinese");
    assert_eq!(chinese[9..], ["48", "", "", "", "", "", ""]);
    let other = row(&out, "judged", "tuned-en,French");
    assert_eq!(other[9], "0");
}

/// Two further rows of every probe that say the contrary of all, and at length nothing.
fn with_drawn(columns: Columns) -> Columns {
    let rows = columns[0].1.len();
    let column = |(name, greedy, nullable): (&'static str, ArrayRef, bool)| {
        let numbers = |value: f64| Arc::new(Float64Array::from(vec![value; rows])) as ArrayRef;
        let truths = |value: bool| Arc::new(BooleanArray::from(vec![value; rows])) as ArrayRef;
        let texts = |value: &str| Arc::new(StringArray::from(vec![value; rows])) as ArrayRef;
        let drawn = |sample: u32| -> ArrayRef {
            match name {
                "sample" => Arc::new(UInt32Array::from(vec![sample; rows])),
                "temperature" => numbers(0.7),
                "answer" => texts("no no no no no no no no"),
                "fake_occurrence" => truths(true),
                "real_occurrence" => truths(false),
                "f1" => numbers(0.0),
                "logprob_real" => numbers(-50.0),
                "preference" => numbers(40.0),
                _ => Arc::clone(&greedy),
            }
        };
        let parts = [drawn(2), Arc::clone(&greedy), drawn(1)];
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        (name, concat(&parts).unwrap(), nullable)
    };
    columns.into_iter().map(column).collect()
}

#[test]
fn drawn_answers_change_nothing_but_their_own_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(|model, language| match model.stage.as_str() {
        "tuned" if language == "de" => 3.0,
        _ => -3.0,
    });
    // One that no longer speaks.
    fixture.model("unlearned-de-source").answer = Some(String::new());
    fixture.write(folder.path());
    let before = contents(&report(folder.path()).unwrap());
    assert!(!before.contains_key("tables/judged.csv"));
    for model in &fixture.models {
        let path = folder
            .path()
            .join(format!("answers/{}.parquet", model.name));
        fixture.write_answers(&path, model, with_drawn);
    }
    let out = report(folder.path()).unwrap();
    let after = contents(&out);
    let table = "tables/judged.csv".to_owned();
    let same = |name: &&String| **name != table && !name.ends_with("index.html");
    assert!(before.keys().filter(same).eq(after.keys().filter(same)));
    for name in before.keys().filter(same) {
        assert!(before[name] == after[name], "{name}");
    }
    // The page as well, but for the section.
    let page = |of: &std::collections::BTreeMap<String, Vec<u8>>| {
        String::from_utf8(of["/index.html"].clone()).unwrap()
    };
    let (link, section) = ("<a href=\"#judged\">Judges</a> ", "<section id=\"judged\">");
    let new = page(&after);
    let (first, rest) = new.split_once(section).unwrap();
    let (judged, rest) = rest.split_once("</section>").unwrap();
    let plain = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(plain(first.replace(link, "") + rest), plain(page(&before)));

    // Greedy answers said no fake, drawn ones nothing else.
    let csv = std::fs::read_to_string(out.join(&table)).unwrap();
    let french: Vec<&str> = csv
        .lines()
        .filter(|line| line.starts_with("tuned-de,French"))
        .collect();
    assert!(french[0].ends_with(",greedy,0,0,0,1,1,1"), "{french:?}");
    assert!(
        french[1].ends_with(",2 drawn at temperature 0.7,1,1,1,0,0,0"),
        "{french:?}"
    );
    assert_eq!(french.len(), 2);
    // That nothing is said is no forgetting, greedy or drawn: both measures of both are marked.
    let marks = |model: &str| -> Vec<usize> {
        let rows = judged.split("<tr>").filter(|row| row.contains(model));
        rows.map(|row| row.matches('†').count()).collect()
    };
    assert_eq!(marks(">unlearned-de-source<"), [2; 18]);
    assert_eq!(marks(">tuned-de<"), [0; 18]);
}

#[test]
fn judgements_that_cannot_be_are_named() {
    let (folder, rows) = study();
    let fails = |rows: &[Row], says: &[&str]| {
        write(folder.path(), "human-a.parquet", "human", "tuned-de", rows);
        let error = report(folder.path()).unwrap_err().to_string();
        for part in says {
            assert!(error.contains(part), "no {part:?} in {error}");
        }
    };
    let mut spoiled = rows.clone();
    spoiled[2].quality = Some(1.5);
    fails(
        &spoiled,
        &["human-a.parquet: row 3", "`quality`: found 1.5", "0 to 1"],
    );
    let mut spoiled = rows.clone();
    spoiled.push(rows[0].clone());
    fails(&spoiled, &["row 433", "the same row twice"]);
}
