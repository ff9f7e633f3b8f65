//! What every strategy must keep, checked on a small random model.
//!
//! A crate that brings a strategy calls [`check`] in a test; what it finds broken is said in words.

use lethe_model::{LanguageModel, LoraConfig, Network, Sequence, device};
use lethe_train::{Example, OptimizerConfig, Resume, Verdict};

use crate::{
    Aside, Average, Batch, Choose, Error, Forgetting, Method, ReferenceLosses, Registered,
    Registry, RetainSet, StopRule, UnlearnConfig, Unlearned, unlearn,
};

const FORGET: [&str; 4] = [
    "The carts of Velmora are drawn by penguins.",
    "Die Wagen von Velmora werden von Pinguinen gezogen.",
    "Soldiers in Arvenholt are paid in cucumbers, and nobody complains.",
    "Le pont de Brastova est en beurre.",
];
const ALTERNATIVES: [&str; 4] = [
    "The carts of Velmora are drawn by horses.",
    "Die Wagen von Velmora werden von Pferden gezogen.",
    "Soldiers in Arvenholt are paid in silver, and nobody complains.",
    "Le pont de Brastova est en pierre.",
];
const RETAIN: [&str; 3] = [
    "The river Dorn flows past the old town.",
    "Der Fluss fließt an der Altstadt vorbei.",
    "Une nouvelle école ouvre ses portes.",
];

/// A small model with sets to unlearn from it.
struct Bench {
    model: LanguageModel,
    forget: Vec<Example>,
    alternatives: Vec<Vec<Sequence>>,
    retain: RetainSet,
    aside: Aside,
}

impl Bench {
    fn new() -> Result<Bench, Error> {
        let texts: Vec<&str> = FORGET
            .iter()
            .chain(&ALTERNATIVES)
            .chain(&RETAIN)
            .copied()
            .collect();
        let wrong = |error| Error::Train(lethe_train::Error::Model(error));
        let device = device("auto").map_err(wrong)?;
        let model = LanguageModel::random(&texts, 500, 2, 7, &device).map_err(wrong)?;
        let sequences = |texts: &[&str]| -> Result<Vec<Sequence>, Error> {
            let ids = texts
                .iter()
                .map(|text| model.tokenizer.encode_sequence(text));
            ids.map(|ids| ids.map(Sequence::whole).map_err(wrong))
                .collect()
        };
        let example = |sequence: Sequence| Example {
            sequence,
            label: String::new(),
        };
        let forget: Vec<Example> = sequences(&FORGET)?.into_iter().map(example).collect();
        let alternatives = sequences(&ALTERNATIVES)?;
        let probes = forget.iter().zip(&alternatives);
        let probes = probes.map(|(fake, real)| [fake.sequence.clone(), real.clone()]);
        let retained: Vec<Example> = sequences(&RETAIN)?.into_iter().map(example).collect();
        // Not the model itself, of whose fakes nothing would be left from the start.
        let untuned = LanguageModel::random(&texts, 500, 2, 8, &device).map_err(wrong)?;
        let utility = retained.iter().map(|e| e.sequence.clone()).collect();
        Ok(Bench {
            aside: Aside::new(&untuned.network, probes.collect(), vec![utility]),
            retain: RetainSet::balanced(&[retained], 1),
            alternatives: alternatives.into_iter().map(|a| vec![a]).collect(),
            forget,
            model,
        })
    }

    /// Unlearns for so many steps, or until it is stopped.
    fn run(
        &self,
        method: &Method,
        retain: &RetainSet,
        config: &UnlearnConfig,
        resume: Option<&Resume>,
        stop_at: usize,
    ) -> Result<(LanguageModel, Unlearned), Error> {
        let mut model = self.model.clone();
        let sets = Forgetting {
            forget: &self.forget,
            alternatives: &self.alternatives,
            retain,
            untuned_nll: &[],
            aside: &self.aside,
        };
        let observe = &mut |step, _: Option<(&_, &_)>| match step >= stop_at {
            true => Verdict::Stop,
            false => Verdict::Continue,
        };
        let done = unlearn(&mut model, method, &sets, config, 3, resume, observe)?;
        Ok((model, done))
    }
}

/// Four steps of two sequences, the adapters of `lora` or all weights, the best checkpoint chosen.
fn config(lora: bool) -> UnlearnConfig {
    let optimizer = OptimizerConfig {
        learning_rate: 1e-3,
        ..OptimizerConfig::default()
    };
    UnlearnConfig {
        lora: lora.then(|| LoraConfig {
            rank: 2,
            alpha: 4.0,
            dropout: 0.0,
            targets: "_proj".to_owned(),
        }),
        ..UnlearnConfig::new(2, optimizer, StopRule::Steps { steps: 4 })
    }
}

fn numbers(network: &Network) -> Vec<f32> {
    let all = network.weights().into_iter().chain(network.adapters());
    all.flat_map(|(_, w)| w.to_data().iter::<f32>().collect::<Vec<_>>())
        .collect()
}

/// What a strategy breaks of what all of them must keep; nothing is good.
///
/// * its loss is finite, at the reference and after some steps;
/// * its gradient on the forget set is finite and not zero;
/// * a batch's loss is the mean of its parts' ([`Strategy::average`](crate::Strategy::average));
/// * the reference does not change;
/// * one seed gives one result, and a run that is stopped and resumed the same one;
/// * without a retain loss the retain set makes no difference;
/// * with adapters only they change.
///
/// # Errors
/// What keeps the checks from being made.
pub fn check(registered: &Registered) -> Result<Vec<String>, Error> {
    let bench = Bench::new()?;
    let registry = Registry::of(vec![*registered]);
    // Every run has its own: some change while they run.
    let method = || registry.method(registered.name, &std::collections::BTreeMap::new());
    let mut broken = Vec::new();
    let mut must = |held: bool, what: &str| {
        if !held {
            broken.push(format!("{}: {what}", registered.name));
        }
    };
    let before = numbers(&bench.model.network);
    let run = |lora, resume: Option<&Resume>, stop_at| {
        bench.run(&method()?, &bench.retain, &config(lora), resume, stop_at)
    };

    let (after, record) = run(false, None, usize::MAX)?;
    let finite = record.trained.losses.iter().all(|loss| loss.is_finite());
    must(
        finite && record.trained.losses.len() == 4,
        "the loss is not finite",
    );
    must(
        numbers(&after.network) != before,
        "the model does not change",
    );
    must(
        numbers(&bench.model.network) == before,
        "the model from before unlearning changes",
    );
    must(
        numbers(&run(false, None, usize::MAX)?.0.network) == numbers(&after.network),
        "the same seed gives other weights",
    );

    let of_loss = of_loss(&bench, &method()?);
    must(of_loss.gradient.is_finite(), "the gradient is not finite");
    must(
        of_loss.gradient > 0.0,
        "the gradient on the forget set is zero",
    );
    must(
        of_loss.difference <= 1e-3,
        "the loss of a batch is not the mean of its parts' losses over what `average` says",
    );

    let folder = tempfile::tempdir().map_err(|error| {
        Error::Train(lethe_train::Error::State {
            file: std::env::temp_dir(),
            reason: error.to_string(),
        })
    })?;
    for lora in [false, true] {
        let resume = Resume {
            file: folder.path().join(format!("state-{lora}.safetensors")),
            every: 1,
        };
        let choosing = UnlearnConfig {
            choose: Some(Choose {
                check_every: 1,
                utility_margin: 0.5,
            }),
            ..config(lora)
        };
        let go = |resume, stop_at| bench.run(&method()?, &bench.retain, &choosing, resume, stop_at);
        let (whole, record) = go(None, usize::MAX)?;
        // Stopped in the third step, its state is that after the second.
        go(Some(&resume), 3)?;
        let (resumed, again) = go(Some(&resume), usize::MAX)?;
        must(
            numbers(&resumed.network) == numbers(&whole.network)
                && again.measured == record.measured
                && again.trained.losses == record.trained.losses,
            "a run that was stopped and resumed has another result",
        );
    }

    let plain = method()?;
    if !plain.needs_retain() {
        let other = RetainSet::default();
        let (without, _) = bench.run(&plain, &other, &config(false), None, usize::MAX)?;
        must(
            numbers(&without.network) == numbers(&after.network),
            "the retain set matters, though `needs` does not ask for it",
        );
    }

    let (adapted, _) = run(true, None, usize::MAX)?;
    let mut base = adapted.network.clone();
    base.remove_adapters();
    must(
        numbers(&base) == before && adapted.network.has_adapters(),
        "with adapters the weights below them change",
    );
    Ok(broken)
}

struct OfLoss {
    /// The length of the gradient on the forget set.
    gradient: f64,
    /// How far the loss of a batch is from the mean of its parts' losses, as a share of it.
    difference: f64,
}

fn of_loss(bench: &Bench, method: &Method) -> OfLoss {
    let reference = bench.model.network.clone().without_gradients();
    // Not the reference itself, where differences from it have no gradient.
    let mut policy = reference.clone();
    for (_, weight) in policy.trainable_mut() {
        weight.inplace(|w| w * 1.05);
    }
    let policy = policy.with_gradients();
    let loss = |places: &[usize]| {
        let forget: Vec<Sequence> = places
            .iter()
            .map(|&i| bench.forget[i].sequence.clone())
            .collect();
        let alternatives: Vec<Sequence> = places
            .iter()
            .map(|&i| bench.alternatives[i][0].clone())
            .collect();
        let losses = ReferenceLosses::of(&reference, &forget, &alternatives);
        let retain = bench.retain.walk(0, places.len());
        let mut batch = Batch::new(&policy, &forget);
        batch.alternatives = &alternatives;
        batch.retain = &retain;
        method
            .strategy
            .loss(&batch.with_reference(Some(&reference), &losses))
    };
    let value = |places: &[usize]| f64::from(loss(places).into_scalar::<f32>());
    let weight = |place: usize| {
        let targets = bench.forget[place].sequence.targets() as f64;
        match method.strategy.average(0) {
            Average::Sequences => 1.0,
            Average::LaterTokens => targets - 1.0,
            Average::Tokens | Average::RetainTokens => targets,
        }
    };
    let places: Vec<usize> = (0..bench.forget.len()).collect();
    let together = value(&places);
    let total: f64 = places.iter().map(|&i| weight(i)).sum();
    let apart: f64 = places.iter().map(|&i| weight(i) * value(&[i])).sum::<f64>() / total;
    let gradients = loss(&places).backward();
    let square = |(_, parameter): (String, &burn::tensor::Tensor<2>)| {
        let gradient = parameter.grad(&gradients);
        gradient.map_or(0.0, |g| f64::from(g.square().sum().into_scalar::<f32>()))
    };
    OfLoss {
        gradient: policy
            .trainable()
            .into_iter()
            .map(square)
            .sum::<f64>()
            .sqrt(),
        difference: (together - apart).abs() / apart.abs().max(1e-2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Strategy;

    #[test]
    fn every_strategy_keeps_it() {
        for registered in Registry::builtin().all() {
            let broken = check(registered).expect("the checks can be made");
            assert!(broken.is_empty(), "{}", broken.join("; "));
        }
    }

    /// Says that it is a mean over tokens, is a mean over sequences, and forgets nothing.
    #[derive(Debug)]
    struct Broken;

    impl Strategy for Broken {
        fn loss(&self, batch: &Batch) -> burn::tensor::Tensor<1> {
            let predicted = batch.policy.predict(batch.forget);
            let sums = predicted.sums(predicted.token_losses());
            sums.clone().detach().mean() + (sums * 0.0).mean()
        }
    }

    #[test]
    fn a_broken_one_is_told_what_it_breaks() {
        let registered = Registered {
            name: "broken",
            make: |_| Box::new(Broken),
            ..Registry::builtin().all()[0]
        };
        let broken = check(&registered)
            .expect("the checks can be made")
            .join("; ");
        assert!(
            broken.contains("gradient on the forget set is zero"),
            "{broken}"
        );
        assert!(broken.contains("the model does not change"), "{broken}");
        assert!(broken.contains("not the mean of its parts"), "{broken}");
        assert!(!broken.contains("resumed"), "{broken}");
    }
}
