//! Comparisons between models of a race: own strategies with published ones, one request with
//! several, small forget sets with large ones.

use serde::Serialize;

use super::measure::{Runner, Standings, chosen, mean};
use super::read::Race;
use crate::findings::{FEWEST, Verdict};
use crate::results::Scope;
use crate::stats::{Estimate, LEVEL, holm};

/// A strategy of Lethe's own against a published one, in the same scope and within the same budget,
/// both made to forget everything at once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contest {
    /// The languages of the forget set.
    pub scope: String,
    /// The utility loss that was allowed on the items held aside.
    pub budget: f64,
    /// The own strategy.
    pub own: String,
    /// The published one.
    pub published: String,
    /// Own residue − the other's, paired by item.
    pub residue: Estimate,
    /// The two-sided bootstrap p-value of that difference.
    pub p: f64,
    /// The same, adjusted by Holm's method for all contests of this scope and budget.
    pub adjusted: f64,
    /// Whether the own strategy leaves less.
    pub verdict: Verdict,
    /// Own utility loss − the other's, paired by item.
    pub utility_loss: Estimate,
}

/// Whether an own strategy leaves less than every published one in a scope and within a budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OwnVerdict {
    /// The languages of the forget set.
    pub scope: String,
    /// The utility loss that was allowed on the items held aside.
    pub budget: f64,
    /// The own strategy.
    pub own: String,
    /// Supported if it is against every published one, contradicted if it is against any.
    pub verdict: Verdict,
    /// Against how many it is supported.
    pub supported: usize,
    /// Against how many it is contradicted.
    pub contradicted: usize,
    /// How many published strategies there are.
    pub published: usize,
}

/// A model after one of several requests, or after the only one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestRow {
    /// The model's name in the results.
    pub model: String,
    /// The languages of the forget set.
    pub scope: String,
    /// The strategy.
    pub strategy: String,
    /// The utility loss that was allowed on the items held aside.
    pub budget: f64,
    /// Which request it is, counted from 1.
    pub request: u32,
    /// Of how many.
    pub requests: u32,
    /// How many items were to be forgotten so far.
    pub items: usize,
    /// Their residue.
    pub residue: Estimate,
    /// The residue of those of earlier requests; none at the first.
    pub earlier: Option<Estimate>,
    /// Share of the items so far, and languages, in which the fake is preferred.
    pub preferred: f64,
    /// Utility loss so far.
    pub utility_loss: Estimate,
    /// What this request added to it, paired by item: against the model before.
    pub cost: Estimate,
    /// Tokens that this request trained on.
    pub tokens: u64,
    /// Wall time of this request in seconds.
    pub seconds: f64,
}

/// A model that was to forget a share of what was learned, or all of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SizeRow {
    /// The model's name in the results.
    pub model: String,
    /// The languages of the forget set.
    pub scope: String,
    /// The strategy.
    pub strategy: String,
    /// The utility loss that was allowed on the items held aside.
    pub budget: f64,
    /// The share of the learned items that was to be forgotten.
    pub fraction: f64,
    /// How many items that is.
    pub items: usize,
    /// Their residue.
    pub residue: Estimate,
    /// Change of the preference against the tuned model on all other items; none where there are
    /// no others.
    pub others: Option<Estimate>,
    /// Utility loss.
    pub utility_loss: Estimate,
}

/// All contests, family by family, a family being a scope and budget.
pub(crate) fn contests(standings: &Standings) -> Vec<Contest> {
    let mut out = Vec::new();
    for &scope in &standings.scopes {
        for budget in standings.budgets(scope) {
            out.extend(family(standings, scope, budget));
        }
    }
    out
}

fn family(standings: &Standings, scope: Scope, budget: f64) -> Vec<Contest> {
    let there = standings.full(scope).into_iter();
    let (own, published): (Vec<&Runner>, Vec<&Runner>) = there
        .filter(|runner| runner.run.budget == budget)
        .partition(|runner| standings.is_own(&runner.run.strategy));
    let mut out = Vec::new();
    for ours in &own {
        for theirs in &published {
            let (a, b) = (&ours.entry, &theirs.entry);
            let (residue, p) = standings.intervals.tested(&a.residue, &b.residue);
            out.push(Contest {
                scope: scope.name(),
                budget,
                own: ours.run.strategy.clone(),
                published: theirs.run.strategy.clone(),
                residue,
                p,
                adjusted: p,
                verdict: Verdict::Undecided,
                utility_loss: standings.intervals.paired(&a.loss, &b.loss),
            });
        }
    }
    let adjusted = holm(&out.iter().map(|contest| contest.p).collect::<Vec<f64>>());
    for (contest, adjusted) in out.iter_mut().zip(adjusted) {
        contest.adjusted = adjusted;
        contest.verdict = match contest.residue {
            e if e.n < FEWEST || adjusted > LEVEL => Verdict::Undecided,
            e if e.mean < 0.0 => Verdict::Supported,
            _ => Verdict::Contradicted,
        };
    }
    out
}

/// One verdict per scope, budget and own strategy.
pub(crate) fn verdicts(contests: &[Contest]) -> Vec<OwnVerdict> {
    let groups =
        contests.chunk_by(|a, b| (&a.scope, a.budget, &a.own) == (&b.scope, b.budget, &b.own));
    let of_group = |group: &[Contest]| {
        let first = group.first()?;
        let with = |verdict| group.iter().filter(|c| c.verdict == verdict).count();
        Some(OwnVerdict {
            scope: first.scope.clone(),
            budget: first.budget,
            own: first.own.clone(),
            verdict: Verdict::all(group.iter().map(|contest| contest.verdict)),
            supported: with(Verdict::Supported),
            contradicted: with(Verdict::Contradicted),
            published: group.len(),
        })
    };
    groups.filter_map(of_group).collect()
}

/// Every model after one of several requests, with the model that got all of them as one.
pub(crate) fn requests(standings: &Standings) -> Vec<RequestRow> {
    let several = |r: &&Runner| !r.run.is_one_request();
    let is_beside = |r: &Runner| {
        let mut others = standings.runners.iter().filter(several);
        r.run.is_full() && others.any(|other| other.run.is_alike(r.run))
    };
    let chosen = standings.runners.iter();
    let mut chosen: Vec<&Runner> = chosen.filter(|r| several(r) || is_beside(r)).collect();
    chosen.sort_by(|a, b| {
        let by_scope = a.scope.cmp(&b.scope);
        let by_budget = a.run.budget.total_cmp(&b.run.budget);
        let key = |r: &Runner| (r.run.requests, r.run.request);
        by_scope
            .then(by_budget)
            .then_with(|| a.run.strategy.cmp(&b.run.strategy))
            .then(key(a).cmp(&key(b)))
    });
    chosen.into_iter().map(|r| request(standings, r)).collect()
}

fn request(standings: &Standings, runner: &Runner) -> RequestRow {
    let (run, entry) = (runner.run, &runner.entry);
    let before = standings.race.before(runner.model);
    let before = before.and_then(|before| {
        let is_it = |r: &&Runner| std::ptr::eq(r.model, before);
        standings.runners.iter().find(is_it)
    });
    let earlier = before.map(|before| {
        let of_earlier = chosen(&entry.residue, &before.entry.scores.forgotten);
        standings.intervals.mean(&of_earlier)
    });
    let loss_before = before.map_or(&standings.tuned.loss, |before| &before.entry.loss);
    RequestRow {
        model: entry.row.model.clone(),
        scope: run.scope.clone(),
        strategy: run.strategy.clone(),
        budget: run.budget,
        request: run.request,
        requests: run.requests,
        items: entry.row.items,
        residue: entry.row.residue,
        earlier,
        preferred: entry.row.preferred,
        utility_loss: entry.row.utility_loss,
        cost: standings.intervals.paired(&entry.loss, loss_before),
        tokens: run.tokens,
        seconds: run.seconds,
    }
}

/// Every model with a part of the items to forget, with the model that was to forget all.
pub(crate) fn sizes(standings: &Standings) -> Vec<SizeRow> {
    let is_part = |r: &&Runner| r.run.is_one_request() && !r.run.is_full();
    let is_beside = |r: &Runner| {
        let mut others = standings.runners.iter().filter(is_part);
        r.run.is_full() && others.any(|other| other.run.is_alike(r.run))
    };
    let chosen = standings.runners.iter();
    let mut chosen: Vec<&Runner> = chosen.filter(|r| is_part(r) || is_beside(r)).collect();
    chosen.sort_by(|a, b| {
        let by_scope = a.scope.cmp(&b.scope);
        by_scope
            .then(a.run.budget.total_cmp(&b.run.budget))
            .then_with(|| a.run.strategy.cmp(&b.run.strategy))
            .then(a.run.fraction.total_cmp(&b.run.fraction))
    });
    chosen.into_iter().map(|r| size(standings, r)).collect()
}

fn size(standings: &Standings, runner: &Runner) -> SizeRow {
    let (run, entry) = (runner.run, &runner.entry);
    let changes = preference_changes(standings.race, &entry.scores.preference);
    let others: Vec<bool> = entry.scores.forgotten.iter().map(|asked| !asked).collect();
    let others = chosen(&changes, &others);
    SizeRow {
        model: entry.row.model.clone(),
        scope: run.scope.clone(),
        strategy: run.strategy.clone(),
        budget: run.budget,
        fraction: run.fraction,
        items: entry.row.items,
        residue: entry.row.residue,
        others: (!others.is_empty()).then(|| standings.intervals.mean(&others)),
        utility_loss: entry.row.utility_loss,
    }
}

/// By item, over languages, against the tuned model.
fn preference_changes(race: &Race, preference: &[Vec<f64>]) -> Vec<f64> {
    let pairs = preference.iter().zip(&race.tuned.preference);
    pairs.map(|(now, tuned)| mean(now) - mean(tuned)).collect()
}
