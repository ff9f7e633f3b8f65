//! `power`: what a preset could see, before it runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre::{Result, eyre};
use comfy_table::{CellAlignment, Table};
use lethe_corpus::Language;
use lethe_report::Claims;
use lethe_report::power::{
    Assumed, Detectable, Foreseen, Plan, PlannedModel, Row, SIMULATED, foresee,
};
use lethe_report::stats::{LEVEL, POWER, RESAMPLES};
use lethe_unlearn::LanguageScope;

use crate::preset::{Preset, root};

/// What to foresee.
#[derive(Args)]
pub struct Options {
    /// A preset in pipelines/, or a file
    #[arg(long, default_value = "laptop", value_name = "NAME|FILE")]
    preset: String,
    /// Change one key of the preset, for example corpus.probe=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Also say how likely such an effect is seen, for example preference=0.5
    #[arg(long, value_parser = pair, num_args = 1.., value_name = "MEASURE=X")]
    effect: Vec<(String, f64)>,
    /// Take the scatter of differences from this earlier run, where it has the models
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Assume another standard deviation of a difference in one language
    #[arg(long, value_parser = pair, num_args = 1.., value_name = "MEASURE=X")]
    sd: Vec<(String, f64)>,
    /// Assume another correlation of an item's differences in two languages
    #[arg(long, value_name = "X")]
    correlation: Option<f64>,
    /// Everything as one JSON object
    #[arg(long)]
    json: bool,
}

/// Between the two numbers of a cell, which stay together.
const BESIDE: &str = "\u{a0}|\u{a0}";

fn pair(text: &str) -> Result<(String, f64)> {
    let (measure, value) = text
        .split_once('=')
        .ok_or_else(|| eyre!("expected MEASURE=NUMBER, for example preference=0.5"))?;
    let number = value.parse();
    let number = number.map_err(|_| eyre!("{value:?} is no number"))?;
    Ok((measure.to_owned(), number))
}

/// The run that a preset makes.
fn plan(preset: &Preset) -> Result<Plan> {
    let model = |stage: &str, source: Option<Language>, scope: Option<&LanguageScope>| {
        let strategy = scope.map(|_| preset.unlearn.strategy.clone());
        PlannedModel {
            stage: stage.to_owned(),
            source: source.map(|source| source.to_string()),
            strategy,
            scope: scope.map(ToString::to_string),
        }
    };
    let mut models = vec![model("base", None, None)];
    if preset.instruct.is_some() {
        models.push(model("instruct", None, None));
    }
    let learn = &preset.learn;
    let mut sources = learn.sources.iter();
    if preset.eval.oracle && sources.any(|&source| learn.real_passes_beside(source) > 0) {
        models.push(model("oracle", None, None));
    }
    for &source in &learn.sources {
        models.push(model("tuned", Some(source), None));
        for scope in LanguageScope::distinct(&preset.scopes()?, source) {
            models.push(model("unlearned", Some(source), Some(&scope)));
        }
    }
    let choice = &preset.corpus;
    let aside = match choice.aside {
        0 => 0,
        _ => choice.held_out / 2,
    };
    Ok(Plan {
        items: choice.probe,
        held_out: choice.held_out - aside,
        languages: choice.languages.iter().map(ToString::to_string).collect(),
        models,
    })
}

/// Foresees, and prints it.
pub fn run(options: &Options) -> Result<()> {
    let (name, _, preset) = Preset::load(&options.preset, &options.overrides)?;
    let claims = Claims::read(&root().join("claims.toml"))?;
    let mut assumed = Assumed::default();
    assumed.sd.extend(options.sd.iter().cloned());
    assumed.correlation = options.correlation.unwrap_or(assumed.correlation);
    let effects: BTreeMap<String, f64> = options.effect.iter().cloned().collect();
    let plan = plan(&preset)?;
    let foreseen = foresee(&plan, &claims, &assumed, options.from.as_deref(), &effects)?;
    if options.json {
        let all = serde_json::json!({
            "preset": name,
            "level": LEVEL,
            "power": POWER,
            "resamples": RESAMPLES,
            "simulated": SIMULATED,
            "assumed": assumed,
            "from": options.from,
            "rows": foreseen.rows,
            "untested": foreseen.untested,
        });
        println!("{all:#}");
        return Ok(());
    }
    println!(
        "{name}: {} items in {} languages, {} models. The least effect that is seen with {:.0} % \
         power, by closed form | by simulation: at {:.0} % for one comparison alone, and at {:.0} % \
         over its family (Holm's first step). For a claim it is the distance from its threshold.",
        plan.items,
        plan.languages.len(),
        plan.models.len(),
        100.0 * POWER,
        100.0 * LEVEL,
        100.0 * LEVEL
    );
    if !effects.is_empty() {
        let named = effects.iter();
        let named: Vec<String> = named.map(|(name, x)| format!("{name} {x}")).collect();
        println!("Seen: how often an effect is ({}).", named.join(", "));
    }
    println!("\nEach measure, a taught model against the untuned one:");
    println!("{}", table(&foreseen, false));
    println!("\nEach test of claims.toml:");
    println!("{}", table(&foreseen, true));
    for [claim, test, lack] in &foreseen.untested {
        println!("{claim} is not tested by this run ({test}): it needs {lack}");
    }
    println!("\n{}", said(&assumed, &foreseen.rows, options));
    Ok(())
}

fn decimals(value: f64) -> String {
    format!("{value:.3}")
}

fn both(of: &Detectable) -> String {
    let simulated = of.simulated.map_or("none".to_owned(), decimals);
    format!("{}{BESIDE}{simulated}", decimals(of.closed))
}

fn table(foreseen: &Foreseen, of_claims: bool) -> Table {
    let with_effect = foreseen.rows.iter().any(|row| row.seen.is_some());
    let mut header = vec![
        if of_claims { "claim" } else { "measure" },
        "languages",
        "units",
        "family",
        "sd",
        "alone",
        "in its family",
    ];
    if with_effect {
        header.extend(["seen alone", "in its family"]);
    }
    let mut table = crate::corpus::table(&header);
    let rows = foreseen.rows.iter();
    for row in rows.filter(|row| row.claim.is_some() == of_claims) {
        let measure = format!("{}, {}", row.measure, row.unit);
        let what = match &row.claim {
            Some(claim) => format!("{claim}: {measure}"),
            None => measure,
        };
        let [fewest, most] = row.languages;
        let languages = match fewest == most {
            true => fewest.to_string(),
            false => format!("{fewest}-{most}"),
        };
        let mark = if row.observed { "" } else { "*" };
        let mut cells = vec![
            what,
            languages,
            row.units.to_string(),
            row.family.to_string(),
            format!("{}{mark}", decimals(row.sd)),
            both(&row.alone),
            both(&row.in_family),
        ];
        if with_effect {
            let shares = |[closed, simulated]: [f64; 2]| {
                format!(
                    "{:.0}{BESIDE}{:.0}\u{a0}%",
                    100.0 * closed,
                    100.0 * simulated
                )
            };
            cells.extend(match &row.seen {
                Some(seen) => [shares(seen.alone), shares(seen.in_family)],
                None => ["–", "–"].map(str::to_owned),
            });
        }
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// On what the numbers rest.
fn said(assumed: &Assumed, rows: &[Row], options: &Options) -> String {
    let mut out = Vec::new();
    if let Some(from) = &options.from {
        out.push(format!(
            "sd without *: of the differences in {}, whose scatter the simulation draws from.",
            from.display()
        ));
    }
    if rows.iter().any(|row| !row.observed) {
        let sds = assumed.sd.iter();
        let sds: Vec<String> = sds.map(|(name, sd)| format!("{name} {sd}")).collect();
        out.push(format!(
            "* assumed, not measured: the standard deviation of an item's difference in one language \
             ({}), and a correlation of {} between languages; --sd and --correlation change them, \
             --from RUN takes a run's.",
            sds.join(", "),
            assumed.correlation
        ));
    }
    out.push(format!(
        "Simulated: {SIMULATED} made-up runs, {RESAMPLES} resamples each, seeded; \"none\": no effect \
         is enough (fewer than 6 units, a family too large for them or for the resamples, or more \
         than a share can differ)."
    ));
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oracle_is_planned_where_a_run_trains_one() {
        let stages = |overrides: &[&str]| -> Vec<String> {
            let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
            let (_, _, preset) = Preset::load("smoke", &overrides).expect("it is good");
            let models = plan(&preset).expect("it is good").models;
            models.into_iter().map(|model| model.stage).collect()
        };
        let planned = stages(&[]);
        assert_eq!(planned[..4], ["base", "instruct", "oracle", "tuned"]);
        let has_one = |overrides: &[&str]| stages(overrides).contains(&"oracle".to_owned());
        assert!(!has_one(&["eval.oracle=false"]));
        // English fakes are learned alone: without them nothing is learned.
        assert!(!has_one(&["learn.sources=[\"en\"]"]));
        assert!(has_one(&[
            "learn.sources=[\"en\"]",
            "learn.real_for_english=true"
        ]));
        assert!(!has_one(&["learn.real_passes=0"]));
    }
}
