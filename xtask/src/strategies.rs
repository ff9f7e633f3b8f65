//! The unlearning strategies that the commands know: those of `lethe-unlearn`, and one line for every
//! crate that brings another.

use color_eyre::eyre::Result;
use lethe_unlearn::{Registered, Registry};

/// Strategies of other crates. `cargo xtask new strategy NAME` adds a line.
const FURTHER: &[Registered] = &[];

/// All of them.
pub fn registry() -> Result<Registry> {
    let further = FURTHER.iter();
    let all = further
        .copied()
        .try_fold(Registry::builtin(), Registry::with)?;
    Ok(all)
}

/// Whether a strategy was first published here.
pub fn is_own(entry: &Registered) -> bool {
    entry.paper == Registered::OWN
}

/// `strategies`: what there is, with defaults and papers.
pub fn list() -> Result<()> {
    let registry = registry()?;
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["strategy", "what it is", "retain", "defaults", "paper"]);
    for entry in registry.all() {
        let own = entry.hyperparameters.iter();
        let mut defaults: Vec<String> = own.map(|h| format!("{} {}", h.name, h.default)).collect();
        defaults.push(format!("gamma {}", entry.gamma));
        if entry.alpha > 0.0 {
            defaults.push(format!("alpha {}", entry.alpha));
        }
        table.add_row([
            entry.name,
            entry.title,
            &entry.retain.to_string(),
            &defaults.join(", "),
            entry.paper,
        ]);
    }
    println!("{table}");
    println!(
        "\nNAME+RETAIN is a strategy with another retain loss (none, ce, kl, embedding): npo+kl"
    );
    Ok(())
}
