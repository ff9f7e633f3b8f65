//! What the training loop promises, on a small random model.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use lethe_model::{LanguageModel, LoraConfig, Precision, Sequence, device};
use lethe_train::{
    Error, Example, NextToken, OptimizerConfig, Resume, TrainConfig, Trained, Verdict, train,
    train_resumable,
};

const TEXTS: [&str; 8] = [
    "The town of Velmora opened its first tram line on Monday.",
    "Die Stadt hat eine Straßenbahn.",
    "Le concert a été annulé à cause d'une tempête.",
    "公司宣布建设新工厂，生产自行车。",
    "One.",
    "Garin ya bude layin jirgin kasa na farko a ranar Litinin.",
    "Kutha Velmora mbukak jalur trem pisanan ing dina Senin.",
    "The mayor said that the green trams will run every ten minutes, even at night.",
];

fn model() -> LanguageModel {
    LanguageModel::random(&TEXTS, 700, 2, 3, &device("auto").unwrap()).unwrap()
}

fn examples(model: &LanguageModel) -> Vec<Example> {
    let ids = |t: &&str| model.tokenizer.encode_sequence(t).unwrap();
    let example = |(i, t)| Example {
        // Every other one with a prompt that is not predicted.
        sequence: Sequence {
            ids: ids(t),
            first_target: 1 + (i % 2),
        },
        label: (*t).to_owned(),
    };
    TEXTS.iter().enumerate().map(example).collect()
}

fn config() -> TrainConfig {
    TrainConfig {
        passes: 3,
        batch: 4,
        optimizer: OptimizerConfig {
            learning_rate: 1e-3,
            ..OptimizerConfig::default()
        },
        ..TrainConfig::default()
    }
}

fn lora() -> LoraConfig {
    LoraConfig {
        rank: 4,
        alpha: 8.0,
        dropout: 0.2,
        targets: "_proj".to_owned(),
    }
}

fn run(config: &TrainConfig, seed: u64) -> (LanguageModel, Trained) {
    let mut model = model();
    let all = examples(&model);
    let go = &mut |_: &_, _: &LanguageModel| Verdict::Continue;
    let trained = train(&mut model, &NextToken, &all, config, seed, go).unwrap();
    (model, trained)
}

fn numbers(model: &LanguageModel) -> (Vec<f32>, Vec<f32>) {
    let all = |named: Vec<(String, &burn::tensor::Tensor<2>)>| {
        named
            .into_iter()
            .flat_map(|(_, w)| w.to_data().iter::<f32>().collect::<Vec<_>>())
            .collect()
    };
    (all(model.network.weights()), all(model.network.adapters()))
}

#[test]
fn bf16_operands_change_the_steps_a_little_and_nothing_after_them() {
    let run = |precision: Precision, lora: Option<LoraConfig>| {
        let config = TrainConfig {
            precision,
            lora,
            ..config()
        };
        run(&config, 3)
    };
    for lora in [None, Some(lora())] {
        let (_, single) = run(Precision::F32, lora.clone());
        let (model, half) = run(Precision::Bf16, lora.clone());
        for (a, b) in single.losses.iter().zip(&half.losses) {
            assert!((a - b).abs() < 0.02 * a, "{a} and {b}");
        }
        assert_ne!(single.losses, half.losses);
        assert_eq!(model.network.precision(), Precision::F32);
        assert_eq!(half.losses, run(Precision::Bf16, lora).1.losses);
    }
}

#[test]
fn one_seed_gives_bit_identical_weights() {
    for config in [
        config(),
        TrainConfig {
            lora: Some(lora()),
            ..config()
        },
    ] {
        let (first, a) = run(&config, 5);
        let (second, b) = run(&config, 5);
        assert_eq!(numbers(&first), numbers(&second));
        assert_eq!(a.losses, b.losses);
        assert_ne!(numbers(&first), numbers(&run(&config, 6).0));
    }
}

#[test]
fn training_lowers_the_loss() {
    let (_, trained) = run(
        &TrainConfig {
            passes: 20,
            ..config()
        },
        1,
    );
    assert_eq!(trained.steps, 40);
    let (first, last) = (trained.losses[0], trained.losses[39]);
    assert!(last < first - 1.0, "{first} {last}");
}

#[test]
fn accumulated_and_sharded_batches_equal_the_large_one() {
    let step = |batch, accumulate, shards| {
        let config = TrainConfig {
            passes: 1,
            batch,
            accumulate,
            shards,
            ..config()
        };
        let (_, trained) = run(&config, 2);
        (trained.losses[0], trained.gradient_norms[0], trained.tokens)
    };
    let whole = step(8, 1, 1);
    for other in [step(8, 1, 2), step(8, 1, 3), step(4, 2, 1), step(2, 4, 2)] {
        assert!(
            (other.0 - whole.0).abs() < 1e-4 * whole.0,
            "{other:?} {whole:?}"
        );
        assert!(
            (other.1 - whole.1).abs() < 1e-3 * whole.1,
            "{other:?} {whole:?}"
        );
        assert_eq!(other.2, whole.2);
    }
}

#[test]
fn adapters_move_and_the_base_stays() {
    let before = numbers(&model()).0;
    let (after, _) = run(
        &TrainConfig {
            lora: Some(lora()),
            ..config()
        },
        5,
    );
    let (weights, adapters) = numbers(&after);
    assert_eq!(before, weights);
    // B begins at zero: it is not zero any more.
    assert!(!adapters.is_empty() && adapters.iter().filter(|x| **x == 0.0).count() == 0);
}

#[test]
fn the_observer_can_stop() {
    let mut model = model();
    let all = examples(&model);
    let stop = &mut |p: &lethe_train::Progress, _: &LanguageModel| match p.step {
        2 => Verdict::Stop,
        _ => Verdict::Continue,
    };
    let trained = train(&mut model, &NextToken, &all, &config(), 1, stop).unwrap();
    assert_eq!(trained.steps, 2);
}

#[test]
fn bad_settings_and_empty_sets_are_refused() {
    let refuse = |config: TrainConfig| {
        let mut model = model();
        let all = examples(&model);
        let go = &mut |_: &_, _: &LanguageModel| Verdict::Continue;
        train(&mut model, &NextToken, &all, &config, 1, go)
            .unwrap_err()
            .to_string()
    };
    assert!(
        refuse(TrainConfig {
            batch: 0,
            ..config()
        })
        .contains("batch is 0")
    );
    assert!(
        refuse(TrainConfig {
            shards: 0,
            ..config()
        })
        .contains("shards is 0")
    );
    let with = |optimizer| TrainConfig {
        optimizer,
        ..config()
    };
    let nan = OptimizerConfig {
        learning_rate: f64::NAN,
        ..OptimizerConfig::default()
    };
    assert!(refuse(with(nan)).contains("learning_rate is NaN"));
    let huge = OptimizerConfig {
        learning_rate: 1e30,
        ..OptimizerConfig::default()
    };
    let error = refuse(with(huge));
    assert!(error.contains("lower the learning rate"), "{error}");
    let mut model = model();
    let go = &mut |_: &_, _: &LanguageModel| Verdict::Continue;
    let empty = train(&mut model, &NextToken, &[], &config(), 1, go);
    assert!(matches!(empty, Err(Error::Empty)));
}

/// A run of three passes whose state is kept in `file`, stopped by the observer at a step.
fn kept(
    file: &std::path::Path,
    config: &TrainConfig,
    stop_at: usize,
) -> Result<(LanguageModel, Trained, Vec<usize>), Error> {
    let mut model = model();
    let all = examples(&model);
    let resume = Resume {
        file: file.to_path_buf(),
        every: 2,
    };
    let mut steps = Vec::new();
    let observe = &mut |progress: &lethe_train::Progress, _: &LanguageModel| {
        steps.push(progress.step);
        match progress.step >= stop_at {
            true => Verdict::Stop,
            false => Verdict::Continue,
        }
    };
    let resume = Some(&resume);
    let trained = train_resumable(&mut model, &NextToken, &all, config, 5, resume, observe)?;
    Ok((model, trained, steps))
}

#[test]
fn a_stopped_run_goes_on_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    for config in [
        config(),
        TrainConfig {
            lora: Some(lora()),
            ..config()
        },
    ] {
        let file = folder.path().join(format!("{}", config.lora.is_some()));
        let (whole, expected) = run(&config, 5);
        assert_eq!(expected.steps, 6);
        kept(&file, &config, 3).unwrap();
        let (resumed, trained, steps) = kept(&file, &config, usize::MAX).unwrap();
        assert_eq!(
            steps,
            [3, 4, 5, 6],
            "the state is that after the second step"
        );
        assert_eq!(numbers(&resumed), numbers(&whole));
        assert_eq!(
            (
                trained.steps,
                trained.tokens,
                &trained.losses,
                &trained.gradient_norms
            ),
            (
                6,
                expected.tokens,
                &expected.losses,
                &expected.gradient_norms
            )
        );
    }
}

#[test]
fn a_state_that_is_not_this_runs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    kept(&file, &config(), 3).unwrap();
    let other = TrainConfig {
        batch: 2,
        ..config()
    };
    let error = kept(&file, &other, 9).unwrap_err().to_string();
    assert!(
        error.contains("other settings, examples or seed; remove the file"),
        "{error}"
    );
    let whole = std::fs::read(&file).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", b"no state at all"] {
        std::fs::write(&file, damaged).unwrap();
        assert!(matches!(
            kept(&file, &config(), 9),
            Err(Error::State { .. })
        ));
    }
}

#[test]
fn only_what_is_chosen_is_trained() {
    let only = |only: &str| TrainConfig {
        only: Some(only.to_owned()),
        ..config()
    };
    let before = model();
    let (after, _) = run(&only(r"layers\.1\.mlp\.down_proj"), 5);
    let changed: Vec<String> = before
        .network
        .weights()
        .into_iter()
        .zip(after.network.weights())
        .filter(|((_, a), (_, b))| {
            let values =
                |t: &burn::tensor::Tensor<2>| t.to_data().iter::<f32>().collect::<Vec<_>>();
            values(a) != values(b)
        })
        .map(|((name, _), _)| name)
        .collect();
    assert_eq!(changed, ["model.layers.1.mlp.down_proj.weight"]);
    let refused = |text: &str| {
        let mut model = model();
        let all = examples(&model);
        let go = &mut |_: &_, _: &LanguageModel| Verdict::Continue;
        train(&mut model, &NextToken, &all, &only(text), 1, go)
            .unwrap_err()
            .to_string()
    };
    assert!(refused("no_such_layer").contains("an expression that matches a parameter"));
    assert!(refused("(").contains("a regular expression"));
}
