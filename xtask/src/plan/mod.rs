//! `plan`: what a preset's training takes of memory at its peak, before any weight is loaded.

pub mod memory;

use std::cmp::Reverse;

use clap::Args;
use color_eyre::eyre::{Context, Result, bail};
use comfy_table::CellAlignment;
use lethe_corpus::{Article, Corpus, Language, Split, Version};
use lethe_model::{LanguageModel, LoraConfig, ModelConfig, Pretrained, Tokenizer};
use lethe_unlearn::LanguageScope;
use regex::Regex;
use serde::Serialize;

use crate::preset::{Preset, Vocabulary, root};
use crate::study::corpus_texts;
use memory::{Beside, Memory, SHARDS, Step};

/// What to plan.
#[derive(Args)]
pub struct Options {
    /// A preset in pipelines/, or a file
    #[arg(long, default_value = "laptop", value_name = "NAME|FILE")]
    preset: String,
    /// Change one key of the preset, for example learn.train.batch=4
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Where it is to run, as for reproduce
    #[arg(long, default_value = "auto", value_name = "D")]
    device: String,
    /// How much memory there is [default: the machine's]
    #[arg(long, value_name = "GiB")]
    memory: Option<f64>,
    /// Everything as one JSON object
    #[arg(long)]
    json: bool,
}

/// A stage with what its largest step takes.
#[derive(Debug, Serialize)]
struct Planned {
    stage: &'static str,
    /// Sequences in a step.
    batch: usize,
    /// Tokens of the step that holds the longest of them, padding included.
    tokens: usize,
    /// Whether adapters are trained rather than all weights.
    adapters: bool,
    memory: Memory,
}

/// Plans, prints it, and refuses what cannot fit.
pub fn run(options: &Options) -> Result<()> {
    let (name, _, preset) = Preset::load(&options.preset, &options.overrides)?;
    let available = available(options)?;
    let stages = stages(&preset)?;
    let is_counted = matches!(options.device.as_str(), "auto" | "flex");
    if options.json {
        let all = serde_json::json!({
            "preset": name,
            "device": options.device,
            "lower_bound": !is_counted,
            "available": available,
            "stages": stages,
        });
        println!("{all:#}");
    } else {
        println!("{name}, the largest step of each stage, in MB:");
        println!("{}", table(&stages));
        println!(
            "Gradients and activations are not there at the same time in full, so that the peak is less than \
             the sum. It is the training step's: evaluation, and reading the model's file, which takes its \
             size beside the weights, are not in it."
        );
        if !is_counted {
            println!(
                "On {} blocks are burn's own, which keep more of the forward pass than the processor's \
                 fused ones that are counted here: these are lower bounds.",
                options.device
            );
        }
    }
    let peak = stages.iter().max_by_key(|stage| stage.memory.peak);
    match (peak, available) {
        (Some(stage), Some(available)) if stage.memory.peak > available => bail!(
            "{name} does not fit: {} takes {:.1} GiB, there are {:.1}; lower its batch (now {}){}",
            stage.stage,
            gib(stage.memory.peak),
            gib(available),
            stage.batch,
            match stage.adapters {
                true => ", or its `lora.rank`",
                false => ", or train adapters (`lora`)",
            }
        ),
        (_, None) => {
            eprintln!(
                "how much memory {} has is not known here: --memory says it",
                options.device
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// What there is, in bytes, where it is known.
fn available(options: &Options) -> Result<Option<u64>> {
    match options.memory {
        Some(gib) if gib > 0.0 && gib.is_finite() => Ok(Some((gib * f64::from(1 << 30)) as u64)),
        Some(found) => bail!("--memory {found}: expected a number of GiB above 0"),
        None if matches!(options.device.as_str(), "auto" | "flex" | "cpu") => {
            Ok(Some(crate::doctor::memory().1))
        }
        None => Ok(None),
    }
}

/// The model's shape as it will be loaded, and its tokenizer; no weight is.
fn model(preset: &Preset, corpus: &Corpus) -> Result<(ModelConfig, Tokenizer)> {
    let choice = &preset.model;
    let texts = corpus_texts(corpus, &preset.learn.wordings);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    if let Some(random) = &choice.random {
        let device = lethe_model::device("flex")?;
        let (layers, size) = (random.layers, random.vocabulary);
        let model = LanguageModel::random(&texts, size, layers, preset.seed, &device)?;
        return Ok((model.network.config().clone(), model.tokenizer));
    }
    let path = match (&choice.path, &choice.name) {
        (Some(path), _) => path.clone(),
        (None, Some(name)) => crate::models::pull(name)?,
        (None, None) => bail!("model: give one of `name`, `path` or `random`"),
    };
    let pretrained = Pretrained::open(&path)?;
    let mut config = pretrained.config().clone();
    let tokenizer = pretrained.tokenizer().clone();
    if let Vocabulary::Trimmed = choice.vocabulary {
        config.vocab_size = tokenizer.tokens_of(texts.iter().copied())?.len();
    }
    Ok((config, tokenizer))
}

/// Of every kind of stage that trains, the largest step that it can have.
fn stages(preset: &Preset) -> Result<Vec<Planned>> {
    let choice = &preset.corpus;
    let folder = root().join(&choice.path);
    let all = Corpus::from_jsonl(&folder).wrap_err_with(|| folder.display().to_string())?;
    let corpus = all.sample(choice.probe + choice.aside, choice.instruct, preset.seed)?;
    let (config, tokenizer) = model(preset, &corpus)?;
    // Articles are the longest texts that are trained on.
    let lengths = |chosen: &dyn Fn(&Article, Split) -> bool| -> Result<Vec<usize>> {
        let mut out = Vec::new();
        for article in &corpus.articles {
            let item = corpus.items.iter().find(|item| item.id == article.item);
            if item.is_some_and(|item| chosen(article, item.split)) {
                out.push(tokenizer.encode_sequence(&article.text)?.len() + 1);
            }
        }
        Ok(out)
    };
    let spoken = &choice.languages;
    let mut out = Vec::new();
    let mut add = |stage, lengths: Vec<usize>, batch, parts, lora: Option<&LoraConfig>, beside| {
        let targets = lora.map(|lora| Regex::new(&lora.targets)).transpose();
        let targets = targets.wrap_err("lora.targets")?;
        let (tokens, predicted) = largest(lengths, batch, parts);
        let step = Step {
            config: &config,
            known: tokenizer.full_len(),
            lora: lora.zip(targets.as_ref()),
            tokens,
            targets: predicted,
            parts,
            beside,
        };
        out.push(Planned {
            stage,
            batch,
            tokens,
            adapters: lora.is_some(),
            memory: step.memory(),
        });
        Ok::<(), color_eyre::Report>(())
    };
    if let Some(instruct) = &preset.instruct {
        let read = lengths(&|article, split| {
            split == Split::Instruct
                && article.is_original(Version::Real)
                && spoken.contains(&article.language)
        })?;
        let lora = instruct.lora.as_ref();
        add(
            "instruct",
            read,
            instruct.batch,
            instruct.shards,
            lora,
            Beside::default(),
        )?;
    }
    let learn = &preset.learn;
    let train = &learn.train;
    let read = lengths(&|article, split| {
        let is_read = article.wording == lethe_corpus::Wording::Original
            || learn.wordings.contains(&article.wording);
        let is_source = learn.sources.contains(&article.language);
        split == Split::Probe
            && is_read
            && match article.version {
                Version::Real => article.language == Language::En,
                Version::Fake => is_source,
            }
    })?;
    add(
        "learn",
        read,
        train.batch,
        train.shards,
        train.lora.as_ref(),
        Beside::default(),
    )?;
    let method = preset.method()?;
    let run = &preset.unlearn.run;
    let mut languages: Vec<Language> = Vec::new();
    for &source in &learn.sources {
        for scope in LanguageScope::distinct(&preset.scopes()?, source) {
            languages.extend(scope.languages(source));
        }
    }
    let read = lengths(&|article, split| {
        split == Split::Probe
            && article.is_original(Version::Fake)
            && languages.contains(&article.language)
    })?;
    let beside = Beside::of(&method, run);
    add(
        "unlearn",
        read,
        run.batch,
        SHARDS,
        run.lora.as_ref(),
        beside,
    )?;
    Ok(out)
}

/// Of the longest texts, as many as a step has: tokens with padding, and those predicted.
fn largest(mut lengths: Vec<usize>, batch: usize, parts: usize) -> (usize, usize) {
    lengths.sort_by_key(|&length| Reverse(length));
    lengths.truncate(batch);
    let predicted = lengths.iter().map(|length| length.saturating_sub(1)).sum();
    let part = lengths.len().div_ceil(parts.max(1)).max(1);
    let padded = lengths.chunks(part).map(|part| part.len() * part[0]);
    (padded.sum(), predicted)
}

fn table(stages: &[Planned]) -> comfy_table::Table {
    let mut table = crate::corpus::table(&[
        "stage",
        "sequences",
        "tokens",
        "weights",
        "moments",
        "gradients",
        "activations",
        "logits",
        "other networks",
        "peak",
    ]);
    let megabytes = |bytes: u64| (bytes / 1_000_000).to_string();
    for planned in stages {
        let memory = &planned.memory;
        let mut row = vec![
            planned.stage.to_owned(),
            planned.batch.to_string(),
            planned.tokens.to_string(),
        ];
        row.extend(
            [
                memory.weights,
                memory.moments,
                memory.gradients,
                memory.activations,
                memory.logits,
                memory.networks,
                memory.peak,
            ]
            .map(megabytes),
        );
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_step_holds_the_longest_texts() {
        // 9 and 7 in one part, padded to 9; 5 alone in the other.
        assert_eq!(largest(vec![3, 9, 5, 7], 3, 2), (2 * 9 + 5, 8 + 6 + 4));
        assert_eq!(largest(vec![3, 9], 8, 2), (12, 10));
        assert_eq!(largest(Vec::new(), 8, 2), (0, 0));
    }
}
