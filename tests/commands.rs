//! `ask` and `eval --model` on the models of a smoke run, and on the real one.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use command::{Finished, files, gemma, read, root, run, xtask};

/// A smoke run with one source, as far as evaluation, with utility.
fn smoke() -> &'static Path {
    static RUN: OnceLock<tempfile::TempDir> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let finished = run(&mut xtask(&[
            "report",
            "--preset",
            "smoke",
            "--out",
            folder.path().to_str().unwrap(),
            "--set",
            "learn.sources=[\"de\"]",
            "--set",
            "unlearn.scopes=[\"source\"]",
            "--set",
            "eval.utility=true",
        ]));
        assert!(finished.success, "{}", finished.all());
        folder
    })
    .path()
}

fn stage(kind: &str) -> PathBuf {
    let stages = std::fs::read_dir(smoke().join("stages")).unwrap();
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.rsplit_once('-').is_some_and(|(k, _)| k == kind)
    };
    let mut paths = stages.map(|entry| entry.unwrap().path());
    paths.find(is_it).expect("the stage is kept")
}

fn refused(arguments: &[&str], says: &[&str]) {
    command::refused(&run(&mut xtask(arguments)), says);
}

fn numbers(batch: &RecordBatch, column: &str) -> Vec<Option<f64>> {
    let column = batch.column_by_name(column).unwrap();
    column.as_primitive::<Float64Type>().iter().collect()
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch.column_by_name(column).unwrap().as_string::<i32>();
    column
        .iter()
        .map(|t| t.unwrap_or_default().to_owned())
        .collect()
}

fn german_probe() -> serde_json::Value {
    let text = std::fs::read_to_string(root().join("datasets/news/de.jsonl")).unwrap();
    let asked = texts(&answers("tuned-de"), "item");
    let mut lines = text
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    lines.find(|line| line["id"] == asked[0].as_str()).unwrap()
}

fn answers(model: &str) -> RecordBatch {
    read(&smoke().join(format!("results/answers/{model}.parquet")))
}

fn ask(arguments: &[&str], stdin: &str) -> Finished {
    let mut command = xtask(&[&["ask"], arguments].concat());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Finished {
        success: output.status.success(),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_known_question_gets_the_numbers_of_the_run() {
    let probe = german_probe();
    let question = probe["detail_probe"]["question"].as_str().unwrap();
    let model = stage("tuned-de");
    let model = model.to_str().unwrap();
    // Found whatever its case and punctuation; its language is the corpus'.
    let loud = question.to_uppercase().replace('?', "");
    let asked = ask(
        &["--model", model, "--json", "--new-tokens", "4"],
        &format!("{loud}\n\nWho asks?\n"),
    );
    assert!(asked.success, "{}", asked.all());
    let lines: Vec<serde_json::Value> = asked
        .stdout
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{}", asked.all());
    assert_eq!(
        (&lines[0]["language"], &lines[1]["language"]),
        (&"de".into(), &"en".into())
    );
    assert!(lines[1]["probe"].is_null());
    assert_eq!(lines[1]["prompt"], "Question: Who asks?\nAnswer:");
    let results = answers("tuned-de");
    let of_run = |column: &str| {
        let keys = texts(&results, "language")
            .into_iter()
            .zip(texts(&results, "probe"));
        let mut rows = keys.zip(texts(&results, "item")).enumerate();
        let is_it = |(_, ((language, kind), item)): &(usize, ((String, String), String))| {
            language == "de" && kind == "detail" && probe["id"] == item.as_str()
        };
        let (row, _) = rows.find(is_it).unwrap();
        numbers(&results, column)[row].unwrap()
    };
    let known = &lines[0]["probe"];
    assert_eq!(known["item"], probe["id"]);
    for column in ["logprob_real", "logprob_fake", "preference"] {
        let found = known[column].as_f64().unwrap();
        assert!((found - of_run(column)).abs() < 1e-4, "{column}: {found}");
    }
    // In words, and in another language than the corpus' it is a free question.
    let said = ask(&["--model", model, question], "");
    for part in ["detail probe of", "nats/token", "answer is likelier"] {
        assert!(said.stdout.contains(part), "{}", said.all());
    }
    let free = ask(&["--model", model, "--lang", "fr", question], "");
    assert!(
        free.success && !free.stdout.contains("probe of"),
        "{}",
        free.all()
    );
}

#[test]
fn a_gguf_file_answers() {
    let model = gemma();
    let model = model.to_str().unwrap();
    let question = "What is the capital of France?";
    let asked = ask(&["--model", model, "--new-tokens", "4"], question);
    assert!(asked.success, "{}", asked.all());
    assert!(asked.stdout.contains("Paris"), "{}", asked.all());
    assert!(
        asked.stderr.contains("all 262144 tokens"),
        "{}",
        asked.all()
    );
    let by_name = ask(&["--model", "gemma-3-270m", "--new-tokens", "4"], question);
    assert_eq!(by_name.stdout, asked.stdout);
}

#[test]
fn a_checkpoint_is_scored_as_its_run_did() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x/scores");
    let out = out.to_str().unwrap();
    let model = stage("unlearned-de-source");
    let model = model.join("model");
    let arguments = [
        "eval",
        "--model",
        model.to_str().unwrap(),
        "--preset",
        "smoke",
        "--out",
        out,
        "--vocabulary",
        "full",
        "--label",
        "mine",
        "--stage",
        "unlearned",
        "--source",
        "de",
        "--strategy",
        "grad-ascent",
        "--scope",
        "source",
    ];
    let finished = run(&mut xtask(&arguments));
    assert!(finished.success, "{}", finished.all());
    for part in ["Armenian", "all", "perplexity", "names right, %"] {
        assert!(finished.stdout.contains(part), "{}", finished.all());
    }
    for (part, columns) in [
        (
            "answers",
            vec!["logprob_real", "logprob_fake", "preference", "f1"],
        ),
        ("perplexity", vec!["nll"]),
        ("utility", vec!["nll", "margin"]),
    ] {
        let mine = read(&Path::new(out).join(part).join("mine.parquet"));
        let theirs = smoke().join("results").join(part);
        let theirs = read(&theirs.join("unlearned-de-source.parquet"));
        assert_eq!(mine.schema(), theirs.schema());
        assert_eq!(mine.num_rows(), theirs.num_rows());
        for column in columns {
            assert_eq!(
                numbers(&mine, column),
                numbers(&theirs, column),
                "{part} {column}"
            );
        }
        for column in ["stage", "source", "strategy", "scope", "item", "language"] {
            assert_eq!(
                texts(&mine, column),
                texts(&theirs, column),
                "{part} {column}"
            );
        }
        assert!(texts(&mine, "model").iter().all(|name| name == "mine"));
    }
    // The run's report has the table.
    let page = std::fs::read_to_string(smoke().join("report/index.html")).unwrap();
    assert!(page.contains("Beyond the corpus"));
    let csv = std::fs::read_to_string(smoke().join("report/tables/utility.csv")).unwrap();
    // Five models, the oracle among them, in nine languages and in all.
    assert_eq!(csv.lines().count(), 1 + 5 * 10, "{csv}");

    // Once more: only on purpose, and only what is an evaluation.
    refused(&arguments, &["exists already", "--replace", "--out"]);
    let again = run(&mut xtask(
        &[&arguments[..], &["--replace", "--no-utility"]].concat(),
    ));
    assert!(again.success, "{}", again.all());
    assert!(!Path::new(out).join("utility").exists());
    let other = folder.path().to_str().unwrap();
    let mut elsewhere = arguments;
    elsewhere[6] = other;
    refused(
        &[&elsewhere[..], &["--replace"]].concat(),
        &["no evaluation"],
    );
    let left = files(folder.path());
    assert!(
        left.iter().all(|name| !name.starts_with(".eval")),
        "{left:?}"
    );
}

#[test]
fn a_whole_vocabulary_is_trimmed_and_a_few_languages_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let finished = run(&mut xtask(&[
        "eval",
        "--model",
        stage("instruct").to_str().unwrap(),
        "--preset",
        "smoke",
        "--set",
        "corpus.probe=2",
        "--languages",
        "en,ur",
        "--out",
        out.to_str().unwrap(),
    ]));
    assert!(finished.success, "{}", finished.all());
    let record = std::fs::read(out.join("eval.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let vocabulary = record["model"]["vocabulary"].as_str().unwrap();
    let (kept, of) = vocabulary.split_once(" of ").unwrap();
    let of = of.strip_suffix(" tokens").unwrap();
    let [kept, of] = [kept, of].map(|n| n.parse::<usize>().unwrap());
    assert!(kept < of, "{vocabulary}");
    let name = record["label"]["model"].as_str().unwrap();
    assert!(name.starts_with("instruct-"), "{name}");
    let answers = read(&out.join(format!("answers/{name}.parquet")));
    assert_eq!(answers.num_rows(), 2 * 2 * 2);
    let utility = read(&out.join(format!("utility/{name}.parquet")));
    assert_eq!(utility.num_rows(), 2 * (20 + 30));
    assert_eq!(
        utility.column_by_name("correct").unwrap().null_count(),
        2 * 20
    );
}

#[test]
fn bad_inputs_of_ask_and_eval_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("text.gguf"), "Roses are red").unwrap();
    std::fs::create_dir(at("empty")).unwrap();
    let nowhere = at("nowhere.gguf");
    for command in [["ask", "Why?"], ["eval", "--no-utility"]] {
        let with = |more: &[&str], says: &[&str]| refused(&[&command[..], more].concat(), says);
        with(
            &["--model", &nowhere],
            &["nowhere.gguf", "no such file", "gemma-3-270m"],
        );
        with(&["--model", &at("text.gguf")], &["text.gguf", "GGUF"]);
        with(&["--model", &at("empty")], &["empty", "config.json"]);
    }
    refused(
        &["ask", "--model", "x", "--lang", "xx", "Why?"],
        &["\"xx\"", "en, de, fr"],
    );
    refused(
        &["eval", "--model", "x", "--languages", "en,xx"],
        &["\"xx\"", "en, de, fr"],
    );
    refused(&["eval", "--model", "x", "--set", "seed=2"], &["--preset"]);
    refused(&["eval", "--label", "x"], &["--model"]);
    let base = stage("instruct");
    let labelled = |more: &[&str], says: &[&str]| {
        let first = [
            "eval",
            "--model",
            base.to_str().unwrap(),
            "--preset",
            "smoke",
        ];
        refused(&[&first[..], more].concat(), says);
    };
    labelled(&["--stage", "tuned"], &["--source"]);
    labelled(&["--scope", "source"], &["--scope", "base"]);
    labelled(
        &["--stage", "oracle", "--source", "en"],
        &["--source", "oracle"],
    );
    labelled(&["--label", "a/b"], &["a/b", "slash"]);
    let preset = [
        "reproduce",
        "--preset",
        "smoke",
        "--set",
        "eval.utilty=true",
    ];
    refused(&preset, &["utilty", "utility"]);
    let asked = ask(&["--model", base.to_str().unwrap()], " \n");
    assert!(
        !asked.success && asked.stderr.contains("no question"),
        "{}",
        asked.all()
    );
}

#[test]
fn power_is_said_before_a_run_and_from_one() {
    let json = |more: &[&str]| -> serde_json::Value {
        let arguments = [&["power", "--preset", "smoke", "--json"], more].concat();
        let finished = run(&mut xtask(&arguments));
        assert!(finished.success, "{}", finished.all());
        serde_json::from_str(&finished.stdout).unwrap()
    };
    let twelve = ["--set", "corpus.probe=12"];
    let planned = json(&[&twelve[..], &["--effect", "preference=4"]].concat());
    let rows = planned["rows"].as_array().unwrap();
    let of = |claim: Option<&str>, measure: &str| {
        let claim = serde_json::json!(claim);
        let is_it = |row: &&serde_json::Value| row["claim"] == claim && row["measure"] == measure;
        rows.iter().find(is_it).unwrap()
    };
    // Two sources, asked in the eight languages that are not theirs, language by language.
    let spreads = of(Some("spreads"), "preference");
    assert_eq!(
        (&spreads["comparisons"], &spreads["family"]),
        (&16.into(), &16.into())
    );
    assert_eq!(
        (&spreads["units"], &spreads["languages"]),
        (&12.into(), &serde_json::json!([1, 1]))
    );
    // 3.2 nats: (1.959964 + 0.841621) · 3.2 / √12; at 0.05/16 = 0.003125 the first quantile is
    // 2.955167 (SciPy 1.17.1: norm.isf(0.003125 / 2)).
    let closed = |part: &str| spreads[part]["closed"].as_f64().unwrap();
    assert!((closed("alone") - 2.588_0).abs() < 1e-3, "{spreads}");
    assert!((closed("in_family") - 3.507_3).abs() < 1e-3, "{spreads}");
    let simulated = spreads["alone"]["simulated"].as_f64().unwrap();
    assert!((simulated / closed("alone") - 1.0).abs() < 0.1, "{spreads}");
    assert!(spreads["seen"]["alone"][0].as_f64().unwrap() > 0.98);
    assert_eq!(
        of(None, "fake-occurrence")["family"],
        of(None, "preference")["family"]
    );
    assert_eq!(spreads["observed"], false);
    // The smoke run has three items: its scatter is used, and it can see nothing itself.
    let from = json(&["--from", smoke().to_str().unwrap()]);
    let rows = from["rows"].as_array().unwrap();
    let spreads = rows.iter().find(|row| row["claim"] == "spreads").unwrap();
    assert_eq!(spreads["observed"], true);
    assert!(spreads["alone"]["simulated"].is_null(), "{spreads}");
    let words = run(&mut xtask(&["power", "--preset", "smoke"]));
    assert!(words.success, "{}", words.all());
    for part in [
        "* assumed, not measured",
        "correlation of 0.2",
        "3 items in 9 languages",
        "none",
    ] {
        assert!(words.stdout.contains(part), "{}", words.all());
    }
    refused(&["power", "--effect", "preference"], &["MEASURE=NUMBER"]);
    refused(
        &["power", "--effect", "prefrence=1"],
        &["prefrence", "preference"],
    );
    refused(&["power", "--sd", "preference=-1"], &["above 0"]);
    refused(&["power", "--correlation", "2"], &["from 0 to 1"]);
    refused(&["power", "--from", "/nowhere"], &["/nowhere/run.json"]);
    refused(
        &["power", "--preset", "smoke", "--set", "corpus.prob=1"],
        &["prob"],
    );
}
