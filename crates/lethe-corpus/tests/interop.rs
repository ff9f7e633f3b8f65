//! The tables read with other people's tools: pandas (pyarrow), DuckDB, Hugging Face's `datasets`.
//!
//! `LETHE_PYTHON` names the interpreter (default `python3`); it needs `tests/requirements.txt`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixture;

use std::path::Path;
use std::process::Command;

use fixture::Fixture;
use lethe_corpus::{Corpus, Layout, Split, build};
use serde_json::{Value, json};

const SCRIPT: &str = r#"
import json, sys
try:
    import duckdb, pandas, pyarrow
except ImportError as error:
    sys.exit(f"{sys.executable}: {error}")
folder, out = sys.argv[1], {}
for table in ("items", "articles", "questions", "names"):
    file = f"{folder}/{table}.parquet"
    frame = pandas.read_parquet(file, engine="pyarrow")
    rows = duckdb.sql(f"select * from read_parquet('{file}')")
    out[table] = [
        {"columns": list(frame.columns), "rows": len(frame)},
        {"columns": rows.columns, "rows": len(rows.fetchall())},
    ]
questions, articles = (pandas.read_parquet(f"{folder}/{t}.parquet") for t in ("questions", "articles"))
q, a = (f"read_parquet('{folder}/{t}.parquet')" for t in ("questions", "articles"))
one = lambda sql: duckdb.sql(sql).fetchall()[0][0]
out["texts"] = [articles.text.tolist(), [r[0] for r in duckdb.sql(f"select text from {a}").fetchall()]]
out["spans"] = [
    all(t[s:e] == d for t, s, e, d in zip(articles.text, articles.detail_start, articles.detail_end, articles.detail)),
    one(f"select bool_and(substr(text, detail_start + 1, detail_end - detail_start) = detail) from {a}"),
]
out["nulls"] = [int(questions.fake_answer.isna().sum()), one(f"select count(*) from {q} where fake_answer is null")]
out["aliases"] = [
    sum(len(row) for row in questions.fake_aliases),
    one(f"select sum(len(fake_aliases))::int from {q}"),
]
out["types"] = [r[0] for r in duckdb.sql(f"select column_type from (describe select index, aliases from {q})").fetchall()]
print(json.dumps(out))
"#;

/// What a script prints as JSON, given a folder.
fn python(script: &str, folder: &Path) -> Value {
    let python = std::env::var("LETHE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let needed = format!(
        "this test reads Parquet with Python: `{python} -m pip install -r tests/requirements.txt`, \
         or set LETHE_PYTHON to an interpreter that has them"
    );
    // The library is to read the folder, not to ask a hub for it, and to keep its cache with it.
    let output = Command::new(&python)
        .args(["-c", script])
        .arg(folder)
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", folder.join("cache"))
        .output();
    let output = output.unwrap_or_else(|error| panic!("{python}: {error}; {needed}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{needed}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn pandas_and_duckdb_read_the_tables() {
    let corpus = Fixture::new(4, &[]).corpus().unwrap();
    let dir = tempfile::tempdir().unwrap();
    corpus.write_parquet(dir.path()).unwrap();
    let read = python(SCRIPT, dir.path());

    let items = "id split category kind names";
    let articles = "item language wording version text detail detail_start detail_end case gender";
    let questions =
        "item language kind index question prompt answer fake_answer aliases fake_aliases";
    for (table, columns, rows) in [
        ("items", items, corpus.items.len()),
        ("articles", articles, corpus.articles.len()),
        ("questions", questions, corpus.questions.len()),
        ("names", "item index language name", corpus.names.len()),
    ] {
        let columns: Vec<&str> = columns.split(' ').collect();
        let expected = json!({"columns": columns, "rows": rows});
        assert_eq!(read[table], json!([expected, expected]), "{table}");
    }
    let texts: Vec<&str> = corpus.articles.iter().map(|a| a.text.as_str()).collect();
    assert_eq!(read["texts"], json!([texts, texts]));
    assert_eq!(read["spans"], json!([true, true]));
    let nulls = corpus
        .questions
        .iter()
        .filter(|q| q.fake_answer.is_none())
        .count();
    assert_eq!(read["nulls"], json!([nulls, nulls]));
    let aliases: usize = corpus.questions.iter().map(|q| q.fake_aliases.len()).sum();
    assert_eq!(read["aliases"], json!([aliases, aliases]));
    assert_eq!(read["types"], json!(["UINTEGER", "VARCHAR[]"]));
}

const HF_SCRIPT: &str = r#"
import json, sys
import datasets, duckdb
folder, out = sys.argv[1], {}
for config in ("items", "articles", "questions", "names"):
    loaded = datasets.load_dataset(folder, config)
    first = {split: loaded[split].column_names for split in loaded}
    rows = {split: loaded[split].num_rows for split in loaded}
    counted = {
        split: duckdb.sql(f"select count(*) from read_parquet('{folder}/{config}/{split}.parquet')").fetchall()[0][0]
        for split in ("probe", "instruct")
    }
    out[config] = [first, rows, counted]
out["configs"] = datasets.get_dataset_config_names(folder)
out["texts"] = datasets.load_dataset(folder, "articles", split="instruct")["text"][:]
print(json.dumps(out))
"#;

#[test]
fn the_datasets_library_and_duckdb_load_the_export() {
    let fixture = Fixture::new(4, &[]);
    let corpus = fixture.corpus().unwrap();
    let source = tempfile::tempdir().unwrap();
    fixture.write(source.path());
    let dir = tempfile::tempdir().unwrap();
    let built = build(source.path(), dir.path(), Layout::Splits).unwrap();
    let again = tempfile::tempdir().unwrap();
    assert_eq!(
        build(source.path(), again.path(), Layout::Splits).unwrap(),
        built
    );
    assert_eq!(built.files.len(), 9, "{built:?}");
    let read = python(HF_SCRIPT, dir.path());
    assert_eq!(
        read["configs"],
        json!(["items", "articles", "questions", "names"])
    );
    let parts = Split::ALL.map(|split| (split.as_str(), corpus.of_split(split)));
    let rows = |of: fn(&Corpus) -> usize| {
        let [(a, first), (b, second)] = &parts;
        json!({*a: of(first), *b: of(second)})
    };
    let expected = [
        ("items", rows(|c| c.items.len())),
        ("articles", rows(|c| c.articles.len())),
        ("questions", rows(|c| c.questions.len())),
        ("names", rows(|c| c.names.len())),
    ];
    for (config, rows) in expected {
        assert_eq!(
            [&read[config][1], &read[config][2]],
            [&rows, &rows],
            "{config}"
        );
    }
    let columns = ["id", "split", "category", "kind", "names"];
    assert_eq!(read["items"][0]["probe"], json!(columns));
    let instruct = corpus.of_split(Split::Instruct);
    let texts: Vec<&str> = instruct.articles.iter().map(|a| a.text.as_str()).collect();
    assert!(!texts.is_empty());
    assert_eq!(read["texts"], json!(texts));
}
