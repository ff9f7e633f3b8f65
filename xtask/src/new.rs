//! `new strategy`: a crate with an unlearning strategy, registered and tested.

use std::path::Path;

use color_eyre::eyre::{Context, Result, bail};

/// Writes the crate and its two lines in xtask, in the repository at `root`.
pub fn strategy(name: &str, root: &Path) -> Result<()> {
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.ends_with('-');
    if !good {
        bail!(
            "a strategy's name is {name:?}, expected lower-case letters, digits and hyphens, such as my-loss"
        );
    }
    if crate::strategies::registry()?
        .all()
        .iter()
        .any(|known| known.name == name)
    {
        bail!("a strategy is called {name:?} already (cargo xtask strategies)");
    }
    let package = format!("lethe-strategy-{name}");
    let folder = root.join("crates").join(&package);
    if folder.exists() {
        bail!("{}: is there already", folder.display());
    }
    let module = package.replace('-', "_");
    let xtask = root.join("xtask");
    let manifest = insert(
        &xtask.join("Cargo.toml"),
        "[dependencies]\n",
        &format!("{package} = {{ path = \"../crates/{package}\" }}\n"),
    )?;
    let list = insert(
        &xtask.join("src/strategies.rs"),
        "const FURTHER: &[Registered] = &[",
        &format!("{module}::STRATEGY, "),
    )?;
    for (file, text) in files(name, &package) {
        let path = folder.join(file);
        let parent = path.parent().unwrap_or(&folder);
        std::fs::create_dir_all(parent).wrap_err_with(|| parent.display().to_string())?;
        crate::cache::write(&path, text.as_bytes())?;
    }
    crate::cache::write(&xtask.join("Cargo.toml"), manifest.as_bytes())?;
    crate::cache::write(&xtask.join("src/strategies.rs"), list.as_bytes())?;
    println!(
        "{package} is written and registered; the loss is in crates/{package}/src/lib.rs.\n\n  \
         cargo xtask strategies             lists it\n  \
         cargo xtask test --test contract   checks what every strategy must keep\n  \
         cargo xtask reproduce --set unlearn.strategy={name}"
    );
    Ok(())
}

/// A file's text with more after a line.
fn insert(file: &Path, after: &str, more: &str) -> Result<String> {
    let text = std::fs::read_to_string(file).wrap_err_with(|| file.display().to_string())?;
    match text.split_once(after) {
        Some((before, rest)) => Ok([before, after, more, rest].concat()),
        None => bail!("{}: has no line {:?}", file.display(), after.trim_end()),
    }
}

fn files(name: &str, package: &str) -> [(&'static str, String); 3] {
    let module = package.replace('-', "_");
    let manifest = format!(
        r#"[package]
name = "{package}"
description = "An unlearning strategy."
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
repository.workspace = true
publish.workspace = true

[lints]
workspace = true

[dependencies]
lethe-unlearn.workspace = true
burn.workspace = true
"#
    );
    let library = format!(
        r#"//! The unlearning strategy `{name}`.

use burn::tensor::Tensor;
use lethe_unlearn::{{Batch, Hyperparameter, Registered, Retain, Strategy}};

/// What `cargo xtask strategies` says of it.
pub const STRATEGY: Registered = Registered {{
    name: "{name}",
    title: "What the field calls it",
    paper: "arXiv …",
    hyperparameters: &[Hyperparameter::positive("beta", 1.0, "what it does, with its unit")],
    retain: Retain::None,
    gamma: 1.0,
    alpha: 0.0,
    make: |values| {{
        Box::new(Loss {{
            beta: values.get("beta"),
        }})
    }},
}};

/// The paper's equation: for now `L = -β ℓ`, with `ℓ` the mean NLL (nats) of the forget set's target
/// tokens.
#[derive(Debug)]
struct Loss {{
    beta: f64,
}}

impl Strategy for Loss {{
    // `needs` asks for a reference, a retain set or alternatives; `average` says what the loss is a
    // mean over, if not target tokens.
    fn loss(&self, batch: &Batch) -> Tensor<1> {{
        let losses = batch.policy.token_losses(batch.forget);
        losses.mean() * -self.beta
    }}
}}
"#
    );
    let test = format!(
        r#"//! What every strategy must keep.

#![allow(clippy::expect_used, missing_docs)]

#[test]
fn it_keeps_what_every_strategy_must() {{
    let broken = lethe_unlearn::contract::check(&{module}::STRATEGY).expect("the checks can be made");
    assert!(broken.is_empty(), "{{}}", broken.join("; "));
}}
"#
    );
    [
        ("Cargo.toml", manifest),
        ("src/lib.rs", library),
        ("tests/contract.rs", test),
    ]
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::preset::root;

    /// Copies the repository's text, without what was built or run.
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).expect("a folder");
        for entry in std::fs::read_dir(from).expect("readable").flatten() {
            let name = entry.file_name();
            let skipped = [".git", "target", "runs", "results", "examples"];
            if skipped.iter().any(|skipped| *skipped == name) {
                continue;
            }
            match entry.path().is_dir() {
                true => copy(&entry.path(), &to.join(&name)),
                false => {
                    std::fs::copy(entry.path(), to.join(&name)).expect("copied");
                }
            }
        }
    }

    #[test]
    fn a_new_strategy_compiles_is_listed_and_passes_the_checks() {
        let folder = tempfile::tempdir().expect("a folder");
        let clone = folder.path();
        copy(root(), clone);
        // Built beside the repository's own programs, under another name.
        let manifest = clone.join("xtask/Cargo.toml");
        let text = std::fs::read_to_string(&manifest).expect("readable");
        let bin = "[[bin]]\nname = \"xtask-clone\"\npath = \"src/main.rs\"\n\n[dependencies]\n";
        let text = text.replacen("[dependencies]\n", bin, 1);
        std::fs::write(&manifest, text).expect("writable");
        strategy("some-loss", clone).expect("it is written");
        let cargo = |arguments: &[&str]| {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let output = Command::new(cargo)
                .current_dir(clone)
                .env("CARGO_TARGET_DIR", root().join("target"))
                .args(arguments)
                .output()
                .expect("cargo runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{arguments:?}: {said}");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let listed = cargo(&[
            "run",
            "--quiet",
            "--release",
            "--package",
            "xtask",
            "--bin",
            "xtask-clone",
            "--",
            "strategies",
        ]);
        let line = listed.lines().find(|line| line.contains("some-loss"));
        let line = line.expect("it is listed");
        assert!(line.contains("beta 1") && line.contains("arXiv"), "{line}");
        let tested = cargo(&["test", "--release", "--workspace", "--test", "contract"]);
        assert!(
            tested.contains("it_keeps_what_every_strategy_must ... ok"),
            "{tested}"
        );
    }

    #[test]
    fn names_that_are_none_or_taken_are_refused() {
        let refused = |name: &str| {
            let folder = tempfile::tempdir().expect("a folder");
            strategy(name, folder.path())
                .expect_err("refused")
                .to_string()
        };
        assert!(refused("npo").contains("already"));
        for name in ["", "My-Loss", "a+b", "a-", "1st", "../x"] {
            assert!(refused(name).contains("lower-case letters"), "{name}");
        }
    }
}
