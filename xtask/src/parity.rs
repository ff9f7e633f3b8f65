//! `models parity`: this implementation's numbers against another's, each with its margin.

use std::path::Path;

use color_eyre::eyre::{Context, Result, bail};
use lethe_model::{Decoding, LanguageModel, Precision, Pretrained, Sequence, Session};
use lethe_train::{Example, NextToken, OptimizerConfig, TrainConfig, Verdict, train};
use lethe_unlearn::{Batch, ReferenceLosses, Retain};
use serde::Deserialize;

/// A file of reference numbers.
#[derive(Debug, Deserialize)]
struct Reference {
    made_with: MadeWith,
    logits: Vec<Text>,
    full_finetune: FineTune,
    unlearning: Option<Unlearning>,
}

#[derive(Debug, Deserialize)]
struct MadeWith {
    model_sha256: String,
}

#[derive(Debug, Deserialize)]
struct Text {
    lang: String,
    text: String,
    ids: Vec<u32>,
    mean_nll: f64,
    last_top5_ids: Vec<u32>,
    last_top5_logprobs: Vec<f64>,
    greedy_12: Vec<u32>,
}

#[derive(Debug, Deserialize)]
struct FineTune {
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    loss: f64,
    grad_l2_norm: f64,
}

/// Losses of the model after the fine-tuning steps (the policy), against the model as it came (the
/// reference).
#[derive(Debug, Deserialize)]
struct Unlearning {
    forget_ids: Vec<Vec<u32>>,
    retain_ids: Vec<Vec<u32>>,
    cross_entropy_forget: f64,
    cross_entropy_retain: f64,
    grad_ascent: f64,
    #[serde(rename = "npo_beta_0.1")]
    npo: f64,
    #[serde(rename = "simnpo_beta_4.5_gamma_0")]
    simnpo: f64,
    #[serde(rename = "kl_retain_reference_to_policy_per_token")]
    kl: f64,
    #[serde(rename = "wga_beta_1")]
    wga: f64,
}

/// The margins of an f32 backend.
const NLL_MARGIN: f64 = 1e-3;
const LOG_PROBABILITY_MARGIN: f64 = 2e-3;
const LOSS_MARGIN: f64 = 0.01;
const NORM_MARGIN: f64 = 0.02;

/// The margins of a step whose dense layers multiply `bf16` operands: eight bits of mantissa instead
/// of 24. Only the first step's numbers can be compared: updates of 1e-5 are smaller than the distance
/// between two `bf16` weights, so that later steps see a weight that is rounded anew. What four of them
/// come to is compared in `f32`.
const BF16_LOSS_MARGIN: f64 = 0.005;
const BF16_NORM_MARGIN: f64 = 0.01;
const BF16_TRAINED_MARGIN: f64 = 0.02;

/// Prints every comparison and remembers whether all held.
#[derive(Default)]
struct Report {
    compared: usize,
    failed: Vec<String>,
}

impl Report {
    fn check(&mut self, what: &str, detail: &str, held: bool) {
        self.compared += 1;
        println!(
            "{}  {what:<34} {detail}",
            if held { "ok  " } else { "FAIL" }
        );
        if !held {
            self.failed.push(what.to_owned());
        }
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: &T, expected: &T) {
        let held = found == expected;
        let detail = match held {
            true => "equal".to_owned(),
            false => format!("found {found:?}, expected {expected:?}"),
        };
        self.check(what, &detail, held);
    }

    fn near(&mut self, what: &str, found: f64, expected: f64, margin: f64) {
        let off = (found - expected).abs();
        let detail =
            format!("{found:.6} against {expected:.6}: off {off:.1e}, margin {margin:.0e}");
        // A NaN is off by more than any margin.
        self.check(what, &detail, off <= margin);
    }
}

/// Compares the model at `path` with the reference file; ends in an error past any margin.
pub fn run(reference: &Path, path: &Path, sha256: &str, device: &str) -> Result<()> {
    let text = std::fs::read_to_string(reference)
        .wrap_err_with(|| format!("{}: cannot read the reference", reference.display()))?;
    let expected: Reference = serde_json::from_str(&text)
        .wrap_err_with(|| format!("{}: not a reference file", reference.display()))?;
    if expected.made_with.model_sha256 != sha256 {
        bail!(
            "{}: made with the model of sha256 {}, but {} has {sha256}; \
             parity needs the same weights",
            reference.display(),
            expected.made_with.model_sha256,
            path.display()
        );
    }
    let device = lethe_model::device(device)?;
    let pretrained = Pretrained::open(path)?;
    let mut model = pretrained.load(&device, None)?;
    let mut report = Report::default();
    let mut prompts = Vec::new();
    for text in &expected.logits {
        logits(&mut report, &model, text)?;
        prompts.push(text.ids.clone());
    }
    let stops = std::collections::BTreeSet::new();
    let session = Session::new(&model.network, &prompts, 12);
    let together = session.generate(Decoding::Greedy, 12, &stops);
    for (text, found) in expected.logits.iter().zip(&together) {
        let what = format!("{} greedy, in one batch", text.lang);
        report.same(&what, &found.ids, &text.greedy_12);
    }
    let tuned = &expected.full_finetune;
    if lethe_model::computes_in(&device, Precision::Bf16) {
        let mut half = model.clone();
        fine_tune(&mut report, &mut half, tuned, Precision::Bf16)?;
        if let Some(expected) = &expected.unlearning {
            cross_entropies(
                &mut report,
                "bf16 fine-tuned",
                &half,
                expected,
                BF16_TRAINED_MARGIN,
            );
        }
    } else {
        println!("skip  bf16 fine-tuning: this device does not multiply in bf16");
    }
    fine_tune(&mut report, &mut model, tuned, Precision::F32)?;
    if let Some(expected) = &expected.unlearning {
        let reference = pretrained.load(&device, None)?;
        unlearning(&mut report, &model, &reference, expected)?;
    }
    println!(
        "{} numbers and lists compared, {} past their margin",
        report.compared,
        report.failed.len()
    );
    if report.failed.is_empty() {
        return Ok(());
    }
    bail!("no parity: {}", report.failed.join("; "))
}

fn logits(report: &mut Report, model: &LanguageModel, text: &Text) -> Result<()> {
    let what = |part: &str| format!("{} {part}", text.lang);
    let ids = model.tokenizer.encode_sequence(&text.text)?;
    report.same(&what("token ids"), &ids, &text.ids);
    let whole = [Sequence::whole(text.ids.clone())];
    let (nll, _) = model.network.mean_nll(&whole);
    report.near(&what("mean NLL"), nll, text.mean_nll, NLL_MARGIN);

    let last = Sequence {
        ids: text.ids.iter().copied().chain([0]).collect(),
        first_target: text.ids.len(),
    };
    let row: Vec<f32> = model
        .network
        .target_logits(&[last])
        .to_data()
        .iter()
        .collect();
    let mut ranked: Vec<(u32, f64)> = (0..).zip(row.iter().map(|&x| f64::from(x))).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let max = ranked.first().map_or(0.0, |r| r.1);
    let log_sum = ranked
        .iter()
        .map(|(_, x)| (x - max).exp())
        .sum::<f64>()
        .ln()
        + max;
    let best: Vec<u32> = ranked.iter().take(5).map(|r| r.0).collect();
    report.same(&what("five best ids"), &best, &text.last_top5_ids);
    for (place, (found, &wanted)) in ranked.iter().zip(&text.last_top5_logprobs).enumerate() {
        let what = what(&format!("log-probability {}", place + 1));
        report.near(&what, found.1 - log_sum, wanted, LOG_PROBABILITY_MARGIN);
    }

    let session = Session::new(&model.network, std::slice::from_ref(&text.ids), 12);
    let alone = session.generate(Decoding::Greedy, 12, &std::collections::BTreeSet::new());
    report.same(
        &what("greedy, cached, alone"),
        &alone[0].ids,
        &text.greedy_12,
    );
    let mut ids = text.ids.clone();
    for _ in 0..12 {
        let next = Sequence {
            first_target: ids.len(),
            ids: ids.iter().copied().chain([0]).collect(),
        };
        let best = model
            .network
            .target_logits(&[next])
            .argmax(1)
            .into_scalar::<i64>();
        ids.push(u32::try_from(best)?);
    }
    let uncached = ids.split_off(text.ids.len());
    report.same(&what("greedy, without cache"), &uncached, &text.greedy_12);
    Ok(())
}

fn fine_tune(
    report: &mut Report,
    model: &mut LanguageModel,
    expected: &FineTune,
    precision: Precision,
) -> Result<()> {
    let (kind, loss_margin, norm_margin) = match precision {
        Precision::F32 => ("fine-tuning", LOSS_MARGIN, NORM_MARGIN),
        Precision::Bf16 => ("bf16 fine-tuning", BF16_LOSS_MARGIN, BF16_NORM_MARGIN),
    };
    let mut examples = Vec::new();
    for (text, ids) in expected.texts.iter().zip(&expected.ids) {
        report.same(
            &format!("{kind} ids"),
            &model.tokenizer.encode_sequence(text)?,
            ids,
        );
        examples.push(Example {
            sequence: Sequence::whole(ids.clone()),
            label: text.clone(),
        });
    }
    let config = TrainConfig {
        passes: expected.steps.len(),
        batch: examples.len(),
        precision,
        optimizer: OptimizerConfig {
            learning_rate: 1e-5,
            clip: 0.0,
            ..OptimizerConfig::default()
        },
        ..TrainConfig::default()
    };
    let trained = train(model, &NextToken, &examples, &config, 0, &mut |_, _| {
        Verdict::Continue
    })?;
    let steps = match precision {
        Precision::F32 => expected.steps.len(),
        Precision::Bf16 => 1,
    };
    for (index, step) in expected.steps.iter().take(steps).enumerate() {
        let what = |part: &str| format!("{kind} step {} {part}", index + 1);
        let loss = trained.losses[index];
        report.near(&what("loss"), loss, step.loss, loss_margin * step.loss);
        let norm = trained.gradient_norms[index];
        let margin = norm_margin * step.grad_l2_norm;
        report.near(&what("gradient norm"), norm, step.grad_l2_norm, margin);
    }
    Ok(())
}

fn sequences(ids: &[Vec<u32>]) -> Vec<Sequence> {
    ids.iter().cloned().map(Sequence::whole).collect()
}

/// The policy's mean negative log-likelihoods of both sets.
fn cross_entropies(
    report: &mut Report,
    kind: &str,
    policy: &LanguageModel,
    expected: &Unlearning,
    margin: f64,
) {
    let (forget, retain) = (expected.cross_entropy_forget, expected.cross_entropy_retain);
    for (what, ids, wanted) in [
        ("forget", &expected.forget_ids, forget),
        ("retain", &expected.retain_ids, retain),
    ] {
        let found = policy.network.mean_nll(&sequences(ids)).0;
        let what = format!("{kind} cross-entropy, {what}");
        report.near(&what, found, wanted, margin * wanted);
    }
}

fn unlearning(
    report: &mut Report,
    policy: &LanguageModel,
    reference: &LanguageModel,
    expected: &Unlearning,
) -> Result<()> {
    let (forget, retain) = (
        sequences(&expected.forget_ids),
        sequences(&expected.retain_ids),
    );
    cross_entropies(report, "unlearning", policy, expected, LOSS_MARGIN);
    let mut near = |what: &str, found: f64, wanted: f64| {
        let what = format!("unlearning {what}");
        report.near(&what, found, wanted, LOSS_MARGIN * wanted.abs());
    };
    let (network, before) = (&policy.network, &reference.network);
    let kl = Retain::Kl.loss(network, Some(before), &retain, 1.0);
    let kl = kl.map_or(f64::NAN, |kl| f64::from(kl.into_scalar::<f32>()));
    near("KL(reference || policy)", kl, expected.kl);
    let losses = ReferenceLosses::of(before, &forget, &[]);
    let batch = Batch::new(network, &forget).with_reference(Some(before), &losses);
    let registry = crate::strategies::registry()?;
    for (name, beta, wanted) in [
        ("grad-ascent", None, expected.grad_ascent),
        ("npo", Some(0.1), expected.npo),
        ("simnpo", Some(4.5), expected.simnpo),
        ("wga", Some(1.0), expected.wga),
    ] {
        let hyper = beta.map(|beta| ("beta".to_owned(), beta));
        let method = registry.method(name, &hyper.into_iter().collect())?;
        let loss = method.strategy.loss(&batch).into_scalar::<f32>();
        near(name, f64::from(loss), wanted);
    }
    Ok(())
}
