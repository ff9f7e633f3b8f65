//! What stands in which table of a race.

use super::measure::{Entry, RaceRow, Runner, Standings};
use super::versus::{Contest, OwnVerdict, RequestRow, SizeRow};
use crate::language;
use crate::results::Scope;
use crate::stats::Estimate;
use crate::table::{Cell, Column, Table};
use crate::text::duration;

/// A scope's name as a part of a file's name.
pub(crate) fn slug(scope: &str) -> String {
    scope.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// A learning rate as people write it.
pub(crate) fn rate(value: f64) -> String {
    format!("{value:e}")
}

fn exact(value: f64) -> Cell {
    Cell::Said(value.to_string(), Box::new(Cell::Number(value, 0)))
}

fn time(seconds: f64) -> Cell {
    Cell::Said(duration(seconds), Box::new(Cell::Number(seconds, 0)))
}

fn strategy(standings: &Standings, name: &str) -> Cell {
    let cell = Cell::text(name);
    match standings.is_own(name) {
        true => Cell::Said(format!("{name} (own)"), Box::new(cell)),
        false => cell,
    }
}

fn optional<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
    value.map_or(Cell::Missing, cell)
}

/// An interval, where there is anything to average.
fn residue(estimate: Estimate) -> Cell {
    match estimate.n {
        0 => Cell::Missing,
        _ => Cell::Level(estimate, 2),
    }
}

/// What all models have in the standings.
fn measures(row: &RaceRow) -> [Cell; 7] {
    let nats = |value| optional(value, |value| Cell::Number(value, 2));
    [
        residue(row.residue),
        optional(row.removed, Cell::Share),
        Cell::Share(row.preferred),
        nats(row.residue_source),
        nats(row.residue_elsewhere),
        Cell::Change(row.utility_loss, 3),
        Cell::Number(row.perplexity_ratio, 3),
    ]
}

/// A scope's models that were to forget everything at once, below those that they come from.
pub(crate) fn standings(standings: &Standings, scope: Scope) -> Table {
    let reference = |entry: &Entry, front| {
        let start = [
            Cell::text(entry.row.stage),
            Cell::Missing,
            Cell::Missing,
            Cell::Missing,
            Cell::Missing,
        ];
        let end = [Cell::Missing, Cell::Missing, Cell::Missing, front];
        let cells = start.into_iter().chain(measures(&entry.row)).chain(end);
        cells.collect::<Vec<Cell>>()
    };
    let of_runner = |runner: &&Runner| {
        let (run, row) = (runner.run, &runner.entry.row);
        let step = Cell::Count(run.step.into());
        let start = [
            strategy(standings, &run.strategy),
            exact(run.budget),
            Cell::Said(
                rate(run.learning_rate),
                Box::new(Cell::Number(run.learning_rate, 0)),
            ),
            Cell::text(run.settings.clone()),
            match run.step {
                0 => Cell::Said("none within the budget".to_owned(), Box::new(step)),
                _ => step,
            },
        ];
        let end = [
            Cell::text(run.outcome.clone()),
            Cell::Count(run.tokens),
            time(run.seconds),
            optional(row.front, Cell::Yes),
        ];
        start.into_iter().chain(measures(row)).chain(end).collect()
    };
    let mut rows = vec![
        reference(&standings.untuned, Cell::Missing),
        reference(
            &standings.tuned,
            Cell::Yes(standings.tuned_is_on_front(scope)),
        ),
    ];
    rows.extend(standings.full(scope).iter().map(of_runner));
    let name = scope.name();
    Table {
        name: format!("standings-{}", slug(&name)),
        caption: format!(
            "Scope {name}, everything to be forgotten at once: by budget, least residue first. \
             Learning rate, settings and step were chosen on the items held aside; all other numbers but \
             tokens and time are of the reported items. “Here” is {}, the language of learning, \
             “elsewhere” the mean over the other languages. On the front: no model of this scope, \
             the tuned one included, has both less residue and less utility loss.",
            language::name(&standings.info.source)
        ),
        columns: vec![
            Column::new("Strategy", "strategy"),
            Column::new("Budget, nats/token", "budget"),
            Column::new("Learning rate", "learning_rate"),
            Column::new("Settings", "settings"),
            Column::new("Step", "step"),
            Column::interval("Residue, nats", "residue"),
            Column::new("Removed", "removed"),
            Column::new("Fake preferred", "share_preferred"),
            Column::new("Residue here", "residue_source"),
            Column::new("… elsewhere", "residue_elsewhere"),
            Column::interval("Utility loss, nats/token", "utility_loss"),
            Column::new("Perplexity ratio", "perplexity_ratio"),
            Column::new("Run ended", "outcome"),
            Column::new("Tokens", "tokens"),
            Column::new("Time", "seconds"),
            Column::new("On the front", "front"),
        ],
        rows,
    }
}

/// The same models' residue in each prompt language.
pub(crate) fn languages(standings: &Standings, scope: Scope) -> Table {
    let cells = |row: &RaceRow| {
        let residues = row
            .languages
            .iter()
            .map(|cell| Cell::Number(cell.residue, 2));
        residues.collect::<Vec<Cell>>()
    };
    let mut tuned = vec![Cell::text("tuned"), Cell::Missing];
    tuned.extend(cells(&standings.tuned.row));
    let mut rows = vec![tuned];
    for runner in standings.full(scope) {
        let start = [
            strategy(standings, &runner.run.strategy),
            exact(runner.run.budget),
        ];
        rows.push(start.into_iter().chain(cells(&runner.entry.row)).collect());
    }
    let mut columns = vec![
        Column::new("Strategy", "strategy"),
        Column::new("Budget, nats/token", "budget"),
    ];
    for code in &standings.race.languages {
        columns.push(Column::new(
            language::name(code).to_owned(),
            format!("residue_{code}"),
        ));
    }
    let name = scope.name();
    Table {
        name: format!("languages-{}", slug(&name)),
        caption: format!("Scope {name}: residue by the language of the question, nats."),
        columns,
        rows,
    }
}

/// Whether an own strategy leaves less than every published one.
pub(crate) fn verdicts(verdicts: &[OwnVerdict]) -> Table {
    let row = |v: &OwnVerdict| {
        vec![
            Cell::text(v.own.clone()),
            Cell::text(v.scope.clone()),
            exact(v.budget),
            Cell::Verdict(v.verdict),
            Cell::Count(v.published as u64),
            Cell::Count(v.supported as u64),
            Cell::Count(v.contradicted as u64),
        ]
    };
    Table {
        name: "own-verdicts".to_owned(),
        caption: "Does the own strategy leave less than every published one? Supported only if it \
                  is against each of them; contradicted if it is against any."
            .to_owned(),
        columns: vec![
            Column::new("Own strategy", "own"),
            Column::new("Scope", "scope"),
            Column::new("Budget, nats/token", "budget"),
            Column::new("Leaves less than all", "verdict"),
            Column::new("Published", "published"),
            Column::new("Supported against", "supported"),
            Column::new("Contradicted against", "contradicted"),
        ],
        rows: verdicts.iter().map(row).collect(),
    }
}

/// Every contest of a scope.
pub(crate) fn contests(contests: &[Contest], scope: Scope) -> Table {
    let name = scope.name();
    let row = |c: &Contest| {
        vec![
            Cell::text(c.own.clone()),
            exact(c.budget),
            Cell::text(c.published.clone()),
            Cell::Verdict(c.verdict),
            Cell::Change(c.residue, 2),
            Cell::Number(c.p, 4),
            Cell::Number(c.adjusted, 4),
            Cell::Change(c.utility_loss, 3),
            Cell::Count(c.residue.n as u64),
        ]
    };
    let rows = contests.iter().filter(|c| c.scope == name).map(row);
    Table {
        name: format!("own-{}", slug(&name)),
        caption: format!(
            "Scope {name}: own strategies against published ones within the same budget, paired by \
             item. Below 0 the own strategy left less, or lost less. p is adjusted by Holm's \
             method for all pairs of this scope and budget."
        ),
        columns: vec![
            Column::new("Own strategy", "own"),
            Column::new("Budget, nats/token", "budget"),
            Column::new("Published strategy", "published"),
            Column::new("Own leaves less", "verdict"),
            Column::interval("Residue: own − other, nats", "residue_difference"),
            Column::new("p", "p"),
            Column::new("p, adjusted", "p_adjusted"),
            Column::interval(
                "Utility loss: own − other, nats/token",
                "utility_loss_difference",
            ),
            Column::new("n", "n"),
        ],
        rows: rows.collect(),
    }
}

/// Successive requests in a scope.
pub(crate) fn requests(standings: &Standings, rows: &[RequestRow], scope: Scope) -> Table {
    let name = scope.name();
    let row = |r: &RequestRow| {
        let count = |value: u32| Cell::Count(value.into());
        vec![
            strategy(standings, &r.strategy),
            exact(r.budget),
            count(r.request),
            count(r.requests),
            Cell::Count(r.items as u64),
            residue(r.residue),
            optional(r.earlier, residue),
            Cell::Share(r.preferred),
            Cell::Change(r.utility_loss, 3),
            Cell::Change(r.cost, 3),
            Cell::Count(r.tokens),
            time(r.seconds),
        ]
    };
    Table {
        name: format!("requests-{}", slug(&name)),
        caption: format!(
            "Scope {name}: one request after another, and, for comparison, everything in one \
             request (1 of 1). What a request cost is the change of the utility loss against the \
             model before it, paired by item; tokens and time are of that request alone."
        ),
        columns: vec![
            Column::new("Strategy", "strategy"),
            Column::new("Budget, nats/token", "budget"),
            Column::new("Request", "request"),
            Column::new("of", "requests"),
            Column::new("Items so far", "items"),
            Column::interval("Their residue, nats", "residue"),
            Column::interval("… of earlier requests", "residue_earlier"),
            Column::new("Fake preferred", "share_preferred"),
            Column::interval("Utility loss so far, nats/token", "utility_loss"),
            Column::interval("This request cost", "cost"),
            Column::new("Tokens", "tokens"),
            Column::new("Time", "seconds"),
        ],
        rows: rows.iter().filter(|r| r.scope == name).map(row).collect(),
    }
}

/// Forget sets of different sizes in a scope.
pub(crate) fn sizes(standings: &Standings, rows: &[SizeRow], scope: Scope) -> Table {
    let name = scope.name();
    let row = |r: &SizeRow| {
        vec![
            strategy(standings, &r.strategy),
            exact(r.budget),
            Cell::Share(r.fraction),
            Cell::Count(r.items as u64),
            residue(r.residue),
            optional(r.others, |others| Cell::Change(others, 2)),
            Cell::Change(r.utility_loss, 3),
        ]
    };
    Table {
        name: format!("sizes-{}", slug(&name)),
        caption: format!(
            "Scope {name}: a part of what was learned, or all of it, to be forgotten. The other \
             items were learned too and nobody asked to forget them: the change of their \
             preference against the tuned model is collateral, which below 0 went with the rest."
        ),
        columns: vec![
            Column::new("Strategy", "strategy"),
            Column::new("Budget, nats/token", "budget"),
            Column::new("Share to forget", "fraction"),
            Column::new("Items to forget", "items"),
            Column::interval("Their residue, nats", "residue"),
            Column::interval("Preference of the others, change in nats", "others"),
            Column::interval("Utility loss, nats/token", "utility_loss"),
        ],
        rows: rows.iter().filter(|r| r.scope == name).map(row).collect(),
    }
}

/// Every measurement on the items held aside (CSV only).
pub(crate) fn measured(standings: &Standings) -> Table {
    let rows = standings.race.measured.iter().map(|m| {
        vec![
            Cell::text(m.strategy.clone()),
            Cell::text(m.scope.name()),
            Cell::text(m.settings.clone()),
            Cell::Number(m.fraction, 2),
            Cell::Count(m.request.into()),
            Cell::Count(m.requests.into()),
            Cell::Number(m.learning_rate, 0),
            Cell::Count(m.step.into()),
            Cell::Number(m.forget_nll, 3),
            Cell::Number(m.residue, 2),
            Cell::Signed(m.utility_loss, 3),
        ]
    });
    Table {
        name: "measured".to_owned(),
        caption: String::new(),
        columns: [
            "strategy",
            "scope",
            "settings",
            "fraction",
            "request",
            "requests",
            "learning_rate",
            "step",
            "forget_nll",
            "residue",
            "utility_loss",
        ]
        .map(|name| Column::new(name, name))
        .to_vec(),
        rows: rows.collect(),
    }
}
