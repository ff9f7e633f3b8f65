//! Reports of made-up studies whose effects are known.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod fixture;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{BooleanArray, Int64Array, StringArray};
use fixture::{
    Columns, Fixture, LANGUAGES, Model, claims, contents, labels_standing_clear, replaced,
    run_info, with_number, with_text,
};
use lethe_report::{Error, Finding, RunInfo, Summary, Verdict, build};

/// The fake gains 3 nats where it was taught and 1 elsewhere (1.6 if taught in English, and 2 when
/// asked in English); unlearning takes it away in its scope and reinforces it by 0.5 outside.
fn effects(model: &Model, language: &str) -> f64 {
    let source = model.source.as_deref().unwrap();
    let learned = match (source, language) {
        (source, language) if source == language => 3.0,
        ("en", _) => 1.6,
        (_, "en") => 2.0,
        _ => 1.0,
    };
    match model.scope.as_deref() {
        None => -1.5 + learned,
        Some(scope) => {
            let covered = match scope {
                "english" => language == "en",
                "source" => language == source,
                "english+source" => language == "en" || language == source,
                _ => true,
            };
            if covered { -1.6 } else { -1.5 + learned + 0.5 }
        }
    }
}

fn report(fixture: &Fixture, folder: &Path) -> Result<Summary, Error> {
    fixture.write(&folder.join("results"));
    build(
        &folder.join("results"),
        &run_info(),
        &claims(),
        &folder.join("report"),
    )
}

fn finding<'a>(summary: &'a Summary, id: &str) -> &'a Finding {
    let found = summary.findings.iter().find(|finding| finding.id == id);
    found.unwrap_or_else(|| {
        let all: Vec<&str> = summary.findings.iter().map(|f| f.id.as_str()).collect();
        panic!("no finding {id} among {all:?}")
    })
}

#[test]
fn planted_effects_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let summary = report(&Fixture::new(effects), folder.path()).unwrap();
    use Verdict::{Contradicted, Supported};
    for (id, verdict, effect) in [
        ("learned-en", Supported, 1.0),
        ("learned-en-tuned", Supported, 1.0),
        ("learned-en-base", Supported, 0.0),
        ("learned-de", Supported, 1.0),
        ("spread-en-instruct", Supported, 1.6),
        ("spread-en-base", Supported, 1.6),
        ("spread-de-instruct", Supported, (2.0 + 7.0) / 8.0),
        ("spread-de-en-instruct", Supported, 2.0),
        ("spread-en-ur-base", Supported, 1.6),
        ("most-from-en-de", Supported, 1.6 - 9.0 / 8.0),
        ("asked-in-en-de", Supported, 1.0),
        ("gone-de-english+source-de", Supported, -0.1),
        ("gone-de-english+source", Contradicted, 1.5),
        ("gone-de-english-de", Contradicted, 3.5),
        ("gone-de-multilingual", Supported, -0.1),
        ("gone-en-multilingual", Supported, -0.1),
        ("left-de-english-de", Supported, 3.5),
        ("left-de-english-elsewhere", Supported, 1.5),
        (
            "left-de-source-elsewhere",
            Supported,
            (2.5 + 7.0 * 1.5) / 8.0,
        ),
        ("left-en-english-elsewhere", Supported, 2.1),
        ("reinforced-de-english", Supported, 0.5),
        ("reinforced-en-english", Supported, 0.5),
        ("kept-tuned-en", Supported, 0.0),
        ("kept-tuned-en-perplexity", Supported, 1.0),
        ("kept-unlearned-de-english+source-f1", Supported, 0.0),
    ] {
        let found = finding(&summary, id);
        assert_eq!(found.verdict, verdict, "{found:?}");
        // The noise of a mean over 24 items is below 0.15.
        assert!(
            (found.effect - effect).abs() < 0.15,
            "{id}: {} for {effect}",
            found.effect
        );
        assert!(found.interval.0 <= found.effect && found.effect <= found.interval.1);
    }
    let tuned = summary
        .headline
        .iter()
        .find(|row| row.model == "tuned-en")
        .unwrap();
    assert_eq!(
        tuned
            .languages
            .iter()
            .map(|l| l.language.as_str())
            .collect::<Vec<_>>(),
        LANGUAGES
    );
    assert!((tuned.languages[0].preference - 1.5).abs() < 0.15);
    assert!(tuned.languages[0].share_preferred > 0.95 && tuned.breaks.is_empty());
    assert!(summary.headline[0].perplexity_ratio > 0.95);
    assert_eq!(summary.headline[0].model, "base");
    let shown = summary.to_string();
    assert!(
        shown.contains("tuned-en") && shown.contains("supported"),
        "{shown}"
    );
}

#[test]
fn no_effect_is_undecided() {
    let folder = tempfile::tempdir().unwrap();
    let summary = report(&Fixture::new(|_, _| -1.5), folder.path()).unwrap();
    for id in [
        "spread-en-instruct",
        "most-from-en-de",
        "asked-in-en-de",
        "spread-de-fr-base",
    ] {
        let found = finding(&summary, id);
        assert_eq!(found.verdict, Verdict::Undecided, "{found:?}");
    }
    // Nobody prefers the fake: not learned, and the interval has no width.
    let found = finding(&summary, "learned-en");
    assert_eq!(
        (found.verdict, found.interval),
        (Verdict::Undecided, (0.0, 0.0))
    );
    assert!(found.detail.contains("rule of three"), "{}", found.detail);
    assert_eq!(
        finding(&summary, "learned-en-tuned").verdict,
        Verdict::Contradicted
    );
}

#[test]
fn reversed_effects_are_contradicted() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(|model, language| {
        if model.source.as_deref() == Some(language) {
            -3.0
        } else {
            -2.5
        }
    });
    for model in ["base", "instruct"] {
        fixture.model(model).preference = |_, _| 1.5;
    }
    let summary = report(&fixture, folder.path()).unwrap();
    for id in [
        "learned-de",
        "learned-de-tuned",
        "learned-de-base",
        "spread-en-instruct",
        "spread-de-hy-base",
        "left-de-english-elsewhere",
    ] {
        assert_eq!(finding(&summary, id).verdict, Verdict::Contradicted, "{id}");
    }
}

#[test]
fn errors_travel_between_threads() {
    fn travels<T: std::error::Error + Send + Sync + 'static>() {}
    travels::<Error>();
}

#[test]
fn five_items_decide_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(effects);
    fixture.items = 5;
    let summary = report(&fixture, folder.path()).unwrap();
    let found = finding(&summary, "learned-en");
    assert_eq!((found.verdict, found.n), (Verdict::Undecided, 5));
    assert!(found.detail.contains("too few"), "{}", found.detail);
}

#[test]
fn a_model_that_no_longer_speaks_has_not_forgotten() {
    for spoil in [
        (|m: &mut Model| m.logprob = -9.0) as fn(&mut Model),
        |m| m.f1 = 0.1,
        |m| m.nll = 9.0,
        |m| m.answer = Some("the the the the the".into()),
        |m| m.answer = Some(String::new()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut fixture = Fixture::new(effects);
        spoil(fixture.model("unlearned-de-multilingual"));
        let summary = report(&fixture, folder.path()).unwrap();
        let gone = finding(&summary, "gone-de-multilingual");
        assert_eq!(gone.verdict, Verdict::Undecided, "{gone:?}");
        assert!(gone.marked && gone.detail.contains('†'), "{}", gone.detail);
        assert_eq!(
            finding(&summary, "gone-en-multilingual").verdict,
            Verdict::Supported
        );
        let row = summary
            .headline
            .iter()
            .find(|r| r.model == "unlearned-de-multilingual")
            .unwrap();
        assert!(!row.breaks.is_empty() && row.languages.iter().all(|l| !l.speaks));
        let html = fs::read_to_string(&summary.index).unwrap();
        assert!(html.contains("0 %†"), "marked in the tables");
        let svg = folder
            .path()
            .join("report/figures/unlearning-de-occurrence.svg");
        assert!(
            fs::read_to_string(svg).unwrap().contains("0 %†"),
            "marked in the figure"
        );
        assert!(
            summary.to_string().contains("0 %†"),
            "marked on the terminal"
        );
    }
}

#[test]
fn broken_margins_are_contradicted() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(effects);
    fixture.model("tuned-de").logprob = -2.0;
    fixture.model("tuned-en").nll = 3.0 + 2f64.ln();
    let summary = report(&fixture, folder.path()).unwrap();
    let logprob = finding(&summary, "kept-tuned-de-logprob");
    assert_eq!(logprob.verdict, Verdict::Contradicted);
    assert!((logprob.effect + 1.0).abs() < 0.05, "{logprob:?}");
    let perplexity = finding(&summary, "kept-tuned-en-perplexity");
    assert_eq!(
        (perplexity.verdict, perplexity.n),
        (Verdict::Contradicted, 18)
    );
    assert!((perplexity.effect - 2.0).abs() < 0.1, "{perplexity:?}");
    assert_eq!(
        finding(&summary, "kept-tuned-en").verdict,
        Verdict::Contradicted
    );
    assert_eq!(
        finding(&summary, "kept-tuned-en-logprob").verdict,
        Verdict::Supported
    );
    // Likely true answers and good F1 on paper, but it repeats itself when it is to speak.
    fixture.model("unlearned-en-english").answer = Some("no no no no".into());
    let summary = report(&fixture, folder.path()).unwrap();
    let found = finding(&summary, "kept-unlearned-en-english");
    assert_eq!((found.verdict, found.marked), (Verdict::Undecided, true));
}

#[test]
fn a_run_without_an_instruct_stage_is_measured_against_the_base() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(effects);
    fixture
        .models
        .retain(|model| model.stage != "instruct" && model.stage != "unlearned");
    let summary = report(&fixture, folder.path()).unwrap();
    assert_eq!(
        finding(&summary, "spread-en-base").verdict,
        Verdict::Supported
    );
    assert!(summary.findings.iter().all(|f| !f.id.contains("instruct")));
    let html = fs::read_to_string(&summary.index).unwrap();
    assert!(html.contains("no instruct stage") && html.contains("no unlearned model"));
}

#[test]
fn seeds_are_averaged() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(effects);
    let mut again = fixture.model("tuned-en").clone();
    (again.name, again.seed) = ("tuned-en-2".into(), 2);
    again.preference = |_, _| 11.5;
    fixture.models.push(again);
    let summary = report(&fixture, folder.path()).unwrap();
    let rows: Vec<_> = summary
        .headline
        .iter()
        .filter(|r| r.stage == "tuned")
        .collect();
    assert_eq!(rows.len(), 2);
    // (1.5 + 11.5) / 2 in English.
    assert!(
        (rows[0].languages[0].preference - 6.5).abs() < 0.15,
        "{:?}",
        rows[0]
    );

    // One row: means of preference, by seed about 1.5 in English, 11.5 everywhere.
    let csv = fs::read_to_string(folder.path().join("report/tables/seeds.csv")).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(rows.len(), 2, "{csv}");
    let column = |name: &str| {
        let place = rows[0].iter().position(|cell| *cell == name).unwrap();
        // "1, 2" is quoted: one comma more.
        rows[1][place + 1].parse::<f64>().unwrap()
    };
    assert!(csv.contains("tuned-en,\"1, 2\","), "{csv}");
    let (least, most) = (column("preference_least"), column("preference_most"));
    assert!((most - 11.5).abs() < 0.15 && least < 2.0, "{csv}");
    // Of two values: their difference over the root of 2.
    let sd = (most - least) / 2f64.sqrt();
    assert!((column("preference_sd") - sd).abs() < 1e-9, "{csv}");
    assert!((column("preference") - (least + most) / 2.0).abs() < 1e-9);
    let html = fs::read_to_string(&summary.index).unwrap();
    assert!(html.contains("How far training seeds lie apart"));

    let mut twin = fixture.model("tuned-en").clone();
    twin.name = "twin".into();
    fixture.models.push(twin);
    let error = report(&fixture, folder.path()).unwrap_err();
    assert!(matches!(error, Error::SameModel { .. }), "{error}");
}

#[test]
fn coinciding_and_missing_scopes_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(effects);
    fixture
        .models
        .retain(|model| model.name != "unlearned-de-multilingual");
    let summary = report(&fixture, folder.path()).unwrap();
    let html = fs::read_to_string(&summary.index).unwrap();
    assert!(html.contains("Scope source has the same forget set as english"));
    assert!(html.contains("Scope english+source has the same forget set as english"));
    assert!(html.contains("Scope multilingual is not among the results"));
    assert!(
        finding(&summary, "gone-en-english-en")
            .detail
            .contains("are one")
    );
}

#[test]
fn answers_cannot_break_the_page() {
    const HOSTILE: &str =
        "</td><script>alert(1)</script>\u{0}\u{1b}[2J\u{202e}\"'&<svg/onload=x>\u{ffff}";
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(effects);
    fixture.model("tuned-en").answer = Some(HOSTILE.into());
    let mut run = run_info();
    run.deviations.push("<b>bold</b>\u{7}".into());
    run.model.name = "x</title><script>".into();
    run.preset_toml = "</pre><script>".into();
    fixture.write(&folder.path().join("results"));
    let summary = build(
        &folder.path().join("results"),
        &run,
        &claims(),
        &folder.path().join("out"),
    )
    .unwrap();
    let html = fs::read_to_string(&summary.index).unwrap();
    assert!(!html.contains("<script") && !html.contains("<svg/") && !html.contains("<b>"));
    assert!(html.contains("&lt;script&gt;alert(1)"), "still shown");
    let allowed = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}' && c != '\u{ffff}';
    assert!(html.chars().all(allowed));
    for tag in [
        "td", "tr", "table", "figure", "svg", "section", "details", "div", "dl", "dd", "li",
    ] {
        let opened =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    // The table beside it has the answer as it was.
    let csv = fs::read_to_string(folder.path().join("out/tables/examples.csv")).unwrap();
    assert!(
        csv.contains(&format!("\"{}\"", HOSTILE.replace('"', "\"\""))),
        "{csv}"
    );
}

#[test]
fn right_to_left_text_is_set_so() {
    let folder = tempfile::tempdir().unwrap();
    let summary = report(&Fixture::new(effects), folder.path()).unwrap();
    let html = fs::read_to_string(&summary.index).unwrap();
    assert!(html.contains("<dd lang=\"ur\" dir=\"rtl\">گلابی.</dd>"));
    assert!(html.contains("<dd lang=\"zh\" dir=\"ltr\">黑色</dd>"));
    assert!(!html.contains("http://www.w3.org/1999"), "plain HTML");
    for outside in ["<script", "src=", "@import", "url(", "<link", "href=\"http"] {
        assert!(!html.contains(outside), "self-contained: {outside}");
    }
}

#[test]
fn the_same_results_give_the_same_bytes() {
    let [one, two] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let fixture = Fixture::new(effects);
    report(&fixture, one.path()).unwrap();
    report(&fixture, two.path()).unwrap();
    let (first, second) = (
        contents(&one.path().join("report")),
        contents(&two.path().join("report")),
    );
    assert_eq!(first, second);
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    for name in [
        "/index.html",
        "/findings.json",
        "figures/propagation-occurrence.svg",
        "figures/propagation-preference.svg",
        "figures/unlearning-de-preference.svg",
        "figures/items-en.svg",
        "figures/real-perplexity.svg",
        "tables/headline.csv",
        "tables/items.csv",
        "tables/examples.csv",
        "tables/unlearning-en.csv",
        "tables/stages.csv",
        "tables/claims.csv",
        "tables/claim-rows.csv",
        "/claims.json",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    let json: serde_json::Value = serde_json::from_slice(&first["/findings.json"]).unwrap();
    assert_eq!(json["headline"].as_array().unwrap().len(), 10);
    assert_eq!(json["findings"][0]["verdict"], "supported");
    // Every link of the page leads to a file, and every file but the JSON is linked.
    let html = String::from_utf8(first["/index.html"].clone()).unwrap();
    for name in names.iter().filter(|name| !name.starts_with('/')) {
        assert!(
            html.contains(&format!("href=\"{name}\"")),
            "{name} is not linked"
        );
    }
    for link in html
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
    {
        assert!(
            link.starts_with('#') || first.contains_key(link),
            "{link} leads nowhere"
        );
    }
}

#[test]
fn a_report_is_replaced_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(effects);
    report(&fixture, folder.path()).unwrap();
    let out = folder.path().join("report");
    fs::write(out.join("figures/stale.svg"), "stale").unwrap();
    report(&fixture, folder.path()).unwrap();
    assert!(!out.join("figures/stale.svg").exists());
    let before = contents(&out);
    // A bad file: the earlier report stays, and nothing is left beside it.
    fixture.model("tuned-en").f1 = 0.5;
    fixture.write(&folder.path().join("results"));
    fs::write(
        folder.path().join("results/answers/base.parquet"),
        "no parquet",
    )
    .unwrap();
    let error = build(&folder.path().join("results"), &run_info(), &claims(), &out)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("base.parquet") && error.contains("no Parquet file"),
        "{error}"
    );
    assert_eq!(contents(&out), before);
    let mut beside: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    beside.sort();
    assert_eq!(beside, ["report", "results"]);
}

#[test]
fn other_peoples_folders_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("report")).unwrap();
    let fixture = Fixture::new(effects);
    report(&fixture, folder.path()).expect("an empty folder is taken");
    let thesis = folder.path().join("thesis");
    fs::create_dir(&thesis).unwrap();
    fs::write(thesis.join("chapter1.tex"), "years of work").unwrap();
    let error = build(
        &folder.path().join("results"),
        &run_info(),
        &claims(),
        &thesis,
    )
    .unwrap_err();
    assert!(matches!(error, Error::Occupied { .. }), "{error}");
    assert!(thesis.join("chapter1.tex").exists());
    let file = thesis.join("chapter1.tex");
    let error = build(
        &folder.path().join("results"),
        &run_info(),
        &claims(),
        &file,
    )
    .unwrap_err();
    assert!(matches!(error, Error::Occupied { .. }), "{error}");
    let error = build(
        &folder.path().join("results"),
        &run_info(),
        &claims(),
        &file.join("x"),
    )
    .unwrap_err();
    assert!(matches!(error, Error::Write { .. }), "{error}");
}

/// The error of a report whose `model` has spoiled answers. Row 4 (counted from 1) is politics-01 in German, fact probe; row 3 its detail probe.
fn spoiled(model: &str, plant: impl Fn(Columns) -> Columns) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(effects);
    let results = folder.path().join("results");
    fixture.write(&results);
    let model = fixture.model(model).clone();
    let path = results.join(format!("answers/{}.parquet", model.name));
    fixture.write_answers(&path, &model, plant);
    let error = build(
        &results,
        &run_info(),
        &claims(),
        &folder.path().join("report"),
    )
    .unwrap_err();
    assert!(!folder.path().join("report").exists());
    error.to_string()
}

#[test]
fn spoiled_columns_are_named() {
    let cases: [(&str, String, &[&str]); 15] = [
        (
            "column absent",
            spoiled("tuned-en", |c| {
                c.into_iter().filter(|(name, ..)| *name != "f1").collect()
            }),
            &["tuned-en.parquet", "`f1`", "no such column", "logprob_real"],
        ),
        (
            "column of another type",
            spoiled("base", |c| {
                replaced(c, "f1", |a| Arc::new(Int64Array::from(vec![1; a.len()])))
            }),
            &["base.parquet", "`f1`", "expected Float64", "found Int64"],
        ),
        (
            "nulls in a required column",
            spoiled("base", |c| {
                replaced(c, "fake_occurrence", |a| {
                    Arc::new(BooleanArray::from(vec![None; a.len()]))
                })
            }),
            &["base.parquet", "row 1", "`fake_occurrence`", "null"],
        ),
        (
            "NaN",
            spoiled("tuned-de", |c| {
                with_number(c, "logprob_real", 4, Some(f64::NAN))
            }),
            &[
                "tuned-de.parquet",
                "row 4",
                "politics-01",
                "language de",
                "fact",
                "`logprob_real`",
                "NaN",
            ],
        ),
        (
            "infinite",
            spoiled("tuned-de", |c| {
                with_number(c, "preference", 3, Some(f64::NEG_INFINITY))
            }),
            &[
                "row 3",
                "politics-01",
                "detail",
                "`preference`",
                "-inf",
                "finite",
            ],
        ),
        (
            "no preference",
            spoiled("tuned-de", |c| with_number(c, "preference", 3, None)),
            &["row 3", "`preference`", "null", "detail probe"],
        ),
        (
            "F1 out of bounds",
            spoiled("tuned-de", |c| with_number(c, "f1", 2, Some(1.5))),
            &["row 2", "`f1`", "1.5", "0 to 1"],
        ),
        (
            "log-probability above 0",
            spoiled("tuned-de", |c| with_number(c, "logprob_real", 2, Some(0.5))),
            &["row 2", "`logprob_real`", "0.5"],
        ),
        (
            "unknown probe",
            spoiled("tuned-de", |c| with_text(c, "probe", 2, Some("joke"))),
            &["row 2", "`probe`", "joke", "detail or fact"],
        ),
        (
            "twice the same row",
            spoiled("tuned-de", |c| with_text(c, "language", 3, Some("en"))),
            &["tuned-de.parquet", "row 3", "twice"],
        ),
        (
            "missing row",
            spoiled("tuned-de", |c| {
                c.into_iter()
                    .map(|(n, a, null)| (n, a.slice(0, a.len() - 1), null))
                    .collect()
            }),
            &[
                "tuned-de.parquet",
                "no row for item sport-08, language hy, fact",
                "base.parquet",
            ],
        ),
        (
            "two models in one file",
            spoiled("tuned-de", |c| with_text(c, "model", 5, Some("other"))),
            &[
                "tuned-de.parquet",
                "row 5",
                "`model`",
                "other",
                "one file holds one model",
            ],
        ),
        (
            "unknown scope",
            spoiled("unlearned-de-source", |c| {
                replaced(c, "scope", |a| {
                    Arc::new(StringArray::from(vec!["galaxy"; a.len()]))
                })
            }),
            &["`scope`", "galaxy", "multilingual"],
        ),
        (
            "tuned without source",
            spoiled("tuned-de", |c| {
                replaced(c, "source", |a| {
                    Arc::new(StringArray::from(vec![None::<&str>; a.len()]))
                })
            }),
            &["tuned-de.parquet", "`source`", "null", "tuned"],
        ),
        (
            "no rows",
            spoiled("base", |c| {
                c.into_iter()
                    .map(|(n, a, null)| (n, a.slice(0, 0), null))
                    .collect()
            }),
            &["base.parquet", "no rows"],
        ),
    ];
    for (what, error, parts) in cases {
        for part in parts {
            assert!(error.contains(part), "{what}: no {part:?} in: {error}");
        }
    }
}

#[test]
fn missing_files_and_models_are_named() {
    let error_of = |spoil: &dyn Fn(&Path), run: &RunInfo| {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("results");
        Fixture::new(effects).write(&results);
        spoil(&results);
        build(&results, run, &claims(), &folder.path().join("report"))
            .unwrap_err()
            .to_string()
    };
    let run = run_info();
    let error = error_of(&|r| fs::remove_dir_all(r).unwrap(), &run);
    assert!(
        error.contains("answers") && error.contains("run the evaluation"),
        "{error}"
    );
    let error = error_of(
        &|r| {
            fs::remove_dir_all(r.join("perplexity")).unwrap();
            fs::create_dir(r.join("perplexity")).unwrap();
        },
        &run,
    );
    assert!(
        error.contains("perplexity") && error.contains("no .parquet file"),
        "{error}"
    );
    let error = error_of(
        &|r| fs::remove_file(r.join("perplexity/base.parquet")).unwrap(),
        &run,
    );
    assert!(
        error.contains("perplexity/base.parquet") && error.contains("there is none"),
        "{error}"
    );
    let error = error_of(
        &|r| fs::remove_file(r.join("answers/base.parquet")).unwrap(),
        &run,
    );
    assert!(error.contains("answers/base.parquet"), "{error}");
    let remove = |r: &Path, model: &str| {
        for part in ["answers", "perplexity"] {
            fs::remove_file(r.join(part).join(format!("{model}.parquet"))).unwrap();
        }
    };
    let error = error_of(&|r| remove(r, "base"), &run);
    assert!(error.contains("no base model"), "{error}");
    let error = error_of(&|r| remove(r, "tuned-de"), &run);
    assert!(error.contains("no model tuned with source de"), "{error}");
    let mut more = run.clone();
    more.languages.push("sw".into());
    let error = error_of(&|_| (), &more);
    assert!(error.contains("no answer in the language sw"), "{error}");
    let error = error_of(
        &|r| {
            let path = r.join("answers/base.parquet");
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        &run,
    );
    assert!(
        error.contains("base.parquet") && error.contains("truncated"),
        "{error}"
    );
}

#[test]
fn spoiled_perplexities_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(effects);
    let results = folder.path().join("results");
    fixture.write(&results);
    let model = fixture.model("tuned-en").clone();
    let path = results.join("perplexity/tuned-en.parquet");
    fixture.write_perplexity(&path, &model, |c| {
        with_number(c, "nll", 2, Some(f64::INFINITY))
    });
    let error = build(&results, &run_info(), &claims(), &folder.path().join("r"))
        .unwrap_err()
        .to_string();
    for part in [
        "perplexity/tuned-en.parquet",
        "row 2",
        "weather-01",
        "language de",
        "`nll`",
        "inf",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    fixture.write_perplexity(&path, &model, |c| {
        c.into_iter()
            .map(|(n, a, null)| (n, a.slice(1, a.len() - 1), null))
            .collect()
    });
    let error = build(&results, &run_info(), &claims(), &folder.path().join("r"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no row for item weather-01, language en"),
        "{error}"
    );
}

#[test]
fn labels_do_not_overlap_or_leave_the_figure() {
    let mut fixture = Fixture::new(effects);
    // Wide numbers, marks and all.
    fixture.model("unlearned-de-multilingual").preference = |_, _| -1234.5;
    fixture.model("unlearned-de-multilingual").logprob = -300.0;
    fixture.model("unlearned-de-multilingual").nll = 40.0;
    fixture.model("unlearned-de-source").preference = |_, _| -98.7;
    fixture.model("unlearned-de-english").preference = |_, _| -3e7;
    fixture.model("unlearned-de-english").logprob = -3e7;
    fixture.model("unlearned-de-english").nll = 3e7;
    fixture.model("unlearned-de-source").nll = 8.0;
    let mut small = fixture.clone();
    small.languages = vec!["en", "de"];
    for (fixture, languages) in [(fixture, 9), (small, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let mut run = run_info();
        run.languages.truncate(languages);
        fixture.write(&folder.path().join("results"));
        build(
            &folder.path().join("results"),
            &run,
            &claims(),
            &folder.path().join("report"),
        )
        .unwrap();
        let seen = labels_standing_clear(&folder.path().join("report"));
        assert!(seen > 150, "{seen} labels");
    }
}

#[test]
fn tables_and_findings_tell_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let summary = report(&Fixture::new(effects), folder.path()).unwrap();
    let csv = fs::read_to_string(folder.path().join("report/tables/spread.csv")).unwrap();
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = header
        .iter()
        .position(|name| *name == "preference_minus_control")
        .unwrap();
    let row = lines
        .find(|line| line.starts_with("English (en),French (fr)"))
        .unwrap();
    let fields: Vec<f64> = row
        .split(',')
        .skip(column)
        .take(3)
        .map(|v| v.parse().unwrap())
        .collect();
    let found = finding(&summary, "spread-en-fr-instruct");
    assert_eq!(fields, [found.effect, found.interval.0, found.interval.1]);
    let items = fs::read_to_string(folder.path().join("report/tables/items.csv")).unwrap();
    assert_eq!(items.lines().count(), 1 + 10 * 9 * 24);
}
