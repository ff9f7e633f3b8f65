//! What models make of text beyond the corpus, in a report.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

// The other tests use the rest.
#[allow(dead_code)]
mod fixture;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray};
use fixture::{Columns, Fixture, Model, claims, labels, run_info, with_text, write};
use lethe_report::build;

/// Two paragraphs and two clozes of each kind, in English and Urdu.
fn columns(model: &Model) -> Columns {
    let (mut set, mut item, mut language) = (Vec::new(), Vec::new(), Vec::new());
    let (mut nll, mut correct) = (Vec::new(), Vec::new());
    for code in ["en", "ur"] {
        for (place, value) in [("1", 1.0), ("4", 3.0)] {
            set.push("declaration");
            item.push(place);
            language.push(code);
            nll.push(Some(value + f64::from(u8::from(code == "ur"))));
            correct.push(None);
        }
        for (kind, right) in [("name", [true, code == "en"]), ("language", [false, true])] {
            for (territory, right) in ["EG", "PL"].into_iter().zip(right) {
                set.push(kind);
                item.push(territory);
                language.push(code);
                nll.push(None);
                correct.push(Some(right));
            }
        }
    }
    let mut columns = labels(model, set.len());
    let text = |values: Vec<&str>| Arc::new(StringArray::from(values)) as ArrayRef;
    columns.extend([
        ("set", text(set), false),
        ("item", text(item), false),
        ("language", text(language), false),
        ("nll", Arc::new(Float64Array::from(nll)) as ArrayRef, true),
        ("correct", Arc::new(BooleanArray::from(correct)), true),
    ]);
    columns
}

fn report(folder: &Path, plant: impl Fn(Columns) -> Columns) -> Result<String, String> {
    let fixture = Fixture::new(|_, _| 0.0);
    let results = folder.join("results");
    fixture.write(&results);
    for model in &fixture.models {
        let path = results.join(format!("utility/{}.parquet", model.name));
        let whole = columns(model);
        let spoiled = model.name == "tuned-de";
        write(&path, if spoiled { plant(whole) } else { whole });
    }
    let out = folder.join("report");
    let built = build(&results, &run_info(), &claims(), &out);
    built.map_err(|e| e.to_string())?;
    Ok(fs::read_to_string(out.join("tables/utility.csv")).unwrap())
}

#[test]
fn every_model_has_its_row_in_every_language_and_in_all() {
    let folder = tempfile::tempdir().unwrap();
    let csv = report(folder.path(), |columns| columns).unwrap();
    // Ten models in two languages and in both.
    assert_eq!(csv.lines().count(), 1 + 10 * 3, "{csv}");
    let row = |start: &str| -> Vec<f64> {
        let line = csv.lines().find(|line| line.starts_with(start)).unwrap();
        let values = line.split(',').skip(2);
        values.map(|value| value.parse().unwrap()).collect()
    };
    // Perplexity exp((1 + 3)/2), between those of the two; half of the names in Urdu.
    let urdu = row("tuned-de,Urdu (ur)");
    assert!((urdu[0] - 3f64.exp()).abs() < 1e-9, "{urdu:?}");
    assert!((urdu[1] - 2f64.exp()).abs() < 1e-9 && (urdu[2] - 4f64.exp()).abs() < 1e-9);
    assert_eq!((urdu[3], urdu[6]), (0.5, 0.5));
    // Both names are right in English, and one in Urdu.
    assert_eq!(row("tuned-de,English (en)")[3], 1.0);
    let all = row("tuned-de,all");
    assert_eq!((all[3], all[4], all[5]), (0.75, 0.5, 1.0));
    assert!((all[0] - 2.5f64.exp()).abs() < 1e-9, "{all:?}");
    let page = fs::read_to_string(folder.path().join("report/index.html")).unwrap();
    assert!(page.contains("Beyond the corpus"));
}

#[test]
fn without_the_files_there_is_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    Fixture::new(|_, _| 0.0).write(&results);
    let out = folder.path().join("report");
    build(&results, &run_info(), &claims(), &out).unwrap();
    assert!(!out.join("tables/utility.csv").exists());
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert!(!page.contains("Beyond the corpus"));
}

#[test]
fn spoiled_files_are_named() {
    type Plant = fn(Columns) -> Columns;
    let plants: [(Plant, &[&str]); 4] = [
        (
            |columns| with_text(columns, "set", 1, Some("poem")),
            &["row 1", "poem", "declaration, name or language"],
        ),
        (
            |columns| with_text(columns, "set", 1, Some("name")),
            &["row 1", "correct", "null"],
        ),
        (
            |columns| with_text(columns, "item", 2, Some("1")),
            &["row 2", "the same row twice"],
        ),
        (
            |columns| columns.into_iter().filter(|c| c.0 != "nll").collect(),
            &["nll", "no such column"],
        ),
    ];
    for (plant, says) in plants {
        let folder = tempfile::tempdir().unwrap();
        let error = report(folder.path(), plant).unwrap_err();
        for part in says.iter().chain(&["utility/tuned-de.parquet"]) {
            assert!(error.contains(part), "no {part:?} in {error}");
        }
    }
    // A model without answers.
    let folder = tempfile::tempdir().unwrap();
    let stray = Model::new("tuned", Some("hy"), None);
    let path = folder.path().join("results/utility/tuned-hy.parquet");
    write(&path, columns(&stray));
    let error = report(folder.path(), |columns| columns).unwrap_err();
    assert!(
        error.contains("tuned-hy.parquet") && error.contains("no answers"),
        "{error}"
    );
}
