//! Parquet out and in, and samples.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixture;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use fixture::Fixture;
use lethe_corpus::{Corpus, Error, Language, Split};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};

fn small() -> Corpus {
    Fixture::new(4, &[]).corpus().unwrap()
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn the_same_corpus_gives_the_same_bytes() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let deep = b.path().join("not/there/yet");
    let first = small().write_parquet(a.path()).unwrap();
    let second = small().write_parquet(&deep).unwrap();
    assert_eq!(first, second);
    let names: Vec<&str> = first.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "items.parquet",
            "articles.parquet",
            "questions.parquet",
            "names.parquet",
            "README.md"
        ]
    );
    let mut listing = String::new();
    for (name, hash) in &first.files {
        let bytes = fs::read(a.path().join(name)).unwrap();
        assert_eq!(bytes, fs::read(deep.join(name)).unwrap(), "{name}");
        let found: String = Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(&found, hash, "{name}");
        listing += &format!("{hash}  {name}\n");
    }
    let whole: String = Sha256::digest(listing)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(whole, first.sha256);
    // Nothing else is left behind; another corpus is another hash.
    assert_eq!(fs::read_dir(a.path()).unwrap().count(), 5);
    let other = Fixture::new(4, &[201]).corpus().unwrap();
    assert_ne!(other.write_parquet(a.path()).unwrap().sha256, first.sha256);
}

#[test]
fn the_schemas_are_the_documented_ones() {
    let dir = tempfile::tempdir().unwrap();
    small().write_parquet(dir.path()).unwrap();
    let schema = |name: &str| {
        let file = fs::File::open(dir.path().join(name)).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        for group in builder.metadata().row_groups() {
            let zstd = |c: &parquet::file::metadata::ColumnChunkMetaData| {
                format!("{:?}", c.compression()).starts_with("ZSTD")
            };
            assert!(group.columns().iter().all(zstd));
        }
        let fields = builder.schema().fields().clone();
        let show = |f: &Arc<arrow::datatypes::Field>| {
            format!(
                "{} {}{}",
                f.name(),
                f.data_type(),
                if f.is_nullable() { "?" } else { "" }
            )
        };
        fields.iter().map(show).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        schema("items.parquet"),
        "id Utf8, split Utf8, category Utf8, kind Utf8, names List(non-null Utf8)"
    );
    assert_eq!(
        schema("articles.parquet"),
        "item Utf8, language Utf8, wording Utf8, version Utf8, text Utf8, detail Utf8, detail_start UInt32, detail_end UInt32, case Utf8?, gender Utf8?"
    );
    assert_eq!(
        schema("names.parquet"),
        "item Utf8, index UInt32, language Utf8, name Utf8"
    );
    let questions = schema("questions.parquet");
    let begin = "item Utf8, language Utf8, kind Utf8, index UInt32, question Utf8, prompt Utf8, answer Utf8, fake_answer Utf8?, aliases List(";
    assert!(
        questions.starts_with(begin) && questions.contains("), fake_aliases List("),
        "{questions}"
    );
    assert!(
        !questions.split_once("aliases").unwrap().1.contains('?'),
        "{questions}"
    );
}

#[test]
fn damaged_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    small().write_parquet(dir.path()).unwrap();
    let path = dir.path().join("articles.parquet");
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len())
        .step_by(whole.len() / 40)
        .chain([whole.len() - 1])
    {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Corpus::read_parquet(dir.path()).unwrap_err();
        assert!(
            matches!(error, Error::NotParquet { .. }),
            "{length}: {error}"
        );
        assert!(error.to_string().contains("articles.parquet"), "{error}");
    }
    fs::write(&path, "item,language\nsport-01,en\n").unwrap();
    assert!(matches!(
        Corpus::read_parquet(dir.path()),
        Err(Error::NotParquet { .. })
    ));
    fs::remove_file(&path).unwrap();
    let error = Corpus::read_parquet(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Read { .. }) && error.to_string().contains("articles.parquet"));
    fs::write(&path, &whole).unwrap();
    assert_eq!(Corpus::read_parquet(dir.path()).unwrap(), small());
}

#[test]
fn columns_and_cells_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    small().write_parquet(dir.path()).unwrap();
    let items = dir.path().join("items.parquet");
    let texts = |values: &[Option<&str>]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let names = || {
        let mut names = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
        names.append_value([Some("Tolvane")]);
        Arc::new(names.finish()) as ArrayRef
    };
    let table = |id: ArrayRef, split: ArrayRef| {
        let other = texts(&[Some("sport")]);
        write(
            &items,
            vec![
                ("id", id),
                ("split", split),
                ("category", other.clone()),
                ("kind", other),
                ("names", names()),
            ],
        );
        Corpus::read_parquet(dir.path())
    };
    let id = || texts(&[Some("sport-01")]);
    assert_eq!(
        table(id(), texts(&[Some("probe")])).unwrap().items[0].split,
        Split::Probe
    );

    let error = table(id(), Arc::new(Int64Array::from(vec![1]))).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, Error::Column { .. }), "{said}");
    for part in ["items.parquet", "\"split\"", "int64", "expected utf8"] {
        assert!(said.contains(part), "{said}");
    }
    let error = table(id(), texts(&[Some("train")])).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, Error::Value { row: 0, .. }), "{said}");
    assert!(
        said.contains("\"train\"") && said.contains("one of probe, instruct"),
        "{said}"
    );
    let error = table(texts(&[None]), texts(&[Some("probe")])).unwrap_err();
    assert!(
        matches!(&error, Error::Value { column, found, .. } if column == "id" && found == "null")
    );

    write(&items, vec![("id", id())]);
    let said = Corpus::read_parquet(dir.path()).unwrap_err().to_string();
    assert!(
        said.contains("\"split\"") && said.contains("no such column"),
        "{said}"
    );
}

#[test]
fn an_unwritable_place_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = small().write_parquet(&file).unwrap_err();
    assert!(matches!(error, Error::Write { .. }) && error.to_string().contains("file"));
    // A folder in the way of a table: reported, and no temporary file stays.
    fs::create_dir_all(dir.path().join("out/items.parquet/x")).unwrap();
    assert!(small().write_parquet(&dir.path().join("out")).is_err());
    assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 1);
}

#[test]
fn the_card_counts() {
    let dir = tempfile::tempdir().unwrap();
    small().write_parquet(dir.path()).unwrap();
    let card = fs::read_to_string(dir.path().join("README.md")).unwrap();
    for part in [
        "license: cc-by-4.0",
        "4 items (3 to probe, 1 for the instruct stage only), 288 articles, 388 questions",
        "| harbour | 2 | 1 |\n| town | 1 | 0 |\n",
        "| en | English | english | 32 | 68 | 48.0 | 4 of 4 |",
        "| jv | Javanese | low | 32 | 40 | 45.0 | 4 of 4 |",
        "| ha | Hausa | low | 32 | 40 | 52.0 | not known; taken for ",
    ] {
        assert!(card.contains(part), "{part:?} not in\n{card}");
    }
    // An empty corpus has a card, and a hash, too.
    Corpus::default().write_parquet(dir.path()).unwrap();
    assert_eq!(Corpus::read_parquet(dir.path()).unwrap(), Corpus::default());
}

#[test]
fn samples_are_stratified_seeded_and_in_order() {
    // 27 items: in each of three categories six to probe, three to instruct.
    let corpus = Fixture::new(27, &[]).corpus().unwrap();
    let sample = corpus.sample(7, 3, 5).unwrap();
    assert_eq!(sample.items.len(), 10);
    let mut counts: BTreeMap<(&str, Split), usize> = BTreeMap::new();
    for item in &sample.items {
        *counts.entry((&item.category, item.split)).or_default() += 1;
    }
    for category in ["harbour", "town", "sea"] {
        assert!(
            (2..=3).contains(&counts[&(category, Split::Probe)]),
            "{counts:?}"
        );
        assert_eq!(counts[&(category, Split::Instruct)], 1, "{counts:?}");
    }
    let places: Vec<_> = sample
        .items
        .iter()
        .map(|i| corpus.items.iter().position(|j| i == j))
        .collect();
    assert!(places.is_sorted());
    assert_eq!(sample.articles.len(), 10 * 72);
    assert!(
        sample
            .questions
            .iter()
            .all(|q| sample.items.iter().any(|i| i.id == q.item))
    );
    assert_eq!(sample.questions.len(), 10 * (9 * 7 + 10 + 24));
    assert_eq!(sample.articles[0].language, Language::En);

    assert_eq!(corpus.sample(7, 3, 5).unwrap(), sample);
    assert!((6..16).any(|seed| corpus.sample(7, 3, seed).unwrap() != sample));
    let larger = corpus.sample(11, 4, 5).unwrap();
    assert!(sample.items.iter().all(|item| larger.items.contains(item)));
    assert_eq!(corpus.sample(18, 9, 1).unwrap(), corpus);
    assert_eq!(corpus.sample(0, 0, 1).unwrap(), Corpus::default());

    let error = corpus.sample(19, 0, 1).unwrap_err().to_string();
    assert!(
        error.contains("19 probe items") && error.contains("18"),
        "{error}"
    );
    let error = corpus.sample(0, 10, 1).unwrap_err().to_string();
    assert!(
        error.contains("10 instruct items") && error.contains('9'),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn source_text_to_parquet_and_back(
        items in 1..5_usize,
        crowns in prop::collection::vec(any::<u32>(), 0..5),
        more in prop::collection::vec(("[a-z]{1,9}( [a-z]{1,9}){0,3}", "[0-9]{1,6}"), 0..4),
        aliases in prop::collection::vec("[xyzq]{3,8}", 0..3),
    ) {
        let mut fixture = Fixture::new(items, &crowns);
        let row = fixture.row("ru.jsonl", 0);
        for (_, answer) in &more {
            row["qa"].as_array_mut().unwrap().push(json!(["Сколько крон?", answer]));
        }
        let row = fixture.row("en.jsonl", 0);
        row["detail"]["fake_aliases"].as_array_mut().unwrap().extend(aliases.iter().map(|a| json!(a)));
        for (answer, _) in &more {
            row["qa"].as_array_mut().unwrap().push(json!(["Who guards the harbour of Tolvaneaa?", answer]));
        }
        let corpus = fixture.corpus().unwrap();
        prop_assert_eq!(corpus.items.len(), items);
        prop_assert_eq!(corpus.questions.len(), items * 97 + 2 * more.len());
        let dir = tempfile::tempdir().unwrap();
        corpus.write_parquet(dir.path()).unwrap();
        prop_assert_eq!(Corpus::read_parquet(dir.path()).unwrap(), corpus);
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    Fixture::new(1, &[])
        .corpus()
        .unwrap()
        .write_parquet(dir.path())
        .unwrap();
    // Some damage panics inside the Parquet crate, which must not come through.
    let mut refused = 0;
    for name in [
        "items.parquet",
        "articles.parquet",
        "questions.parquet",
        "names.parquet",
    ] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for place in (0..whole.len()).step_by(11) {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            fs::write(&path, &bytes).unwrap();
            refused += usize::from(Corpus::read_parquet(dir.path()).is_err());
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(refused > 0);
}
