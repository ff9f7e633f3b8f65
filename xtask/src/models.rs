//! `models`: the store's models, and bars while they are fetched.

use std::path::PathBuf;

use color_eyre::eyre::Result;
use indicatif::{ProgressBar, ProgressStyle};
use lethe_model::store::{self, MODELS, Model};

/// The checked file of a model, fetched on first use, with a bar.
pub fn pull(model: &Model) -> Result<PathBuf> {
    let cache = store::cache_dir()?;
    if !cache.join("models").join(model.file).exists() {
        eprintln!("{}: {}", model.name, model.terms);
    }
    let bar = ProgressBar::new(model.bytes);
    if let Ok(style) = ProgressStyle::with_template(
        "{msg:<10} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
    ) {
        bar.set_style(style);
    }
    let path = store::pull(model, &cache, &mut |what, done, total| {
        bar.set_message(what.to_owned());
        bar.set_length(total);
        bar.set_position(done);
    });
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
