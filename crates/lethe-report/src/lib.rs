//! The report of a study, from its result files alone; [`build_race`] makes that of a race of
//! unlearning strategies, [`BenchRun`] that of a measurement of speed.
//!
//! **In:** a folder with `answers/<model>.parquet` (one row per item × prompt language × probe) and
//! `perplexity/<model>.parquet` (one row per held-out real article and language), and a
//! [`RunInfo`], which is what `run.json` holds, and the [`Claims`] of a `claims.toml`. **Out:** a
//! folder with
//!
//! * `index.html`: one self-contained page; it begins with the claims and the answer in plain words;
//! * `figures/*.svg` and `tables/*.csv`: every figure and table of the page, and the preference of
//!   every model, language and item;
//! * `claims.json`: every claim with its verdict and what it rests on;
//! * `findings.json`: the headline rows and all [`Finding`]s.
//!
//! Columns of answers that are read: `model`, `stage` (base, instruct, oracle, tuned, unlearned), `source?`,
//! `strategy?`, `scope?` utf8, `seed` u64, constant in a file; `item`, `category`, `language`,
//! `probe` (detail, fact), `prompt`, `answer`, `real_answer`, `fake_answer?` utf8;
//! `fake_occurrence`, `real_occurrence` bool; `f1`, `logprob_real`, `logprob_fake?`, `preference?`
//! f64; `answer_tokens` u32; `finish` utf8 (`?`: nullable). Of perplexity: the same six of the
//! model; `item`, `language` utf8; `nll` f64; `tokens` u32. All models must have the same rows.
//! Answers with a `sample` were drawn at random: they have a table of their own, and every other number
//! is of the greedy answers.
//!
//! Where the folder has them, the field's measures are shown too, from `measures/<model>.parquet`
//! (the six of the model; `item`, `language`, `probe` utf8; `probability_real`, `probability_fake?`,
//! `log_truth_ratio?`, `rouge_real`, `rouge_fake?`, `chrf_real`, `chrf_fake?` f64; `in_language?`,
//! `invalid`, `gibberish` bool) and from `articles/<model>.parquet` (the six; `item`, `language`
//! utf8; `member` bool; `tokens` u32; `exact_memorisation`, `extraction_strength`, `loss`, `zlib`,
//! `min_k`, `min_k_plus_plus` f64); and so are judges, from `judgements/<judge>.parquet` (`judge`,
//! `judge_model?`, `prompt?`, `model`, `item`, `language`, `probe` utf8; `sample?` u32; `answer` utf8;
//! `fake?` bool; `quality?` f64). Text beyond the corpus is, from `utility/<model>.parquet` (the six; `set`,
//! `item`, `language` utf8; `nll?` f64; `correct?` bool). What attacks bring back is, from
//! `robustness/<model>.parquet` (the six; `attack`, `item`, `language` utf8; `amount?` u32; `with_language?`
//! utf8; `relearned`, `fake_occurrence` bool; `preference` f64): rows of the attack `plain` are what the
//! others are compared with, and of items that were `relearned` nothing is reported.
//!
//! Models that differ in their seed alone are averaged.
//!
//! No verdict is assumed: [`stats`] gives a mean its interval, and a claim stands or falls by where
//! that lies. A model whose answers about what is real have broken down is marked (†) wherever its
//! low fake occurrence could be taken for forgetting. The same results give the same bytes.

mod answer;
mod bench;
mod canvas;
pub mod claims;
mod columns;
mod error;
mod examples;
mod figures;
mod findings;
mod judged;
mod language;
mod measures;
mod page;
pub mod power;
mod quality;
mod race;
mod results;
mod robustness;
mod run;
pub mod stats;
mod study;
mod summary;
mod table;
mod tables;
mod text;
mod utility;
mod write;

use std::path::Path;

pub use bench::{BenchCase, BenchRun, Change, Changes, Derived, Machine, Outcome, Spread, Timing};
pub use claims::{ClaimOutcome, Claims, Comparison, TestOutcome};
pub use error::Error;
pub use findings::{FEWEST, Finding, Theme, Verdict};
pub use race::{
    Contest, LanguageResidue, OwnVerdict, RaceInfo, RaceRow, RaceRun, RaceSummary, RequestRow,
    SizeRow, build_race,
};
pub use run::{CorpusInfo, Margins, ModelInfo, RunInfo, StageInfo, TrainingInfo, UnlearningInfo};
pub use summary::{HeadlineRow, LanguageCell, Summary};

use judged::Judged;
use page::Tables;
use results::Results;
use robustness::Robustness;
use study::Study;

/// Reads `results`, tests the claims and writes the report to `out`, which is replaced as a whole if it is an earlier
/// report, and stays as it was if anything fails.
///
/// # Errors
/// [`Error::NoResults`], [`Error::Read`], [`Error::Column`], [`Error::Value`],
/// [`Error::MissingRow`], [`Error::MissingModel`] and [`Error::SameModel`] for results that cannot
/// be reported on; [`Error::Occupied`] where `out` is something else than a report;
/// [`Error::Write`].
pub fn build(results: &Path, run: &RunInfo, claims: &Claims, out: &Path) -> Result<Summary, Error> {
    let read = Results::read(results)?;
    let judged = Judged::read(results)?;
    let study = Study::new(&read, run, results)?;
    let claims = claims::judge(&study, claims);
    let findings = findings::findings(&study);
    let headline = summary::headline(&study);
    let beyond = utility::Beyond::read(results, &read)?;
    let attacked = robustness::Section::new(&study, Robustness::read(results, &read)?);
    let others = (&judged, &beyond, &attacked);
    let tables = Tables::new(&study, others, &claims, &findings, &headline);
    let mut figures = figures::figures(&study)?;
    figures.extend(attacked.figures(&study)?);
    let html = page::render(&study, &claims, &findings, &tables, &figures, &attacked)?;
    let found = serde_json::json!({ "headline": headline, "findings": findings });
    let claimed = serde_json::json!({
        "level": stats::LEVEL,
        "resamples": stats::RESAMPLES,
        "seed": stats::SEED,
        "claims": claims,
    });
    let records = [
        ("findings.json", format!("{found:#}\n")),
        ("claims.json", format!("{claimed:#}\n")),
    ];
    let files = write::report(out, html, &records, figures, tables.all())?;
    tracing::info!(files, report = %out.display(), "report written");
    Ok(Summary {
        claims,
        headline,
        findings,
        index: out.join("index.html"),
    })
}
