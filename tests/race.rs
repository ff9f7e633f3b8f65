//! `compare` with a small random model, run as a user runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;

use std::collections::BTreeSet;
use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, UInt32Type};
use command::{Finished, read, run, xtask};

fn texts(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let column = batch
        .column_by_name(column)
        .expect(column)
        .as_string::<i32>();
    column.iter().map(|t| t.map(str::to_owned)).collect()
}

fn numbers(batch: &RecordBatch, column: &str) -> Vec<Option<f64>> {
    let column = batch.column_by_name(column).expect(column);
    column.as_primitive::<Float64Type>().iter().collect()
}

fn counts(batch: &RecordBatch, column: &str) -> Vec<Option<u32>> {
    let column = batch.column_by_name(column).expect(column);
    column.as_primitive::<UInt32Type>().iter().collect()
}

fn compare(out: &Path, further: &[&str]) -> Finished {
    let out = out.to_str().unwrap();
    let mut arguments = vec!["compare", "--preset", "smoke", "--out", out];
    let enough = ["corpus.aside=2", "corpus.held_out=2", "corpus.instruct=4"];
    arguments.extend(enough.iter().flat_map(|pair| ["--set", pair]));
    arguments.extend(further);
    run(&mut xtask(&arguments))
}

const SMALL: [&str; 12] = [
    "--source",
    "de",
    "--strategies",
    "grad-ascent",
    "located+kl",
    "--scopes",
    "source",
    "en,fr",
    "--requests",
    "2",
    "--forget-fraction",
    "0.5",
];

/// Settings of the evaluation, none of which a comparison knows.
const EVALUATED: [&str; 12] = [
    "--set",
    "eval.samples=2",
    "--set",
    "eval.temperature=0.5",
    "--set",
    "eval.oracle=false",
    "--set",
    "eval.wrong_answers=1",
    "--set",
    "eval.articles=0",
    "--set",
    "eval.new_tokens=2",
];

#[test]
fn strategies_are_compared_cached_and_repeat_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("first");
    let first = compare(&out, &SMALL);
    assert!(first.success, "{}", first.all());
    assert!(first.stdout.contains("located+kl"), "{}", first.stdout);

    let models = read(&out.join("race/models.parquet"));
    let names = texts(&models, "model");
    let distinct: BTreeSet<_> = names.iter().collect();
    // Two references; for each strategy and scope two budgets, one fraction and two requests.
    assert_eq!(
        (names.len(), distinct.len()),
        (2 + 2 * 2 * 5, 2 + 2 * 2 * 5)
    );
    let unlearned = |row: usize| texts(&models, "stage")[row].as_deref() == Some("unlearned");
    let budgets = numbers(&models, "budget");
    let lost = numbers(&models, "aside_utility_loss");
    let requests = counts(&models, "requests");
    for row in 0..names.len() {
        assert_eq!(budgets[row].is_some(), unlearned(row));
        if let (Some(budget), Some(lost)) = (budgets[row], lost[row]) {
            assert!(
                lost <= budget + 1e-9,
                "{:?}: {lost} of {budget}",
                names[row]
            );
        }
    }
    let of_requests = requests.iter().filter(|n| **n == Some(2)).count();
    assert_eq!(of_requests, 2 * 2 * 2);

    // What was chosen is, of all that was measured within the budget, what leaves least; nothing
    // that is reported had a part in it.
    let measured = read(&out.join("race/measured.parquet"));
    let (strategies, scopes) = (texts(&measured, "strategy"), texts(&measured, "scope"));
    let (residues, losses) = (
        numbers(&measured, "residue"),
        numbers(&measured, "utility_loss"),
    );
    let (of_all, fractions) = (
        counts(&measured, "requests"),
        numbers(&measured, "fraction"),
    );
    let mut checked = 0;
    for row in (0..names.len()).filter(|&row| unlearned(row)) {
        if requests[row] != Some(1) || numbers(&models, "fraction")[row] != Some(1.0) {
            continue;
        }
        let same = (0..strategies.len()).filter(|&m| {
            strategies[m] == texts(&models, "strategy")[row]
                && scopes[m] == texts(&models, "scope")[row]
                && (of_all[m], fractions[m]) == (Some(1), Some(1.0))
                && losses[m].unwrap() <= budgets[row].unwrap()
        });
        let least = same.map(|m| residues[m].unwrap()).fold(f64::MAX, f64::min);
        let found = numbers(&models, "aside_residue")[row].unwrap();
        assert!(
            (found - least).abs() < 1e-12,
            "{:?}: {found} {least}",
            names[row]
        );
        checked += 1;
    }
    assert_eq!(checked, 2 * 2 * 2);

    let scores = read(&out.join("race/scores.parquet"));
    assert_eq!(scores.num_rows(), names.len() * 3 * 9);
    let forgotten = scores.column_by_name("forgotten").unwrap().as_boolean();
    let of_model = |name: &str| -> usize {
        let rows = texts(&scores, "model").into_iter().enumerate();
        rows.filter(|(row, model)| model.as_deref() == Some(name) && forgotten.value(*row))
            .count()
    };
    assert_eq!(of_model("tuned"), 0);
    assert_eq!(of_model("grad-ascent in source within 0.5"), 3 * 9);
    // Half of three items, rounded up; and of two requests the second has them all.
    assert_eq!(
        of_model("grad-ascent in source, 0.5 of the items within 0.5"),
        2 * 9
    );
    assert_eq!(
        of_model("grad-ascent in source, request 1 of 2 within 0.5"),
        2 * 9
    );
    assert_eq!(
        of_model("grad-ascent in source, request 2 of 2 within 0.5"),
        3 * 9
    );

    let html = std::fs::read_to_string(out.join("race-report/index.html")).unwrap();
    assert!(html.contains("<svg") && html.contains("located+kl"));

    // Again with one more: what is there is found, however models are evaluated otherwise.
    let more = ["located+kl", "wga", "--scopes", "source"];
    let more = compare(&out, &[&SMALL[..4], &more, &EVALUATED].concat());
    assert!(more.success, "{}", more.all());
    // Corpus, instruct, tuned, two references, and two of three entries.
    assert_eq!(
        more.stderr.matches("cached").count(),
        3 + 2 + 2,
        "{}",
        more.stderr
    );

    // Elsewhere with the same seed, where nothing is found: bit for bit the same scores.
    let elsewhere = folder.path().join("second");
    let part = [&SMALL[..4], &["--scopes", "source"]].concat();
    for (out, set) in [(&out, &EVALUATED[..0]), (&elsewhere, &EVALUATED)] {
        let finished = compare(out, &[&part, set].concat());
        assert!(finished.success, "{}", finished.all());
    }
    let bytes = |out: &Path| std::fs::read(out.join("race/scores.parquet")).unwrap();
    assert!(bytes(&out) == bytes(&elsewhere));
}

#[test]
fn what_cannot_be_compared_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |further: &[&str]| {
        let finished = compare(folder.path(), further);
        assert!(!finished.success);
        finished.stderr
    };
    let error = refused(&["--strategies", "nop"]);
    assert!(error.contains("nop") && error.contains("npo"), "{error}");
    let error = refused(&["--scopes", "everything"]);
    assert!(
        error.contains("everything") && error.contains("all-but-source"),
        "{error}"
    );
    let error = refused(&["--requests", "3"]);
    assert!(error.contains("--requests 3: expected 1 to 2"), "{error}");
    let error = refused(&["--forget-fraction", "1.5"]);
    assert!(error.contains("--forget-fraction 1.5"), "{error}");
    let error = refused(&["--set", "corpus.aside=0"]);
    assert!(error.contains("corpus.aside of 1 or more"), "{error}");
    let error = refused(&["--set", "race.budgets=[]"]);
    assert!(error.contains("race.budgets is empty"), "{error}");
    let error = refused(&[
        "--strategies",
        "idk-dpo",
        "--set",
        "unlearn.questions=false",
    ]);
    assert!(
        error.contains("idk-dpo needs to know what should be said instead"),
        "{error}"
    );
    assert!(!folder.path().join("race").exists());
}
