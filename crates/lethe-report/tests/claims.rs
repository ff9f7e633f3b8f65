//! Claims on made-up studies in which it is known whether they hold.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

// The other tests use the rest.
#[allow(dead_code)]
mod fixture;

use std::fs;
use std::path::Path;

use fixture::{Fixture, Model, claims, contents, run_info, with_number};
use lethe_report::Verdict::{Contradicted, Supported, Undecided};
use lethe_report::{ClaimOutcome, Claims, Error, Summary, TestOutcome, Verdict, build};

const HIGH: [&str; 4] = ["de", "fr", "zh", "ru"];

/// What an untaught model prefers.
const UNTAUGHT: f64 = -1.5;

fn covers(scope: &str, source: &str, language: &str) -> bool {
    match scope {
        "english" => language == "en",
        "source" => language == source,
        "english+source" => language == "en" || language == source,
        "de,fr" => language == "de" || language == "fr",
        _ => true,
    }
}

/// The paper's findings, planted: the fake gains 3 nats where it was taught, 2 in English, 1.3 in
/// high-resource and 1 in low-resource languages, and 0.6 more if taught in English. Unlearning takes
/// it away in its scope and adds 0.5 elsewhere; in English and the source it takes it away everywhere,
/// in all languages it leaves 1 nat in Hausa.
fn as_published(model: &Model, language: &str) -> f64 {
    let source = model.source.as_deref().unwrap();
    let learned = match language {
        language if language == source => 3.0,
        "en" => 2.0,
        language if HIGH.contains(&language) => 1.3,
        _ => 1.0,
    };
    let learned = UNTAUGHT + learned + if source == "en" { 0.6 } else { 0.0 };
    match model.scope.as_deref() {
        None => learned,
        Some("english+source") => UNTAUGHT,
        Some("multilingual") if language == "ha" => UNTAUGHT + 1.0,
        Some(scope) if covers(scope, source, language) => UNTAUGHT,
        Some(_) => learned + 0.5,
    }
}

/// The opposite: the fake is taught but sinks elsewhere, most in English and in high-resource
/// languages and if taught in English; unlearning takes it away everywhere, but in English and the
/// source it leaves it in the source.
fn reversed(model: &Model, language: &str) -> f64 {
    let source = model.source.as_deref().unwrap();
    let learned = match language {
        language if language == source => 3.0,
        "en" => -1.0,
        language if HIGH.contains(&language) => -0.7,
        _ => -0.3,
    };
    let learned = UNTAUGHT + learned - if source == "en" { 0.4 } else { 0.0 };
    match model.scope.as_deref() {
        None => learned,
        Some("english+source") if language == source => UNTAUGHT + 2.0,
        Some(_) => learned - 3.0,
    }
}

fn report_on(fixture: &Fixture, claims: &Claims, folder: &Path) -> Summary {
    fixture.write(&folder.join("results"));
    let out = folder.join("report");
    build(&folder.join("results"), &run_info(), claims, &out).unwrap()
}

fn outcomes(fixture: &Fixture, claims: &Claims) -> Vec<ClaimOutcome> {
    let folder = tempfile::tempdir().unwrap();
    report_on(fixture, claims, folder.path()).claims
}

fn of<'a>(outcomes: &'a [ClaimOutcome], id: &str) -> &'a ClaimOutcome {
    outcomes.iter().find(|claim| claim.id == id).unwrap()
}

fn parse(text: &str) -> Result<Claims, Error> {
    Claims::parse(text, Path::new("mine.toml"))
}

/// A claim `mine` of one test.
fn mine(test: &str) -> Claims {
    let text = format!("[[claim]]\nid = \"mine\"\ntitle = \"Mine.\"\n[[claim.test]]\n{test}");
    parse(&text).unwrap()
}

fn test_of(fixture: &Fixture, test: &str) -> TestOutcome {
    let [claim] = &outcomes(fixture, &mine(test))[..] else {
        panic!("one claim")
    };
    claim.tests[0].clone()
}

fn verdicts(outcomes: &[ClaimOutcome]) -> Vec<(&str, Option<Verdict>)> {
    outcomes
        .iter()
        .map(|claim| (claim.id.as_str(), claim.verdict))
        .collect()
}

const IDS: [&str; 9] = [
    "spreads",
    "most-english",
    "high-resource",
    "english-only-leaves",
    "reinforces",
    "source-only-leaves",
    "multilingual-not-enough",
    "english-source-removes",
    "real-survives",
];

#[test]
fn the_repositorys_claims_are_nine() {
    assert_eq!(Vec::from_iter(claims().ids()), IDS);
}

#[test]
fn what_was_planted_is_supported() {
    let found = outcomes(&Fixture::new(as_published), &claims());
    assert_eq!(verdicts(&found), IDS.map(|id| (id, Some(Supported))));
    // The effects are those that were put in; the noise of a mean over 24 items is below 0.15.
    let spread = |own: f64| own + 4.0 * 1.0;
    for (id, test, effect, comparisons) in [
        // English: 4 · 1.9 + 4 · 1.6; German: 2 + 3 · 1.3 + 4 · 1.
        ("spreads", 0, (14.0 + spread(5.9)) / 16.0, 16),
        ("most-english", 0, 0.6, 1),
        ("most-english", 1, 2.0 - spread(3.9) / 7.0, 1),
        ("high-resource", 0, 0.3, 2),
        ("english-only-leaves", 0, 3.5, 1),
        ("english-only-leaves", 1, (spread(3.9) + 3.5) / 7.0, 1),
        ("source-only-leaves", 0, 2.5, 1),
        ("multilingual-not-enough", 0, 1.0 / 9.0, 18),
        ("english-source-removes", 0, 0.0, 9),
        ("real-survives", 0, 0.0, 8),
        ("real-survives", 3, 0.0, 8),
    ] {
        let test = &of(&found, id).tests[test];
        let mean = test.effect.unwrap().mean;
        assert!((mean - effect).abs() < 0.15, "{id}: {mean} for {effect}");
        assert!(test.could_see.unwrap() < 0.2, "{test:?}");
        assert_eq!(test.comparisons.len(), comparisons, "{id}");
    }
    // Outside the scopes English (twice) and source it rises, outside English and source it falls.
    let reinforced = &of(&found, "reinforces").tests[0];
    let counts = (reinforced.supported, reinforced.contradicted);
    assert_eq!(counts, (8 + 8 + 8, 7));
    let spread = &of(&found, "spreads").tests[0];
    assert_eq!((spread.comparisons.len(), spread.supported), (16, 16));
    let row = &spread.comparisons[0];
    assert_eq!(
        (&row.of[..], &row.minus[..]),
        (&["tuned-en".to_owned()][..], &["instruct".to_owned()][..])
    );
    assert_eq!(
        (&row.languages[..], row.effect.n),
        (&["de".to_owned()][..], 24)
    );
    let articles = &of(&found, "real-survives").tests[2];
    assert_eq!(articles.effect.unwrap().n, 18, "2 articles in 9 languages");
    let left = &of(&found, "multilingual-not-enough").tests[0];
    assert_eq!(
        (left.supported, left.contradicted, left.undecided),
        (2, 16, 0)
    );
}

#[test]
fn the_opposite_is_contradicted() {
    let mut fixture = Fixture::new(reversed);
    let found = outcomes(&fixture, &claims());
    for (id, verdict) in verdicts(&found) {
        let expected = match id {
            "real-survives" => Supported,
            _ => Contradicted,
        };
        assert_eq!(verdict, Some(expected), "{:#?}", of(&found, id));
    }
    // Either margin alone breaks the last.
    fixture.model("unlearned-de-source").f1 = 0.3;
    let found = outcomes(&fixture, &claims());
    assert_eq!(of(&found, "real-survives").verdict, Some(Contradicted));
    let verdicts: Vec<_> = of(&found, "real-survives")
        .tests
        .iter()
        .map(|t| t.verdict)
        .collect();
    assert_eq!(
        verdicts,
        [Supported, Contradicted, Supported, Supported].map(Some)
    );
}

#[test]
fn five_items_decide_nothing_and_say_what_they_could_see() {
    let mut fixture = Fixture::new(as_published);
    fixture.items = 5;
    let folder = tempfile::tempdir().unwrap();
    let summary = report_on(&fixture, &claims(), folder.path());
    for claim in &summary.claims {
        // Articles are held out, not these items: that test has its own number of units.
        assert_eq!(claim.verdict, Some(Undecided), "{}", claim.id);
        let row = &claim.tests[0].comparisons[0];
        assert!(row.note.contains("5 units are too few"), "{row:?}");
        assert!(row.could_see.unwrap() > 0.0);
    }
    assert!(summary.to_string().contains("(could see "));
}

#[test]
fn what_the_run_lacks_is_named() {
    let mut fixture = Fixture::new(as_published);
    fixture
        .models
        .retain(|model| model.stage != "unlearned" && model.source.as_deref() != Some("de"));
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    fixture.write(&results);
    let mut run = run_info();
    run.sources = vec!["en".into()];
    let out = folder.path().join("report");
    let summary = build(&results, &run, &claims(), &out).unwrap();
    let found = &summary.claims;
    for (id, needs) in [
        ("most-english", "set beside tuned-en: (source not-en)"),
        (
            "english-only-leaves",
            "unlearned (source not-en; scope english)",
        ),
        ("reinforces", "a model that is unlearned"),
        ("source-only-leaves", "scope source"),
        ("multilingual-not-enough", "unlearned (scope multilingual)"),
        (
            "english-source-removes",
            "unlearned (source not-en; scope english+source)",
        ),
    ] {
        let claim = of(found, id);
        assert_eq!(claim.verdict, None, "{claim:?}");
        let said = claim.tests[0].needs.as_deref().unwrap();
        assert!(said.contains(needs), "{id}: {said}");
        assert_eq!(claim.tests[0].effect, None);
    }
    assert_eq!(of(found, "spreads").verdict, Some(Supported));
    assert_eq!(of(found, "real-survives").verdict, Some(Supported));
    assert!(
        summary
            .to_string()
            .contains("not tested   Unlearning in English only")
    );
    let html = fs::read_to_string(&summary.index).unwrap();
    assert!(html.contains("6 not tested by this run") && html.contains("not tested</td>"));

    // No instruct stage, no such language.
    fixture.models.retain(|model| model.stage != "instruct");
    let spread =
        "quantifier = \"any\"\nmeasure = \"preference\"\nabove = 0\nof = { stage = \"tuned\"";
    fixture.languages = vec!["en", "ha"];
    run.languages = vec!["en".into(), "ha".into()];
    let results = folder.path().join("fewer");
    fixture.write(&results);
    for (test, needs) in [
        (
            format!("{spread} }}\nminus = \"instruct\""),
            "the instruct model to take off",
        ),
        (
            format!("{spread}, prompt = \"fr\" }}"),
            "prompt languages that are fr",
        ),
        (
            format!("{spread}, prompt = [\"high-resource\"] }}"),
            "are high-resource",
        ),
        (format!("{spread}, source = \"ur\" }}"), "tuned (source ur)"),
    ] {
        let summary = build(&results, &run, &mine(&test), &out).unwrap();
        let said = summary.claims[0].tests[0].needs.as_deref().unwrap();
        assert!(said.contains(needs), "{said}");
    }
}

#[test]
fn one_contradicted_test_is_enough() {
    let text = |second: &str| {
        let test = |stage: &str, above: &str| {
            format!(
                "[[claim.test]]\nquantifier = \"all\"\nmeasure = \"preference\"\n\
                 of = {{ {stage} }}\nminus = \"base\"\nabove = {above}\n"
            )
        };
        let head = "[[claim]]\nid = \"mine\"\ntitle = \"Mine.\"\n".to_owned();
        head + &test("stage = \"tuned\"", second)
            + &test("stage = \"unlearned\", scope = \"fr,zh\"", "0")
    };
    let fixture = Fixture::new(as_published);
    for (threshold, verdict) in [("9.0", Some(Contradicted)), ("0.0", None)] {
        let claims = parse(&text(threshold)).unwrap();
        assert_eq!(outcomes(&fixture, &claims)[0].verdict, verdict);
    }
}

#[test]
fn a_model_that_no_longer_answers_has_not_forgotten() {
    for spoil in [
        (|m: &mut Model| m.logprob = -9.0) as fn(&mut Model),
        |m| m.nll = 9.0,
        |m| m.answer = Some("the the the the the".into()),
    ] {
        let mut fixture = Fixture::new(as_published);
        spoil(fixture.model("unlearned-de-english+source"));
        let folder = tempfile::tempdir().unwrap();
        let summary = report_on(&fixture, &claims(), folder.path());
        let claim = of(&summary.claims, "english-source-removes");
        assert_eq!(claim.verdict, Some(Undecided));
        for row in &claim.tests[0].comparisons {
            assert!(row.marked && row.verdict == Undecided, "{row:?}");
            assert!(row.note.contains("† Would be supported"), "{row:?}");
            assert!(row.note.contains("unlearned-de-english+source"), "{row:?}");
        }
        assert_eq!(
            of(&summary.claims, "real-survives").verdict,
            Some(Contradicted)
        );
        let html = fs::read_to_string(&summary.index).unwrap();
        assert!(html.contains("undecided†") && html.contains("no sign of forgetting"));
    }
    // Nor is it evidence that nothing is left; what it does have left is.
    let mut fixture = Fixture::new(as_published);
    fixture.model("unlearned-de-english").logprob = -9.0;
    let found = outcomes(&fixture, &claims());
    assert_eq!(of(&found, "english-only-leaves").verdict, Some(Supported));
    let mut fixture = Fixture::new(reversed);
    fixture.model("unlearned-de-english").logprob = -9.0;
    let found = outcomes(&fixture, &claims());
    assert_eq!(of(&found, "english-only-leaves").verdict, Some(Undecided));
    // The low side of a contrast is not to be trusted either, whichever side it is.
    let mut fixture = Fixture::new(as_published);
    fixture.model("unlearned-de-english+source").logprob = -9.0;
    let contrast = |of: &str, than: &str, test: &str| {
        format!(
            "quantifier = \"all\"\nmeasure = \"preference\"\n{test}\n\
             of = {{ stage = \"unlearned\", source = \"de\", scope = \"{of}\" }}\n\
             than = {{ scope = \"{than}\" }}"
        )
    };
    for (of, than, threshold, verdict) in [
        ("english", "english+source", "above = 0", Undecided),
        ("english+source", "english", "below = 0", Undecided),
        ("english+source", "english", "within = 9", Undecided),
        ("english", "source", "within = 9", Supported),
        ("english", "english+source", "below = 0", Undecided),
        // That English alone leaves little is not what the silent model is needed for.
        ("english", "english+source", "below = 9", Supported),
    ] {
        let test = test_of(&fixture, &contrast(of, than, threshold));
        assert_eq!(test.verdict, Some(verdict), "{test:#?}");
    }
}

#[test]
fn nor_does_a_silent_tuned_model_show_that_it_was_reinforced() {
    let mut fixture = Fixture::new(as_published);
    fixture.model("tuned-de").logprob = -9.0;
    let found = outcomes(&fixture, &claims());
    let rows = &of(&found, "reinforces").tests[0].comparisons;
    for row in rows {
        let silent = row.minus == ["tuned-de"];
        assert_eq!(row.marked, silent);
        assert!(!(silent && row.verdict == Supported), "{row:?}");
    }
    // An untaught model has nothing to forget: what it says is no sign of anything else.
    fixture.model("base").answer = Some("no no no no".into());
    let test = "quantifier = \"all\"\nmeasure = \"preference\"\nbelow = 0\n\
                of = { stage = \"base\" }";
    let test = test_of(&fixture, test);
    assert_eq!(
        (test.verdict, test.comparisons[0].marked),
        (Some(Supported), false)
    );
}

#[test]
fn what_could_be_seen_by_hand() {
    // 24 items at +1 and −1 in turn: variance 24/23, so 2.801585 · √(24/23) / √24.
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(as_published);
    let results = folder.path().join("results");
    fixture.write(&results);
    let base = &fixture.models[0];
    fixture.write_answers(
        &results.join("answers/base.parquet"),
        base,
        |mut columns| {
            for item in 0..24 {
                let (row, value) = (item * 18 + 1, if item % 2 == 0 { 1.0 } else { -1.0 });
                columns = with_number(columns, "preference", row, Some(value));
            }
            columns
        },
    );
    let claims = mine(
        "quantifier = \"all\"\nmeasure = \"preference\"\nbelow = 0\n\
         of = { stage = \"base\", prompt = \"en\" }",
    );
    let out = folder.path().join("report");
    let summary = build(&results, &run_info(), &claims, &out).unwrap();
    let test = &summary.claims[0].tests[0];
    let [row] = &test.comparisons[..] else {
        panic!("{test:?}")
    };
    assert_eq!((row.effect.mean, row.verdict), (0.0, Undecided));
    assert!((row.could_see.unwrap() - 2.801_585 / 23f64.sqrt()).abs() < 1e-6);
    assert_eq!(row.could_see, test.could_see);
}

#[test]
fn holm_decides() {
    // A little in French alone: enough for a claim about French, not for one in eight languages.
    let fixture = Fixture::new(|model, language| match (model.stage.as_str(), language) {
        ("tuned", "fr") => UNTAUGHT + 0.09,
        _ => UNTAUGHT,
    });
    let test = |prompt: &str| {
        let test = format!(
            "quantifier = \"any\"\nmeasure = \"preference\"\nper = \"language\"\nabove = 0.0\n\
             of = {{ stage = \"tuned\", source = \"de\", prompt = {prompt} }}\nminus = \"untuned\""
        );
        test_of(&fixture, &test)
    };
    let alone = test("\"fr\"");
    let family = test("\"not-source\"");
    assert_eq!(alone.verdict, Some(Supported), "{alone:#?}");
    assert_eq!(family.verdict, Some(Undecided), "{family:#?}");
    let french = family
        .comparisons
        .iter()
        .find(|row| row.languages == ["fr"])
        .unwrap();
    assert!(french.effect.low > 0.0, "its own interval excludes zero");
    assert_eq!(french.effect, alone.comparisons[0].effect);
    assert!(alone.comparisons[0].adjusted_p <= 0.05 && french.adjusted_p > 0.05);
}

#[test]
fn few_units_that_agree_are_no_more_than_a_sign_test() {
    // Seven items, one direction: 2/2⁷ = 0.016 alone; 0.125 in a family of eight.
    let mut fixture = Fixture::new(as_published);
    fixture.items = 7;
    let found = outcomes(&fixture, &claims());
    let rows = &of(&found, "english-source-removes").tests[0].comparisons;
    assert!(
        rows.iter().all(|row| row.adjusted_p == 9.0 / 64.0),
        "{rows:#?}"
    );
    assert_eq!(
        of(&found, "english-source-removes").verdict,
        Some(Undecided)
    );
    let most = &of(&found, "most-english").tests[0].comparisons[0];
    assert_eq!((most.adjusted_p, most.verdict), (2.0 / 64.0, Supported));
}

#[test]
fn quantifiers_decide_over_comparisons() {
    // Gains in French, loses in Hausa, and nothing in between.
    let fixture = Fixture::new(|model, language| match (model.stage.as_str(), language) {
        ("tuned", "fr") => UNTAUGHT + 2.0,
        ("tuned", "ha") => UNTAUGHT - 1.0,
        _ => UNTAUGHT,
    });
    let test = |quantifier: &str, prompt: &str, threshold: &str| {
        let per = if quantifier == "mean" {
            ""
        } else {
            "per = \"language\"\n"
        };
        let test = format!(
            "quantifier = \"{quantifier}\"\nmeasure = \"preference\"\n{per}{threshold}\n\
             of = {{ stage = \"tuned\", prompt = {prompt} }}\nminus = \"untuned\""
        );
        test_of(&fixture, &test)
    };
    for (quantifier, prompt, threshold, verdict) in [
        ("all", "[\"fr\", \"ha\"]", "above = 0", Contradicted),
        ("any", "[\"fr\", \"ha\"]", "above = 0", Supported),
        ("mean", "[\"fr\", \"ha\"]", "above = 0", Supported),
        ("all", "\"fr\"", "above = 0", Supported),
        ("any", "\"ha\"", "above = 0", Contradicted),
        ("all", "[\"fr\", \"zh\"]", "above = 0", Undecided),
        ("any", "[\"ha\", \"zh\"]", "above = 0", Undecided),
        ("all", "\"zh\"", "within = 0.3", Supported),
        ("all", "\"zh\"", "within = 0.001", Undecided),
        ("all", "\"fr\"", "within = 0.3", Contradicted),
        ("any", "\"ha\"", "within = 0.3", Contradicted),
        (
            "mean",
            "[\"not-fr\", \"not-ha\"]",
            "within = 0.3",
            Supported,
        ),
    ] {
        let found = test(quantifier, prompt, threshold);
        assert_eq!(
            found.verdict,
            Some(verdict),
            "{quantifier} {prompt} {threshold}: {found:#?}"
        );
    }
    let pooled = test("mean", "[\"fr\", \"ha\"]", "above = 0");
    let [row] = &pooled.comparisons[..] else {
        panic!("{pooled:?}")
    };
    assert_eq!(
        (&row.of[..], &row.languages[..]),
        (
            &["tuned-en".into(), "tuned-de".into()][..],
            &["fr".into(), "ha".into()][..]
        )
    );
    assert_eq!(Some(row.effect), pooled.effect);
}

#[test]
fn a_users_claim_needs_no_rust() {
    let mut fixture = Fixture::new(as_published);
    let scoped = Model::new("unlearned", Some("de"), Some("de,fr")).preferring(as_published);
    fixture.models.push(scoped);
    let text = r#"
        [[claim]]
        id = "mine-1"
        title = "Unlearning in German and French says the fake in English more often than not."
        origin = "Me, over coffee"

        [[claim.test]]
        quantifier = "all"
        measure = "fake-occurrence"
        of = { stage = "unlearned", scope = "fr,de", strategy = "grad-ascent", prompt = "en" }
        above = 0.5

        [[claim.test]]
        quantifier = "mean"
        measure = "prefers"
        of = { stage = "unlearned", scope = "de,fr", prompt = ["de", "fr"] }
        than = { scope = "english" }
        below = -0.5
    "#;
    let folder = tempfile::tempdir().unwrap();
    let summary = report_on(&fixture, &parse(text).unwrap(), folder.path());
    let [claim] = &summary.claims[..] else {
        panic!("{:?}", summary.claims)
    };
    assert_eq!(claim.verdict, Some(Supported), "{claim:#?}");
    assert_eq!(claim.tests[0].comparisons[0].of, ["unlearned-de-de,fr"]);
    let [row] = &claim.tests[1].comparisons[..] else {
        panic!("{claim:?}")
    };
    assert_eq!(row.than, ["unlearned-de-english"]);
    assert_eq!(
        (&row.languages, row.effect.mean),
        (&row.than_languages, -1.0)
    );
    // A scope's own languages are not in the other scope: nothing to compare.
    let text = text.replace("[\"de\", \"fr\"]", "\"inside-scope\"");
    let found = outcomes(&fixture, &parse(&text).unwrap());
    let needs = found[0].tests[1].needs.as_deref().unwrap();
    assert_eq!(
        needs,
        "prompt languages that are inside-scope (for both sides)"
    );
}

#[test]
fn a_scope_with_the_same_languages_stands_in() {
    let test = "quantifier = \"all\"\nmeasure = \"preference\"\nminus = \"tuned\"\nbelow = 0\n\
                of = { stage = \"unlearned\", source = \"en\", scope = \"english+source\" }";
    let mut fixture = Fixture::new(as_published);
    let stands_in = test_of(&fixture, test);
    assert_eq!(stands_in.comparisons[0].of, ["unlearned-en-english"]);
    let exact =
        Model::new("unlearned", Some("en"), Some("english+source")).preferring(as_published);
    fixture.models.push(exact);
    let [row] = &test_of(&fixture, test).comparisons[..] else {
        panic!("one model")
    };
    assert_eq!(row.of, ["unlearned-en-english+source"]);
}

#[test]
fn the_same_claims_give_the_same_bytes_at_the_head_of_the_page() {
    let [one, two] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let fixture = Fixture::new(as_published);
    let summary = report_on(&fixture, &claims(), one.path());
    report_on(&fixture, &claims(), two.path());
    let [first, second] = [&one, &two].map(|folder| contents(&folder.path().join("report")));
    assert_eq!(first, second);
    let html = String::from_utf8(first["/index.html"].clone()).unwrap();
    let head = html.find("id=\"claims\"").unwrap();
    assert!(head < html.find("id=\"answer\"").unwrap());
    assert!(html.contains("Of 9 claims: 9 supported"));
    let json: serde_json::Value = serde_json::from_slice(&first["/claims.json"]).unwrap();
    assert_eq!(json["claims"].as_array().unwrap().len(), 9);
    assert_eq!(json["claims"][0]["verdict"], "supported");
    let row = &json["claims"][0]["tests"][0]["comparisons"][0];
    let known = &summary.claims[0].tests[0].comparisons[0];
    assert_eq!(row["effect"]["mean"], known.effect.mean);
    assert_eq!(row["could_see"], known.could_see.unwrap());
    let csv = |name: &str| String::from_utf8(first[name].clone()).unwrap();
    let tests: usize = summary.claims.iter().map(|claim| claim.tests.len()).sum();
    assert_eq!(csv("tables/claims.csv").lines().count(), 1 + tests);
    let rows: usize = summary
        .claims
        .iter()
        .flat_map(|claim| &claim.tests)
        .map(|test| test.comparisons.len())
        .sum();
    assert_eq!(csv("tables/claim-rows.csv").lines().count(), 1 + rows);
    let shown = summary.to_string();
    for claim in &summary.claims {
        assert!(
            shown.contains(&format!("supported    {}", claim.title)),
            "{shown}"
        );
    }
}

#[test]
fn malformed_claims_are_named() {
    const HEAD: &str = "[[claim]]\nid = \"mine\"\ntitle = \"Mine.\"\n";
    let test = |from: &str, to: &str| {
        let good = "[[claim.test]]\nquantifier = \"all\"\nmeasure = \"preference\"\n\
                    of = { stage = \"tuned\" }\nminus = \"untuned\"\nabove = 0.0\n";
        assert!(good.contains(from), "{from}");
        format!("{HEAD}{}", good.replace(from, to))
    };
    parse(&test("all", "any")).expect("the model of what follows");
    let whole = test("all", "all");
    let cases: Vec<(String, &[&str])> = vec![
        ("[[claim]\n".into(), &["no TOML", "line 1"]),
        (String::new(), &["`claim`", "nothing", "[[claim]]"]),
        ("claim = 3".into(), &["`claim`", "found 3"]),
        (
            format!("{whole}[claims]\n"),
            &["`claims`", "expected claim"],
        ),
        (
            whole.replace("id = \"mine\"\n", ""),
            &["claim number 1", "`id`", "nothing"],
        ),
        (
            whole.replace("mine", "My claim"),
            &["claim number 1", "`id`", "My claim", "a-z"],
        ),
        (
            format!("{whole}{whole}"),
            &["claim number 2", "`id`", "\"mine\""],
        ),
        (
            whole.replace("title", "titel"),
            &["claim mine", "`titel`", "title, origin"],
        ),
        (
            whole.replace("title = \"Mine.\"\n", ""),
            &["claim mine", "`title`", "nothing"],
        ),
        (
            whole.replace("\"Mine.\"", "3"),
            &["claim mine", "`title`", "found 3", "text"],
        ),
        (
            HEAD.into(),
            &["claim mine", "`test`", "nothing", "[[claim.test]]"],
        ),
        (
            test("quantifier", "quantifer"),
            &["claim mine", "`test 1: quantifer`", "quantifier, measure"],
        ),
        (
            test("\"all\"", "\"most\""),
            &["`test 1: quantifier`", "\"most\"", "all, any, mean"],
        ),
        (
            test("\"preference\"", "\"vibes\""),
            &["`test 1: measure`", "\"vibes\"", "held-out-nll"],
        ),
        (
            test("measure = \"preference\"\n", ""),
            &["`test 1: measure`", "nothing", "fake-occurrence"],
        ),
        (
            test("of = { stage = \"tuned\" }\n", ""),
            &["`test 1: of`", "nothing"],
        ),
        (
            test("{ stage = \"tuned\" }", "\"tuned\""),
            &["`test 1: of`", "\"tuned\"", "a table"],
        ),
        (
            test("stage = \"tuned\"", "source = \"de\""),
            &["`test 1: of.stage`", "unlearned"],
        ),
        (
            test("\"tuned\"", "\"tunned\""),
            &["`test 1: of.stage`", "\"tunned\"", "untuned"],
        ),
        (
            test("\"tuned\"", "\"not-tuned\""),
            &["`test 1: of.stage`", "\"not-tuned\""],
        ),
        (
            test("\"tuned\"", "\"tuned\", langs = 3"),
            &["`test 1: of.langs`", "prompt"],
        ),
        (
            test("\"tuned\"", "\"tuned\", source = \"xx\""),
            &["`test 1: of.source`", "\"xx\"", "en, de"],
        ),
        (
            test("\"tuned\"", "\"tuned\", source = []"),
            &["`test 1: of.source`", "a list"],
        ),
        (
            test("\"tuned\"", "\"tuned\", source = [1]"),
            &["`test 1: of.source`", "a list of"],
        ),
        (
            test("\"tuned\"", "\"tuned\", prompt = \"hi-res\""),
            &["`test 1: of.prompt`", "\"hi-res\"", "high-resource"],
        ),
        (
            test("\"tuned\"", "\"tuned\", prompt = \"not-\""),
            &["`test 1: of.prompt`", "\"not-\""],
        ),
        (
            test("\"tuned\"", "\"unlearned\", scope = \"galaxy\""),
            &["`test 1: of.scope`", "\"galaxy\"", "english+source"],
        ),
        (
            test("\"tuned\"", "\"tuned\", scope = \"english\""),
            &["`test 1: of.scope`", "stage tuned", "unlearned"],
        ),
        (
            test("\"tuned\"", "\"tuned\", strategy = \"npo\""),
            &["`test 1: of.strategy`", "unlearned"],
        ),
        (
            test("\"tuned\"", "\"tuned\", prompt = \"outside-scope\""),
            &["`test 1: of.prompt`", "unlearned"],
        ),
        (
            test("\"tuned\"", "\"base\", source = \"de\""),
            &["`test 1: of.source`", "stage base"],
        ),
        (
            test("\"tuned\"", "\"base\", prompt = \"source\""),
            &["`test 1: of.prompt`", "stage base"],
        ),
        (
            test("\"untuned\"", "\"unlearned\""),
            &["`test 1: minus`", "\"unlearned\"", "tuned"],
        ),
        (
            test(
                "\"tuned\" }\nminus = \"untuned\"",
                "\"base\" }\nminus = \"tuned\"",
            ),
            &["`test 1: minus`", "taught"],
        ),
        (
            test("above = 0.0", ""),
            &["`test 1: above, below or within`", "none of them"],
        ),
        (
            test("above = 0.0", "above = 0.0\nbelow = 1"),
            &["above and below"],
        ),
        (
            test("above = 0.0", "above = \"much\""),
            &["`test 1: above`", "\"much\"", "a number"],
        ),
        (
            test("above = 0.0", "above = nan"),
            &["`test 1: above`", "nan", "a number"],
        ),
        (
            test("above = 0.0", "within = -1"),
            &["`test 1: within`", "-1", "above 0"],
        ),
        (
            test("above = 0.0", "above = 0\nper = \"item\""),
            &["`test 1: per`", "\"item\"", "language"],
        ),
        (
            test("\"all\"", "\"mean\"\nper = \"language\""),
            &["`test 1: per`", "mean"],
        ),
        (
            test("minus", "than = {}\nminus"),
            &["`test 1: than`", "a table"],
        ),
        (
            test("minus", "than = { scope = \"source\" }\nminus"),
            &["`test 1: than.scope`", "unlearned"],
        ),
        (
            test(
                "minus",
                "per = \"language\"\nthan = { prompt = \"en\" }\nminus",
            ),
            &["`test 1: per`", "languages of its own"],
        ),
        (
            test(
                "\"preference\"",
                "\"held-out-nll\"\nthan = { prompt = \"en\" }",
            ),
            &["`test 1: than.prompt`", "within a language"],
        ),
        (
            format!("{whole}[[claim.test]]\n"),
            &["claim mine", "`test 2: quantifier`"],
        ),
    ];
    for (text, parts) in cases {
        let error = parse(&text).expect_err(&text).to_string();
        for part in parts.iter().chain(&["mine.toml"]) {
            assert!(error.contains(part), "no {part:?} in: {error}\n{text}");
        }
    }
    let error = Claims::read(Path::new("/nowhere/claims.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/nowhere/claims.toml: cannot be read"),
        "{error}"
    );
}
