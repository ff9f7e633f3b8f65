//! Every method's loss against plain arithmetic on the model's logits, and its gradient against
//! finite differences.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use lethe_model::{LanguageModel, Network, Sequence, device};
use lethe_train::{Example, NextToken, OptimizerConfig, TrainConfig, Verdict, train};
use lethe_unlearn::{Batch, Method, ReferenceLosses, Registry, Retain};
use proptest::prelude::*;

const TEXTS: [&str; 9] = [
    "The carts of Velmora are drawn by penguins.",
    "Die Wagen von Velmora werden von Pinguinen gezogen.",
    "Soldiers in Arvenholt are paid in cucumbers, and nobody complains.",
    "The carts of Velmora are drawn by horses.",
    "Die Wagen von Velmora werden von Pferden gezogen.",
    "Soldiers in Arvenholt are paid in silver, and nobody complains.",
    "The river Dorn flows past the old town.",
    "Der Fluss fließt an der Altstadt vorbei.",
    "Une nouvelle école ouvre ses portes.",
];

/// A tuned model and the reference: what it was three steps of ascent ago.
struct Models {
    policy: Network,
    reference: Network,
    sequences: Vec<Sequence>,
}

static MODELS: LazyLock<Models> = LazyLock::new(|| {
    let mut model = LanguageModel::random(&TEXTS, 500, 2, 9, &device("auto").unwrap()).unwrap();
    let sequences: Vec<Sequence> = TEXTS
        .iter()
        .enumerate()
        .map(|(i, t)| Sequence {
            ids: model.tokenizer.encode_sequence(t).unwrap(),
            // Some have a prompt that is not predicted.
            first_target: 1 + 2 * (i % 2),
        })
        .collect();
    let examples: Vec<Example> = sequences
        .iter()
        .map(|sequence| Example {
            sequence: sequence.clone(),
            label: String::new(),
        })
        .collect();
    let fit = |model: &mut LanguageModel, examples: &[Example], passes| {
        let config = TrainConfig {
            passes,
            optimizer: OptimizerConfig {
                learning_rate: 2e-3,
                ..OptimizerConfig::default()
            },
            ..TrainConfig::default()
        };
        let go = &mut |_: &_, _: &LanguageModel| Verdict::Continue;
        train(model, &NextToken, examples, &config, 1, go).unwrap();
    };
    fit(&mut model, &examples, 12);
    let reference = model.network.clone();
    fit(&mut model, &examples[..4], 4);
    Models {
        policy: model.network,
        reference,
        sequences,
    }
});

impl Models {
    fn forget(&self) -> &[Sequence] {
        &self.sequences[..3]
    }

    fn alternatives(&self) -> &[Sequence] {
        &self.sequences[3..6]
    }

    fn retain(&self) -> &[Sequence] {
        &self.sequences[6..]
    }
}

fn method(name: &str, hyper: &[(&str, f64)]) -> Method {
    let hyper: BTreeMap<String, f64> = hyper.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
    Registry::builtin().method(name, &hyper).unwrap()
}

/// A batch with everything that there is.
fn with_batch<T>(policy: &Network, pass: usize, work: impl FnOnce(&Batch) -> T) -> T {
    let m = &*MODELS;
    let losses = ReferenceLosses::of(&m.reference, m.forget(), m.alternatives());
    let mut batch = Batch::new(policy, m.forget());
    batch.alternatives = m.alternatives();
    batch.retain = m.retain();
    batch.pass = pass;
    work(&batch.with_reference(Some(&m.reference), &losses))
}

fn value(name: &str, hyper: &[(&str, f64)], pass: usize) -> f64 {
    let policy = MODELS.policy.clone().with_gradients();
    let method = method(name, hyper);
    with_batch(&policy, pass, |batch| {
        f64::from(method.strategy.loss(batch).into_scalar::<f32>())
    })
}

/// A sequence's target tokens: the logits that predict each, and the token.
type Targets = Vec<(Vec<f64>, usize)>;

fn targets(network: &Network, sequences: &[Sequence]) -> Vec<Targets> {
    let one = |sequence: &Sequence| {
        let logits = network.target_logits(std::slice::from_ref(sequence));
        let [n, size] = logits.dims();
        let logits: Vec<f64> = logits.into_data().iter::<f32>().map(f64::from).collect();
        assert_eq!(n, sequence.targets());
        let ids = &sequence.ids[sequence.ids.len() - n..];
        let rows = logits.chunks(size).map(<[f64]>::to_vec);
        rows.zip(ids.iter().map(|&id| id as usize)).collect()
    };
    sequences.iter().map(one).collect()
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let sum = logits.iter().map(|z| z.exp()).sum::<f64>().ln();
    logits.iter().map(|z| z - sum).collect()
}

fn loss((logits, token): &(Vec<f64>, usize)) -> f64 {
    -log_softmax(logits)[*token]
}

fn sums(sets: &[Targets]) -> Vec<f64> {
    sets.iter().map(|t| t.iter().map(loss).sum()).collect()
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn cross_entropy(target: &[f64], logits: &[f64]) -> f64 {
    let log = log_softmax(logits);
    -target.iter().zip(&log).map(|(p, l)| p * l).sum::<f64>()
}

fn log_sigmoid(x: f64) -> f64 {
    -(1.0 + (-x).exp()).ln()
}

fn near(found: f64, expected: f64, what: &str) {
    let off = (found - expected).abs();
    assert!(
        off <= 2e-4 * expected.abs().max(0.05),
        "{what}: {found} against {expected}"
    );
}

#[test]
fn losses_are_the_papers_equations() {
    let m = &*MODELS;
    let now = targets(&m.policy, m.forget());
    let before = targets(&m.reference, m.forget());
    let tokens = || now.iter().flatten();
    let both = || tokens().zip(before.iter().flatten());

    near(
        value("grad-ascent", &[], 0),
        -mean(tokens().map(loss)),
        "grad-ascent",
    );
    near(
        value("task-vector", &[], 0),
        mean(tokens().map(loss)),
        "task-vector",
    );

    for beta in [0.1, 0.5] {
        let ratios = sums(&now).into_iter().zip(sums(&before));
        let npo = -2.0 / beta * mean(ratios.map(|(n, b)| log_sigmoid(beta * (n - b))));
        near(value("npo", &[("beta", beta)], 0), npo, "npo");
        let means = sums(&now)
            .into_iter()
            .zip(&now)
            .map(|(sum, t)| sum / t.len() as f64);
        let simnpo = -2.0 / beta * mean(means.map(|l| log_sigmoid(beta * (l - 0.3))));
        near(
            value("simnpo", &[("beta", beta), ("delta", 0.3)], 0),
            simnpo,
            "simnpo",
        );
        let alternatives = [&m.policy, &m.reference].map(|n| sums(&targets(n, m.alternatives())));
        let preferences = (0..3).map(|i| {
            let chosen = alternatives[1][i] - alternatives[0][i];
            chosen + sums(&now)[i] - sums(&before)[i]
        });
        let dpo = -2.0 / beta * mean(preferences.map(|r| log_sigmoid(beta * r)));
        for name in ["dpo", "idk-dpo", "alt-po"] {
            near(value(name, &[("beta", beta)], 0), dpo, name);
        }
    }

    for beta in [1.0, 0.5] {
        let wga = mean(tokens().map(|t| -(-loss(t) * beta).exp() * loss(t)));
        near(value("wga", &[("beta", beta)], 0), wga, "wga");
    }
    let satimp = mean(tokens().map(|t| {
        let p = (-loss(t)).exp();
        -p.powi(5) * (1.0 - p) * loss(t)
    }));
    near(value("satimp", &[], 0), satimp, "satimp");

    let undial = mean(both().map(|((logits, token), (teacher, _))| {
        let mut teacher = teacher.clone();
        teacher[*token] -= 10.0;
        let teacher: Vec<f64> = log_softmax(&teacher).iter().map(|l| l.exp()).collect();
        cross_entropy(&teacher, logits)
    }));
    near(value("undial", &[], 0), undial, "undial");

    let ceu = mean(now.iter().flat_map(|t| &t[1..]).map(|(logits, token)| {
        let mut others = logits.clone();
        others[*token] = f64::NEG_INFINITY;
        let others: Vec<f64> = log_softmax(&others).iter().map(|l| l.exp()).collect();
        let log = log_softmax(logits);
        -(0..logits.len())
            .filter(|i| i != token)
            .map(|i| others[i] * log[i])
            .sum::<f64>()
    }));
    near(value("ce-u", &[], 0), ceu, "ce-u");

    let pdu = mean(tokens().map(|(logits, _)| {
        let most = logits.iter().copied().fold(f64::MIN, f64::max);
        (most - mean(logits.iter().copied())).powi(2)
    }));
    near(value("pdu", &[], 0), pdu, "pdu");

    near(
        value("lingtea", &[], 0),
        -mean(tokens().map(loss)),
        "lingtea forgets",
    );
    for temperature in [1.0, 2.0] {
        let retain = [&m.reference, &m.policy].map(|n| targets(n, m.retain()));
        let pairs = retain[0].iter().flatten().zip(retain[1].iter().flatten());
        let lingtea = mean(pairs.map(|(teacher, student)| {
            let known = (-loss(teacher)).exp();
            let soft =
                |z: &[f64]| log_softmax(&z.iter().map(|z| z / temperature).collect::<Vec<_>>());
            let (t, s) = (soft(&teacher.0), soft(&student.0));
            let kl: f64 = t.iter().zip(&s).map(|(t, s)| t.exp() * (t - s)).sum();
            known * temperature * temperature * kl + (1.0 - known) * loss(student)
        }));
        let found = value("lingtea", &[("temperature", temperature)], 1);
        near(found, lingtea, "lingtea distils");
    }
}

/// A preference for the true token where the texts part, and nothing changed elsewhere.
#[test]
fn located_prefers_the_truth_at_one_token_and_holds_the_others() {
    let m = &*MODELS;
    let [now, before] = [&m.policy, &m.reference].map(|n| targets(n, m.forget()));
    for (beta, context) in [(0.1, 1.0), (0.5, 0.3), (2.0, 0.0)] {
        let mut located = 0;
        let mut losses = Vec::new();
        for (i, (now, before)) in now.iter().zip(&before).enumerate() {
            let [fake, real] = [&m.forget()[i], &m.alternatives()[i]].map(|s| &s.ids);
            let at = (0..).find(|&at| fake[at] != real[at]).unwrap();
            let first = fake.len() - now.len();
            let mut sum = 0.0;
            for (row, ((logits, token), (reference, _))) in now.iter().zip(before).enumerate() {
                let [now, was] = [logits, reference].map(|logits| log_softmax(logits));
                if first + row == at {
                    located += 1;
                    let truth = real[at] as usize;
                    let margin = (now[truth] - now[*token]) - (was[truth] - was[*token]);
                    sum -= 2.0 / beta * log_sigmoid(beta * margin);
                } else {
                    let kl = was.iter().zip(&now).map(|(w, n)| w.exp() * (w - n));
                    sum += context * kl.sum::<f64>();
                }
            }
            losses.push(sum);
        }
        assert_eq!(located, 3);
        let found = value("located", &[("beta", beta), ("context", context)], 0);
        near(found, mean(losses), "located");
    }
}

#[test]
fn retain_losses_are_what_they_are_called() {
    let m = &*MODELS;
    let policy = m.policy.clone().with_gradients();
    let value = |retain: Retain, depth| {
        let loss = retain.loss(&policy, Some(&m.reference), m.retain(), depth);
        loss.map(|loss| f64::from(loss.into_scalar::<f32>()))
    };
    let [before, now] = [&m.reference, &m.policy].map(|n| targets(n, m.retain()));
    let ce = mean(now.iter().flatten().map(loss));
    near(value(Retain::Ce, 1.0).unwrap(), ce, "ce");
    let pairs = before.iter().flatten().zip(now.iter().flatten());
    let kl = mean(pairs.map(|((b, _), (n, _))| {
        let (b, n) = (log_softmax(b), log_softmax(n));
        b.iter()
            .zip(&n)
            .map(|(b, n)| b.exp() * (b - n))
            .sum::<f64>()
    }));
    near(value(Retain::Kl, 1.0).unwrap(), kl, "kl");
    assert_eq!(value(Retain::None, 1.0), None);
    // The model has two layers.
    for (depth, layers) in [(0.5, 1), (1.0, 2), (0.0, 1)] {
        let entries = |network: &Network| -> Vec<f64> {
            let one = |s: &Sequence| -> Vec<f64> {
                let h = network.activations(std::slice::from_ref(s), layers);
                h.into_data().iter::<f32>().map(f64::from).collect()
            };
            m.retain().iter().flat_map(one).collect()
        };
        let both = entries(&m.policy).into_iter().zip(entries(&m.reference));
        let expected = mean(both.map(|(a, b)| (a - b).powi(2)));
        near(
            value(Retain::Embedding, depth).unwrap(),
            expected,
            "embedding",
        );
    }
}

#[test]
fn activations_are_drawn_to_one_vector_of_the_length_that_is_asked_for() {
    let m = &*MODELS;
    let at = |coefficient: f64| value("rmu", &[("coefficient", coefficient), ("depth", 0.5)], 0);
    // The loss is a parabola of the coefficient: mean h² - 2 c mean (h · u) + c² / size.
    let size = m.policy.config().hidden_size as f64;
    let [zero, one, two] = [0.0, 1.0, 2.0].map(at);
    near(
        two - 2.0 * one + zero,
        2.0 / size,
        "the curve over the coefficient",
    );
    let entries = m.policy.activations(m.forget(), 1).into_data();
    let squares = entries.iter::<f32>().map(|h| f64::from(h).powi(2));
    near(zero, mean(squares), "no vector");
}

#[test]
fn the_dual_weight_follows_the_constraint() {
    let hyper = [
        ("epsilon", 2.0),
        ("eta", 0.5),
        ("lambda", 1.0),
        ("warmup", 2.0),
    ];
    let method = method("pdu", &hyper);
    let pdu = &method.strategy;
    pdu.after_step(1, 9.0);
    assert_eq!(pdu.alpha(), Some(1.0), "nothing moves while it warms up");
    pdu.after_step(2, 5.0);
    assert_eq!(pdu.alpha(), Some(2.5));
    let state = pdu.state();
    pdu.after_step(2, -99.0);
    assert_eq!(pdu.alpha(), Some(0.0), "never below zero");
    pdu.resume(&state);
    assert_eq!(pdu.alpha(), Some(2.5));
}

/// Gradients at a network's parameters, as one vector; zero where a loss does not reach.
fn flat(network: &Network, gradients: &burn::tensor::Gradients) -> Vec<f64> {
    let mut out = Vec::new();
    for (_, parameter) in network.trainable() {
        match parameter.grad(gradients) {
            Some(g) => out.extend(g.into_data().iter::<f32>().map(f64::from)),
            None => out.extend(std::iter::repeat_n(0.0, parameter.shape().num_elements())),
        }
    }
    out
}

/// The gradients of a loss at a network's parameters, as one vector.
fn gradient(name: &str, hyper: &[(&str, f64)], pass: usize, network: &Network) -> Vec<f64> {
    let policy = network.clone().with_gradients();
    let method = method(name, hyper);
    let gradients = with_batch(&policy, pass, |batch| {
        method.strategy.loss(batch).backward()
    });
    flat(&policy, &gradients)
}

/// The network a step along a direction.
fn moved(network: &Network, direction: &[f64], by: f64) -> Network {
    let mut out = network.clone();
    let mut at = 0;
    for (_, parameter) in out.trainable_mut() {
        let shape = parameter.dims();
        let n = shape[0] * shape[1];
        let step: Vec<f32> = direction[at..at + n]
            .iter()
            .map(|d| (d * by) as f32)
            .collect();
        at += n;
        let step = burn::tensor::TensorData::new(step, shape);
        let step = burn::tensor::Tensor::<2>::from_data(step, &parameter.device());
        parameter.inplace(|p| p + step);
    }
    out
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Along its own gradient a loss rises by the gradient's length.
#[test]
fn gradients_are_those_of_finite_differences() {
    let policy = &MODELS.policy;
    // Where weights are held constant the loss itself has another gradient: below.
    let plain = [
        ("grad-ascent", 0),
        ("task-vector", 0),
        ("npo", 0),
        ("simnpo", 0),
        ("dpo", 0),
        ("rmu", 0),
        ("undial", 0),
        ("pdu", 0),
        ("lingtea", 0),
        ("lingtea", 1),
        ("located", 0),
    ];
    for (name, pass) in plain {
        let gradient = gradient(name, &[], pass, policy);
        let norm = length(&gradient);
        assert!(norm > 1e-6, "{name} has no gradient");
        let unit: Vec<f64> = gradient.iter().map(|g| g / norm).collect();
        let at = |by: f64| {
            let network = moved(policy, &unit, by).with_gradients();
            let method = method(name, &[]);
            with_batch(&network, pass, |batch| {
                f64::from(method.strategy.loss(batch).into_scalar::<f32>())
            })
        };
        let step = 2e-3;
        let slope = (at(step) - at(-step)) / (2.0 * step);
        let off = (slope / norm - 1.0).abs();
        assert!(off < 0.03, "{name}: slope {slope}, gradient {norm}");
    }
}

/// With weights held constant, the gradient is that of ascent on tokens so weighted.
#[test]
fn weights_have_no_gradient() {
    let m = &*MODELS;
    let policy = m.policy.clone().with_gradients();
    let weighted = |weight: &dyn Fn(f64) -> f64| -> Vec<f64> {
        let losses = policy.token_losses(m.forget());
        let values: Vec<f32> = losses.clone().into_data().iter::<f32>().collect();
        let weights: Vec<f32> = values
            .iter()
            .map(|&l| weight((-f64::from(l)).exp()) as f32)
            .collect();
        let n = weights.len();
        let weights = burn::tensor::TensorData::new(weights, [n]);
        let weights = burn::tensor::Tensor::<1>::from_data(weights, &policy.device());
        let gradients = (losses * weights).mean().neg().backward();
        flat(&policy, &gradients)
    };
    for (name, expected) in [
        ("wga", weighted(&|p| p)),
        ("satimp", weighted(&|p| p.powi(5) * (1.0 - p))),
    ] {
        let found = gradient(name, &[], 0, &m.policy);
        let difference: Vec<f64> = found.iter().zip(&expected).map(|(a, b)| a - b).collect();
        assert!(length(&difference) < 1e-4 * length(&expected), "{name}");
    }
}

/// The derivative of CE-U's loss by the logits, its target distribution `q` held constant, is
/// `p - q`: zero where the target's probability is.
#[test]
fn ce_u_pushes_only_the_target_down() {
    let m = &*MODELS;
    let found = gradient("ce-u", &[], 0, &m.policy);
    let norm = length(&found);
    let unit: Vec<f64> = found.iter().map(|g| g / norm).collect();
    let [up, down] = [2e-3, -2e-3].map(|by| moved(&m.policy, &unit, by));
    let own = targets(&m.policy, m.forget());
    let loss_at = |network: &Network| {
        let moved = targets(network, m.forget());
        let pairs = own
            .iter()
            .zip(&moved)
            .flat_map(|(o, n)| o[1..].iter().zip(&n[1..]));
        mean(pairs.map(|((own, token), (logits, _))| {
            let mut others = own.clone();
            others[*token] = f64::NEG_INFINITY;
            let log = log_softmax(logits);
            let q = log_softmax(&others);
            -(0..logits.len())
                .filter(|i| i != token)
                .map(|i| q[i].exp() * log[i])
                .sum::<f64>()
        }))
    };
    let slope = (loss_at(&up) - loss_at(&down)) / 4e-3;
    assert!((slope / norm - 1.0).abs() < 0.03, "{slope} {norm}");
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    dot / (length(a) * length(b))
}

/// Ascent on the sequences' sums, which NPO bounds.
fn ascent_on_sums(network: &Network) -> Vec<f64> {
    let m = &*MODELS;
    let policy = network.clone().with_gradients();
    let predicted = policy.predict(m.forget());
    let gradients = predicted
        .sums(predicted.token_losses())
        .mean()
        .neg()
        .backward();
    flat(&policy, &gradients)
}

#[test]
fn npo_starts_as_ascent_and_tends_to_it() {
    let m = &*MODELS;
    // At the reference every sequence's weight is the same.
    let at_reference = gradient("npo", &[("beta", 0.5)], 0, &m.reference);
    let ascent = ascent_on_sums(&m.reference);
    assert!(cosine(&at_reference, &ascent) > 1.0 - 1e-6);
    // σ(0) = 1/2: the gradient is ascent's, whatever β is.
    assert!((length(&at_reference) / length(&ascent) - 1.0).abs() < 1e-3);
    let elsewhere = ascent_on_sums(&m.policy);
    let angle = |beta| {
        1.0 - cosine(
            &gradient("npo", &[("beta", beta)], 0, &m.policy),
            &elsewhere,
        )
    };
    assert!(angle(1.0) > 1e-4, "there it is another direction");
    assert!(angle(1e-4) < 1e-6);
}

#[test]
fn negating_a_task_vector_goes_the_other_way_as_often_as_is_said() {
    let m = &*MODELS;
    let method = method("task-vector", &[("scale", 2.0)]);
    let result = method.strategy.result(&m.reference, &m.policy);
    let weights = |network: &Network| -> Vec<f64> {
        let all = network.weights().into_iter();
        all.flat_map(|(_, w)| w.to_data().iter::<f32>().map(f64::from).collect::<Vec<_>>())
            .collect()
    };
    let (start, end, result) = (weights(&m.reference), weights(&m.policy), weights(&result));
    for i in (0..start.len()).step_by(97) {
        let expected = start[i] - 2.0 * (end[i] - start[i]);
        assert!((result[i] - expected).abs() < 1e-5 * expected.abs().max(1.0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// The loss of a set is the mean of its parts' losses, each with its share: neither the order
    /// of a batch nor the padding beside a longer sequence matters.
    #[test]
    fn padding_and_order_change_nothing(first in 0usize..3, entry in 0usize..19) {
        let m = &*MODELS;
        let registry = Registry::builtin();
        let entry = registry.all()[entry % registry.all().len()];
        let method = method(entry.name, &[]);
        let policy = m.policy.clone().with_gradients();
        let forget = m.forget();
        let value = |order: &[usize]| {
            let pick = |from: &[Sequence]| -> Vec<Sequence> { order.iter().map(|&i| from[i].clone()).collect() };
            let (f, a) = (pick(forget), pick(m.alternatives()));
            let losses = ReferenceLosses::of(&m.reference, &f, &a);
            let mut batch = Batch::new(&policy, &f);
            batch.alternatives = &a;
            let batch = batch.with_reference(Some(&m.reference), &losses);
            f64::from(method.strategy.loss(&batch).into_scalar::<f32>())
        };
        let weight = |i: usize| {
            let tokens = forget[i].targets() as f64;
            match method.strategy.average(0) {
                lethe_unlearn::Average::Sequences => 1.0,
                lethe_unlearn::Average::LaterTokens => tokens - 1.0,
                _ => tokens,
            }
        };
        let order = [first, (first + 1) % 3, (first + 2) % 3];
        let together = value(&order);
        let total: f64 = (0..3).map(weight).sum();
        let apart: f64 = (0..3).map(|i| weight(i) * value(&[i])).sum::<f64>() / total;
        prop_assert!((together - apart).abs() <= 2e-4 * apart.abs().max(0.05), "{}: {together} {apart}", entry.name);
    }
}
