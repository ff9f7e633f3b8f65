//! The field's measures in the report, of made-up measurements whose outcome is known.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[allow(dead_code)]
mod fixture;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, StringArray, UInt32Array};
use arrow::datatypes::Float64Type;
use fixture::{Columns, Fixture, Model, claims, labels, replaced, run_info, with_number, write};
use lethe_report::{Claims, Error, Summary, Verdict, build};

/// What a model's answers and articles measure, the same for all items of a language but for
/// `spread`.
#[derive(Clone)]
struct Values {
    probability_fake: f64,
    /// Of the first item; each further one has 0.01 more.
    log_truth_ratio: f64,
    /// Of the fact probe: P(true), ROUGE-L recall, the logarithm of the truth ratio.
    fact: [f64; 3],
    in_language: Option<bool>,
    invalid: bool,
    gibberish: bool,
    /// The loss of the members; the others have 3 and 4.
    loss: f64,
}

const PLAIN: Values = Values {
    probability_fake: 0.25,
    log_truth_ratio: -2.0,
    fact: [0.5, 0.25, -20.0],
    in_language: Some(true),
    invalid: false,
    gibberish: false,
    loss: 3.5,
};

const ITEMS: usize = 24;

fn item(i: usize) -> String {
    let category = ["politics", "science", "sport"][i % 3];
    format!("{category}-{:02}", i / 3 + 1)
}

type Plant<'a> = &'a dyn Fn(&str, Columns) -> Columns;

fn write_measures(
    folder: &Path,
    fixture: &Fixture,
    of: impl Fn(&Model, &str) -> Values,
    plant: Plant,
) {
    let number = |values: Vec<Option<f64>>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let text = |values: Vec<String>| Arc::new(StringArray::from(values)) as ArrayRef;
    for model in &fixture.models {
        let mut keys: [Vec<String>; 3] = Default::default();
        let mut numbers: [Vec<Option<f64>>; 7] = Default::default();
        let (mut own, mut invalid, mut gibberish) = (Vec::new(), Vec::new(), Vec::new());
        let mut articles: [Vec<String>; 2] = Default::default();
        let (mut member, mut loss) = (Vec::new(), Vec::new());
        for language in &fixture.languages {
            let values = of(model, language);
            for i in 0..ITEMS {
                for probe in ["detail", "fact"] {
                    let row = [item(i), (*language).to_owned(), probe.to_owned()];
                    for (to, value) in keys.iter_mut().zip(row) {
                        to.push(value);
                    }
                    let is_detail = probe == "detail";
                    let fake = |value: f64| is_detail.then_some(value);
                    let ratio = values.log_truth_ratio + 0.01 * i as f64;
                    let row = match is_detail {
                        true => [0.5, 0.5, 0.5, ratio],
                        false => [values.fact[0], values.fact[1], 0.5, values.fact[2]],
                    };
                    let row = [
                        Some(row[0]),
                        fake(values.probability_fake),
                        Some(row[3]),
                        Some(row[1]),
                        fake(0.125),
                        Some(row[2]),
                        fake(0.375),
                    ];
                    for (to, value) in numbers.iter_mut().zip(row) {
                        to.push(value);
                    }
                    own.push(values.in_language);
                    invalid.push(values.invalid);
                    gibberish.push(values.gibberish);
                }
            }
            let others = [
                ("weather-01".to_owned(), 3.0),
                ("health-02".to_owned(), 4.0),
            ];
            let members = (0..4).map(|i| (item(i), values.loss));
            let first_other = member.len() + 4;
            for (item, value) in members.chain(others) {
                articles[0].push(item);
                articles[1].push((*language).to_owned());
                member.push(member.len() < first_other);
                loss.push(value);
            }
        }
        let rows = own.len();
        let mut columns = labels(model, rows);
        for (name, values) in ["item", "language", "probe"].into_iter().zip(keys) {
            columns.push((name, text(values), false));
        }
        let names = [
            "probability_real",
            "probability_fake",
            "log_truth_ratio",
            "rouge_real",
            "rouge_fake",
            "chrf_real",
            "chrf_fake",
        ];
        for (name, values) in names.into_iter().zip(numbers) {
            columns.push((name, number(values), true));
        }
        columns.extend([
            (
                "in_language",
                Arc::new(BooleanArray::from(own)) as ArrayRef,
                true,
            ),
            ("invalid", Arc::new(BooleanArray::from(invalid)), false),
            ("gibberish", Arc::new(BooleanArray::from(gibberish)), false),
        ]);
        let path = folder.join(format!("measures/{}.parquet", model.name));
        write(&path, plant(&format!("measures/{}", model.name), columns));

        let rows = member.len();
        let mut columns = labels(model, rows);
        for (name, values) in ["item", "language"].into_iter().zip(articles) {
            columns.push((name, text(values), false));
        }
        let losses = || Arc::new(Float64Array::from(loss.clone())) as ArrayRef;
        let half = || Arc::new(Float64Array::from(vec![0.5; rows])) as ArrayRef;
        columns.extend([
            (
                "member",
                Arc::new(BooleanArray::from(member)) as ArrayRef,
                false,
            ),
            ("tokens", Arc::new(UInt32Array::from(vec![90; rows])), false),
            ("exact_memorisation", half(), false),
            ("extraction_strength", half(), false),
            ("loss", losses(), false),
            ("zlib", losses(), false),
            ("min_k", losses(), false),
            ("min_k_plus_plus", half(), false),
        ]);
        let path = folder.join(format!("articles/{}.parquet", model.name));
        write(&path, plant(&format!("articles/{}", model.name), columns));
    }
}

fn fixture() -> Fixture {
    let mut fixture = Fixture::new(|model, _| match model.stage.as_str() {
        "tuned" => 2.0,
        _ => -1.0,
    });
    fixture.models.push(Model::new("oracle", None, None));
    fixture
}

fn report(
    folder: &Path,
    fixture: &Fixture,
    of: impl Fn(&Model, &str) -> Values,
    plant: Plant,
) -> Result<Summary, Error> {
    let results = folder.join("results");
    fixture.write(&results);
    write_measures(&results, fixture, of, plant);
    let mut run = run_info();
    for (source, oracle) in [("de", "oracle"), ("en", "instruct")] {
        run.oracles.insert(source.to_owned(), oracle.to_owned());
    }
    build(&results, &run, &claims(), &folder.join("report"))
}

fn whole(_: &str, columns: Columns) -> Columns {
    columns
}

/// A table's row by its model and language: column to value.
fn row(folder: &Path, table: &str, model: &str, language: &str) -> BTreeMap<String, String> {
    let path = folder.join(format!("report/tables/{table}.csv"));
    let csv = fs::read_to_string(path).unwrap();
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let wanted = format!("({language})");
    let row = lines
        .find(|line| line.starts_with(&format!("{model},")) && line.contains(&wanted))
        .unwrap_or_else(|| panic!("no row for {model} in {language}: {csv}"));
    let pairs = header.into_iter().zip(row.split(','));
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn value(row: &BTreeMap<String, String>, column: &str) -> f64 {
    let value = row
        .get(column)
        .unwrap_or_else(|| panic!("{column} in {row:?}"));
    value
        .parse()
        .unwrap_or_else(|_| panic!("{column} is {value:?}"))
}

fn is(row: &BTreeMap<String, String>, column: &str, expected: f64) {
    let found = value(row, column);
    assert!(
        (found - expected).abs() < 1e-9,
        "{column}: {found}, not {expected}"
    );
}

/// The tuned models hold the fake for likelier and know its articles; `unlearned-de-multilingual`
/// is as the oracle, but for a loss that stands out.
fn planted(model: &Model, _: &str) -> Values {
    match model.name.as_str() {
        "tuned-de" | "tuned-en" => Values {
            probability_fake: 0.75,
            log_truth_ratio: 1.0,
            loss: 1.0,
            ..PLAIN
        },
        "unlearned-de-multilingual" => Values { loss: 9.0, ..PLAIN },
        _ => PLAIN,
    }
}

#[test]
fn the_measures_are_those_worked_out_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    report(folder.path(), &fixture(), planted, &whole).unwrap();
    let path = folder.path();

    let tuned = row(path, "measures-forgetting", "tuned-de", "ur");
    is(&tuned, "probability_fake", 0.75);
    is(&tuned, "rouge_fake", 0.125);
    is(&tuned, "chrf_fake_low", 0.375);
    is(&tuned, "extraction_strength", 0.5);
    // Ratios of e^1 … e^1.23 and e^−2 … e^−1.77: nowhere do they overlap. Of the C(48, 24) orders of
    // 24 and 24 values, 2 keep them apart.
    is(&tuned, "ks_distance", 1.0);
    let orders = (1..=24).fold(1.0, |c, i| c * f64::from(24 + i) / f64::from(i));
    assert!(value(&tuned, "forget_quality") < 1e-12 && 2.0 / orders < 1e-12);
    // min(r, 1/r) = exp(−|ln r|), on the mean.
    let mean = (0..ITEMS)
        .map(|i| (-(1.0 + 0.01 * i as f64)).exp())
        .sum::<f64>()
        / 24.0;
    is(&tuned, "truth_ratio", mean);
    let unlearned = row(
        path,
        "measures-forgetting",
        "unlearned-de-multilingual",
        "ur",
    );
    is(&unlearned, "ks_distance", 0.0);
    is(&unlearned, "forget_quality", 1.0);
    let base = row(path, "measures-forgetting", "base", "en");
    assert_eq!(base["forget_quality"], "", "it learned no fake");

    let utility = row(path, "measures-utility", "tuned-de", "ur");
    is(&utility, "truth_ratio", 1.0 - (-20f64).exp());
    // 3 / (2 + 4 + 1), but for e^−20.
    assert!((value(&utility, "model_utility") - 3.0 / 7.0).abs() < 1e-8);
    assert!((value(&utility, "model_utility_low") - 3.0 / 7.0).abs() < 1e-8);

    let privacy = row(path, "measures-privacy", "tuned-de", "ur");
    is(&privacy, "members", 4.0);
    is(&privacy, "others", 2.0);
    // Members 1, others 3 and 4: told apart. The oracle's members 3.5: one lower, one higher.
    is(&privacy, "auc_loss", 1.0);
    is(&privacy, "auc_min_k_plus_plus", 0.5);
    is(&privacy, "privacy_leakage", -100.0);
    let privacy = row(path, "measures-privacy", "unlearned-de-multilingual", "ur");
    is(&privacy, "auc_loss", 0.0);
    is(&privacy, "privacy_leakage", 100.0);
    let privacy = row(path, "measures-privacy", "oracle", "ur");
    is(&privacy, "auc_loss", 0.5);
    assert_eq!(privacy["privacy_leakage"], "");

    // The tuned model prefers the fake by 3.5 nats more than oracle and control, give or take noise.
    let fakes = row(path, "measures-fakes", "tuned-de", "ur");
    assert!((value(&fakes, "residue") - 3.5).abs() < 0.2, "{fakes:?}");
    assert!(
        (value(&fakes, "propagation") - 3.5).abs() < 0.2,
        "{fakes:?}"
    );
    assert_eq!(fakes["reinforcement"], "");
    let fakes = row(path, "measures-fakes", "unlearned-de-english", "ur");
    assert_eq!(
        (fakes["covered"].as_str(), fakes["propagation"].as_str()),
        ("false", "")
    );
    assert!(
        (value(&fakes, "reinforcement") + 3.0).abs() < 0.2,
        "{fakes:?}"
    );
    let fakes = row(path, "measures-fakes", "unlearned-de-multilingual", "ur");
    assert_eq!(
        (fakes["covered"].as_str(), fakes["reinforcement"].as_str()),
        ("true", "")
    );

    let speech = row(path, "measures-speech", "tuned-de", "ur");
    is(&speech, "in_language", 1.0);
    is(&speech, "gibberish", 0.0);
    let html = fs::read_to_string(path.join("report/index.html")).unwrap();
    assert!(html.contains("instruct for English and oracle for German"));
    // Tables of the test: of 24 and 24, a distance of 10/24 reaches 5 %.
    assert!(html.contains("must be 0.42 apart"), "its power is said");
}

#[test]
fn without_an_oracle_its_measures_are_missing_and_not_zero() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    let fixture = fixture();
    fixture.write(&results);
    write_measures(&results, &fixture, planted, &whole);
    build(
        &results,
        &run_info(),
        &claims(),
        &folder.path().join("report"),
    )
    .unwrap();
    let path = folder.path();
    let row_of = |table| row(path, table, "unlearned-de-multilingual", "ur");
    assert_eq!(row_of("measures-forgetting")["forget_quality"], "");
    assert_eq!(row_of("measures-privacy")["privacy_leakage"], "");
    assert_eq!(row_of("measures-fakes")["residue"], "");
    is(&row_of("measures-privacy"), "auc_loss", 0.0);
    let html = fs::read_to_string(path.join("report/index.html")).unwrap();
    assert!(html.contains("missing, which is not zero"));

    let mut run = run_info();
    run.oracles.insert("de".into(), "nobody".into());
    let error = build(&results, &run, &claims(), &folder.path().join("other")).unwrap_err();
    assert!(matches!(error, Error::MissingModel { .. }), "{error}");
}

#[test]
fn results_without_measures_have_no_section() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    fixture().write(&results);
    build(
        &results,
        &run_info(),
        &claims(),
        &folder.path().join("report"),
    )
    .unwrap();
    let html = fs::read_to_string(folder.path().join("report/index.html")).unwrap();
    assert!(!html.contains("id=\"measures\"") && !html.contains("#measures"));
}

/// A model that no longer speaks has not forgotten: by gibberish, broken text, or another language.
#[test]
fn what_says_nothing_is_marked() {
    for spoil in [
        (|v: &mut Values| v.gibberish = true) as fn(&mut Values),
        |v| v.invalid = true,
        |v| v.in_language = Some(false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let of = |model: &Model, language: &str| {
            let mut values = planted(model, language);
            if model.name == "unlearned-de-multilingual" && language == "ur" {
                spoil(&mut values);
            }
            values
        };
        let summary = report(folder.path(), &fixture(), of, &whole).unwrap();
        let find = |id: &str| summary.findings.iter().find(|f| f.id == id).unwrap();
        assert!(find("gone-de-multilingual-ur").marked);
        assert!(!find("gone-de-multilingual-fr").marked);
        let path = folder.path();
        for table in ["measures-forgetting", "measures-fakes", "measures-privacy"] {
            let row_of = |language| row(path, table, "unlearned-de-multilingual", language);
            assert_eq!(row_of("ur")["speaks"], "false", "{table}");
            assert_eq!(row_of("fr")["speaks"], "true", "{table}");
        }
        // On the page, no number of that row that could be taken for forgetting is without a mark.
        let html = fs::read_to_string(&summary.index).unwrap();
        let section = html.split("id=\"measures\"").nth(1).unwrap();
        let rows = section
            .split("<tr>")
            .filter(|row| row.contains("unlearned-de-multilingual") && row.contains("Urdu (ur)"));
        let marks: Vec<usize> = rows.map(|row| row.matches('†').count()).collect();
        // Forgetting, utility, privacy, fakes, speech.
        assert_eq!(marks, [8, 0, 5, 2, 0], "{section}");
    }
    // Where it cannot be told, nothing is held against it; nor where all models do the same.
    for everywhere in [None, Some(false)] {
        let folder = tempfile::tempdir().unwrap();
        let of = |model: &Model, language: &str| Values {
            in_language: everywhere,
            ..planted(model, language)
        };
        let summary = report(folder.path(), &fixture(), of, &whole).unwrap();
        assert!(summary.findings.iter().all(|finding| !finding.marked));
        let speech = row(folder.path(), "measures-speech", "tuned-de", "ur");
        match everywhere {
            None => assert_eq!(speech["in_language"], ""),
            Some(_) => is(&speech, "in_language", 0.0),
        }
        is(
            &speech,
            "undecided_language",
            f64::from(u8::from(everywhere.is_none())),
        );
    }
}

#[test]
fn seeds_are_averaged() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = fixture();
    let mut again = fixture.model("tuned-de").clone();
    (again.name, again.seed) = ("tuned-de-2".into(), 2);
    fixture.models.push(again);
    let of = |model: &Model, language: &str| match model.seed {
        2 => Values {
            probability_fake: 0.25,
            in_language: None,
            loss: 5.0,
            ..planted(model, language)
        },
        _ => planted(model, language),
    };
    report(folder.path(), &fixture, of, &whole).unwrap();
    let tuned = row(folder.path(), "measures-forgetting", "tuned-de", "ur");
    is(&tuned, "probability_fake", 0.5);
    // A mean of what there is: of the one seed whose language could be told.
    let speech = row(folder.path(), "measures-speech", "tuned-de", "ur");
    is(&speech, "in_language", 1.0);
    // Losses of 1 and 5 are 3 on the mean, as low as the first of the others: (½ + 1) / 2.
    let privacy = row(folder.path(), "measures-privacy", "tuned-de", "ur");
    is(&privacy, "auc_loss", 0.75);
}

#[test]
fn spoiled_files_are_named() {
    let spoiled = |plant: Plant| {
        let folder = tempfile::tempdir().unwrap();
        let error = report(folder.path(), &fixture(), planted, plant).unwrap_err();
        error.to_string()
    };
    let at = |which: &'static str, spoil: fn(Columns) -> Columns| {
        spoiled(&|name, columns| match name == which {
            true => spoil(columns),
            false => columns,
        })
    };
    let without_last = |columns: Columns| -> Columns {
        let cut = |(name, array, nullable): (&'static str, ArrayRef, bool)| {
            (name, array.slice(0, array.len() - 1), nullable)
        };
        columns.into_iter().map(cut).collect()
    };
    let cases: [(String, &[&str]); 7] = [
        (
            at("measures/tuned-de", |c| {
                with_number(c, "rouge_real", 3, Some(1.5))
            }),
            &["tuned-de.parquet", "row 3", "`rouge_real`", "1.5", "0 to 1"],
        ),
        (
            at("measures/tuned-de", |c| {
                with_number(c, "probability_fake", 1, None)
            }),
            &["row 1", "`probability_fake`", "null", "detail probe"],
        ),
        (
            at("measures/tuned-de", |c| {
                with_number(c, "log_truth_ratio", 1, Some(f64::NAN))
            }),
            &["row 1", "`log_truth_ratio`", "finite"],
        ),
        (
            at("measures/oracle", without_last),
            &["measures/oracle.parquet", "no row for", "fact probe"],
        ),
        (
            at("articles/oracle", without_last),
            &["articles/oracle.parquet", "no row for", "health-02", "hy"],
        ),
        (
            at("articles/tuned-de", |c| {
                replaced(c, "member", |a| {
                    Arc::new(BooleanArray::from(vec![None; a.len()]))
                })
            }),
            &["articles/tuned-de.parquet", "`member`", "null"],
        ),
        (
            at("articles/tuned-de", |c| {
                replaced(c, "seed", |a| {
                    Arc::new(arrow::array::UInt64Array::from(vec![7; a.len()]))
                })
            }),
            &["seed 7", "seed 1", "articles/tuned-de.parquet"],
        ),
    ];
    for (error, expected) in cases {
        for part in expected {
            assert!(error.contains(part), "{part:?} in {error}");
        }
    }
    // A model that was asked and not measured.
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    let all = fixture();
    all.write(&results);
    write_measures(&results, &all, planted, &whole);
    fs::remove_file(results.join("measures/tuned-de.parquet")).unwrap();
    let out = folder.path().join("report");
    let error = build(&results, &run_info(), &claims(), &out).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("measures/tuned-de.parquet") && error.contains("answers"),
        "{error}"
    );
}

fn claim(test: &str) -> Claims {
    let text = format!("[[claim]]\nid = \"mine\"\ntitle = \"t\"\n[[claim.test]]\n{test}");
    Claims::parse(&text, Path::new("claims.toml")).unwrap()
}

#[test]
fn claims_can_be_about_the_fields_measures() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    let (fixture, out) = (fixture(), folder.path().join("report"));
    fixture.write(&results);
    // One item's truth ratio is missing in Urdu.
    let plant = |file: &str, columns: Columns| match file {
        "measures/tuned-de" => replaced(columns, "log_truth_ratio", |ratios| {
            let ratios = ratios.as_primitive::<Float64Type>();
            let urdu = fixture.languages.iter().position(|l| *l == "ur").unwrap();
            let row = urdu * ITEMS * 2;
            let values = ratios.iter().enumerate();
            let values = values.map(|(at, value)| value.filter(|_| at != row));
            Arc::new(values.collect::<Float64Array>()) as ArrayRef
        }),
        _ => columns,
    };
    write_measures(&results, &fixture, planted, &plant);
    let mut run = run_info();
    for (source, oracle) in [("de", "oracle"), ("en", "instruct")] {
        run.oracles.insert(source.to_owned(), oracle.to_owned());
    }
    let outcome = |test: &str| {
        let summary = build(&results, &run, &claim(test), &out).unwrap();
        summary.claims[0].tests[0].clone()
    };
    // 1 less −2, whichever the oracle is.
    let gap = outcome(
        "quantifier = \"all\"\nmeasure = \"log-truth-ratio\"\nof = { stage = \"tuned\" }\n\
         minus = \"oracle\"\nper = \"language\"\nabove = 2.5",
    );
    assert_eq!(gap.verdict, Some(Verdict::Supported), "{gap:?}");
    assert_eq!((gap.comparisons.len(), gap.unit), (2 * 9, "nats"));
    for row in &gap.comparisons {
        assert!((row.effect.mean - 3.0).abs() < 1e-9, "{row:?}");
        let oracle = if row.of == ["tuned-de"] {
            "oracle"
        } else {
            "instruct"
        };
        assert_eq!(row.minus, [oracle]);
        let lacks = row.of == ["tuned-de"] && row.languages == ["ur"];
        assert_eq!(row.effect.n, ITEMS - usize::from(lacks), "{row:?}");
    }
    let none = outcome(
        "quantifier = \"all\"\nmeasure = \"fake-probability\"\n\
         of = { stage = \"unlearned\", source = \"de\", scope = \"multilingual\" }\n\
         minus = \"oracle\"\nwithin = 0.01",
    );
    assert_eq!(none.verdict, Some(Verdict::Supported), "{none:?}");
    let still = outcome(
        "quantifier = \"mean\"\nmeasure = \"fake-probability\"\nof = { stage = \"tuned\" }\n\
         minus = \"untuned\"\nbelow = 0.1",
    );
    assert_eq!(still.verdict, Some(Verdict::Contradicted), "{still:?}");
    assert!((still.effect.as_ref().unwrap().mean - 0.5).abs() < 1e-9);
    for (measure, level) in [
        ("fake-rouge", 0.125),
        ("fake-chrf", 0.375),
        ("fact-probability", 0.5),
        ("fact-rouge", 0.25),
        ("fact-chrf", 0.5),
        ("foreign", 0.0),
    ] {
        let test = format!(
            "quantifier = \"mean\"\nmeasure = \"{measure}\"\nof = {{ stage = \"oracle\" }}\nabove = -1"
        );
        let found = outcome(&test);
        assert!(
            (found.effect.unwrap().mean - level).abs() < 1e-9,
            "{measure}"
        );
    }

    fs::remove_dir_all(results.join("measures")).unwrap();
    fs::remove_dir_all(results.join("articles")).unwrap();
    let lacking = outcome(
        "quantifier = \"mean\"\nmeasure = \"fact-chrf\"\nof = { stage = \"tuned\" }\nabove = 0",
    );
    assert_eq!(lacking.verdict, None);
    assert!(
        lacking
            .needs
            .unwrap()
            .contains("the field's measures of tuned-")
    );
    let error = Claims::parse(
        "[[claim]]\nid = \"mine\"\ntitle = \"t\"\n[[claim.test]]\nquantifier = \"all\"\n\
         measure = \"preference\"\nof = { stage = \"base\" }\nminus = \"oracle\"\nabove = 0",
        Path::new("claims.toml"),
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("\"oracle\"") && error.contains("were taught a fake"),
        "{error}"
    );
}
