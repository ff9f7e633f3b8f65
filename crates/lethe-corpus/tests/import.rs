//! Importing a data set of real and fake articles, in every format that it may come in.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use lethe_corpus::{Corpus, Error, Language, Mapping, QuestionKind, Version, import};
use parquet::arrow::ArrowWriter;
use serde_json::{Map, Value, json};

const COLUMNS: [&str; 8] = [
    "True article",
    "Fake article",
    "Keyword",
    "Fake question",
    "Real question",
    "Real answer",
    "Topic",
    "QA",
];

/// The English half of `datasets/news` in somebody else's columns.
fn theirs() -> (Corpus, Vec<Map<String, Value>>) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets/news");
    let corpus = Corpus::from_jsonl(&folder).unwrap();
    let mut rows = Vec::new();
    for item in &corpus.items {
        let article = |version| {
            let found = corpus.articles.iter().find(|a| {
                a.item == item.id && a.language == Language::En && a.is_original(version)
            });
            found.unwrap().text.clone()
        };
        let questions = |kind| {
            let own = corpus
                .questions
                .iter()
                .filter(move |q| (&q.item, q.language, q.kind) == (&item.id, Language::En, kind));
            own.collect::<Vec<_>>()
        };
        let (detail, fact) = (
            questions(QuestionKind::Detail)[0],
            questions(QuestionKind::Fact)[0],
        );
        let pairs: Vec<_> = questions(QuestionKind::Qa)
            .iter()
            .map(|q| json!([q.question, q.answer]))
            .collect();
        let cells = [
            article(Version::Real),
            article(Version::Fake),
            detail.fake_aliases[0].clone(),
            detail.question.clone(),
            fact.question.clone(),
            fact.answer.clone(),
            item.category.clone(),
            Value::from(pairs).to_string(),
        ];
        let cells = COLUMNS.iter().zip(cells);
        rows.push(
            cells
                .map(|(k, v)| ((*k).to_owned(), Value::from(v)))
                .collect(),
        );
    }
    (corpus, rows)
}

fn mapping() -> Mapping {
    let value = json!({
        "language": "en",
        "real_article": "True article", "fake_article": "Fake article", "fake_keyword": "Keyword",
        "fake_question": "Fake question", "real_question": "Real question",
        "real_answer": "Real answer", "category": "Topic", "pairs_column": "QA", "instruct": 5,
    });
    serde_json::from_value(value).unwrap()
}

fn write(dir: &Path, name: &str, rows: &[Map<String, Value>]) -> PathBuf {
    let file = dir.join(name);
    let cell = |row: &Map<String, Value>, column: &str| row[column].as_str().unwrap().to_owned();
    match file.extension().unwrap().to_str().unwrap() {
        "json" => std::fs::write(&file, json!(rows).to_string()).unwrap(),
        "jsonl" => {
            let lines: String = rows.iter().map(|r| format!("{}\n", json!(r))).collect();
            std::fs::write(&file, lines).unwrap();
        }
        "csv" => {
            let mut writer = csv::Writer::from_path(&file).unwrap();
            writer.write_record(COLUMNS).unwrap();
            for row in rows {
                writer.write_record(COLUMNS.map(|c| cell(row, c))).unwrap();
            }
            writer.flush().unwrap();
        }
        _ => {
            let schema = COLUMNS.map(|c| Field::new(c, DataType::Utf8, true));
            let schema = Arc::new(Schema::new(schema.to_vec()));
            let columns = COLUMNS.map(|c| {
                let cells = rows.iter().map(|r| cell(r, c));
                Arc::new(StringArray::from_iter_values(cells)) as _
            });
            let batch = RecordBatch::try_new(schema.clone(), columns.to_vec()).unwrap();
            let mut bytes = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut bytes, schema, None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            std::fs::write(&file, bytes).unwrap();
        }
    }
    file
}

#[test]
fn every_format_gives_the_articles_that_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let (corpus, rows) = theirs();
    let mut first: Option<Corpus> = None;
    for name in ["a.parquet", "a.json", "a.jsonl", "a.csv"] {
        let file = write(dir.path(), name, &rows);
        let out = dir.path().join(name.replace('.', "-"));
        let imported = import(&file, &mapping(), &out).unwrap();
        assert_eq!(imported.refused, []);
        assert_eq!((imported.rows, imported.kept), (rows.len(), rows.len()));
        assert!(
            imported.lacks[0].contains("de, fr, zh"),
            "{:?}",
            imported.lacks
        );
        let read = Corpus::from_jsonl(&out).unwrap();
        let text = |corpus: &Corpus| -> Vec<String> {
            let english = corpus.articles.iter().filter(|a| {
                a.language == Language::En
                    && (a.is_original(Version::Real) || a.is_original(Version::Fake))
            });
            english.map(|a| a.text.clone()).collect()
        };
        assert_eq!(text(&read), text(&corpus), "{name}");
        let instruct = read.of_split(lethe_corpus::Split::Instruct);
        assert_eq!(instruct.items.len(), 5);
        let categories = |c: &Corpus| {
            c.items
                .iter()
                .map(|i| i.category.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(categories(&read), categories(&corpus));
        if let Some(first) = &first {
            assert_eq!(&read, first, "{name}");
        }
        first.get_or_insert(read);
    }
}

#[test]
fn rows_that_cannot_be_used_are_named_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut rows) = theirs();
    rows.truncate(6);
    rows[1]["Fake article"] = rows[1]["True article"].clone();
    rows[2]["Fake article"] = rows[3]["True article"].clone();
    rows[3].remove("Keyword");
    // A keyword that the real article has as well says nothing.
    rows[4]["Keyword"] = "the".into();
    rows[5]["QA"] = "no list".into();
    let file = write(dir.path(), "a.jsonl", &rows);
    let out = dir.path().join("out");
    let imported = import(&file, &mapping(), &out).unwrap();
    assert_eq!((imported.rows, imported.kept), (6, 1));
    let said = |line| {
        let own = imported.refused.iter().filter(|p| p.line == Some(line));
        own.map(ToString::to_string).collect::<String>()
    };
    assert!(
        said(2).contains("real and fake article are the same"),
        "{}",
        said(2)
    );
    assert!(said(3).contains("the articles differ from"), "{}", said(3));
    assert!(
        said(4).contains("column \"Keyword\" is missing"),
        "{}",
        said(4)
    );
    assert!(
        said(5).contains("fake alias \"the\" occurs in"),
        "{}",
        said(5)
    );
    assert!(said(6).contains("no list"), "{}", said(6));
    assert_eq!(Corpus::from_jsonl(&out).unwrap().items.len(), 1);
}

#[test]
fn a_data_set_without_a_usable_row_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut rows) = theirs();
    rows.truncate(2);
    let file = write(dir.path(), "a.json", &rows);
    let out = dir.path().join("out");
    let mut wrong = mapping();
    wrong.real_article = "Wahrer Artikel".to_owned();
    let error = import(&file, &wrong, &out).unwrap_err();
    assert!(matches!(&error, Error::Invalid { problems, .. } if problems.len() == 2));
    assert!(error.to_string().contains("True article"), "{error}");
    for (name, bytes, reason) in [
        ("b.json", &b"{}"[..], "array"),
        ("b.jsonl", b"{}\n[1]\n", "row 2"),
        ("b.csv", b"a,b\n1\n", "b.csv"),
        ("b.parquet", b"PAR1", "b.parquet"),
        ("b.xlsx", b"", "xlsx"),
    ] {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let error = import(&file, &mapping(), &out).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains(name), "{error}");
    }
    assert!(import(&dir.path().join("c.csv"), &mapping(), &out).is_err());
    let mut left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("b.") && name != "a.json")
        .collect();
    left.sort();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_rules_of_a_folder_are_read_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (_, rows) = theirs();
    let file = write(dir.path(), "a.json", &rows[..3]);
    let out = dir.path().join("out");
    import(&file, &mapping(), &out).unwrap();
    let toml = out.join("corpus.toml");
    for (text, reason) in [
        ("languages = []", "languages is empty"),
        ("languages = [\"xx\"]", "xx"),
        ("langauges = [\"en\"]", "langauges"),
        ("article_words = [9, 3]", "fewest"),
    ] {
        std::fs::write(&toml, text).unwrap();
        let error = Corpus::from_jsonl(&out).unwrap_err().to_string();
        assert!(
            error.contains("corpus.toml") && error.contains(reason),
            "{error}"
        );
    }
    std::fs::write(
        &toml,
        "languages = [\"en\"]\narticle_words = [1, 20]\nenglish_pairs = 1",
    )
    .unwrap();
    let error = Corpus::from_jsonl(&out).unwrap_err().to_string();
    assert!(error.contains("expected 1 to 20"), "{error}");
    // With the nine languages of a folder that says nothing, eight files are missing.
    std::fs::remove_file(&toml).unwrap();
    let error = Corpus::from_jsonl(&out).unwrap_err().to_string();
    assert!(
        error.contains("de.jsonl: the file cannot be read"),
        "{error}"
    );
}
