//! The report of a race of unlearning strategies, from its result files alone.
//!
//! **In:** a folder with three files, and a [`RaceInfo`], which is what `race.json` holds
//! (`?`: nullable).
//!
//! * `models.parquet`, a row per model: `model`, `stage` (untuned, tuned, unlearned) utf8;
//!   `held_out_nll` f64; and, null unless the stage is unlearned, `strategy?`, `scope?`, `settings?`, `outcome?`
//!   (fixed-steps, collapsed, reached, capped) utf8; `learning_rate?`, `budget?`, `fraction?`,
//!   `aside_residue?`, `aside_utility_loss?`, `seconds?` f64; `step?`, `request?`, `requests?` u32;
//!   `tokens?` u64. Those of the items held aside may be null for unlearned models too. There is one
//!   untuned and one tuned model.
//! * `scores.parquet`, a row per model, reported item and prompt language: `model`, `item`,
//!   `language` utf8; `forgotten` bool, read for unlearned models alone; `preference`,
//!   `logprob_real` f64. All models must have the same items and languages.
//! * `measured.parquet`, a row per measurement on the items held aside, or none: `strategy`, `scope`,
//!   `settings` utf8; `fraction`, `learning_rate`, `forget_nll`, `residue`, `utility_loss` f64; `request`,
//!   `requests`, `step` u32. A run that reaches a number that is none leaves that row out.
//!
//! **Out:** a folder with `index.html`, `figures/*.svg`, `tables/*.csv` and `standings.json`, which
//! has every row of the page. What a residue and a utility loss are stands in `measure.rs`. The same
//! results give the same bytes, in whatever order the rows stand.

mod figures;
mod measure;
mod page;
mod pareto;
mod plot;
mod read;
mod summary;
mod tables;
mod versus;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::run::{ModelInfo, StageInfo};
use crate::{Error, write};
use measure::Standings;
pub use measure::{LanguageResidue, RaceRow};
use page::Tables;
use read::Race;
pub use read::RaceRun;
pub use summary::RaceSummary;
pub use versus::{Contest, OwnVerdict, RequestRow, SizeRow};

/// A race: which strategies ran, on what, and what it took: `race.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceInfo {
    /// The preset's name.
    pub preset: String,
    /// The preset's TOML text, with overrides applied.
    pub preset_toml: String,
    /// The model that learned and unlearned.
    pub model: ModelInfo,
    /// The device that computed.
    pub device: String,
    /// The seed of training and of which items are held aside.
    pub seed: u64,
    /// The code of the language in which the fakes were learned.
    pub source: String,
    /// Items that are reported.
    pub items: u32,
    /// Items held aside, on which learning rates and steps were chosen.
    pub aside: u32,
    /// Strategies of Lethe's own, which are compared with the published ones.
    pub own: Vec<String>,
    /// What could not be run and why, one sentence each.
    pub skipped: Vec<String>,
    /// The stages in the order in which they ran.
    pub stages: Vec<StageInfo>,
    /// Differences from the published strategies, one sentence each.
    pub deviations: Vec<String>,
    /// Software and its versions.
    pub versions: BTreeMap<String, String>,
}

/// Reads `results` and writes the report of the race to `out`, which is replaced as a whole if it
/// is an earlier report of a race, and stays as it was if anything fails.
///
/// # Errors
/// [`Error::Read`], [`Error::Column`], [`Error::Value`], [`Error::MissingScore`] and
/// [`Error::MissingModel`] for results that cannot be reported on; [`Error::Occupied`] where `out`
/// is something else than the report of a race; [`Error::Write`].
pub fn build_race(results: &Path, info: &RaceInfo, out: &Path) -> Result<RaceSummary, Error> {
    let race = Race::read(results)?;
    check(&race, info, results)?;
    let standings = Standings::new(&race, info);
    let contests = versus::contests(&standings);
    let summary = RaceSummary {
        rows: standings.rows(),
        verdicts: versus::verdicts(&contests),
        contests,
        requests: versus::requests(&standings),
        sizes: versus::sizes(&standings),
        index: out.join("index.html"),
    };
    let figures = figures::figures(&standings)?;
    let tables = Tables::new(&standings, &summary);
    let html = page::render(&standings, &summary, &tables, &figures)?;
    let json = serde_json::json!(summary);
    let records = [("standings.json", format!("{json:#}\n"))];
    let figures = figures.into_iter();
    let figures = figures.flat_map(|f| f.standings.into_iter().chain(f.requests));
    let files = write::report(out, html, &records, figures, tables.all())?;
    tracing::info!(files, report = %out.display(), "report of the race written");
    Ok(summary)
}

/// Results and record are of the same race.
fn check(race: &Race, info: &RaceInfo, results: &Path) -> Result<(), Error> {
    if race.items.len() != info.items as usize {
        return Err(Error::Read {
            path: results.join("scores.parquet"),
            reason: format!(
                "it has {} items, but race.json says that {} are reported: they are of different \
                 races, or scoring is not complete",
                race.items.len(),
                info.items
            ),
        });
    }
    if race.language(&info.source).is_none() {
        return Err(Error::MissingModel {
            path: results.join("scores.parquet"),
            what: format!("score in the language {}", info.source),
            reason: "race.json says that the fakes were learned in it".to_owned(),
        });
    }
    Ok(())
}
