//! What each model of a race left and lost.
//!
//! *Residue* of an item in a language: max(0, preference − preference of the untuned model), in
//! nats: how much more the fake is held than by the model that never learned it. To go beyond that
//! is not rewarded. A model's residue is the mean over languages and over the items that it was to
//! forget; items are resampled, each as its mean over languages.
//!
//! *Utility loss*: the mean of (a) the rise of the fact probe's NLL per token over the tuned
//! model's, over all items and languages, and (b) the rise of the NLL of held-out real articles
//! over the tuned model's, in nats per token. (a) is resampled over items; (b) is a constant.

use serde::Serialize;

use super::RaceInfo;
use super::read::{Race, RaceRun, Scores, Unlearned};
use crate::results::Scope;
use crate::stats::{Estimate, Intervals};

/// A model in one line. Residues are of the items that it was to forget; of all items for the
/// untuned and the tuned model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RaceRow {
    /// The model's name in the results.
    pub model: String,
    /// `untuned`, `tuned` or `unlearned`.
    pub stage: &'static str,
    /// How it came to be, if it unlearned.
    pub run: Option<RaceRun>,
    /// How many items it was to forget.
    pub items: usize,
    /// Residue in nats.
    pub residue: Estimate,
    /// 1 − residue/residue of the tuned model on the same items; none where that has none.
    pub removed: Option<f64>,
    /// Share of these items and languages in which the fake is preferred.
    pub preferred: f64,
    /// Residue in each prompt language.
    pub languages: Vec<LanguageResidue>,
    /// Residue in the language in which the fakes were learned.
    pub residue_source: Option<f64>,
    /// Mean residue in the other languages.
    pub residue_elsewhere: Option<f64>,
    /// Utility loss in nats per token.
    pub utility_loss: Estimate,
    /// Perplexity of held-out real articles over the tuned model's.
    pub perplexity_ratio: f64,
    /// Whether it is on the Pareto front of its scope; none unless everything was to be forgotten
    /// at once.
    pub front: Option<bool>,
}

/// Residue in one prompt language.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LanguageResidue {
    /// The code.
    pub language: String,
    /// Nats.
    pub residue: f64,
}

/// A model's numbers by item, with its line.
pub(crate) struct Entry<'a> {
    pub(crate) scores: &'a Scores,
    /// By item: the mean residue over languages.
    pub(crate) residue: Vec<f64>,
    /// By item: its part (a) of the utility loss, averaged with the model's (b).
    pub(crate) loss: Vec<f64>,
    pub(crate) row: RaceRow,
}

/// An unlearned model with its numbers.
pub(crate) struct Runner<'a> {
    pub(crate) scope: Scope,
    pub(crate) run: &'a RaceRun,
    pub(crate) model: &'a Unlearned,
    pub(crate) entry: Entry<'a>,
}

/// A race with everything that its tables and figures are made of.
pub(crate) struct Standings<'a> {
    pub(crate) race: &'a Race,
    pub(crate) info: &'a RaceInfo,
    pub(crate) intervals: Intervals,
    pub(crate) untuned: Entry<'a>,
    pub(crate) tuned: Entry<'a>,
    /// In the order of [`Race::unlearned`].
    pub(crate) runners: Vec<Runner<'a>>,
    pub(crate) scopes: Vec<Scope>,
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The values of the items that are chosen.
pub(crate) fn chosen(values: &[f64], items: &[bool]) -> Vec<f64> {
    let pairs = values.iter().zip(items);
    pairs.filter(|(_, c)| **c).map(|(v, _)| *v).collect()
}

/// Whether a point (residue, utility loss) is no worse than another in both and better in one.
fn dominates(a: (f64, f64), b: (f64, f64)) -> bool {
    a.0 <= b.0 && a.1 <= b.1 && a != b
}

impl<'a> Standings<'a> {
    pub(crate) fn new(race: &'a Race, info: &'a RaceInfo) -> Standings<'a> {
        let intervals = Intervals::default();
        let entry = |scores: &'a Scores, stage, run: Option<&RaceRun>| {
            measure(race, info, &intervals, scores, stage, run)
        };
        let mut runners: Vec<Runner> = race
            .unlearned
            .iter()
            .map(|model| Runner {
                scope: model.scope,
                run: &model.run,
                model,
                entry: entry(&model.scores, "unlearned", Some(&model.run)),
            })
            .collect();
        let tuned = entry(&race.tuned, "tuned", None);
        let mut scopes: Vec<Scope> = runners.iter().map(|runner| runner.scope).collect();
        scopes.dedup();
        for &scope in &scopes {
            let is_there = |r: &Runner| r.scope == scope && r.run.is_full();
            let points: Vec<(f64, f64)> = runners
                .iter()
                .filter(|r| is_there(r))
                .map(|r| point(&r.entry.row))
                .chain([point(&tuned.row)])
                .collect();
            for runner in runners.iter_mut().filter(|r| is_there(r)) {
                let own = point(&runner.entry.row);
                let beaten = points.iter().any(|other| dominates(*other, own));
                runner.entry.row.front = Some(!beaten);
            }
        }
        Standings {
            untuned: entry(&race.untuned, "untuned", None),
            tuned,
            runners,
            scopes,
            race,
            info,
            intervals,
        }
    }

    /// Those of a scope that were to forget everything at once, by budget, then residue.
    pub(crate) fn full(&self, scope: Scope) -> Vec<&Runner<'a>> {
        let is_there = |r: &&Runner| r.scope == scope && r.run.is_full();
        let mut out: Vec<&Runner> = self.runners.iter().filter(is_there).collect();
        out.sort_by(|a, b| {
            let by_budget = a.run.budget.total_cmp(&b.run.budget);
            let residue = |r: &Runner| r.entry.row.residue.mean;
            by_budget
                .then(residue(a).total_cmp(&residue(b)))
                .then_with(|| a.run.strategy.cmp(&b.run.strategy))
        });
        out
    }

    /// The budgets at which such models were chosen, rising.
    pub(crate) fn budgets(&self, scope: Scope) -> Vec<f64> {
        let mut out: Vec<f64> = self.full(scope).iter().map(|r| r.run.budget).collect();
        out.dedup();
        out
    }

    /// Whether the tuned model is itself on a scope's front.
    pub(crate) fn tuned_is_on_front(&self, scope: Scope) -> bool {
        let own = point(&self.tuned.row);
        let others = self.full(scope);
        !others.iter().any(|r| dominates(point(&r.entry.row), own))
    }

    pub(crate) fn is_own(&self, strategy: &str) -> bool {
        self.info.own.iter().any(|own| own == strategy)
    }

    pub(crate) fn rows(&self) -> Vec<RaceRow> {
        let before = [&self.untuned, &self.tuned];
        let entries = before
            .into_iter()
            .chain(self.runners.iter().map(|r| &r.entry));
        entries.map(|entry| entry.row.clone()).collect()
    }
}

/// Residue and utility loss.
pub(crate) fn point(row: &RaceRow) -> (f64, f64) {
    (row.residue.mean, row.utility_loss.mean)
}

fn measure<'a>(
    race: &'a Race,
    info: &RaceInfo,
    intervals: &Intervals,
    scores: &'a Scores,
    stage: &'static str,
    run: Option<&RaceRun>,
) -> Entry<'a> {
    let count = race.items.len();
    let items = match run {
        Some(_) => scores.forgotten.clone(),
        None => vec![true; count],
    };
    let excess = |scores: &Scores| -> Vec<Vec<f64>> {
        let pairs = scores.preference.iter().zip(&race.untuned.preference);
        let of_item = |(now, untuned): (&Vec<f64>, &Vec<f64>)| {
            now.iter()
                .zip(untuned)
                .map(|(n, u)| (n - u).max(0.0))
                .collect()
        };
        pairs.map(of_item).collect()
    };
    let by_item = |excess: &[Vec<f64>]| -> Vec<f64> { excess.iter().map(|l| mean(l)).collect() };
    let here = excess(scores);
    let residue = by_item(&here);
    let held_out = scores.held_out_nll - race.tuned.held_out_nll;
    let loss: Vec<f64> = scores
        .logprob_real
        .iter()
        .zip(&race.tuned.logprob_real)
        .map(|(now, tuned)| f64::midpoint(mean(tuned) - mean(now), held_out))
        .collect();

    let left = intervals.mean(&chosen(&residue, &items));
    let learned = mean(&chosen(&by_item(&excess(&race.tuned)), &items));
    let asked = |grid: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let pairs = grid.iter().zip(&items);
        pairs
            .filter(|(_, c)| **c)
            .map(|(row, _)| row.clone())
            .collect()
    };
    let prefers: Vec<f64> = asked(&scores.preference)
        .iter()
        .flatten()
        .map(|&preference| f64::from(preference > 0.0))
        .collect();
    let here = asked(&here);
    let in_language = |(l, code): (usize, &String)| LanguageResidue {
        language: code.clone(),
        residue: mean(&here.iter().map(|row| row[l]).collect::<Vec<f64>>()),
    };
    let codes = race.languages.iter().enumerate();
    let languages: Vec<LanguageResidue> = codes.map(in_language).collect();
    let source = race.language(&info.source).map(|l| languages[l].residue);
    let elsewhere: Vec<f64> = languages
        .iter()
        .filter(|cell| cell.language != info.source)
        .map(|cell| cell.residue)
        .collect();
    let row = RaceRow {
        model: scores.name.clone(),
        stage,
        run: run.cloned(),
        items: left.n,
        residue: left,
        removed: (learned > 0.0).then(|| 1.0 - left.mean / learned),
        preferred: mean(&prefers),
        languages,
        residue_source: source,
        residue_elsewhere: (!elsewhere.is_empty()).then(|| mean(&elsewhere)),
        utility_loss: intervals.mean(&loss),
        perplexity_ratio: held_out.exp(),
        front: None,
    };
    Entry {
        scores,
        residue,
        loss,
        row,
    }
}
