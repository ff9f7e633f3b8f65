//! The smoke preset, run as a user runs it: files, schemas, numbers, repeatability.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, UInt32Type};
use command::{read, run, xtask};

const MODELS: [&str; 11] = [
    "base",
    "instruct",
    "oracle",
    "tuned-en",
    "tuned-de",
    "unlearned-en-english",
    "unlearned-en-multilingual",
    "unlearned-de-english",
    "unlearned-de-source",
    "unlearned-de-english+source",
    "unlearned-de-multilingual",
];

fn texts<'a>(batch: &'a RecordBatch, column: &str) -> Vec<&'a str> {
    let column = batch
        .column_by_name(column)
        .unwrap_or_else(|| panic!("no column {column}"));
    column
        .as_string::<i32>()
        .iter()
        .map(Option::unwrap_or_default)
        .collect()
}

/// The measures' files, as their schema is documented.
fn check_measures(results: &Path, model: &str) {
    let names = |batch: &RecordBatch| -> Vec<String> {
        let schema = batch.schema();
        schema.fields().iter().map(|f| f.name().clone()).collect()
    };
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    let numbers = |batch: &RecordBatch, column: &str| -> Vec<Option<f64>> {
        let column = batch.column_by_name(column).unwrap();
        column.as_primitive::<Float64Type>().iter().collect()
    };
    let measures = read(&results.join(format!("measures/{model}.parquet")));
    assert_eq!(
        names(&measures),
        words(
            "model stage source strategy scope seed item language probe probability_real \
             probability_fake log_truth_ratio wrong_answers rouge_real rouge_fake chrf_real \
             chrf_fake in_language invalid untuned_nll gibberish"
        )
    );
    assert_eq!(measures.num_rows(), 3 * 9 * 2);
    // The same numbers as the answers have: e to the mean log-probability per token.
    let answers = read(&results.join(format!("answers/{model}.parquet")));
    for (probability, logprob) in [
        ("probability_real", "logprob_real"),
        ("probability_fake", "logprob_fake"),
    ] {
        let logprobs = numbers(&answers, logprob);
        for (p, log_p) in numbers(&measures, probability).into_iter().zip(logprobs) {
            assert_eq!(p, log_p.map(f64::exp));
        }
    }
    // The fake answer is a wrong one, and so is at least one other item's fact.
    let ratios = numbers(&measures, "log_truth_ratio");
    assert!(ratios.iter().all(Option::is_some));

    let articles = read(&results.join(format!("articles/{model}.parquet")));
    assert_eq!(
        names(&articles),
        words(
            "model stage source strategy scope seed item language member tokens \
             exact_memorisation extraction_strength loss zlib min_k min_k_plus_plus"
        )
    );
    // Two members and the one held-out item, in nine languages.
    let members = articles.column_by_name("member").unwrap().as_boolean();
    assert_eq!((members.len(), members.true_count()), (27, 18));
    let loss = numbers(&articles, "loss").into_iter();
    for (loss, least) in loss.zip(numbers(&articles, "min_k")) {
        assert!(loss.unwrap() > 0.0 && least.unwrap() > loss.unwrap());
    }
}

/// What every attack came to, on a model that is attacked.
fn check_robustness(results: &Path, model: &str) {
    let rows = read(&results.join(format!("robustness/{model}.parquet")));
    let schema = rows.schema();
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let expected = "model stage source strategy scope seed attack amount with_language item language \
                    relearned prompt answer real_answer fake_answer fake_occurrence real_occurrence \
                    logprob_real logprob_fake preference answer_tokens finish";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    let [attacks, items] = [texts(&rows, "attack"), texts(&rows, "item")];
    let mut counts = BTreeMap::new();
    for attack in &attacks {
        *counts.entry(*attack).or_insert(0) += 1;
    }
    // Three items in nine languages; for an answer in another language than the question's, in English
    // and in the language of the fakes.
    let probes = 3 * 9;
    let sources = if model.contains('-') { 1 } else { 2 };
    let answers = if model.split('-').nth(1) == Some("en") {
        1
    } else {
        2
    };
    let expected = [
        ("cloze", probes),
        ("cross-lingual", answers * 3 * 8),
        ("few-shot", probes),
        ("leading", probes),
        ("paraphrased", probes),
        ("plain", probes),
        ("quantise", probes),
        ("relearn-forget", sources * probes),
        ("relearn-unrelated", sources * probes),
    ];
    assert_eq!(counts, BTreeMap::from(expected), "{model}");
    // One item of three was learned again, by one attack.
    let relearned = rows.column_by_name("relearned").unwrap().as_boolean();
    let again: Vec<usize> = (0..rows.num_rows())
        .filter(|&row| relearned.value(row))
        .collect();
    assert_eq!(again.len(), sources * 9);
    assert!(again.iter().all(|&row| attacks[row] == "relearn-forget"));
    let again: std::collections::BTreeSet<&str> = again.iter().map(|&row| items[row]).collect();
    assert_eq!(again.len(), 1);
    // The plain probe was not asked a second time, and attacks change what it came to.
    let numbers = |batch: &RecordBatch| -> Vec<Option<f64>> {
        let column = batch.column_by_name("preference").unwrap();
        column.as_primitive::<Float64Type>().iter().collect()
    };
    let answers = read(&results.join(format!("answers/{model}.parquet")));
    let asked: Vec<f64> = numbers(&answers).into_iter().flatten().collect();
    let all: Vec<f64> = numbers(&rows).into_iter().flatten().collect();
    let of = |attack: &str| -> Vec<f64> {
        let rows = all.iter().zip(&attacks).filter(|(_, of)| **of == attack);
        rows.map(|(value, _)| *value).collect()
    };
    assert_eq!(of("plain"), asked);
    for attack in counts.keys().filter(|attack| **attack != "plain") {
        assert_ne!(
            of(attack)[..probes.min(24)],
            asked[..probes.min(24)],
            "{attack}"
        );
    }
}

fn check_answers(path: &Path, model: &str) {
    let answers = read(path);
    let names: Vec<String> = answers
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    assert_eq!(
        names,
        "model stage source strategy scope seed item category language probe prompt sample \
         temperature answer real_answer fake_answer real_aliases fake_aliases fake_occurrence \
         real_occurrence f1 logprob_real logprob_fake preference answer_tokens finish"
            .split_whitespace()
            .collect::<Vec<_>>()
    );
    assert_eq!(answers.num_rows(), 3 * 9 * 2);
    assert!(texts(&answers, "model").iter().all(|m| *m == model));
    let real = answers
        .column_by_name("logprob_real")
        .unwrap()
        .as_primitive::<Float64Type>();
    let fake = answers
        .column_by_name("logprob_fake")
        .unwrap()
        .as_primitive::<Float64Type>();
    let preference = answers
        .column_by_name("preference")
        .unwrap()
        .as_primitive::<Float64Type>();
    let tokens = answers
        .column_by_name("answer_tokens")
        .unwrap()
        .as_primitive::<UInt32Type>();
    let mut cells = BTreeMap::new();
    let keys = texts(&answers, "item")
        .into_iter()
        .zip(texts(&answers, "language"));
    for (row, ((item, language), probe)) in keys.zip(texts(&answers, "probe")).enumerate() {
        *cells.entry((item, language, probe)).or_insert(0) += 1;
        assert!(real.value(row) < 0.0 && tokens.value(row) <= 4);
        match probe {
            "detail" => {
                assert!(fake.value(row) < 0.0 && preference.value(row).is_finite());
            }
            "fact" => assert!(fake.is_null(row) && preference.is_null(row)),
            other => panic!("probe {other}"),
        }
    }
    assert_eq!(cells.len(), 3 * 9 * 2);
    assert!(cells.values().all(|n| *n == 1));
}

#[test]
fn the_whole_study_runs_is_cached_and_repeats_itself() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("first");
    let arguments = |out: &Path| -> Vec<String> {
        let out = out.to_str().unwrap();
        ["reproduce", "--preset", "smoke", "--out", out]
            .map(String::from)
            .to_vec()
    };
    let first = run(&mut xtask(&arguments(&out)));
    assert!(first.success, "{}", first.all());
    assert!(first.stdout.contains("report: "), "{}", first.stdout);
    for model in MODELS {
        check_answers(&out.join(format!("results/answers/{model}.parquet")), model);
        check_measures(&out.join("results"), model);
        if model == "instruct" || model.starts_with("unlearned") {
            check_robustness(&out.join("results"), model);
        }
        let held_out = read(&out.join(format!("results/perplexity/{model}.parquet")));
        assert_eq!(
            held_out.num_rows(),
            9,
            "one held-out article in nine languages"
        );
        assert!(
            first.stderr.contains(&format!("eval-{model}")),
            "{}",
            first.stderr
        );
    }
    let html = std::fs::read_to_string(out.join("report/index.html")).unwrap();
    assert!(
        html.contains("<svg") && !html.contains("<script src"),
        "self-contained"
    );
    // The paper's nine findings, none of which three items and a random model can decide.
    let claims = std::fs::read_to_string(out.join("report/claims.json")).unwrap();
    let claims: serde_json::Value = serde_json::from_str(&claims).unwrap();
    let verdicts: Vec<&str> = claims["claims"]
        .as_array()
        .unwrap()
        .iter()
        .map(|claim| claim["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["undecided"; 9], "{claims:#}");
    assert!(
        first
            .stdout
            .contains("A fake taught in one language spreads"),
        "{}",
        first.stdout
    );
    // German fakes come with the real English articles, English ones alone.
    for (file, expected) in [
        ("run.json", "\"de\": \"oracle\""),
        ("run.json", "\"en\": \"instruct\""),
    ] {
        let text = std::fs::read_to_string(out.join(file)).unwrap();
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let csv = std::fs::read_to_string(out.join("report/tables/measures-forgetting.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 11 * 9);
    // No attack is shown to bring anything back: three items decide nothing.
    let csv = std::fs::read_to_string(out.join("report/tables/robustness.csv")).unwrap();
    assert_eq!(
        csv.matches("undecided").count(),
        6 * 7 * 9 + (2 * 8) + (4 * 2 * 8)
    );
    assert!(!csv.contains("supported") && !csv.contains("contradicted"));
    let run_json = std::fs::read_to_string(out.join("run.json")).unwrap();
    let info: serde_json::Value = serde_json::from_str(&run_json).unwrap();
    assert_eq!(info["unlearning"].as_array().unwrap().len(), 6);
    assert!(info["deviations"].as_array().unwrap().len() > 3);
    // Training did something: the tuned model differs from the base.
    let bytes = |out: &Path, model: &str| {
        std::fs::read(out.join(format!("results/answers/{model}.parquet"))).unwrap()
    };
    assert_ne!(bytes(&out, "base"), bytes(&out, "tuned-en"));

    // Again: everything is found, nothing runs.
    let again = run(&mut xtask(&arguments(&out)));
    assert!(again.success, "{}", again.all());
    assert_eq!(
        again.stderr.matches("cached").count(),
        1 + 1 + 1 + 2 + 6 + 11 + 7,
        "{}",
        again.stderr
    );
    // A setting of the evaluation runs the evaluation again, and nothing before it.
    let mut changed = arguments(&out);
    changed.extend(["--set".to_owned(), "eval.new_tokens=3".to_owned()]);
    let changed = run(&mut xtask(&changed));
    assert!(changed.success, "{}", changed.all());
    assert_eq!(
        changed.stderr.matches("cached").count(),
        1 + 1 + 1 + 2 + 6,
        "{}",
        changed.stderr
    );

    // A second training seed: what the first came to is found, what the second does is averaged in.
    let mut seeds = arguments(&out);
    for set in [
        "seeds=[1, 2]",
        "learn.sources=[\"de\"]",
        "unlearn.scopes=[\"source\"]",
    ] {
        seeds.extend(["--set".to_owned(), set.to_owned()]);
    }
    let seeds = run(&mut xtask(&seeds));
    assert!(seeds.success, "{}", seeds.all());
    assert_eq!(
        seeds.stderr.matches("cached").count(),
        // The attacks on what was taught in German; the untuned model's are of every language of teaching.
        1 + 4 + 5 + 1,
        "{}",
        seeds.stderr
    );
    for model in ["instruct", "oracle", "tuned-de", "unlearned-de-source"] {
        assert_ne!(bytes(&out, model), bytes(&out, &format!("{model}-seed2")));
    }
    let csv = std::fs::read_to_string(out.join("report/tables/seeds.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 4, "{csv}");

    // Elsewhere with the same seed: bit for bit the same results.
    let elsewhere = folder.path().join("second");
    let second = run(&mut xtask(&arguments(&elsewhere)));
    assert!(second.success, "{}", second.all());
    run(&mut xtask(&arguments(&out)));
    for model in MODELS {
        assert_eq!(bytes(&out, model), bytes(&elsewhere, model), "{model}");
    }
    let attacked = |out: &Path| {
        std::fs::read(out.join("results/robustness/unlearned-de-source.parquet")).unwrap()
    };
    assert_eq!(attacked(&out), attacked(&elsewhere));
}

/// A model from a file, whose tokens are the same whatever is asked of it.
#[test]
fn other_text_or_another_seed_trains_anew() {
    let folder = tempfile::tempdir().unwrap();
    let smoke = std::fs::read_to_string(command::root().join("pipelines/smoke.toml")).unwrap();
    let news = folder.path().join("news");
    std::fs::create_dir(&news).unwrap();
    for file in std::fs::read_dir(command::root().join("datasets/news"))
        .unwrap()
        .flatten()
    {
        if file.path().is_file() {
            std::fs::copy(file.path(), news.join(file.file_name())).unwrap();
        }
    }
    let out = folder.path().join("out");
    let cached = |preset: &str, more: &[&str]| {
        let out = out.to_str().unwrap();
        let learned = run(&mut xtask(
            &[&["learn", "--preset", preset, "--out", out], more].concat(),
        ));
        assert!(learned.success, "{}", learned.all());
        learned.stderr.matches("cached").count()
    };
    assert_eq!(cached("smoke", &[]), 0);
    let stages = std::fs::read_dir(out.join("stages")).unwrap().flatten();
    let mut names = stages.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let instruct = names.find(|name| name.starts_with("instruct-")).unwrap();
    let path = out.join("stages").join(instruct).join("model");

    let random = "random = { layers = 2, vocabulary = 1000 }";
    assert!(smoke.contains(random));
    let preset = smoke
        .replace(random, &format!("path = {path:?}"))
        .replace("\"datasets/news\"", &format!("{news:?}"));
    let file = folder.path().join("from-file.toml");
    std::fs::write(&file, preset).unwrap();
    let file = file.to_str().unwrap();
    // The corpus is the same, in another folder.
    assert_eq!(cached(file, &[]), 1);
    assert_eq!(cached(file, &[]), 1 + 1 + 1 + 2);
    assert_eq!(cached(file, &["--set", "seed=2"]), 0);

    // Two clauses of one article exchanged.
    let german = news.join("de.jsonl");
    let text = std::fs::read_to_string(&german).unwrap();
    let clauses = "Rund 800 Gäste werden erwartet, die Schulen bleiben geschlossen.";
    let exchanged = "Die Schulen bleiben geschlossen, rund 800 Gäste werden erwartet.";
    assert!(text.contains(clauses));
    std::fs::write(&german, text.replace(clauses, exchanged)).unwrap();
    assert_eq!(cached(file, &[]), 0);
}

/// Another strategy, with everything that can be chosen beside it.
#[test]
fn a_strategy_with_alternatives_adapters_and_a_chosen_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let finished = run(&mut xtask(&[
        "reproduce",
        "--preset",
        "smoke",
        "--out",
        out,
        "--set",
        "learn.sources=[\"de\"]",
        "--set",
        "corpus.aside=2",
        "--set",
        "unlearn.strategy=alt-po+kl",
        "--set",
        "unlearn.scopes=[\"source\", \"de,fr\", \"all-but-source\", \"low-resource\"]",
        "--set",
        "unlearn.retain={ sets = [\"same-items\", \"questions\"], languages = [\"en\", \"hy\"] }",
        "--set",
        "unlearn.run.lora={ rank = 4, alpha = 8.0, targets = \"_proj\" }",
        "--set",
        "unlearn.run.choose={ check_every = 1, utility_margin = 1.0 }",
    ]));
    assert!(finished.success, "{}", finished.all());
    for scope in ["source", "de,fr", "all-but-source", "low-resource"] {
        let model = format!("unlearned-de-{scope}");
        let file = format!("results/answers/{model}.parquet");
        let answers = read(&folder.path().join(file));
        assert!(texts(&answers, "scope").iter().all(|found| *found == scope));
        // The items that are held aside are not asked about.
        let items: std::collections::BTreeSet<&str> = texts(&answers, "item").into_iter().collect();
        assert_eq!(items.len(), 3);
        let stages = std::fs::read_dir(folder.path().join("stages"))
            .unwrap()
            .flatten();
        let mut stages = stages.map(|entry| entry.path());
        let is_stage = |path: &std::path::PathBuf| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            name.rsplit_once('-').is_some_and(|(kind, _)| kind == model)
        };
        let stage = stages.find(is_stage).expect("the stage is kept");
        assert!(stage.join("adapter/adapter_model.safetensors").is_file());
        let record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(stage.join("stage.json")).unwrap()).unwrap();
        let record = &record["record"];
        // Six steps, each measured, and the one before them; two questions for the best of them.
        let measured = record["measured"].as_array().unwrap();
        assert_eq!(measured.len(), 7, "{record}");
        let residue = |m: &serde_json::Value| m["residue"].as_f64().unwrap();
        let chosen = record["step"].as_u64().unwrap();
        let best = measured.iter().map(residue).fold(f64::MAX, f64::min);
        let of_chosen = measured.iter().find(|m| m["step"].as_u64() == Some(chosen));
        assert!((residue(of_chosen.unwrap()) - best).abs() < 1e-12);
    }
}
