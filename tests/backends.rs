//! Other backends against flex: the numbers of a small model, and the smoke preset.
//!
//! Every backend that is compiled in is compared (`cargo test --release --workspace --features vulkan
//! --test backends`); one whose device is absent is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;

use std::collections::BTreeSet;
use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use command::{read, refused, root, run, xtask};
use lethe_model::burn::tensor::Device;
use lethe_model::{
    Decoding, LanguageModel, LoraConfig, Precision, Pretrained, Sequence, Session,
    compiled_devices, computes_in, device,
};
use lethe_train::{Example, NextToken, OptimizerConfig, TrainConfig, Verdict, train};

/// How far a number may be from flex's, as a share of the largest one in its tensor. Both compute in
/// `f32` (a rounding is 6e-8 of a number), but add in another order, and the exponential and the root
/// of a graphics card may be off by some roundings: a sum of 1,000 such terms may be off by 2e-6 on
/// average and 6e-5 at worst. What was measured on
/// which backend, if anything yet, is in docs/backends.md.
const MARGIN: f64 = 1e-4;

/// The same for losses and norms of gradients in later training steps: Adam divides by the gradient's
/// own size, so that a gradient of zero but for roundings moves its weight by the learning rate.
const TRAINED_MARGIN: f64 = 1e-3;

/// Log-probabilities (nats per token) in the smoke preset, before and after its training stages.
const LOGPROB_MARGIN: f64 = 1e-4;
const TRAINED_LOGPROB_MARGIN: f64 = 0.02;

const TEXTS: [&str; 6] = [
    "The museum in Lyon has bought a clock that was made in 1743 by a woman called Ana.",
    "Das Museum hat eine Uhr gekauft, die seit 1743 niemand mehr gehört hat.",
    "Музей купил часы, которые в 1743 году сделала женщина по имени Ана.",
    "博物馆买了一座一七四三年的钟。",
    "عجائب گھر نے ایک پرانی گھڑی خریدی۔",
    "Gidan kayan tarihi ya sayi agogo.",
];

fn others() -> impl Iterator<Item = &'static str> {
    compiled_devices().filter(|name| *name != "flex")
}

fn sequences(model: &LanguageModel) -> Vec<Sequence> {
    let encode = |text: &str| model.tokenizer.encode_sequence(text).unwrap();
    let mut out: Vec<Sequence> = TEXTS
        .iter()
        .map(|text| Sequence::whole(encode(text)))
        .collect();
    // Longer than the window of a local layer, and with context that is not predicted.
    let long = encode(&TEXTS.join(" "));
    assert!(long.len() > 2 * model.network.config().sliding_window);
    out.push(Sequence {
        first_target: 40,
        ids: long,
    });
    out
}

fn examples(model: &LanguageModel) -> Vec<Example> {
    let example = |sequence| Example {
        sequence,
        label: "text".to_owned(),
    };
    sequences(model).into_iter().map(example).collect()
}

fn config(passes: usize, learning_rate: f64) -> TrainConfig {
    TrainConfig {
        passes,
        batch: 7,
        optimizer: OptimizerConfig {
            learning_rate,
            ..OptimizerConfig::default()
        },
        ..TrainConfig::default()
    }
}

/// A model that has learned something, on disk.
fn trained(folder: &Path) {
    let mut model = LanguageModel::random(&TEXTS, 400, 3, 5, &Device::flex()).unwrap();
    let examples = examples(&model);
    let go_on = &mut |_: &_, _: &_| Verdict::Continue;
    let done = train(
        &mut model,
        &NextToken,
        &examples,
        &config(25, 3e-3),
        1,
        go_on,
    )
    .unwrap();
    let (first, last) = (done.losses[0], done.losses[24]);
    assert!(last < 0.8 * first, "{first} to {last}");
    model.save(folder).unwrap();
}

/// Prints how far `found` is from `expected`, as a share of the largest number, and holds it to a margin.
fn near(device: &str, what: &str, found: &[f32], expected: &[f32], margin: f64) {
    assert_eq!(found.len(), expected.len(), "{device} {what}");
    let largest = expected.iter().fold(0.0f32, |max, x| max.max(x.abs()));
    let off = found
        .iter()
        .zip(expected)
        .map(|(a, b)| f64::from((a - b).abs()));
    let off = off.fold(0.0, |max: f64, off| if off <= max { max } else { off });
    let share = off / f64::from(largest);
    println!("{device:<7} {what:<34} off {share:.1e}, margin {margin:.0e}");
    // A NaN is off by more than any margin.
    assert!(
        share <= margin,
        "{device} {what}: off by {share} of {largest}"
    );
}

struct Numbers {
    logits: Vec<f32>,
    log_probabilities: Vec<f32>,
    losses: Vec<f32>,
    sums: Vec<f32>,
    activations: Vec<f32>,
    gradients: Vec<(String, Vec<f32>)>,
    continuations: Vec<f32>,
    greedy: Vec<Vec<u32>>,
    steps: Vec<f32>,
    norms: Vec<f32>,
    adapted: Vec<f32>,
}

fn numbers(folder: &Path, device: &Device) -> Numbers {
    let model = Pretrained::open(folder)
        .unwrap()
        .load(device, None)
        .unwrap();
    let sequences = sequences(&model);
    let network = &model.network;
    let predicted = network.predict(&sequences);
    let losses = predicted.token_losses();
    let with_gradients = network.clone().with_gradients();
    let mut all = with_gradients.token_losses(&sequences).mean().backward();
    let gradients = with_gradients
        .trainable()
        .into_iter()
        .map(|(name, weight)| {
            let gradient = weight
                .grad_remove(&mut all)
                .expect("every weight has a gradient");
            (name, gradient.into_data().iter().collect())
        });

    // Prompts of different lengths, one beyond the window, and continuations of different lengths.
    let prompts: Vec<Vec<u32>> = sequences
        .iter()
        .map(|s| s.ids[..s.ids.len() - 5].to_vec())
        .collect();
    let end = |(i, s): (usize, &Sequence)| s.ids[s.ids.len() - 5..s.ids.len() - i % 4].to_vec();
    let ends: Vec<Vec<u32>> = sequences.iter().enumerate().map(end).collect();
    let mut session = Session::new(network, &prompts, 16);
    let continuations = session.log_probabilities(&ends);
    let stops = BTreeSet::from([prompts[0][3]]);
    let greedy = session.generate(Decoding::Greedy, 16, &stops);

    let examples = examples(&model);
    let go_on = &mut |_: &_, _: &_| Verdict::Continue;
    let mut whole = model.clone();
    let steps = train(
        &mut whole,
        &NextToken,
        &examples,
        &config(5, 1e-4),
        2,
        go_on,
    )
    .unwrap();
    let mut adapted = model.clone();
    let lora = LoraConfig {
        rank: 4,
        alpha: 8.0,
        dropout: 0.1,
        targets: "_proj".to_owned(),
    };
    let lora = TrainConfig {
        lora: Some(lora),
        ..config(5, 1e-3)
    };
    let lora = train(&mut adapted, &NextToken, &examples, &lora, 3, go_on).unwrap();
    let single = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    Numbers {
        logits: predicted.logits.to_data().iter().collect(),
        log_probabilities: predicted.log_probabilities().into_data().iter().collect(),
        losses: losses.to_data().iter().collect(),
        sums: predicted.sums(losses).into_data().iter().collect(),
        activations: network
            .activations(&sequences, 2)
            .into_data()
            .iter()
            .collect(),
        gradients: gradients.collect(),
        continuations: single(&continuations.concat()),
        greedy: greedy.into_iter().map(|answer| answer.ids).collect(),
        steps: single(&steps.losses),
        norms: single(&steps.gradient_norms),
        adapted: single(&[lora.losses, lora.gradient_norms].concat()),
    }
}

#[test]
#[cfg_attr(
    not(any(feature = "wgpu", feature = "cuda", feature = "cpu", feature = "tch")),
    ignore = "compares other backends with flex: add --features vulkan (or wgpu, cuda, cpu, tch)"
)]
fn a_small_model_has_the_numbers_of_flex() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("model");
    trained(&folder);
    let flex = numbers(&folder, &Device::flex());
    for name in others() {
        let opened = device(name).unwrap_or_else(|e| panic!("{e}"));
        let own = numbers(&folder, &opened);
        let near = |what: &str, found: &[f32], expected: &[f32], margin| {
            near(name, what, found, expected, margin);
        };
        near("logits", &own.logits, &flex.logits, MARGIN);
        near(
            "log-probabilities",
            &own.log_probabilities,
            &flex.log_probabilities,
            MARGIN,
        );
        near("token losses", &own.losses, &flex.losses, MARGIN);
        near("sums of losses", &own.sums, &flex.sums, MARGIN);
        near("activations", &own.activations, &flex.activations, MARGIN);
        assert_eq!(own.gradients.len(), flex.gradients.len());
        for ((what, found), (_, expected)) in own.gradients.iter().zip(&flex.gradients) {
            near(what, found, expected, MARGIN);
        }
        near(
            "continuations",
            &own.continuations,
            &flex.continuations,
            MARGIN,
        );
        assert_eq!(own.greedy, flex.greedy, "{name}: greedy answers");
        near(
            "first step's loss",
            &own.steps[..1],
            &flex.steps[..1],
            MARGIN,
        );
        near(
            "first gradient's norm",
            &own.norms[..1],
            &flex.norms[..1],
            MARGIN,
        );
        near(
            "losses of training",
            &own.steps,
            &flex.steps,
            TRAINED_MARGIN,
        );
        near("norms of training", &own.norms, &flex.norms, TRAINED_MARGIN);
        near(
            "losses and norms with adapters",
            &own.adapted,
            &flex.adapted,
            TRAINED_MARGIN,
        );
    }
    // The comparison can fail: another model's numbers are not near.
    let another = LanguageModel::random(&TEXTS, 400, 3, 6, &Device::flex()).unwrap();
    let logits = another.network.target_logits(&sequences(&another));
    let logits: Vec<f32> = logits.into_data().iter().collect();
    let compare = || near("flex", "another model", &logits, &flex.logits, MARGIN);
    assert!(std::panic::catch_unwind(compare).is_err());
}

#[test]
#[cfg_attr(
    not(any(feature = "wgpu", feature = "cuda", feature = "cpu", feature = "tch")),
    ignore = "asks other backends than flex: add --features vulkan (or wgpu, cuda, cpu, tch)"
)]
fn bf16_is_computed_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("model");
    trained(&folder);
    let half = TrainConfig {
        precision: Precision::Bf16,
        ..config(1, 1e-4)
    };
    let train = |device: &Device| {
        let mut model = Pretrained::open(&folder)
            .unwrap()
            .load(device, None)
            .unwrap();
        let examples = examples(&model);
        train(&mut model, &NextToken, &examples, &half, 2, &mut |_, _| {
            Verdict::Continue
        })
    };
    let expected = train(&Device::flex()).unwrap().losses[0] as f32;
    for name in others() {
        let opened = device(name).unwrap_or_else(|e| panic!("{e}"));
        let done = train(&opened);
        match computes_in(&opened, Precision::Bf16) {
            // A bf16 rounding is 2^-9 of a number; the loss is a mean of hundreds.
            true => near(
                name,
                "bf16 loss",
                &[done.unwrap().losses[0] as f32],
                &[expected],
                1e-3,
            ),
            false => {
                let said = done.unwrap_err().to_string();
                assert!(said.contains("precision is bf16, expected f32"), "{said}");
                println!("{name:<7} refuses bf16");
            }
        }
    }
}

#[test]
#[cfg_attr(
    not(any(feature = "wgpu", feature = "cuda", feature = "cpu", feature = "tch")),
    ignore = "runs the smoke preset on other backends: add --features vulkan (or wgpu, cuda, cpu, tch)"
)]
fn the_smoke_preset_has_the_results_of_flex() {
    let folder = tempfile::tempdir().unwrap();
    let study = |device: &str| {
        let out = folder.path().join(device);
        let arguments = [
            "reproduce",
            "--preset",
            "smoke",
            "--device",
            device,
            "--out",
        ];
        let finished = run(xtask(&arguments).arg(&out));
        assert!(finished.success, "{device}: {}", finished.all());
        assert!(out.join("report/index.html").is_file());
        out.join("results/answers")
    };
    let flex = study("flex");
    // With Vulkan compiled in, wgpu chooses between it and OpenGL; the other test has both names.
    let named = others().filter(|name| !(cfg!(feature = "vulkan") && *name == "wgpu"));
    for name in named {
        let own = study(name);
        for entry in std::fs::read_dir(&flex).unwrap() {
            let file = entry.unwrap().file_name();
            let model = Path::new(&file)
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let margin = match model.as_str() {
                "base" => LOGPROB_MARGIN,
                _ => TRAINED_LOGPROB_MARGIN,
            };
            let (own, flex) = (read(&own.join(&file)), read(&flex.join(&file)));
            for column in ["item", "language", "probe", "prompt"] {
                let (own, flex) = (own.column_by_name(column), flex.column_by_name(column));
                assert_eq!(own.unwrap(), flex.unwrap(), "{name} {model} {column}");
            }
            let logprobs = |batch: &arrow::array::RecordBatch| {
                let column = batch.column_by_name("logprob_real").unwrap();
                column.as_primitive::<Float64Type>().values().to_vec()
            };
            let pairs = logprobs(&own).into_iter().zip(logprobs(&flex));
            let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            println!("{name:<7} {model:<30} log-probabilities off {off:.1e}, margin {margin:.0e}");
            assert!(
                off <= margin,
                "{name} {model}: log-probabilities off by {off}"
            );
        }
    }
}

/// A device without its driver: the command says what is missing and where to look, and so does the
/// doctor. With no driver registered, Vulkan's loader finds none.
#[test]
#[cfg_attr(
    not(feature = "vulkan"),
    ignore = "takes Vulkan's drivers away: add --features vulkan"
)]
fn an_absent_vulkan_driver_is_an_error_that_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("none.json");
    let reproduce = [
        "reproduce",
        "--preset",
        "smoke",
        "--device",
        "vulkan",
        "--out",
    ];
    let mut reproduce = xtask(&reproduce);
    let finished = run(reproduce
        .arg(folder.path())
        .env("VK_DRIVER_FILES", &nothing));
    refused(
        &finished,
        &[
            "device \"vulkan\" is compiled in, but not there",
            "doctor --device vulkan",
        ],
    );
    let mut doctor = xtask(&["doctor", "--device", "vulkan"]);
    let finished = run(doctor.env("VK_DRIVER_FILES", &nothing).current_dir(root()));
    refused(&finished, &["missing: vulkan, Vulkan drivers"]);
    assert!(
        finished.stdout.contains("mesa-vulkan-drivers"),
        "{}",
        finished.all()
    );
    let finished = run(&mut xtask(&["doctor", "--device", "vulkan"]));
    assert!(finished.success, "{}", finished.all());
}
