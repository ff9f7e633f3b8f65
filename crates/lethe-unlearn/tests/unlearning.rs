//! Strategies and stopping rules, on a small random model that has learned something.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;

use lethe_model::{LanguageModel, Sequence, device};
use lethe_train::{Example, NextToken, OptimizerConfig, TrainConfig, Verdict, train};
use lethe_unlearn::{
    Aside, Choose, Error, Forgetting, Guard, Method, Outcome, Registry, RetainSet, StopRule,
    UnlearnConfig, Unlearned, unlearn,
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

fn base() -> LanguageModel {
    let texts: Vec<&str> = FORGET.iter().chain(&RETAIN).copied().collect();
    LanguageModel::random(&texts, 600, 2, 9, &device("auto").unwrap()).unwrap()
}

/// A base model and what became of it after reading both sets.
fn models() -> (LanguageModel, LanguageModel) {
    let base = base();
    let texts: Vec<&str> = FORGET.iter().chain(&RETAIN).copied().collect();
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

fn method(name: &str) -> Method {
    Registry::builtin().method(name, &BTreeMap::new()).unwrap()
}

fn config(stop: StopRule) -> UnlearnConfig {
    let optimizer = OptimizerConfig {
        learning_rate: 5e-4,
        ..OptimizerConfig::default()
    };
    UnlearnConfig::new(4, optimizer, stop)
}

/// A fake and a truth to choose by, and what should stay.
fn aside(model: &LanguageModel) -> Aside {
    let all = [
        sequences(&examples(model, &FORGET)),
        sequences(&examples(model, &RETAIN)),
    ];
    let [fakes, truths] = all;
    let probe = [fakes[0].clone(), truths[0].clone()];
    Aside::new(&base().network, vec![probe], vec![truths])
}

/// What [`aside`] measures of the second.
fn utility_nll(model: &LanguageModel) -> f64 {
    let means = model
        .network
        .mean_nll(&sequences(&examples(model, &RETAIN)))
        .1;
    means.iter().sum::<f64>() / means.len() as f64
}

fn run_with(
    tuned: &LanguageModel,
    name: &str,
    config: &UnlearnConfig,
    untuned_nll: &[f64],
) -> (LanguageModel, Unlearned) {
    let mut model = tuned.clone();
    let (forget, retain) = (examples(tuned, &FORGET), examples(tuned, &RETAIN));
    let sets = Forgetting {
        forget: &forget,
        alternatives: &[],
        retain: &RetainSet::balanced(&[retain], 1),
        untuned_nll,
        aside: &aside(tuned),
    };
    let go = &mut |_, _: Option<(&_, &_)>| Verdict::Continue;
    let done = unlearn(&mut model, &method(name), &sets, config, 4, None, go).unwrap();
    (model, done)
}

fn run(
    tuned: &LanguageModel,
    name: &str,
    stop: StopRule,
    untuned_nll: &[f64],
) -> (LanguageModel, Unlearned) {
    run_with(tuned, name, &config(stop), untuned_nll)
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
fn what_a_method_lacks_is_said() {
    let (_, tuned) = models();
    let forget = examples(&tuned, &FORGET);
    let refused = |name: &str, choose: Option<Choose>| {
        let sets = Forgetting {
            forget: &forget,
            alternatives: &vec![Vec::new(); forget.len()],
            retain: &RetainSet::default(),
            untuned_nll: &[],
            aside: &Aside::default(),
        };
        let config = UnlearnConfig {
            choose,
            ..config(StopRule::Steps { steps: 1 })
        };
        let go = &mut |_, _: Option<(&_, &_)>| Verdict::Continue;
        let method = method(name);
        unlearn(&mut tuned.clone(), &method, &sets, &config, 4, None, go).unwrap_err()
    };
    assert!(matches!(refused("grad-diff", None), Error::NoRetainSet(name) if name == "grad-diff"));
    let error = refused("dpo", None).to_string();
    assert!(
        error.contains("dpo needs to know what should be said instead (Truth)"),
        "{error}"
    );
    let choose = Choose {
        check_every: 1,
        utility_margin: 1.0,
    };
    assert!(matches!(refused("npo", Some(choose)), Error::NoProbes));
}

#[test]
fn examples_without_an_alternative_are_left_out() {
    let (_, tuned) = models();
    let forget = examples(&tuned, &FORGET);
    let one = sequences(&examples(&tuned, &RETAIN[..1]));
    let sets = Forgetting {
        forget: &forget,
        alternatives: &[one.clone(), Vec::new(), one, Vec::new()],
        retain: &RetainSet::default(),
        untuned_nll: &[],
        aside: &Aside::default(),
    };
    let config = config(StopRule::Steps { steps: 1 });
    let go = &mut |_, _: Option<(&_, &_)>| Verdict::Continue;
    let done = unlearn(
        &mut tuned.clone(),
        &method("dpo"),
        &sets,
        &config,
        4,
        None,
        go,
    )
    .unwrap();
    assert_eq!(done.left_out, 2);
    let targets = forget[0].sequence.targets() + forget[2].sequence.targets();
    assert_eq!(done.trained.tokens, targets);
}

/// Of what ascent passes through, the checkpoint that leaves least of the fake and is still of use.
#[test]
fn the_checkpoint_that_counts_is_the_best_that_is_of_use() {
    let (_, tuned) = models();
    let with = |utility_margin: f64| UnlearnConfig {
        choose: Some(Choose {
            check_every: 1,
            utility_margin,
        }),
        ..config(StopRule::Steps { steps: 12 })
    };
    let (_, all) = run(&tuned, "grad-ascent", StopRule::Steps { steps: 12 }, &[]);
    assert_eq!(
        (all.step, all.measured.len()),
        (12, 2),
        "without a choice the last counts"
    );
    let (_, loose) = run_with(&tuned, "grad-ascent", &with(f64::MAX), &[]);
    assert_eq!(loose.measured.len(), 13);
    let last = *loose.measured.last().unwrap();
    assert_eq!(last.step, 12);
    let start = loose.measured[0];
    let lost = |m: &lethe_unlearn::Measurement| m.utility_nll.unwrap() - start.utility_nll.unwrap();
    assert!(lost(&last) > 0.2, "ascent costs utility");
    let margin = lost(&last) / 2.0;
    let (chosen, tight) = run_with(&tuned, "grad-ascent", &with(margin), &[]);
    let good = tight.measured.iter().filter(|m| lost(m) <= margin);
    let best = good.min_by(|a, b| a.residue.unwrap().total_cmp(&b.residue.unwrap()));
    assert_eq!(tight.step, best.unwrap().step);
    assert!(tight.step < 12 && tight.step > 0, "{}", tight.step);
    // What is given back is that checkpoint.
    let utility = utility_nll(&chosen);
    assert!((utility - best.unwrap().utility_nll.unwrap()).abs() < 1e-4);
    assert!((tight.final_nll - best.unwrap().forget_nll).abs() < 1e-9);
}

#[test]
fn a_collapse_stops_the_run_and_the_last_good_checkpoint_is_kept() {
    let (_, tuned) = models();
    let start = run(&tuned, "grad-ascent", StopRule::Steps { steps: 0 }, &[])
        .1
        .start_nll;
    let guarded = |guard: Guard| UnlearnConfig {
        guard,
        optimizer: OptimizerConfig {
            learning_rate: 2e-3,
            ..OptimizerConfig::default()
        },
        ..config(StopRule::Untuned {
            check_every: 1,
            cap: 60,
        })
    };
    let far = vec![1e9; 4];
    for guard in [
        Guard {
            check_every: 1,
            forget_nll: start + 4.0,
            ..Guard::default()
        },
        Guard {
            check_every: 1,
            perplexity_ratio: 3.0,
            ..Guard::default()
        },
    ] {
        let (kept, record) = run_with(&tuned, "grad-ascent", &guarded(guard), &far);
        assert_eq!(record.outcome, Outcome::Collapsed);
        let [.., good, bad] = record.measured.as_slice() else {
            panic!("two measurements");
        };
        let ratio = |m: &lethe_unlearn::Measurement| {
            (m.utility_nll.unwrap() - record.measured[0].utility_nll.unwrap()).exp()
        };
        let within = |m: lethe_unlearn::Measurement| {
            m.forget_nll <= guard.forget_nll && ratio(&m) <= guard.perplexity_ratio
        };
        assert!(within(*good) && !within(*bad));
        assert_eq!((record.step, bad.step), (good.step, good.step + 1));
        let utility = utility_nll(&kept);
        assert!((utility - good.utility_nll.unwrap()).abs() < 1e-4);
    }
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

#[test]
fn a_loss_that_is_no_number_is_an_error_or_ends_at_the_last_good_checkpoint() {
    let (_, tuned) = models();
    let wild = |guard: Guard| UnlearnConfig {
        guard,
        optimizer: OptimizerConfig {
            learning_rate: 1e20,
            ..OptimizerConfig::default()
        },
        ..config(StopRule::Steps { steps: 6 })
    };
    let (forget, method) = (examples(&tuned, &FORGET), method("grad-ascent"));
    let sets = Forgetting {
        forget: &forget,
        alternatives: &[],
        retain: &RetainSet::default(),
        untuned_nll: &[],
        aside: &aside(&tuned),
    };
    let go = &mut |_, _: Option<(&_, &_)>| Verdict::Continue;
    let plain = wild(Guard::default());
    let error = unlearn(&mut tuned.clone(), &method, &sets, &plain, 4, None, go).unwrap_err();
    assert!(
        error.to_string().contains("lower the learning rate"),
        "{error}"
    );
    let guarded = wild(Guard {
        check_every: 1,
        forget_nll: 20.0,
        ..Guard::default()
    });
    let (kept, record) = run_with(&tuned, "grad-ascent", &guarded, &[]);
    assert_eq!(record.outcome, Outcome::Collapsed);
    let means = kept.network.mean_nll(&sequences(&forget)).1;
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    assert!(
        mean.is_finite() && (mean - record.final_nll).abs() < 1e-4,
        "{mean}"
    );
    // What is recorded can be read again.
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(
        serde_json::from_str::<Unlearned>(&text)
            .unwrap()
            .measured
            .len(),
        record.measured.len()
    );
}

/// By hand: what is left is what the fake is preferred by beyond the untuned model, probe by probe,
/// and every kind of text that should stay counts alike.
#[test]
fn what_is_measured_on_the_way_is_what_it_says() {
    let (base, tuned) = models();
    let [fakes, truths] = [FORGET.as_slice(), &RETAIN].map(|t| sequences(&examples(&tuned, t)));
    let nll = |model: &LanguageModel, sequence: &Sequence| {
        let mean = model.network.mean_nll(std::slice::from_ref(sequence)).0;
        mean * sequence.targets() as f64
    };
    // The second has the answers the other way round: there the untuned model is preferred more.
    let probes = vec![
        [fakes[0].clone(), truths[0].clone()],
        [truths[1].clone(), fakes[1].clone()],
        [fakes[2].clone(), fakes[3].clone()],
    ];
    let preference =
        |model: &LanguageModel, [fake, real]: &[Sequence; 2]| nll(model, real) - nll(model, fake);
    let residues: Vec<f64> = probes
        .iter()
        .map(|p| (preference(&tuned, p) - preference(&base, p)).max(0.0))
        .collect();
    let expected = residues.iter().sum::<f64>() / 3.0;
    assert!(expected > 0.0);
    let utility = vec![truths[..1].to_vec(), Vec::new(), truths[1..].to_vec()];
    let mean = |s: &Sequence| nll(&tuned, s) / s.targets() as f64;
    let of_use = (mean(&truths[0]) + f64::midpoint(mean(&truths[1]), mean(&truths[2]))) / 2.0;
    let aside = Aside::new(&base.network, probes, utility);
    let forget = examples(&tuned, &FORGET);
    let sets = Forgetting {
        forget: &forget,
        alternatives: &[],
        retain: &RetainSet::default(),
        untuned_nll: &[],
        aside: &aside,
    };
    let none = config(StopRule::Steps { steps: 0 });
    let go = &mut |_, _: Option<(&_, &_)>| Verdict::Continue;
    let method = method("grad-ascent");
    let done = unlearn(&mut tuned.clone(), &method, &sets, &none, 4, None, go).unwrap();
    let [first] = done.measured.as_slice() else {
        panic!("one measurement");
    };
    assert!(
        (first.residue.unwrap() - expected).abs() < 1e-4 * expected,
        "{first:?} {expected}"
    );
    assert!(
        (first.utility_nll.unwrap() - of_use).abs() < 1e-5,
        "{first:?} {of_use}"
    );
}
