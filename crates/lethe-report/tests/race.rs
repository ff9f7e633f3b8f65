//! Reports of made-up races whose numbers are known.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

// The other tests use the rest.
#[allow(dead_code)]
mod fixture;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, StringArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::UInt32Type;
use fixture::{Columns, contents, labels_standing_clear, replaced, with_number, with_text};
use lethe_report::{
    Contest, Error, RaceInfo, RaceRow, RaceSummary, RequestRow, SizeRow, StageInfo, Verdict,
    build_race,
};

/// How an unlearned model came to be.
#[derive(Clone)]
struct Run {
    strategy: String,
    scope: String,
    budget: f64,
    step: u32,
    fraction: f64,
    request: u32,
    requests: u32,
}

/// A model's scores by item, then by language.
#[derive(Clone)]
struct Model {
    name: String,
    stage: &'static str,
    run: Option<Run>,
    held_out_nll: f64,
    preference: Vec<Vec<f64>>,
    logprob: Vec<Vec<f64>>,
    forgotten: Vec<bool>,
}

#[derive(Clone)]
struct Measurement {
    strategy: &'static str,
    learning_rate: f64,
    step: u32,
    residue: f64,
    utility_loss: f64,
}

#[derive(Clone)]
struct Race {
    languages: Vec<&'static str>,
    items: usize,
    models: Vec<Model>,
    measured: Vec<Measurement>,
}

const LEARNED: f64 = 3.0;

impl Race {
    /// The untuned model prefers the truth by 1 nat; the tuned one the fake by 2, so that its
    /// residue is 3.
    fn new(items: usize) -> Race {
        let mut race = Race {
            languages: vec!["en", "de", "ur"],
            items,
            models: Vec::new(),
            measured: Vec::new(),
        };
        for (stage, residue) in [("untuned", 0.0), ("tuned", LEARNED)] {
            let mut model = race.model(stage, |_| residue, 0.0);
            model.stage = stage;
            race.models.push(model);
        }
        race
    }

    /// A model with this residue by item, the same in all languages, and this utility loss.
    fn model(&self, name: &str, residue: impl Fn(usize) -> f64, loss: f64) -> Model {
        let grid = |of: &dyn Fn(usize) -> f64| -> Vec<Vec<f64>> {
            let row = |i| vec![of(i); self.languages.len()];
            (0..self.items).map(row).collect()
        };
        Model {
            name: name.to_owned(),
            stage: "unlearned",
            run: None,
            held_out_nll: 3.0 + loss,
            preference: grid(&|i| residue(i) - 1.0),
            logprob: grid(&|i| -1.0 - 0.25 * (i % 3) as f64 - loss),
            forgotten: vec![true; self.items],
        }
    }

    /// One that was to forget everything at once.
    fn add(
        &mut self,
        strategy: &str,
        budget: f64,
        residue: impl Fn(usize) -> f64,
        loss: f64,
    ) -> &mut Model {
        let mut model = self.model(&format!("{strategy}-{budget}"), residue, loss);
        model.run = Some(Run {
            strategy: strategy.to_owned(),
            scope: "multilingual".to_owned(),
            budget,
            step: 20,
            fraction: 1.0,
            request: 1,
            requests: 1,
        });
        self.models.push(model);
        self.models.last_mut().unwrap()
    }

    fn models_columns(&self) -> Columns {
        let runs = || self.models.iter().map(|model| model.run.as_ref());
        let text = |of: &dyn Fn(&Run) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter(runs().map(|run| run.map(of))))
        };
        let number = |of: &dyn Fn(&Run) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter(runs().map(|run| run.map(of))))
        };
        let count = |of: &dyn Fn(&Run) -> u32| -> ArrayRef {
            Arc::new(UInt32Array::from_iter(runs().map(|run| run.map(of))))
        };
        let models = self.models.iter();
        let names = StringArray::from_iter_values(models.clone().map(|m| &m.name));
        let stages = StringArray::from_iter_values(models.clone().map(|m| m.stage));
        let nlls = Float64Array::from_iter_values(models.map(|m| m.held_out_nll));
        let tokens: ArrayRef = Arc::new(UInt64Array::from_iter(
            runs().map(|run| run.map(|run| 1000 * u64::from(run.step))),
        ));
        vec![
            ("model", Arc::new(names) as ArrayRef, false),
            ("stage", Arc::new(stages), false),
            ("strategy", text(&|r| r.strategy.clone()), true),
            ("scope", text(&|r| r.scope.clone()), true),
            ("settings", text(&|_| "beta=0.5".to_owned()), true),
            ("learning_rate", number(&|_| 2.5e-5), true),
            ("budget", number(&|r| r.budget), true),
            ("step", count(&|r| r.step), true),
            ("outcome", text(&|_| "capped".to_owned()), true),
            ("fraction", number(&|r| r.fraction), true),
            ("request", count(&|r| r.request), true),
            ("requests", count(&|r| r.requests), true),
            ("aside_residue", number(&|_| 0.5), true),
            ("aside_utility_loss", number(&|_| 0.01), true),
            ("tokens", tokens, true),
            ("seconds", number(&|_| 61.2), true),
            ("held_out_nll", Arc::new(nlls), false),
        ]
    }

    fn scores_columns(&self) -> Columns {
        let (mut model, mut item, mut language) = (Vec::new(), Vec::new(), Vec::new());
        let (mut forgotten, mut preference) = (Vec::new(), Vec::new());
        let mut logprob = Vec::new();
        for m in &self.models {
            for i in 0..self.items {
                for (l, code) in self.languages.iter().enumerate() {
                    model.push(m.name.clone());
                    item.push(format!("item-{i:02}"));
                    language.push(*code);
                    forgotten.push(m.forgotten[i]);
                    preference.push(m.preference[i][l]);
                    logprob.push(m.logprob[i][l]);
                }
            }
        }
        vec![
            (
                "model",
                Arc::new(StringArray::from(model)) as ArrayRef,
                false,
            ),
            ("item", Arc::new(StringArray::from(item)), false),
            ("language", Arc::new(StringArray::from(language)), false),
            ("forgotten", Arc::new(BooleanArray::from(forgotten)), false),
            (
                "preference",
                Arc::new(Float64Array::from(preference)),
                false,
            ),
            ("logprob_real", Arc::new(Float64Array::from(logprob)), false),
        ]
    }

    fn measured_columns(&self) -> Columns {
        let all = || self.measured.iter();
        let text = |of: &dyn Fn(&Measurement) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(all().map(of)))
        };
        let number = |of: &dyn Fn(&Measurement) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(all().map(of)))
        };
        let count = |of: &dyn Fn(&Measurement) -> u32| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(all().map(of)))
        };
        vec![
            ("strategy", text(&|m| m.strategy), false),
            ("scope", text(&|_| "multilingual"), false),
            ("settings", text(&|_| "beta=0.5"), false),
            ("fraction", number(&|_| 1.0), false),
            ("request", count(&|_| 1), false),
            ("requests", count(&|_| 1), false),
            ("learning_rate", number(&|m| m.learning_rate), false),
            ("step", count(&|m| m.step), false),
            ("forget_nll", number(&|_| 2.0), false),
            ("residue", number(&|m| m.residue), false),
            ("utility_loss", number(&|m| m.utility_loss), false),
        ]
    }

    fn write(&self, folder: &Path) {
        fixture::write(&folder.join("models.parquet"), self.models_columns());
        fixture::write(&folder.join("scores.parquet"), self.scores_columns());
        fixture::write(&folder.join("measured.parquet"), self.measured_columns());
    }

    fn info(&self) -> RaceInfo {
        let run = fixture::run_info();
        RaceInfo {
            preset: run.preset,
            preset_toml: run.preset_toml,
            model: run.model,
            device: run.device,
            seed: 1,
            source: "en".to_owned(),
            items: self.items as u32,
            aside: 30,
            own: vec!["lethe".to_owned()],
            skipped: vec!["whp needs a second model, for which there is no memory.".to_owned()],
            stages: vec![StageInfo {
                name: "race".to_owned(),
                seconds: 312.4,
                detail: "4 strategies".to_owned(),
                cached: false,
            }],
            deviations: vec!["npo keeps the article's first sentence.".to_owned()],
            versions: BTreeMap::from([("lethe".to_owned(), "0.1.0".to_owned())]),
        }
    }

    fn report(&self, folder: &Path) -> Result<RaceSummary, Error> {
        self.write(&folder.join("results"));
        build_race(
            &folder.join("results"),
            &self.info(),
            &folder.join("report"),
        )
    }

    fn summary(&self) -> RaceSummary {
        self.report(tempfile::tempdir().unwrap().path()).unwrap()
    }

    /// Four strategies in two scopes and within two budgets, three requests, half a forget set and
    /// measurements: something in every section.
    fn everything() -> Race {
        let mut race = Race::new(12);
        for (budget, left) in [(0.02, 1.5), (0.05, 1.0)] {
            race.add("lethe", budget, |i| 0.2 + 0.01 * i as f64, 0.9 * budget);
            race.add("npo", budget, move |i| left + 0.02 * i as f64, 0.5 * budget);
            race.add(
                "simnpo",
                budget,
                move |i| left + 0.03 * i as f64,
                0.5 * budget,
            );
            race.add("grad-ascent", budget, |_| LEARNED, 0.0);
            race.models.last_mut().unwrap().run.as_mut().unwrap().step = 0;
        }
        let english = race.add("npo", 0.5, |_| 2.0, 0.1);
        english.run.as_mut().unwrap().scope = "english".to_owned();
        for request in 1..=3 {
            race.request("npo", request);
        }
        race.part("npo", 0.5);
        for (strategy, learning_rate) in [("npo", 1e-5), ("npo", 1e-4), ("lethe", 1e-5)] {
            for step in 0..5 {
                race.measured.push(Measurement {
                    strategy,
                    learning_rate,
                    step,
                    residue: LEARNED / f64::from(step + 1),
                    utility_loss: learning_rate * f64::from(2000 * step),
                });
            }
        }
        race
    }

    /// The model after request `request` of 3: items that were to be forgotten have 0.2 nats left
    /// at first and 0.5 after every later request; utility loss is 0.02, 0.05 and 0.09.
    fn request(&mut self, strategy: &str, request: u32) {
        let (items, part) = (self.items, self.items / 3);
        let residue = move |i: usize| match (i / part, request as usize - 1) {
            (asked, now) if asked > now => LEARNED,
            (asked, now) if asked < now => 0.5,
            _ => 0.2,
        };
        let loss = [0.02, 0.05, 0.09][request as usize - 1];
        let model = self.add(strategy, 0.05, residue, loss);
        model.name = format!("{strategy}-request-{request}");
        model.forgotten = (0..items).map(|i| i / part < request as usize).collect();
        let run = model.run.as_mut().unwrap();
        (run.request, run.requests, run.fraction) = (request, 3, f64::from(request) / 3.0);
    }

    /// A model that was to forget the first half: it has 0.25 nats left there, and lost 1 of 3 on
    /// the other half.
    fn part(&mut self, strategy: &str, fraction: f64) {
        let items = self.items;
        let model = self.add(
            strategy,
            0.05,
            |i| if i < items / 2 { 0.25 } else { 2.0 },
            0.03,
        );
        model.name = format!("{strategy}-part");
        model.forgotten = (0..items).map(|i| i < items / 2).collect();
        model.run.as_mut().unwrap().fraction = fraction;
    }
}

fn row<'a>(summary: &'a RaceSummary, model: &str) -> &'a RaceRow {
    summary.rows.iter().find(|row| row.model == model).unwrap()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} for {expected}");
}

#[test]
fn residue_and_utility_loss_by_hand() {
    let mut race = Race::new(2);
    race.languages = vec!["en", "de"];
    race.models[0].preference = vec![vec![-1.0, -2.0], vec![0.0, -1.0]];
    race.models[1].preference = vec![vec![3.0, 0.0], vec![2.0, 1.0]];
    let model = race.add("npo", 0.1, |_| 0.0, 0.0);
    // Above the untuned model: 1 and −1 (beyond it, so 0); 0 and 1.
    model.preference = vec![vec![0.0, -3.0], vec![0.0, 0.5 - 0.5]];
    // The fact probe's NLL rises by 0.2 and 0.4; by 0 and −0.2.
    model.logprob = vec![vec![-1.2, -1.4], vec![-1.25, -1.05]];
    model.held_out_nll = 3.06;
    let summary = race.summary();

    let tuned = row(&summary, "tuned");
    // (4 + 2)/2 and (2 + 2)/2.
    close(tuned.residue.mean, 2.5);
    assert_eq!(
        (tuned.residue_source, tuned.residue_elsewhere),
        (Some(3.0), Some(2.0))
    );
    assert_eq!(
        (tuned.utility_loss.mean, tuned.perplexity_ratio),
        (0.0, 1.0)
    );
    assert_eq!((tuned.removed, tuned.preferred), (Some(0.0), 0.75));
    let untuned = row(&summary, "untuned");
    assert_eq!((untuned.residue.mean, untuned.removed), (0.0, Some(1.0)));

    let npo = row(&summary, "npo-0.1");
    close(npo.residue.mean, 0.5);
    assert_eq!(
        (npo.residue.low, npo.residue.high, npo.residue.n),
        (0.5, 0.5, 2)
    );
    close(npo.removed.unwrap(), 0.8);
    assert_eq!(npo.preferred, 0.0);
    let languages: Vec<(&str, f64)> = npo
        .languages
        .iter()
        .map(|cell| (cell.language.as_str(), cell.residue))
        .collect();
    assert_eq!(languages, [("en", 0.5), ("de", 0.5)]);
    // Items: (0.3 + 0.06)/2 and (−0.1 + 0.06)/2.
    close(npo.utility_loss.mean, 0.08);
    close(npo.utility_loss.low, -0.02);
    close(npo.utility_loss.high, 0.18);
    close(npo.perplexity_ratio, 0.06f64.exp());
    assert_eq!(npo.run.as_ref().unwrap().learning_rate, 2.5e-5);
}

#[test]
fn the_front_has_what_nothing_dominates() {
    let mut race = Race::new(8);
    race.add("a", 0.1, |_| 0.5, 0.10);
    race.add("a", 0.2, |_| 0.5, 0.10);
    race.add("b", 0.1, |_| 1.0, 0.05);
    race.add("c", 0.1, |_| 1.0, 0.10);
    race.add("e", 0.1, |_| LEARNED, 0.0);
    let on_front = |race: &Race| -> Vec<String> {
        let rows = race.summary().rows.into_iter();
        rows.filter(|r| r.front == Some(true))
            .map(|r| r.model)
            .collect()
    };
    // Equal points do not dominate each other, the tuned model's included.
    assert_eq!(on_front(&race), ["a-0.1", "b-0.1", "e-0.1", "a-0.2"]);
    let folder = tempfile::tempdir().unwrap();
    race.report(folder.path()).unwrap();
    let table = |folder: &Path| {
        fs::read_to_string(folder.join("report/tables/standings-multilingual.csv")).unwrap()
    };
    let tuned = |folder: &Path| {
        let csv = table(folder);
        csv.lines()
            .find(|line| line.starts_with("tuned,"))
            .unwrap()
            .to_owned()
    };
    assert!(tuned(folder.path()).ends_with(",true"));
    // Better than the tuned model in both.
    race.add("d", 0.1, |_| 2.0, -0.01);
    assert_eq!(on_front(&race), ["a-0.1", "b-0.1", "d-0.1", "a-0.2"]);
    race.report(folder.path()).unwrap();
    assert!(tuned(folder.path()).ends_with(",false"));
    // By budget, then residue, below the models that they come from.
    let csv = table(folder.path());
    let first: Vec<String> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    let expected = [
        "untuned ", "tuned ", "a 0.1", "b 0.1", "c 0.1", "d 0.1", "e 0.1", "a 0.2",
    ];
    assert_eq!(first, expected);
}

fn contest<'a>(summary: &'a RaceSummary, published: &str, budget: f64) -> &'a Contest {
    let mut all = summary.contests.iter();
    all.find(|c| c.published == published && c.budget == budget)
        .unwrap()
}

#[test]
fn own_strategies_are_judged_as_planted() {
    use Verdict::{Contradicted, Supported, Undecided};
    let mut race = Race::new(12);
    let noise = |i: usize| 0.1 * (i % 4) as f64;
    race.add("lethe", 0.1, move |i| 1.0 + noise(i), 0.02);
    race.add("worse", 0.1, move |i| 1.5 + noise(i + 1), 0.05);
    race.add("equal", 0.1, move |i| 1.0 + noise(i), 0.02);
    // Around 0.303 more, ± 0.5: resampled means are at or below 0 with at most 2 of 12 ups,
    // (1 + 12 + 66)/4096 of them, so that p = 0.0386; Holm doubles it, as one of three is smaller.
    let marginal = |i: usize| if i.is_multiple_of(2) { 0.803 } else { -0.197 };
    race.add("marginal", 0.1, move |i| 1.0 + noise(i) + marginal(i), 0.02);
    // Only the published one that is worse, and only one that is better.
    race.add("lethe", 0.2, move |i| 1.0 + noise(i), 0.02);
    race.add("worse", 0.2, move |i| 1.5 + noise(i + 1), 0.05);
    race.add("lethe", 0.3, move |i| 1.0 + noise(i), 0.02);
    race.add("worse", 0.3, move |i| 1.5 + noise(i + 1), 0.05);
    race.add("better", 0.3, move |i| 0.5 + noise(i + 1), 0.01);
    let summary = race.summary();

    let worse = contest(&summary, "worse", 0.1);
    assert_eq!((worse.verdict, worse.p), (Supported, 1e-4));
    close(worse.adjusted, 3e-4);
    close(worse.residue.mean, -0.5);
    close(worse.utility_loss.mean, -0.03);
    close(worse.utility_loss.high, -0.03);
    let equal = contest(&summary, "equal", 0.1);
    assert_eq!(
        (equal.verdict, equal.p, equal.residue.mean),
        (Undecided, 1.0, 0.0)
    );
    let marginal = contest(&summary, "marginal", 0.1);
    assert!((marginal.p - 0.0386).abs() < 0.004, "{marginal:?}");
    close(marginal.adjusted, 2.0 * marginal.p);
    assert_eq!(marginal.verdict, Undecided);
    assert_eq!(contest(&summary, "better", 0.3).verdict, Contradicted);

    let overall: Vec<(f64, Verdict, usize, usize, usize)> = summary
        .verdicts
        .iter()
        .map(|v| {
            (
                v.budget,
                v.verdict,
                v.published,
                v.supported,
                v.contradicted,
            )
        })
        .collect();
    assert_eq!(
        overall,
        [
            (0.1, Undecided, 3, 1, 0),
            (0.2, Supported, 1, 1, 0),
            (0.3, Contradicted, 2, 1, 1)
        ]
    );
    let shown = summary.to_string();
    assert!(shown.contains("within 0.2: supported"), "{shown}");
}

#[test]
fn five_items_decide_nothing() {
    let mut race = Race::new(5);
    race.add("lethe", 0.1, |_| 0.0, 0.0);
    race.add("npo", 0.1, |_| 2.0, 0.0);
    let summary = race.summary();
    let found = contest(&summary, "npo", 0.1);
    assert_eq!((found.verdict, found.p), (Verdict::Undecided, 1e-4));
    assert_eq!(summary.verdicts[0].verdict, Verdict::Undecided);
}

#[test]
fn requests_cost_what_they_add() {
    let mut race = Race::new(9);
    // In any order.
    for request in [3, 1, 2] {
        race.request("npo", request);
    }
    race.add("npo", 0.05, |_| 0.1, 0.04);
    race.add("npo", 0.5, |_| 0.0, 0.04);
    race.add("other", 0.05, |_| 0.0, 0.04);
    let summary = race.summary();
    let of = |r: &RequestRow| (r.request, r.requests, r.items);
    let rows: Vec<(u32, u32, usize)> = summary.requests.iter().map(of).collect();
    assert_eq!(rows, [(1, 1, 9), (1, 3, 3), (2, 3, 6), (3, 3, 9)]);
    let [once, first, second, third] = &summary.requests[..] else {
        panic!("{:?}", summary.requests)
    };
    close(first.residue.mean, 0.2);
    close(second.residue.mean, f64::midpoint(0.5, 0.2));
    close(third.residue.mean, (0.5 + 0.5 + 0.2) / 3.0);
    assert!(first.earlier.is_none() && once.earlier.is_none());
    close(second.earlier.unwrap().mean, 0.5);
    assert_eq!(
        (second.earlier.unwrap().n, third.earlier.unwrap().n),
        (3, 6)
    );
    for (row, so_far, cost) in [
        (first, 0.02, 0.02),
        (second, 0.05, 0.03),
        (third, 0.09, 0.04),
        (once, 0.04, 0.04),
    ] {
        close(row.utility_loss.mean, so_far);
        close(row.cost.mean, cost);
        close(row.cost.low, cost);
    }
    assert_eq!((first.tokens, first.seconds), (20_000, 61.2));
    // Points on the way through several requests are no part of the standings.
    assert_eq!(row(&summary, "npo-request-3").front, None);
    assert!(summary.sizes.is_empty());
}

#[test]
fn parts_of_a_forget_set_have_collateral() {
    let mut race = Race::new(8);
    race.part("npo", 0.5);
    race.add("npo", 0.05, |_| 0.1, 0.04);
    race.add("other", 0.05, |_| 0.0, 0.04);
    let summary = race.summary();
    let [part, whole]: &[SizeRow] = &summary.sizes[..] else {
        panic!("{:?}", summary.sizes)
    };
    assert_eq!(
        (part.fraction, part.items, whole.fraction, whole.items),
        (0.5, 4, 1.0, 8)
    );
    close(part.residue.mean, 0.25);
    close(part.others.unwrap().mean, -1.0);
    assert_eq!((part.others.unwrap().n, whole.others), (4, None));
    close(part.utility_loss.mean, 0.03);
    assert!(summary.requests.is_empty());
}

#[test]
fn the_page_has_everything_and_leads_everywhere() {
    let [one, two] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let race = Race::everything();
    let summary = race.report(one.path()).unwrap();
    // Rows in another order: the same bytes.
    let mut mixed = race.clone();
    mixed.models.reverse();
    mixed.measured.reverse();
    mixed.report(two.path()).unwrap();
    let (first, second) = (
        contents(&one.path().join("report")),
        contents(&two.path().join("report")),
    );
    assert!(first == second, "the same results give the same bytes");
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    for name in [
        "figures/pareto-multilingual.svg",
        "figures/pareto-english.svg",
        "figures/trajectories-multilingual.svg",
        "figures/requests-multilingual-0.05.svg",
        "tables/standings-multilingual.csv",
        "tables/languages-english.csv",
        "tables/own-multilingual.csv",
        "tables/own-verdicts.csv",
        "tables/requests-multilingual.csv",
        "tables/sizes-multilingual.csv",
        "tables/measured.csv",
        "tables/stages.csv",
        "tables/versions.csv",
        "/standings.json",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    let html = String::from_utf8(first["/index.html"].clone()).unwrap();
    for name in names.iter().filter(|name| **name != "/index.html") {
        let link = format!("href=\"{}\"", name.trim_start_matches('/'));
        assert!(html.contains(&link), "{name} is not linked");
    }
    let links = html.split("href=\"").skip(1);
    for link in links.map(|rest| rest.split('"').next().unwrap()) {
        let there = match link.strip_prefix('#') {
            Some(id) => html.contains(&format!("<section id=\"{id}\">")),
            None => names
                .iter()
                .any(|name| name.trim_start_matches('/') == link),
        };
        assert!(there, "{link} leads nowhere");
    }
    for outside in ["<script", "src=", "@import", "url(", "<link", "href=\"http"] {
        assert!(!html.contains(outside), "self-contained: {outside}");
    }
    for said in [
        "Within a budget of 0.05 nats per token lethe leaves least",
        "For 1 of 4 nothing was better than to do nothing.",
        "Does lethe leave less than every published strategy within 0.02: yes",
        "(budgets in brackets): lethe (0.02), npo (0.02) and the tuned model.",
        "none within the budget",
        "whp needs a second model",
        "npo keeps the article",
    ] {
        assert!(html.contains(said), "{said}");
    }
    let json: serde_json::Value = serde_json::from_slice(&first["/standings.json"]).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), summary.rows.len());
    assert_eq!(json["rows"].as_array().unwrap().len(), race.models.len());
    assert_eq!(json["contests"][0]["verdict"], "supported");
    let shown = summary.to_string();
    for part in [
        "scope english",
        "on the front",
        "3 of 3",
        "leaves less than every",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    // CSV has every digit and no words in place of numbers.
    let csv = String::from_utf8(first["tables/standings-multilingual.csv"].clone()).unwrap();
    let line = csv
        .lines()
        .find(|l| l.starts_with("grad-ascent,0.02,"))
        .unwrap();
    assert!(
        line.starts_with("grad-ascent,0.02,0.000025,beta=0.5,0,3,3,3,0,1,3,3,0,0,0,1,"),
        "{line}"
    );
    assert!(line.ends_with(",capped,0,61.2,true"), "{line}");
}

#[test]
fn labels_do_not_overlap_or_leave_the_figure() {
    let mut race = Race::everything();
    for s in 0..16 {
        let strategy = format!("a-rather-long-strategy-{s}");
        for budget in [0.02, 0.05, 0.1] {
            let step = f64::from(s) / 16.0;
            race.add(
                &strategy,
                budget,
                |_| 1.4 - step,
                budget * (0.8 + 0.2 * step),
            );
        }
        for request in 1..=3 {
            race.request(&strategy, request);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    race.report(folder.path()).unwrap();
    let seen = labels_standing_clear(&folder.path().join("report"));
    assert!(seen > 80, "{seen} labels");
    // Everything on the front has its name.
    let path = folder.path().join("report/figures/pareto-multilingual.svg");
    let svg = fs::read_to_string(path).unwrap();
    let summary = race.report(folder.path()).unwrap();
    let on_front = summary.rows.iter().filter(|row| {
        let run = row.run.as_ref();
        row.front == Some(true) && run.is_some_and(|r| r.step > 0 && r.scope == "multilingual")
    });
    for row in on_front {
        let strategy = &row.run.as_ref().unwrap().strategy;
        assert!(svg.contains(&format!("{strategy}, ")), "{strategy}");
    }
    // Models that ran away, and one strategy alone.
    let mut race = Race::everything();
    race.add("far", 0.1, |_| 98_765.4, 3e7);
    race.request("far", 1);
    race.models.last_mut().unwrap().held_out_nll = 3e7;
    race.report(folder.path()).unwrap();
    labels_standing_clear(&folder.path().join("report"));
    let mut race = Race::new(6);
    race.add("one", 0.1, |_| 1.0, 0.1);
    race.measured.push(Measurement {
        strategy: "one",
        learning_rate: 1e-5,
        step: 0,
        residue: LEARNED,
        utility_loss: 0.0,
    });
    race.report(folder.path()).unwrap();
    labels_standing_clear(&folder.path().join("report"));
}

#[test]
fn what_is_absent_leaves_a_page() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing but the two models before.
    let mut race = Race::new(8);
    let summary = race.report(folder.path()).unwrap();
    let html = fs::read_to_string(&summary.index).unwrap();
    assert!(html.contains("no model that was to forget everything at once"));
    assert!(!html.contains("id=\"requests\"") && !html.contains("id=\"sizes\""));
    // One strategy that did nothing, and none of Lethe's own.
    race.add("npo", 0.1, |_| LEARNED, 0.0)
        .run
        .as_mut()
        .unwrap()
        .step = 0;
    race.write(&folder.path().join("results"));
    let mut info = race.info();
    info.own.clear();
    info.skipped.clear();
    let out = folder.path().join("report");
    let summary = build_race(&folder.path().join("results"), &info, &out).unwrap();
    let html = fs::read_to_string(&summary.index).unwrap();
    assert!(html.contains("no strategy has a step that is better"));
    assert!(html.contains("No strategy of Lethe’s own ran"));
    assert!(!html.contains("What could not be run"));
    assert!(summary.verdicts.is_empty());
    // An own strategy alone.
    race.add("lethe", 0.1, |_| 1.0, 0.01);
    race.models.remove(2);
    let summary = race.report(folder.path()).unwrap();
    let html = fs::read_to_string(&summary.index).unwrap();
    assert!(html.contains("stand beside no published one"));
    labels_standing_clear(&out);
    // Requests and parts alone: the standings have nothing to show.
    let mut race = Race::new(9);
    race.request("npo", 1);
    race.part("npo", 0.25);
    let summary = race.report(folder.path()).unwrap();
    let html = fs::read_to_string(&summary.index).unwrap();
    assert!(html.contains("id=\"requests\"") && html.contains("id=\"sizes\""));
    assert!(
        !folder
            .path()
            .join("report/tables/standings-multilingual.csv")
            .exists()
    );
}

#[test]
fn names_cannot_break_the_page() {
    const HOSTILE: &str = "</td><script>alert(1)</script>\u{0}\u{202e}\"'&";
    let folder = tempfile::tempdir().unwrap();
    let mut race = Race::everything();
    for model in &mut race.models {
        if let Some(run) = &mut model.run {
            run.strategy = run.strategy.replace("npo", HOSTILE);
        }
        model.name = format!("{}{HOSTILE}", model.name);
    }
    race.write(&folder.path().join("results"));
    let mut info = race.info();
    info.own = vec![HOSTILE.to_owned(), "lethe".to_owned()];
    for text in [
        &mut info.model.name,
        &mut info.preset,
        &mut info.preset_toml,
        &mut info.device,
    ] {
        *text = format!("</title></pre>{HOSTILE}");
    }
    info.skipped = vec![HOSTILE.to_owned()];
    info.deviations = vec![HOSTILE.to_owned()];
    let results = folder.path().join("results");
    let summary = build_race(&results, &info, &folder.path().join("report")).unwrap();
    let html = fs::read_to_string(&summary.index).unwrap();
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    let allowed = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
    assert!(html.chars().all(allowed));
    for tag in [
        "td", "tr", "table", "figure", "svg", "section", "details", "div", "dl", "li",
    ] {
        let opened =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

/// The error of a race of which one file is spoiled. Rows of models, counted from 1: untuned,
/// tuned, lethe-0.02, npo-0.02 …; of scores, by model, item and language.
fn spoiled(file: &str, plant: impl Fn(Columns) -> Columns) -> String {
    let folder = tempfile::tempdir().unwrap();
    let race = Race::everything();
    let results = folder.path().join("results");
    race.write(&results);
    let columns = match file {
        "models" => race.models_columns(),
        "scores" => race.scores_columns(),
        _ => race.measured_columns(),
    };
    fixture::write(&results.join(format!("{file}.parquet")), plant(columns));
    let error = build_race(&results, &race.info(), &folder.path().join("report")).unwrap_err();
    assert!(!folder.path().join("report").exists());
    error.to_string()
}

fn without(columns: Columns, name: &str) -> Columns {
    columns
        .into_iter()
        .filter(|(column, ..)| *column != name)
        .collect()
}

fn without_last_row(columns: Columns) -> Columns {
    let shorter = |(name, array, null): (&'static str, ArrayRef, bool)| {
        (name, array.slice(0, array.len() - 1), null)
    };
    columns.into_iter().map(shorter).collect()
}

fn with_count(columns: Columns, name: &str, row: usize, value: Option<u32>) -> Columns {
    replaced(columns, name, |array| {
        let mut values: Vec<Option<u32>> = array.as_primitive::<UInt32Type>().iter().collect();
        values[row - 1] = value;
        Arc::new(UInt32Array::from(values))
    })
}

fn with_flag(columns: Columns, name: &str, row: usize, value: bool) -> Columns {
    replaced(columns, name, |array| {
        let mut values: Vec<Option<bool>> = array.as_boolean().iter().collect();
        values[row - 1] = Some(value);
        Arc::new(BooleanArray::from(values))
    })
}

#[test]
fn damaged_results_are_named() {
    let nan = Some(f64::NAN);
    let cases: [(&str, String, &[&str]); 23] = [
        (
            "column absent",
            spoiled("models", |c| without(c, "budget")),
            &[
                "models.parquet",
                "`budget`",
                "no such column",
                "held_out_nll",
            ],
        ),
        (
            "column of another type",
            spoiled("scores", |c| {
                replaced(c, "preference", |a| {
                    Arc::new(UInt32Array::from(vec![1; a.len()]))
                })
            }),
            &[
                "scores.parquet",
                "`preference`",
                "expected Float64",
                "found UInt32",
            ],
        ),
        (
            "measured: column absent",
            spoiled("measured", |c| without(c, "forget_nll")),
            &["measured.parquet", "`forget_nll`"],
        ),
        (
            "missing row",
            spoiled("scores", without_last_row),
            &[
                "scores.parquet",
                "no row for model npo-part, item item-11, language ur",
                "untuned",
            ],
        ),
        (
            "the same row twice",
            spoiled("scores", |c| with_text(c, "language", 2, Some("en"))),
            &["row 2", "item item-00, language en", "twice"],
        ),
        (
            "a model that is not listed",
            spoiled("scores", |c| with_text(c, "model", 2, Some("galaxy"))),
            &["row 2", "`model`", "galaxy", "models.parquet"],
        ),
        (
            "two tuned models",
            spoiled("models", |c| with_text(c, "stage", 1, Some("tuned"))),
            &[
                "models.parquet",
                "row 2",
                "model tuned",
                "`stage`",
                "as for model untuned",
            ],
        ),
        (
            "unknown stage",
            spoiled("models", |c| with_text(c, "stage", 2, Some("taught"))),
            &[
                "row 2 (model tuned)",
                "`stage`",
                "taught",
                "untuned, tuned or unlearned",
            ],
        ),
        (
            "unlearned without a strategy",
            spoiled("models", |c| with_text(c, "strategy", 3, None)),
            &["row 3 (model lethe-0.02)", "`strategy`", "null"],
        ),
        (
            "unlearned without a step",
            spoiled("models", |c| with_count(c, "step", 3, None)),
            &["row 3 (model lethe-0.02)", "`step`", "null"],
        ),
        (
            "tuned with a budget",
            spoiled("models", |c| with_number(c, "budget", 2, Some(0.1))),
            &[
                "row 2 (model tuned)",
                "`budget`",
                "null, as the stage is tuned",
            ],
        ),
        (
            "unknown scope",
            spoiled("models", |c| with_text(c, "scope", 3, Some("galaxy"))),
            &["row 3", "`scope`", "galaxy", "multilingual"],
        ),
        (
            "unknown outcome",
            spoiled("models", |c| with_text(c, "outcome", 3, Some("bored"))),
            &["row 3", "`outcome`", "bored", "collapsed"],
        ),
        (
            "a share above 1",
            spoiled("models", |c| with_number(c, "fraction", 3, Some(1.5))),
            &["row 3", "`fraction`", "1.5", "up to 1"],
        ),
        (
            "a request beyond the last",
            spoiled("models", |c| with_count(c, "request", 3, Some(2))),
            &["row 3", "`request`", "found 2", "1 to 1"],
        ),
        (
            "the same model twice",
            spoiled("models", |c| with_text(c, "strategy", 4, Some("lethe"))),
            &["row 4 (model npo-0.02)", "of lethe-0.02"],
        ),
        (
            "NaN among models",
            spoiled("models", |c| with_number(c, "held_out_nll", 2, nan)),
            &[
                "models.parquet",
                "row 2 (model tuned)",
                "`held_out_nll`",
                "NaN",
            ],
        ),
        (
            "NaN among scores",
            spoiled("scores", |c| with_number(c, "preference", 5, nan)),
            &[
                "row 5",
                "model untuned, item item-01, language de",
                "`preference`",
                "NaN",
            ],
        ),
        (
            "infinite measurement",
            spoiled("measured", |c| {
                with_number(c, "residue", 2, Some(f64::INFINITY))
            }),
            &[
                "measured.parquet",
                "row 2",
                "strategy npo",
                "step 1",
                "`residue`",
                "inf",
            ],
        ),
        (
            "log-probability above 0",
            spoiled("scores", |c| with_number(c, "logprob_real", 5, Some(0.5))),
            &["row 5", "`logprob_real`", "0.5", "up to 0"],
        ),
        (
            "not everything was asked for",
            // The first item of the third model.
            spoiled("scores", |c| {
                (73..=75).fold(c, |c, row| with_flag(c, "forgotten", row, false))
            }),
            &[
                "model lethe-0.02, item item-00",
                "`forgotten` true",
                "fraction is 1",
            ],
        ),
        (
            "asked for in one language alone",
            spoiled("scores", |c| with_flag(c, "forgotten", 74, false)),
            &[
                "model lethe-0.02, item item-00, language de",
                "other languages",
            ],
        ),
        (
            "the same measurement twice",
            spoiled("measured", |c| with_count(c, "step", 2, Some(0))),
            &["measured.parquet", "learning rate 1e-5, step 0", "twice"],
        ),
    ];
    for (what, error, parts) in cases {
        for part in parts {
            assert!(error.contains(part), "{what}: no {part:?} in: {error}");
        }
    }
}

#[test]
fn missing_models_and_other_races_are_named() {
    let error_of = |race: &Race, spoil: &dyn Fn(&mut RaceInfo)| {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("results");
        race.write(&results);
        let mut info = race.info();
        spoil(&mut info);
        let error = build_race(&results, &info, &folder.path().join("report"));
        error.unwrap_err().to_string()
    };
    let whole = Race::everything();
    let has = |error: String, parts: &[&str]| {
        for part in parts {
            assert!(error.contains(part), "no {part:?} in: {error}");
        }
    };
    let lacking = |name: &str| {
        let mut race = whole.clone();
        race.models.retain(|model| model.name != name);
        race
    };
    has(
        error_of(&lacking("tuned"), &|_| ()),
        &["models.parquet", "no tuned model"],
    );
    has(
        error_of(&lacking("untuned"), &|_| ()),
        &["no untuned model"],
    );
    has(
        error_of(&lacking("npo-request-2"), &|_| ()),
        &["after request 2 of 3", "npo-request-3 went on from it"],
    );
    let mut race = whole.clone();
    let second = race
        .models
        .iter_mut()
        .find(|m| m.name == "npo-request-2")
        .unwrap();
    second.forgotten[0] = false;
    has(
        error_of(&race, &|_| ()),
        &[
            "scores.parquet",
            "model npo-request-2, item item-00",
            "npo-request-1",
        ],
    );
    has(
        error_of(&whole, &|info| info.items = 30),
        &["scores.parquet", "12 items", "30 are reported"],
    );
    has(
        error_of(&whole, &|info| info.source = "sw".to_owned()),
        &["scores.parquet", "no score in the language sw"],
    );
    let folder = tempfile::tempdir().unwrap();
    whole.write(folder.path());
    fs::remove_file(folder.path().join("measured.parquet")).unwrap();
    let error = build_race(folder.path(), &whole.info(), &folder.path().join("report"));
    has(
        error.unwrap_err().to_string(),
        &["measured.parquet", "cannot be read"],
    );
}

#[test]
fn other_reports_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let race = Race::everything();
    race.report(folder.path()).unwrap();
    race.report(folder.path())
        .expect("an earlier race's report is replaced");
    // A report of another kind is not.
    let out = folder.path().join("report");
    fs::rename(out.join("standings.json"), out.join("findings.json")).unwrap();
    let error = race.report(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Occupied { .. }), "{error}");
    assert!(error.to_string().contains("standings.json"), "{error}");
}

#[test]
fn info_is_what_race_json_holds() {
    let info = Race::everything().info();
    let text = serde_json::to_string(&info).unwrap();
    assert_eq!(serde_json::from_str::<RaceInfo>(&text).unwrap(), info);
}

#[test]
fn measured_csv_has_every_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let race = Race::everything();
    race.report(folder.path()).unwrap();
    let csv = fs::read_to_string(folder.path().join("report/tables/measured.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + race.measured.len());
    assert_eq!(
        csv.lines().nth(2).unwrap(),
        "lethe,multilingual,beta=0.5,1,1,1,0.00001,1,2,1.5,0.02"
    );
}
