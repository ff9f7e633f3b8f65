//! The work itself, done again and again for as long as somebody wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Result, WrapErr, bail, eyre};
use lethe_corpus::Layout;
use lethe_kernels::{linear, takes};
use lethe_model::burn::tensor::{DType, Device, Distribution, Tensor};
use lethe_model::{
    Decoding, LanguageModel, ModelConfig, Network, Precision, Pretrained, Sequence, Session,
};
use lethe_train::{Example, NextToken, TrainConfig, Verdict, train};
use lethe_unlearn::{Aside, Forgetting, RetainSet, unlearn};
use serde::{Deserialize, Serialize};

use super::cases::{BATCH, LENGTH, TRIMMED, Work, unlearning};
use super::worker::{Clock, impossible};
use crate::checkpoint::{self, Rows};
use crate::preset::root;

#[path = "../../../benches/items/mod.rs"]
mod items;

/// The name of a small model with random weights, for tests.
const RANDOM: &str = "random";

/// What a worker is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assignment {
    /// Does a case's work until nobody listens any more.
    Case {
        work: Work,
        device: String,
        model: String,
        /// How often it will be wanted at most.
        repeats: usize,
    },
    /// Writes the model in Hugging Face's layout, for PyTorch.
    Export {
        model: String,
        rows: Rows,
        out: PathBuf,
    },
}

/// The model's name and its hyper-parameters.
pub fn describe(named: &str) -> Result<(String, ModelConfig)> {
    if named == RANDOM {
        return Ok((RANDOM.to_owned(), small()));
    }
    let (name, path) = checkpoint::find(named)?;
    Ok((name, Pretrained::open(&path)?.config().clone()))
}

/// A model that takes no time.
fn small() -> ModelConfig {
    ModelConfig {
        model_type: "gemma3_text".to_owned(),
        vocab_size: 6000,
        hidden_size: 64,
        intermediate_size: 128,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 1,
        head_dim: 16,
        query_pre_attn_scalar: 16.0,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        rope_local_base_freq: 1e4,
        sliding_window: 512,
        sliding_window_pattern: 2,
        max_position_embeddings: 2048,
        bos_token_id: 2,
        eos_token_id: 1,
        pad_token_id: 0,
        kept_tokens: None,
    }
}

/// The model, with random weights where it is to have another number of layers.
fn load(named: &str, rows: Rows, layers: Option<usize>, device: &Device) -> Result<LanguageModel> {
    if named == RANDOM {
        // Its tokenizer is never asked.
        let mut model = LanguageModel::random(&["a b"], 300, 1, 0, device)?;
        let mut config = small();
        config.vocab_size = match rows {
            Rows::Trimmed => TRIMMED,
            Rows::Full => config.vocab_size,
        };
        config.num_hidden_layers = layers.unwrap_or(config.num_hidden_layers);
        model.network = Network::random(&config, 0, device)?;
        return Ok(model);
    }
    let (_, path) = checkpoint::find(named)?;
    let pretrained = Pretrained::open(&path)?;
    let config = pretrained.config();
    let trim = rows == Rows::Trimmed && config.kept_tokens.is_none() && config.vocab_size > TRIMMED;
    let kept: Option<Vec<u32>> = trim.then(|| (0..TRIMMED as u32).collect());
    let mut model = pretrained.load(device, kept.as_deref())?;
    if let Some(layers) = layers {
        let mut config = model.network.config().clone();
        config.num_hidden_layers = layers;
        model.network = Network::random(&config, 0, device)?;
    }
    Ok(model)
}

/// `count` sequences of `length` tokens; `benches/pytorch_baseline.py` has the same.
fn sequences(config: &ModelConfig, first: usize, count: usize, length: usize) -> Vec<Vec<u32>> {
    // All ids are there in a trimmed vocabulary, and none is special.
    let ids = config.vocab_size.min(TRIMMED).saturating_sub(96).max(1);
    let ids = |row: usize| (0..length).map(move |at| ((at * 37 + row * 101) % ids + 4) as u32);
    (first..first + count)
        .map(|row| ids(row).collect())
        .collect()
}

fn whole(config: &ModelConfig, first: usize, count: usize, length: usize) -> Vec<Sequence> {
    let all = sequences(config, first, count, length).into_iter();
    all.map(Sequence::whole).collect()
}

fn examples(sequences: Vec<Sequence>) -> Vec<Example> {
    let example = |sequence| Example {
        sequence,
        label: String::new(),
    };
    sequences.into_iter().map(example).collect()
}

/// The sides of the matrices whose product is the roofline: large enough to be near the device's peak, and
/// done in a moment.
pub fn side(device: &str) -> usize {
    match device {
        "flex" | "auto" | "cpu" => 2048,
        _ => 8192,
    }
}

/// Does what it is told.
pub fn run(assignment: &str) -> Result<()> {
    let assignment: Assignment =
        serde_json::from_str(assignment).wrap_err("`bench-case` is for `bench` to call")?;
    let (work, device, named, repeats) = match assignment {
        Assignment::Export { model, rows, out } => {
            let model = load(&model, rows, None, &Device::flex())?;
            return Ok(model.save(&out)?);
        }
        Assignment::Case {
            work,
            device,
            model,
            repeats,
        } => (work, device, model, repeats),
    };
    let on = lethe_model::device(&device)?;
    let mut clock = Clock::new();
    match work {
        Work::Product { precision, plain } => {
            product(&mut clock, side(&device), precision, plain, &on)
        }
        Work::Train {
            rows,
            lora,
            precision,
            batch,
            length,
            layers,
        } => {
            let mut model = load(&named, rows, layers, &on)?;
            let examples = examples(whole(model.network.config(), 0, batch, length));
            let config = TrainConfig {
                passes: repeats + 1,
                batch,
                lora,
                precision,
                ..TrainConfig::default()
            };
            let mut failed = None;
            clock.start();
            let lap = &mut |progress: &lethe_train::Progress, _: &LanguageModel| {
                verdict(clock.lap(Some(progress.loss)), &mut failed)
            };
            train(&mut model, &NextToken, &examples, &config, 0, lap)?;
            failed.map_or(Ok(()), Err)
        }
        Work::Score {
            rows,
            batch,
            length,
        } => {
            let model = load(&named, rows, None, &on)?;
            let batch = whole(model.network.config(), 0, batch, length);
            repeat(&mut clock, || Ok(Some(model.network.mean_nll(&batch).0)))
        }
        Work::Decode {
            rows,
            prompts,
            length,
            new,
        } => {
            let model = load(&named, rows, None, &on)?;
            let prompts = sequences(model.network.config(), 0, prompts, length);
            repeat(&mut clock, || {
                let session = Session::new(&model.network, &prompts, new);
                let answers = session.generate(Decoding::Greedy, new, &BTreeSet::new());
                let first = answers.iter().filter_map(|answer| answer.ids.first());
                let sum: f64 = first.map(|&id| f64::from(id)).sum();
                Ok(Some(sum / answers.len().max(1) as f64))
            })
        }
        Work::Unlearn { strategy } => {
            let model = load(&named, Rows::Trimmed, None, &on)?;
            forget(&mut clock, model, &strategy, repeats)
        }
        Work::Corpus { items } => {
            let folder = tempfile::tempdir()?;
            let news = root().join("datasets/news");
            items::generate(&news, folder.path(), items)
                .wrap_err_with(|| format!("{}: generated corpus text", folder.path().display()))?;
            repeat(&mut clock, || {
                let out = tempfile::tempdir()?;
                lethe_corpus::build(folder.path(), out.path(), Layout::Splits)?;
                Ok(None)
            })
        }
    }
}

/// Does `work` for as long as it is wanted.
fn repeat(clock: &mut Clock, mut work: impl FnMut() -> Result<Option<f64>>) -> Result<()> {
    clock.start();
    loop {
        let check = work()?;
        if !clock.lap(check)? {
            return Ok(());
        }
    }
}

/// Whether a training loop goes on.
fn verdict(wanted: Result<bool>, failed: &mut Option<color_eyre::Report>) -> Verdict {
    match wanted {
        Ok(true) => Verdict::Continue,
        Ok(false) => Verdict::Stop,
        Err(error) => {
            *failed = Some(error);
            Verdict::Stop
        }
    }
}

fn product(
    clock: &mut Clock,
    side: usize,
    precision: Precision,
    plain: bool,
    device: &Device,
) -> Result<()> {
    let random = || Tensor::<2>::random([side, side], Distribution::Normal(0.0, 1.0), device);
    let (mut x, mut w) = (random(), random());
    let ours = !plain && takes(device);
    if precision == Precision::Bf16 && !ours {
        if !device.supports_dtype(DType::BF16) {
            return impossible("this device has no bf16");
        }
        (x, w) = (x.cast(DType::BF16), w.cast(DType::BF16));
    }
    repeat(clock, || {
        let y = match ours {
            true => linear(x.clone(), w.clone(), precision),
            false => x.clone().matmul(w.clone().transpose()),
        };
        device
            .sync()
            .map_err(|e| eyre!("the device did not finish: {e:?}"))?;
        drop(y);
        Ok(None)
    })
}

/// Steps of an unlearning strategy.
fn forget(clock: &mut Clock, mut model: LanguageModel, name: &str, repeats: usize) -> Result<()> {
    let config = model.network.config().clone();
    let forget = examples(whole(&config, 0, BATCH, LENGTH));
    let retained = examples(whole(&config, BATCH, BATCH, LENGTH));
    let alternatives = whole(&config, 2 * BATCH, BATCH, LENGTH);
    let alternatives: Vec<Vec<Sequence>> = alternatives.into_iter().map(|s| vec![s]).collect();
    let sets = Forgetting {
        forget: &forget,
        alternatives: &alternatives,
        retain: &RetainSet::balanced(&[retained], 1),
        untuned_nll: &[],
        aside: &Aside::default(),
    };
    // One more than will be wanted: after the last step of a run the model is measured.
    let config = unlearning(repeats + 2);
    let method = crate::strategies::registry()?.method(name, &BTreeMap::new())?;
    let mut failed = None;
    let go = &mut |step: usize, _: Option<lethe_unlearn::Checkpoint>| match step {
        0 => {
            clock.start();
            Verdict::Continue
        }
        _ => verdict(clock.lap(None), &mut failed),
    };
    unlearn(&mut model, &method, &sets, &config, 1, None, go)?;
    failed.map_or(Ok(()), Err)
}

/// The folder of the model for PyTorch, written by a process of its own.
pub fn export(own: &Path, named: &str, rows: Rows, out: &Path) -> Result<()> {
    let assignment = Assignment::Export {
        model: named.to_owned(),
        rows,
        out: out.to_path_buf(),
    };
    let output = std::process::Command::new(own)
        .args(["bench-case", &serde_json::to_string(&assignment)?])
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => bail!(
            "the model cannot be written for PyTorch: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    }
}
