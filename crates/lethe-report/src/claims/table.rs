//! Claims as tables.

use super::{ClaimOutcome, Comparison, TestOutcome};
use crate::findings::Verdict;
use crate::table::{Cell, Column, Table};

/// How many claims got which verdict, in a sentence.
pub(crate) fn count(outcomes: &[ClaimOutcome]) -> String {
    let of = |verdict| outcomes.iter().filter(|c| c.verdict == verdict).count();
    format!(
        "Of {} claims: {} supported, {} contradicted, {} undecided with this power, {} not tested by \
         this run.",
        outcomes.len(),
        of(Some(Verdict::Supported)),
        of(Some(Verdict::Contradicted)),
        of(Some(Verdict::Undecided)),
        of(None)
    )
}

fn verdict(verdict: Option<Verdict>) -> Cell {
    verdict.map_or_else(|| Cell::text("not tested"), Cell::Verdict)
}

fn decimals(unit: &str) -> usize {
    match unit {
        "F1" | "nats/token" => 3,
        _ => 2,
    }
}

fn distance(could_see: Option<f64>, unit: &str) -> Cell {
    could_see.map_or(Cell::Missing, |value| Cell::Number(value, decimals(unit)))
}

/// One row per test of a claim.
pub(crate) fn claims_table(outcomes: &[ClaimOutcome]) -> Table {
    let row = |claim: &ClaimOutcome, place: usize, test: &TestOutcome| {
        // The page says once what holds of the whole claim.
        let once = |cell: Cell| match place {
            0 => cell,
            _ => Cell::Said(String::new(), Box::new(cell)),
        };
        let note = match (&test.needs, place) {
            (Some(needs), _) => format!("needs {needs}"),
            (None, 0) => claim.note.clone(),
            (None, _) => String::new(),
        };
        vec![
            once(Cell::text(claim.title.clone())),
            once(verdict(claim.verdict).unless(!claim.is_marked())),
            Cell::text(test.test.clone()),
            verdict(test.verdict).unless(!test.is_marked()),
            test.effect.map_or(Cell::Missing, |effect| {
                Cell::Change(effect, decimals(test.unit))
            }),
            Cell::text(test.unit),
            Cell::Count(test.effect.map_or(0, |effect| effect.n as u64)),
            distance(test.could_see, test.unit),
            Cell::Count(test.supported as u64),
            Cell::Count(test.contradicted as u64),
            Cell::Count(test.undecided as u64),
            Cell::text(note),
            once(Cell::text(claim.origin.clone())),
            once(Cell::Code(claim.id.clone())),
        ]
    };
    let rows = outcomes.iter().flat_map(|claim| {
        let tests = claim.tests.iter().enumerate();
        tests.map(move |(place, test)| row(claim, place, test))
    });
    Table {
        name: "claims".to_owned(),
        caption: "The claims of claims.toml. A claim is supported where all of its tests are. The \
                  effect is the mean over a test's comparisons, which are counted by verdict (✓, ✗ \
                  and ?): where one in some comparison is claimed, that one is below."
            .to_owned(),
        columns: vec![
            Column::new("Claim", "claim"),
            Column::new("Verdict", "verdict"),
            Column::new("Test", "test"),
            Column::new("Of this test", "test_verdict"),
            Column::interval("Effect [95 %]", "effect"),
            Column::new("Unit", "unit"),
            Column::new("n", "n"),
            Column::new("Could see", "could_see"),
            Column::new("✓", "supported"),
            Column::new("✗", "contradicted"),
            Column::new("?", "undecided"),
            Column::new("Notes", "note"),
            Column::new("Origin", "origin"),
            Column::new("Name", "id"),
        ],
        rows: rows.collect(),
    }
}

/// One row per comparison.
pub(crate) fn rows_table(outcomes: &[ClaimOutcome]) -> Table {
    let row = |claim: &ClaimOutcome, place: usize, test: &TestOutcome, row: &Comparison| {
        vec![
            Cell::Code(claim.id.clone()),
            Cell::Count(place as u64 + 1),
            Cell::Code(row.of.join(", ")),
            Cell::text(row.languages.join(", ")),
            Cell::Code(row.minus.join(", ")),
            Cell::Code(row.than.join(", ")),
            Cell::text(row.than_languages.join(", ")),
            Cell::Verdict(row.verdict).unless(!row.marked),
            Cell::Change(row.effect, decimals(test.unit)),
            Cell::text(test.unit),
            Cell::Count(row.effect.n as u64),
            Cell::Number(row.adjusted_p, 4),
            distance(row.could_see, test.unit),
            Cell::text(row.note.clone()),
        ]
    };
    let rows = outcomes.iter().flat_map(|claim| {
        let tests = claim.tests.iter().enumerate();
        tests.flat_map(move |(place, test)| {
            let rows = test.comparisons.iter();
            rows.map(move |comparison| row(claim, place, test, comparison))
        })
    });
    Table {
        name: "claim-rows".to_owned(),
        caption: "Every comparison that a claim rests on: the model less what is taken off, set \
                  against another where the claim does; p after Holm's correction over all \
                  comparisons of the claim."
            .to_owned(),
        columns: vec![
            Column::new("Claim", "claim"),
            Column::new("Test", "test"),
            Column::new("Model", "model"),
            Column::new("Asked in", "languages"),
            Column::new("Minus", "minus"),
            Column::new("Set against", "than"),
            Column::new("Asked in", "than_languages"),
            Column::new("Verdict", "verdict"),
            Column::interval("Effect [95 %]", "effect"),
            Column::new("Unit", "unit"),
            Column::new("n", "n"),
            Column::new("Adjusted p", "adjusted_p"),
            Column::new("Could see", "could_see"),
            Column::new("Notes", "note"),
        ],
        rows: rows.collect(),
    }
}
