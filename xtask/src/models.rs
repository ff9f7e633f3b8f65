//! `models`: the store's models, and bars while they are fetched.

use std::path::PathBuf;

use color_eyre::eyre::Result;
use indicatif::{ProgressBar, ProgressStyle};
use lethe_model::store::{self, MODELS, Model};

/// The checked file of the store's model `name`, or of the hub's model `hf:…`, fetched on first use,
/// with a bar.
pub fn pull(name: &str) -> Result<PathBuf> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(
        "{msg:<10} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
    ) {
        bar.set_style(style);
    }
    let progress = &mut |what: &str, done, total| {
        bar.set_message(what.to_owned());
        bar.set_length(total);
        bar.set_position(done);
    };
    let path = if let Some(name) = name.strip_prefix("hf:") {
        store::pull_hub(name, progress)
    } else {
        let model = store::known(name)?;
        let cache = store::cache_dir()?;
        if !cache.join("models").join(model.file).exists() {
            eprintln!("{}: {}", model.name, model.terms);
        }
        store::pull(model, &cache, progress)
    };
    bar.finish_and_clear();
    Ok(path?)
}

/// Prints every model, where it is and what it is.
pub fn list() -> Result<()> {
    let cache = store::cache_dir()?;
    for model in MODELS {
        let path = cache.join("models").join(model.file);
        let state = match path.exists() {
            true => path.display().to_string(),
            false => format!("not here yet: cargo xtask models pull {}", model.name),
        };
        println!("{}  {} MB  {state}", model.name, model.bytes / 1_000_000);
        println!("  sha256 {}", model.sha256);
        println!("  {}", model.terms);
    }
    Ok(())
}

/// Checks the cached files; ends in an error when one is wrong or absent.
pub fn verify(name: Option<&str>) -> Result<()> {
    let chosen: Vec<&Model> = match name {
        Some(name) => vec![store::known(name)?],
        None => MODELS.iter().collect(),
    };
    let cache = store::cache_dir()?;
    for model in chosen {
        let path = cache.join("models").join(model.file);
        store::verify(&path, model.sha256, &mut |_, _, _| {})?;
        println!("ok  {}  {}", model.name, path.display());
    }
    Ok(())
}
