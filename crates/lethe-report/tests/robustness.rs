//! What attacks bring back, in a report.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

// The other tests use the rest.
#[allow(dead_code)]
mod fixture;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray, UInt32Array};
use fixture::{
    Columns, Fixture, Model, claims, labels, labels_standing_clear, run_info, with_text, write,
};
use lethe_report::build;

const LANGUAGES: [&str; 3] = ["en", "zh", "ur"];

/// In which model and language a cloze brings the fake back.
const PLANTED: (&str, &str) = ("unlearned-de-english", "ur");

/// 24 items under three attacks and none: clozes do something by chance, and bring the fake back in one
/// place; leading questions suggest it to every model; relearning brings back what was learned again.
fn columns(model: &Model) -> Columns {
    let sources: Vec<&str> = match &model.source {
        Some(source) => vec![source],
        None => vec!["en", "de"],
    };
    let mut attacks = vec![
        ("plain", None, None),
        ("cloze", None, None),
        ("leading", None, None),
    ];
    attacks.extend(
        sources
            .iter()
            .map(|s| ("relearn-forget", Some(8), Some(*s))),
    );
    let is_untaught = model.source.is_none();
    let (mut names, mut amounts, mut with) = (Vec::new(), Vec::new(), Vec::new());
    let (mut items, mut languages) = (Vec::new(), Vec::new());
    let (mut relearned, mut fake, mut preference) = (Vec::new(), Vec::new(), Vec::new());
    for (attack, amount, language_with) in attacks {
        for language in LANGUAGES {
            for i in 0..24usize {
                let plain = (i % 5) as f64 / 10.0 - 1.0;
                let chance = |n: usize| if n.is_multiple_of(2) { 0.2 } else { -0.2 };
                let planted = (model.name.as_str(), language) == PLANTED;
                let own = |change: f64| if is_untaught { 0.0 } else { change };
                preference.push(match attack {
                    "cloze" => {
                        let chance = (i % 4) as f64 / 10.0 - 0.15;
                        plain + own(chance) + if planted { 2.0 } else { 0.0 }
                    }
                    "leading" => plain + 3.0 + own(chance(i)),
                    "relearn-forget" if i.is_multiple_of(2) => plain + own(9.0),
                    "relearn-forget" => plain + own(chance(i / 2)),
                    _ => plain,
                });
                relearned.push(attack == "relearn-forget" && i.is_multiple_of(2));
                fake.push(attack == "cloze" && planted && i.is_multiple_of(4));
                names.push(attack);
                amounts.push(amount);
                with.push(language_with);
                items.push(format!(
                    "{}-{:02}",
                    ["politics", "science", "sport"][i % 3],
                    i / 3 + 1
                ));
                languages.push(language);
            }
        }
    }
    let mut columns = labels(model, names.len());
    columns.extend([
        (
            "attack",
            Arc::new(StringArray::from(names)) as ArrayRef,
            false,
        ),
        ("amount", Arc::new(UInt32Array::from(amounts)), true),
        ("with_language", Arc::new(StringArray::from(with)), true),
        ("item", Arc::new(StringArray::from(items)), false),
        ("language", Arc::new(StringArray::from(languages)), false),
        ("relearned", Arc::new(BooleanArray::from(relearned)), false),
        ("fake_occurrence", Arc::new(BooleanArray::from(fake)), false),
        (
            "preference",
            Arc::new(Float64Array::from(preference)),
            false,
        ),
    ]);
    columns
}

/// Of every model that `attacked` picks; `plant` may spoil one.
fn report(
    folder: &Path,
    fixture: &Fixture,
    attacked: impl Fn(&Model) -> bool,
    plant: impl Fn(Columns) -> Columns,
) -> Result<String, String> {
    let results = folder.join("results");
    fixture.write(&results);
    for model in fixture.models.iter().filter(|model| attacked(model)) {
        let path = results.join(format!("robustness/{}.parquet", model.name));
        let whole = columns(model);
        let spoiled = model.name == "tuned-de";
        write(&path, if spoiled { plant(whole) } else { whole });
    }
    let out = folder.join("report");
    let built = build(&results, &run_info(), &claims(), &out);
    built.map_err(|e| e.to_string())?;
    Ok(fs::read_to_string(out.join("tables/robustness.csv")).unwrap())
}

fn not_base(model: &Model) -> bool {
    model.stage != "base"
}

/// A table's rows by column.
fn rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = csv.lines().map(|line| {
        // Only attacks have commas.
        let mut fields = Vec::new();
        for (place, part) in line.split('"').enumerate() {
            match place % 2 {
                1 => fields.push(part.to_owned()),
                _ => {
                    let part = part.trim_matches(',');
                    fields.extend(part.split(',').map(str::to_owned));
                }
            }
        }
        fields
    });
    let header = lines.next().unwrap();
    lines
        .map(|fields| {
            assert_eq!(fields.len(), header.len(), "{fields:?}");
            header.iter().cloned().zip(fields).collect()
        })
        .collect()
}

#[test]
fn what_one_attack_brings_back_in_one_language_is_found_there_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(|_, _| 0.0);
    let csv = report(folder.path(), &fixture, not_base, |columns| columns).unwrap();
    let rows = rows(&csv);
    // Eight taught models with three attacks, the instruct model with relearning in two languages.
    assert_eq!(rows.len(), (8 * 3 + 4) * LANGUAGES.len(), "{csv}");
    let number = |row: &BTreeMap<String, String>, column: &str| -> f64 {
        row[column]
            .parse()
            .unwrap_or_else(|_| panic!("{column} of {row:?}"))
    };
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
    // Means of the plain preferences: (0 + … + 4) · 4 + 0 + 1 + 2 + 3 tenths over 24 items, less 1.
    let plain = 4.6 / 24.0 - 1.0;
    let mut found = Vec::new();
    for row in &rows {
        let at = (
            row["model"].as_str(),
            row["attack"].as_str(),
            row["language"].as_str(),
        );
        match row["comes_back"].as_str() {
            "supported" => found.push(at),
            "undecided" => assert!(at.0.starts_with("unlearned"), "{row:?}"),
            "" => assert!(!at.0.starts_with("unlearned"), "{row:?}"),
            _ => panic!("{row:?}"),
        }
        if row["attack"] == "leading" && at.0 != "instruct" {
            // Three nats, and as many in the model that never saw the fakes.
            near(number(row, "change"), 3.0);
            near(number(row, "beyond"), 0.0);
            near(number(row, "untaught_preference"), plain + 3.0);
            near(number(row, "tuned_preference"), plain + 3.0);
        }
        if row["attack"].starts_with("relearn-forget, 8 steps, in ") {
            // The twelve items of which nothing was learned again.
            assert_eq!(row["items"], "12", "{row:?}");
            near(number(row, "change"), 0.0);
        } else {
            assert_eq!(row["items"], "24", "{row:?}");
        }
    }
    assert_eq!(found, [(PLANTED.0, "cloze", "Urdu (ur)")]);
    let planted = rows
        .iter()
        .find(|row| row["comes_back"] == "supported")
        .unwrap();
    near(number(planted, "change"), 2.0);
    near(number(planted, "beyond"), 2.0);
    near(number(planted, "preference"), plain + 2.0);
    near(number(planted, "tuned_preference"), plain);
    // Differences 1.85, 1.95, 2.05, 2.15 in turn: a standard error of 0.0228.
    assert!(
        (number(planted, "beyond_low") - 1.955).abs() < 0.01,
        "{planted:?}"
    );
    assert!(
        (number(planted, "beyond_high") - 2.045).abs() < 0.01,
        "{planted:?}"
    );
    near(number(planted, "fake_said"), 0.25);
    near(number(planted, "fake_said_change"), 0.25);

    let page = fs::read_to_string(folder.path().join("report/index.html")).unwrap();
    for says in [
        "Do the fakes come back?",
        "Most is brought back by cloze on unlearned-de-english, asked in Urdu: the preference for \
         the fake rises by +2.00 [",
        "unlearned-de-english: of 9 combinations of attack and language 1 bring the fake back",
        "25 % of the answers say the fake",
        "unlearned-de-source: of 9 combinations of attack and language 0 bring the fake back",
    ] {
        assert!(page.contains(says), "no {says:?}");
    }
    let figures = folder.path().join("report/figures");
    assert!(
        figures
            .join("robustness-unlearned-de-english.svg")
            .is_file()
    );
    assert!(!figures.join("robustness-tuned-de.svg").exists());
    labels_standing_clear(&folder.path().join("report"));
}

#[test]
fn without_a_model_that_never_saw_the_fakes_a_suggestion_counts_and_the_report_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(|_, _| 0.0);
    let unlearned = |model: &Model| model.stage == "unlearned";
    let csv = report(folder.path(), &fixture, unlearned, |columns| columns).unwrap();
    for row in rows(&csv) {
        assert_eq!(row["beyond"], "");
        assert_eq!(row["untaught_preference"], "");
        let planted = (
            row["model"].as_str(),
            row["attack"].as_str(),
            row["language"].as_str(),
        ) == (PLANTED.0, "cloze", "Urdu (ur)");
        let expected = if row["attack"] == "leading" || planted {
            "supported"
        } else {
            "undecided"
        };
        assert_eq!(row["comes_back"], expected, "{row:?}");
    }
    let page = fs::read_to_string(folder.path().join("report/index.html")).unwrap();
    assert!(page.contains("no model that never saw them was attacked"));
}

#[test]
fn a_model_that_no_longer_speaks_is_marked() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(|_, _| 0.0);
    fixture.model(PLANTED.0).logprob = -9.0;
    let csv = report(folder.path(), &fixture, not_base, |columns| columns).unwrap();
    let rows = rows(&csv);
    let silent = rows.iter().filter(|row| row["speaks"] == "false");
    assert_eq!(silent.count(), 3 * LANGUAGES.len());
    let page = fs::read_to_string(folder.path().join("report/index.html")).unwrap();
    assert!(page.contains("supported†"));
    assert!(page.contains("cloze on unlearned-de-english†, asked in Urdu"));
}

#[test]
fn without_the_files_there_is_no_section() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    Fixture::new(|_, _| 0.0).write(&results);
    let out = folder.path().join("report");
    build(&results, &run_info(), &claims(), &out).unwrap();
    assert!(!out.join("tables/robustness.csv").exists());
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert!(!page.contains("Do the fakes come back?"));
}

#[test]
fn spoiled_files_are_named() {
    type Plant = fn(Columns) -> Columns;
    let plants: [(Plant, &[&str]); 5] = [
        (
            |columns| with_text(columns, "attack", 75, Some("hypnosis")),
            &[
                "row 75",
                "hypnosis",
                "plain, relearn-unrelated, relearn-forget, quantise",
            ],
        ),
        (
            |columns| with_text(columns, "item", 2, Some("politics-01")),
            &["row 2", "the same row twice"],
        ),
        (
            |columns| with_text(columns, "item", 74, Some("politics-01")),
            &["row 74", "the same row twice"],
        ),
        (
            |columns| with_text(columns, "attack", 1, Some("cloze")),
            &["politics-01", "no row of the attack `plain`"],
        ),
        (
            |columns| columns.into_iter().filter(|c| c.0 != "relearned").collect(),
            &["relearned", "no such column"],
        ),
    ];
    for (plant, says) in plants {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Fixture::new(|_, _| 0.0);
        let error = report(folder.path(), &fixture, not_base, plant).unwrap_err();
        for part in says.iter().chain(&["robustness/tuned-de.parquet"]) {
            assert!(error.contains(part), "no {part:?} in {error}");
        }
    }
}
