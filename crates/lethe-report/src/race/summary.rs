//! What a race came to, as data and as text for a terminal.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use serde::Serialize;

use super::measure::RaceRow;
use super::versus::{Contest, OwnVerdict, RequestRow, SizeRow};
use crate::text::{compact, percent, signed};

/// What a race came to; `standings.json` has all of it but the path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RaceSummary {
    /// One row per model: untuned, tuned, then the unlearned ones by scope.
    pub rows: Vec<RaceRow>,
    /// One verdict per scope, budget and own strategy.
    pub verdicts: Vec<OwnVerdict>,
    /// Every own strategy against every published one.
    pub contests: Vec<Contest>,
    /// Models after each of several requests, with those that got all of them as one.
    pub requests: Vec<RequestRow>,
    /// Models with a part of the items to forget, with those that were to forget all.
    pub sizes: Vec<SizeRow>,
    /// The report's page.
    #[serde(skip)]
    pub index: PathBuf,
}

impl RaceSummary {
    /// Rows of models that were to forget everything at once, scope by scope.
    fn standings(&self) -> Vec<(&str, Vec<&RaceRow>)> {
        let mut out: Vec<(&str, Vec<&RaceRow>)> = Vec::new();
        for row in &self.rows {
            let Some(run) = row.run.as_ref().filter(|run| run.is_full()) else {
                continue;
            };
            match out.iter_mut().find(|(scope, _)| *scope == run.scope) {
                Some((_, rows)) => rows.push(row),
                None => out.push((&run.scope, vec![row])),
            }
        }
        let key = |row: &RaceRow| {
            let budget = row.run.as_ref().map_or(0.0, |run| run.budget);
            (budget, row.residue.mean)
        };
        for (_, rows) in &mut out {
            rows.sort_by(|a, b| {
                let ((budget_a, residue_a), (budget_b, residue_b)) = (key(a), key(b));
                budget_a
                    .total_cmp(&budget_b)
                    .then(residue_a.total_cmp(&residue_b))
            });
        }
        out
    }
}

impl Display for RaceSummary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = self.rows.iter().map(|row| match &row.run {
            Some(run) => run.strategy.chars().count(),
            None => row.stage.len(),
        });
        let width = names.max().unwrap_or(0);
        let line = |f: &mut Formatter<'_>, name: &str, budget: &str, row: &RaceRow| {
            writeln!(
                f,
                "  {name:width$} {budget:>8} {:>8} {:>16} {:>8} {:>9} {:>10} {}",
                compact(row.residue.mean, 2),
                format!(
                    "[{}, {}]",
                    compact(row.residue.low, 2),
                    compact(row.residue.high, 2)
                ),
                row.removed.map_or_else(|| "–".to_owned(), percent),
                signed(row.utility_loss.mean, 3),
                compact(row.perplexity_ratio, 3),
                match &row.run {
                    Some(run) if run.step == 0 => "none within the budget",
                    _ if row.front == Some(true) => "on the front",
                    _ => "",
                }
            )
        };
        writeln!(
            f,
            "  {:width$} {:>8} {:>8} {:>16} {:>8} {:>9} {:>10}",
            "", "budget", "residue", "[95 %]", "removed", "utility", "ppl ratio"
        )?;
        for row in self.rows.iter().filter(|row| row.run.is_none()) {
            line(f, row.stage, "", row)?;
        }
        for (scope, rows) in self.standings() {
            writeln!(f, "scope {scope}")?;
            for row in rows {
                if let Some(run) = &row.run {
                    line(f, &run.strategy, &run.budget.to_string(), row)?;
                }
            }
        }
        for v in &self.verdicts {
            writeln!(
                f,
                "{} leaves less than every published strategy in scope {} within {}: {} \
                 (supported against {} of {}, contradicted against {})",
                v.own,
                v.scope,
                v.budget,
                v.verdict.word(),
                v.supported,
                v.published,
                v.contradicted
            )?;
        }
        if !self.requests.is_empty() {
            writeln!(
                f,
                "requests: residue so far, utility loss so far, this request's cost"
            )?;
        }
        for r in &self.requests {
            writeln!(
                f,
                "  {:width$} {:>8} {:>8} {:>8} {:>9} {:>9}  {}",
                r.strategy,
                r.budget.to_string(),
                format!("{} of {}", r.request, r.requests),
                compact(r.residue.mean, 2),
                signed(r.utility_loss.mean, 3),
                signed(r.cost.mean, 3),
                r.scope
            )?;
        }
        if !self.sizes.is_empty() {
            writeln!(
                f,
                "forget-set size: items, their residue, change elsewhere, utility loss"
            )?;
        }
        for s in &self.sizes {
            writeln!(
                f,
                "  {:width$} {:>8} {:>8} {:>8} {:>9} {:>9}  {}",
                s.strategy,
                s.budget.to_string(),
                s.items,
                compact(s.residue.mean, 2),
                s.others
                    .map_or_else(|| "–".to_owned(), |e| signed(e.mean, 2)),
                signed(s.utility_loss.mean, 3),
                s.scope
            )?;
        }
        let unlearned = self.rows.iter().filter(|row| row.run.is_some()).count();
        write!(f, "{unlearned} unlearned models in all")
    }
}
