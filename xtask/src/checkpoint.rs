//! A model that is named on the command line rather than in a preset.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use color_eyre::eyre::{Result, bail};
use lethe_model::burn::tensor::Device;
use lethe_model::{LanguageModel, Pretrained, store};
use serde::{Deserialize, Serialize};

use crate::study::locate;

/// How many rows of the embedding are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rows {
    /// Those of tokens that the texts can produce, as a run does
    Trimmed,
    /// All
    Full,
}

/// Which model it is, for the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its name: the store's, or the file's.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Of its weights.
    pub sha256: String,
    /// Its vocabulary in words: `5123 of 262144 tokens`.
    pub vocabulary: String,
}

/// The file or folder that is meant, and a name for it: a GGUF file, a folder in Hugging Face's
/// layout, a stage of a run (a folder with such a folder called `model`), or a model of the store or
/// the hub.
pub fn find(named: &str) -> Result<(String, PathBuf)> {
    let path = Path::new(named);
    let stem = |path: &Path| {
        let part = match path.is_dir() {
            true => path.file_name(),
            false => path.file_stem(),
        };
        part.unwrap_or_default().to_string_lossy().into_owned()
    };
    if path.is_file() {
        return Ok((stem(path), path.to_path_buf()));
    }
    if path.is_dir() {
        // So that `.` and `..` have a name.
        let path = &path.canonicalize()?;
        let of_stage = path.join("model");
        if path.join("config.json").is_file() {
            let is_of_stage = path.ends_with("model") && !stem(path).is_empty();
            let name = match (is_of_stage, path.parent()) {
                (true, Some(stage)) => stem(stage),
                _ => stem(path),
            };
            return Ok((name, path.clone()));
        }
        if of_stage.join("config.json").is_file() {
            return Ok((stem(path), of_stage));
        }
        bail!(
            "{}: neither a model in Hugging Face's layout (config.json, model.safetensors, \
             tokenizer.json) nor a stage of a run with one called model; the stages that have one \
             are instruct, tuned-… and unlearned-…",
            path.display()
        );
    }
    if named.starts_with("hf:") || store::known(named).is_ok() {
        return Ok((named.to_owned(), crate::models::pull(named)?));
    }
    let known: Vec<&str> = store::MODELS.iter().map(|model| model.name).collect();
    bail!(
        "{named}: no such file or folder, nor a model of the store ({}); expected a GGUF file, a \
         folder in Hugging Face's layout, a stage of a run, a name of the store or hf:OWNER/NAME",
        known.join(", ")
    )
}

/// Loads the model. A vocabulary that is trimmed on disk stays as it is; a whole one is loaded whole,
/// or trimmed to what `texts` can produce.
pub fn open(
    named: &str,
    rows: Rows,
    texts: &[&str],
    device: &Device,
) -> Result<(Named, LanguageModel)> {
    let (name, path) = find(named)?;
    let pretrained = Pretrained::open(&path)?;
    let tokenizer = pretrained.tokenizer();
    let full = tokenizer.full_len();
    let on_disk = pretrained.config().kept_tokens.as_ref().map(Vec::len);
    let kept = match (on_disk, rows) {
        (None, Rows::Trimmed) => Some(tokenizer.tokens_of(texts.iter().copied())?),
        _ => None,
    };
    let vocabulary = match (on_disk, &kept) {
        (Some(size), _) => format!("{size} of {full} tokens, trimmed on disk"),
        (None, Some(kept)) => format!("{} of {full} tokens", kept.len()),
        (None, None) => format!("all {full} tokens"),
    };
    let (_, _, sha256) = locate(Some(&name), Some(&path))?;
    let model = pretrained.load(device, kept.as_deref())?;
    let named = Named {
        name,
        path,
        sha256,
        vocabulary,
    };
    Ok((named, model))
}
