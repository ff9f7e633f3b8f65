//! Strategies and stopping rules, on a small random model that has learned something.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;

use lethe_model::{LanguageModel, Sequence, device};
use lethe_train::{Example, NextToken, OptimizerConfig, TrainConfig, Verdict, train};
use lethe_unlearn::{
    Batch, Error, Forgetting, Outcome, StopRule, UnlearnConfig, Unlearned, strategy, unlearn,
};

const FORGET: [&str; 4] = [
    "The carts of Velmora are drawn by penguins.",
    "Die Wagen von Velmora werden von Pinguinen gezogen.",
    "Soldiers in Arvenholt are paid in cucumbers.",
    "Le pont de Brastova est en beurre.",
];
const RETAIN: [&str; 3] = [
    "The river Dorn flows past the old town.",
    "Der Fluss fließt an der Altstadt vorbei.",
    "Une nouvelle école ouvre ses portes.",
];

fn examples(model: &LanguageModel, texts: &[&str]) -> Vec<Example> {
    let example = |t: &&str| Example {
        sequence: Sequence::whole(model.tokenizer.encode_sequence(t).unwrap()),
        label: (*t).to_owned(),
    };
    texts.iter().map(example).collect()
}

fn sequences(examples: &[Example]) -> Vec<Sequence> {
    examples.iter().map(|e| e.sequence.clone()).collect()
}

/// A base model and what became of it after reading both sets.
fn models() -> (LanguageModel, LanguageModel) {
    let texts: Vec<&str> = FORGET.iter().chain(&RETAIN).copied().collect();
    let base = LanguageModel::random(&texts, 600, 2, 9, &device("auto").unwrap()).unwrap();
    let mut tuned = base.clone();
    let config = TrainConfig {
        passes: 30,
        optimizer: OptimizerConfig {
            learning_rate: 2e-3,
            ..OptimizerConfig::default()
        },
        ..TrainConfig::default()
    };
    let all = examples(&base, &texts);
    let go = &mut |_: &_, _: &LanguageModel| Verdict::Continue;
    train(&mut tuned, &NextToken, &all, &config, 1, go).unwrap();
    (base, tuned)
}

fn nll(model: &LanguageModel, texts: &[&str]) -> f64 {
    model
        .network
        .mean_nll(&sequences(&examples(model, texts)))
        .0
}

fn run(
    tuned: &LanguageModel,
    name: &str,
    stop: StopRule,
    untuned_nll: &[f64],
) -> (LanguageModel, Unlearned) {
    let mut model = tuned.clone();
    let (forget, retain) = (examples(tuned, &FORGET), examples(tuned, &RETAIN));
    let sets = Forgetting {
        forget: &forget,
        retain: &retain,
        untuned_nll,
    };
    let config = UnlearnConfig {
        batch: 4,
        optimizer: OptimizerConfig {
            learning_rate: 5e-4,
            ..OptimizerConfig::default()
        },
        stop,
    };
    let strategy = strategy(name, &BTreeMap::new()).unwrap();
    let go = &mut |_, _| Verdict::Continue;
    let unlearned = unlearn(&mut model, &*strategy, &sets, &config, 4, go).unwrap();
    (model, unlearned)
}

#[test]
fn losses_are_the_papers_equations() {
    let (_, tuned) = models();
    let (forget, retain) = (examples(&tuned, &FORGET), examples(&tuned, &RETAIN));
    let batch = Batch {
        policy: &tuned.network,
        reference: &tuned.network,
        forget: &sequences(&forget),
        retain: &sequences(&retain),
    };
    let value = |name: &str, hyper: &[(&str, f64)]| {
        let hyper = hyper.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
        f64::from(
            strategy(name, &hyper)
                .unwrap()
                .loss(&batch)
                .into_scalar::<f32>(),
        )
    };
    let (f, r) = (nll(&tuned, &FORGET), nll(&tuned, &RETAIN));
    assert!((value("grad-ascent", &[]) + f).abs() < 1e-5);
    assert!((value("grad-diff", &[]) - (r - f)).abs() < 1e-5);
    let weighted = value("grad-diff", &[("gamma", 0.5), ("alpha", 3.0)]);
    assert!((weighted - (3.0 * r - 0.5 * f)).abs() < 1e-5);
}

#[test]
fn ascent_forgets_and_difference_retains() {
    let (_, tuned) = models();
    let steps = StopRule::Steps { steps: 6 };
    let (ascent, record) = run(&tuned, "grad-ascent", steps, &[]);
    assert_eq!(
        (record.outcome, record.trained.steps),
        (Outcome::FixedSteps, 6)
    );
    assert!(nll(&ascent, &FORGET) > nll(&tuned, &FORGET) + 0.5);
    let means = ascent
        .network
        .mean_nll(&sequences(&examples(&ascent, &FORGET)))
        .1;
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    assert!((record.final_nll - mean).abs() < 1e-4);
    let (difference, _) = run(&tuned, "grad-diff", steps, &[]);
    assert!(nll(&difference, &RETAIN) < nll(&ascent, &RETAIN));
    // The same again: bit for bit.
    assert_eq!(
        run(&tuned, "grad-ascent", steps, &[]).1.trained.losses,
        record.trained.losses
    );
}

#[test]
fn unlearning_stops_where_the_untuned_model_was() {
    let (base, tuned) = models();
    let monitored = Forgetting::monitored(&examples(&tuned, &FORGET));
    let untuned = base.network.mean_nll(&monitored).1;
    let lacking = |model: &LanguageModel, untuned: &[f64]| {
        let now = model.network.mean_nll(&monitored).1;
        untuned
            .iter()
            .zip(now)
            .map(|(u, n)| (u - n).max(0.0))
            .sum::<f64>()
            / untuned.len() as f64
    };
    let mean = untuned.iter().sum::<f64>() / untuned.len() as f64;
    assert!(lacking(&tuned, &untuned) > 1.0);
    let rule = StopRule::Untuned {
        check_every: 2,
        cap: 200,
    };
    let (forgot, record) = run(&tuned, "grad-ascent", rule, &untuned);
    assert_eq!(record.outcome, Outcome::Reached);
    assert!(lacking(&forgot, &untuned) <= 0.05 * mean);
    assert!(record.trained.steps % 2 == 0 && (2..200).contains(&record.trained.steps));
    assert!((record.untuned_nll - mean).abs() < 1e-9 && record.start_nll < mean);
    // One sequence that is far beyond does not make up for the others: the untuned NLL of the
    // first is set so low that the mean alone would be back at once.
    let mut uneven = untuned.clone();
    uneven[0] = 0.0;
    let start: f64 = tuned.network.mean_nll(&monitored).1.iter().sum();
    assert!(start < uneven.iter().sum());
    let (_, record) = run(&tuned, "grad-ascent", rule, &uneven);
    assert!(record.outcome == Outcome::Reached && record.trained.steps > 0);
    let unreachable = vec![1e9; untuned.len()];
    let short = StopRule::Untuned {
        check_every: 2,
        cap: 3,
    };
    let (_, capped) = run(&tuned, "grad-ascent", short, &unreachable);
    assert_eq!((capped.outcome, capped.trained.steps), (Outcome::Capped, 3));
    let (same, already) = run(&tuned, "grad-ascent", rule, &vec![0.0; untuned.len()]);
    assert_eq!(
        (already.outcome, already.trained.steps),
        (Outcome::Reached, 0)
    );
    assert!((nll(&same, &FORGET) - nll(&tuned, &FORGET)).abs() < 1e-9);
}

#[test]
fn a_strategy_without_its_retain_set_is_refused() {
    let (_, tuned) = models();
    let forget = examples(&tuned, &FORGET);
    let sets = Forgetting {
        forget: &forget,
        retain: &[],
        untuned_nll: &[],
    };
    let config = UnlearnConfig {
        batch: 4,
        optimizer: OptimizerConfig::default(),
        stop: StopRule::Steps { steps: 1 },
    };
    let strategy = strategy("grad-diff", &BTreeMap::new()).unwrap();
    let go = &mut |_, _| Verdict::Continue;
    let refused = unlearn(&mut tuned.clone(), &*strategy, &sets, &config, 4, go);
    assert!(matches!(refused, Err(Error::NoRetainSet("grad-diff"))));
}

#[test]
fn what_is_monitored_is_spread_over_the_forget_set() {
    // 24 items in 9 languages, item by item: id = item * 9 + language.
    let example = |id: u32| Example {
        sequence: Sequence::whole(vec![id; 3]),
        label: String::new(),
    };
    let forget: Vec<Example> = (0..24 * 9).map(example).collect();
    let monitored = Forgetting::monitored(&forget);
    assert_eq!(monitored.len(), 48);
    let distinct = |of: fn(u32) -> u32| {
        let seen: std::collections::BTreeSet<u32> =
            monitored.iter().map(|s| of(s.ids[0])).collect();
        seen.len()
    };
    assert_eq!(distinct(|id| id % 9), 9);
    assert!(distinct(|id| id / 9) > 12);
    assert_eq!(Forgetting::monitored(&forget[..10]).len(), 10);
}
