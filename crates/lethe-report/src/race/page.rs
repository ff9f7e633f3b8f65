//! The page of a race.

use serde::Serialize;

use super::figures::ScopeFigures;
use super::measure::{Runner, Standings};
use super::summary::RaceSummary;
use super::tables;
use super::versus::OwnVerdict;
use crate::Error;
use crate::figures::Figure;
use crate::findings::{FEWEST, Verdict};
use crate::language;
use crate::page::{FigureView, STYLE, html, stated};
use crate::results::Scope;
use crate::stats::{LEVEL, RESAMPLES};
use crate::table::{Table, TableView};
use crate::text::{compact, duration, enumerate, percent, signed, thousands, visible};

const TEMPLATE: &str = concat!(include_str!("../macros.html"), include_str!("race.html"));

/// The tables of a scope; those without rows are not shown.
struct ScopeTables {
    standings: Table,
    languages: Table,
    contests: Table,
    requests: Table,
    sizes: Table,
}

/// All tables of a race's report.
pub(crate) struct Tables {
    verdicts: Table,
    scopes: Vec<(Scope, ScopeTables)>,
    /// CSV only.
    measured: Table,
    stages: Table,
    versions: Table,
}

impl Tables {
    pub(crate) fn new(standings: &Standings, summary: &RaceSummary) -> Tables {
        let of_scope = |&scope: &Scope| {
            let mut tables = ScopeTables {
                standings: tables::standings(standings, scope),
                languages: tables::languages(standings, scope),
                contests: tables::contests(&summary.contests, scope),
                requests: tables::requests(standings, &summary.requests, scope),
                sizes: tables::sizes(standings, &summary.sizes, scope),
            };
            if standings.full(scope).is_empty() {
                // The models to compare with, and nothing to compare.
                tables.standings.rows.clear();
                tables.languages.rows.clear();
            }
            (scope, tables)
        };
        Tables {
            verdicts: tables::verdicts(&summary.verdicts),
            scopes: standings.scopes.iter().map(of_scope).collect(),
            measured: tables::measured(standings),
            stages: crate::tables::stages(&standings.info.stages),
            versions: crate::tables::versions(&standings.info.versions),
        }
    }

    /// Those that have rows.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Table> {
        let of_scopes = self.scopes.iter().flat_map(|(_, t)| {
            [
                &t.standings,
                &t.languages,
                &t.contests,
                &t.requests,
                &t.sizes,
            ]
        });
        [&self.verdicts]
            .into_iter()
            .chain(of_scopes)
            .chain([&self.measured, &self.stages, &self.versions])
            .filter(|table| !table.rows.is_empty())
    }
}

/// What a scope's numbers come to, in words.
#[derive(Serialize)]
struct Answer {
    scope: String,
    sentences: Vec<String>,
}

#[derive(Serialize)]
struct ScopeView<'a> {
    scope: String,
    standings: Option<TableView>,
    languages: Option<TableView>,
    figures: Vec<FigureView<'a>>,
    contests: Option<TableView>,
    requests: Option<TableView>,
    request_figures: Vec<FigureView<'a>>,
    sizes: Option<TableView>,
}

/// What the template needs.
#[derive(Serialize)]
struct Page<'a> {
    style: &'static str,
    model: String,
    preset: String,
    source: String,
    items: u64,
    aside: u32,
    strategies: usize,
    language_count: usize,
    answers: Vec<Answer>,
    skipped: Vec<String>,
    own: String,
    resamples: String,
    fewest: usize,
    level: String,
    verdicts: Option<TableView>,
    scopes: Vec<ScopeView<'a>>,
    has_contests: bool,
    has_requests: bool,
    has_sizes: bool,
    has_measured: bool,
    facts: Vec<(&'static str, String)>,
    preset_toml: String,
    deviations: Vec<String>,
    records: Vec<TableView>,
}

/// The page's HTML.
pub(crate) fn render<'a>(
    standings: &Standings,
    summary: &RaceSummary,
    tables: &Tables,
    figures: &'a [ScopeFigures],
) -> Result<String, Error> {
    let info = standings.info;
    let shown = |table: &Table| (!table.rows.is_empty()).then(|| table.view());
    let drawn = |figures: &'a [Figure]| figures.iter().map(FigureView::from).collect();
    let of_scope = |((scope, t), f): (&(Scope, ScopeTables), &'a ScopeFigures)| ScopeView {
        scope: scope.name(),
        standings: shown(&t.standings),
        languages: shown(&t.languages),
        figures: drawn(&f.standings),
        contests: shown(&t.contests),
        requests: shown(&t.requests),
        request_figures: drawn(&f.requests),
        sizes: shown(&t.sizes),
    };
    let mut strategies: Vec<&str> = standings.runners.iter().map(|r| &*r.run.strategy).collect();
    strategies.sort_unstable();
    strategies.dedup();
    let codes = standings.race.languages.iter();
    let languages: Vec<&str> = codes.map(|code| language::name(code)).collect();
    let total: f64 = info.stages.iter().map(|stage| stage.seconds).sum();
    let facts = [
        (
            "Items",
            format!("{} reported, {} held aside", info.items, info.aside),
        ),
        ("Prompt languages", enumerate(&languages)),
        ("Learned in", language::name(&info.source).to_owned()),
        ("Device", info.device.clone()),
        ("Seed", info.seed.to_string()),
        ("Wall time of all stages", duration(total)),
        ("Preset", info.preset.clone()),
    ];
    let own: Vec<&str> = info.own.iter().map(String::as_str).collect();
    let sentences = |texts: &[String]| texts.iter().map(|text| visible(text)).collect();
    let lines: Vec<String> = info.preset_toml.lines().map(visible).collect();
    html(
        TEMPLATE,
        &Page {
            style: STYLE,
            model: visible(&info.model.name),
            preset: visible(&info.preset),
            source: visible(language::name(&info.source)),
            items: info.items.into(),
            aside: info.aside,
            strategies: strategies.len(),
            language_count: standings.race.languages.len(),
            answers: answers(standings, summary),
            skipped: sentences(&info.skipped),
            own: match own.is_empty() {
                true => String::new(),
                false => visible(&enumerate(&own)),
            },
            resamples: thousands(RESAMPLES as u64),
            fewest: FEWEST,
            level: percent(LEVEL),
            verdicts: shown(&tables.verdicts),
            scopes: tables.scopes.iter().zip(figures).map(of_scope).collect(),
            has_contests: !summary.contests.is_empty(),
            has_requests: !summary.requests.is_empty(),
            has_sizes: !summary.sizes.is_empty(),
            has_measured: !standings.race.measured.is_empty(),
            facts: stated(&info.model, facts),
            preset_toml: lines.join("\n"),
            deviations: sentences(&info.deviations),
            records: [&tables.stages, &tables.versions]
                .into_iter()
                .filter_map(shown)
                .collect(),
        },
    )
}

fn answers(standings: &Standings, summary: &RaceSummary) -> Vec<Answer> {
    let mut out = Vec::new();
    for &scope in &standings.scopes {
        let name = scope.name();
        let full = standings.full(scope);
        if full.is_empty() {
            continue;
        }
        let mut sentences = Vec::new();
        for budget in standings.budgets(scope) {
            let there = full.iter().filter(|r| r.run.budget == budget);
            let there: Vec<&Runner> = there.copied().collect();
            sentences.push(least(standings, budget, &there));
            let verdicts = summary.verdicts.iter();
            let verdicts = verdicts.filter(|v| v.scope == name && v.budget == budget);
            sentences.extend(verdicts.map(said));
        }
        sentences.push(front(standings, scope, &full));
        let is_here = |v: &&OwnVerdict| v.scope == name;
        if !standings.info.own.is_empty() && !summary.verdicts.iter().any(|v| is_here(&v)) {
            sentences.push(
                "No own strategy stands beside a published one within the same budget.".to_owned(),
            );
        }
        out.push(Answer {
            scope: name,
            sentences: sentences.iter().map(|text| visible(text)).collect(),
        });
    }
    out
}

/// Which strategy leaves least within a budget; `there` begins with it.
fn least(standings: &Standings, budget: f64, there: &[&Runner]) -> String {
    let mut found = there.iter().filter(|runner| runner.run.step > 0);
    let Some(first) = found.next() else {
        return format!(
            "Within a budget of {budget} nats per token no strategy has a step that is better than \
             to do nothing."
        );
    };
    let row = &first.entry.row;
    let removed = match row.removed {
        Some(removed) => format!(" ({} removed)", percent(removed)),
        None => String::new(),
    };
    let next = match found.next() {
        Some(next) => format!(
            " Next is {} with {}.",
            next.run.strategy,
            compact(next.entry.row.residue.mean, 2)
        ),
        None => String::new(),
    };
    let nothing = there.iter().filter(|runner| runner.run.step == 0).count();
    let nothing = match nothing {
        0 => String::new(),
        n => format!(
            " For {n} of {} nothing was better than to do nothing.",
            there.len()
        ),
    };
    format!(
        "Within a budget of {budget} nats per token {} leaves least: {} nats [{}, {}] of {}{removed}, \
         at a utility loss of {} [{}, {}].{next}{nothing}",
        first.run.strategy,
        compact(row.residue.mean, 2),
        compact(row.residue.low, 2),
        compact(row.residue.high, 2),
        compact(standings.tuned.row.residue.mean, 2),
        signed(row.utility_loss.mean, 3),
        signed(row.utility_loss.low, 3),
        signed(row.utility_loss.high, 3),
    )
}

fn said(v: &OwnVerdict) -> String {
    let answer = match v.verdict {
        Verdict::Supported => "yes",
        Verdict::Contradicted => "no",
        Verdict::Undecided => "undecided",
    };
    format!(
        "Does {} leave less than every published strategy within {}: {answer} (against {}: {} \
         supported, {} contradicted, {} undecided).",
        v.own,
        v.budget,
        v.published,
        v.supported,
        v.contradicted,
        v.published - v.supported - v.contradicted
    )
}

fn front(standings: &Standings, scope: Scope, full: &[&Runner]) -> String {
    let on_front = |r: &&&Runner| r.run.step > 0 && r.entry.row.front == Some(true);
    let mut named: Vec<String> = full
        .iter()
        .filter(on_front)
        .map(|r| format!("{} ({})", r.run.strategy, r.run.budget))
        .collect();
    if standings.tuned_is_on_front(scope) {
        named.push("the tuned model".to_owned());
    }
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    format!(
        "On the Pareto front, where nothing else has both less residue and less utility loss \
         (budgets in brackets): {}.",
        enumerate(&named)
    )
}
