//! The page of a measurement of speed.

use serde::Serialize;

use super::{BenchCase, BenchRun, Outcome, Spread};
use crate::Error;
use crate::figures::Figure;
use crate::page::{FigureView, STYLE, html};
use crate::stats::Estimate;
use crate::table::{Cell, Column, Table, TableView};
use crate::text::{thousands, visible};

const TEMPLATE: &str = concat!(include_str!("../macros.html"), include_str!("bench.html"));

#[derive(Serialize)]
struct Page<'a> {
    style: &'static str,
    model: String,
    processor: String,
    repeats: usize,
    facts: Vec<(String, String)>,
    cases: Vec<TableView>,
    figures: Vec<FigureView<'a>>,
    failures: Vec<String>,
    has_torch: bool,
    loaded: bool,
}

/// The tables: cases, and the points of curves.
pub(super) fn tables(run: &BenchRun) -> [Table; 2] {
    let of = |name: &str, caption: &str, growth: bool| Table {
        name: name.to_owned(),
        caption: caption.to_owned(),
        columns: vec![
            Column::new("Case", "case"),
            Column::new("What", "what"),
            Column::new("Device", "device"),
            Column::new("Unit", "unit"),
            Column::interval("Units a second", "per_second"),
            Column::new("GFLOP a unit", "gflop_per_unit"),
            Column::new("Of the roofline", "roofline_share"),
            Column::new("Peak memory, MB", "peak_mb"),
            Column::new("As planned, MB", "planned_mb"),
            Column::interval("PyTorch, units a second", "torch_per_second"),
            Column::new("PyTorch, peak MB", "torch_peak_mb"),
            Column::interval("Times PyTorch's speed", "ratio"),
        ],
        rows: run
            .cases
            .iter()
            .filter(|case| case.growth.is_some() == growth)
            .map(row)
            .collect(),
    };
    [
        of(
            "cases",
            "Medians, with the slowest and the fastest repeat in brackets",
            false,
        ),
        of("growth", "How the cost grows", true),
    ]
}

fn row(case: &BenchCase) -> Vec<Cell> {
    let spread = |spread: Option<Spread>| match spread {
        Some(Spread { median, low, high }) => {
            let decimals = usize::from(median < 100.0);
            let all = Estimate {
                mean: median,
                low,
                high,
                n: 0,
            };
            Cell::Level(all, decimals)
        }
        None => Cell::Missing,
    };
    let megabytes =
        |bytes: Option<u64>| bytes.map_or(Cell::Missing, |bytes| Cell::Count(bytes / 1_000_000));
    let peak =
        |outcome: Option<&Outcome>| megabytes(outcome.and_then(|outcome| outcome.timing()?.peak));
    let derived = &case.derived;
    let gflop = derived
        .flop_per_unit
        .map(|flop| Cell::Number(flop / 1e9, 3));
    vec![
        Cell::Code(case.name.clone()),
        Cell::text(&case.what),
        Cell::text(&case.device),
        Cell::text(&case.unit),
        spread(derived.rate),
        gflop.unwrap_or(Cell::Missing),
        derived.roofline_share.map_or(Cell::Missing, Cell::Share),
        peak(Some(&case.ours)),
        megabytes(case.planned),
        spread(derived.torch_rate),
        peak(case.torch.as_ref()),
        derived
            .ratio
            .map_or(Cell::Missing, |ratio| Cell::Level(ratio, 2))
            .unless(derived.same != Some(false)),
    ]
}

/// What did not run, one sentence each.
fn failures(run: &BenchRun) -> Vec<String> {
    let mut out = Vec::new();
    for case in &run.cases {
        let both = [("", Some(&case.ours)), (" in PyTorch", case.torch.as_ref())];
        for (whose, outcome) in both {
            if let Some(Outcome::Impossible(why) | Outcome::Failed(why)) = outcome {
                out.push(format!("{} on {}{whose}: {why}", case.name, case.device));
            }
        }
    }
    let absent = run.absent.iter();
    out.extend(absent.map(|(device, why)| format!("The device {device} is not there: {why}")));
    out
}

pub(super) fn render(
    run: &BenchRun,
    tables: &[Table],
    figures: &[Figure],
) -> Result<String, Error> {
    let machine = &run.machine;
    let mut facts = vec![
        ("Processor".to_owned(), machine.processor.clone()),
        ("Cores".to_owned(), machine.cores.to_string()),
        ("Instructions".to_owned(), machine.instructions.join(", ")),
        ("Operating system".to_owned(), machine.system.clone()),
        (
            "Model".to_owned(),
            format!("{}, {} numbers", run.model.0, thousands(run.model.1)),
        ),
        ("Repeats".to_owned(), run.repeats.to_string()),
    ];
    if let Some(memory) = machine.memory {
        facts.push((
            "Memory".to_owned(),
            format!("{} MB", thousands(memory / 1_000_000)),
        ));
    }
    if let Some(load) = machine.load {
        facts.push(("Load when it began".to_owned(), format!("{load:.2}")));
    }
    facts.extend(run.versions.clone());
    let facts = facts.into_iter();
    html(
        TEMPLATE,
        &Page {
            style: STYLE,
            model: visible(&run.model.0),
            processor: visible(&machine.processor),
            repeats: run.repeats,
            facts: facts.map(|(k, v)| (visible(&k), visible(&v))).collect(),
            cases: tables
                .iter()
                .filter(|table| !table.rows.is_empty())
                .map(Table::view)
                .collect(),
            figures: figures.iter().map(FigureView::from).collect(),
            failures: failures(run).iter().map(|text| visible(text)).collect(),
            has_torch: run.cases.iter().any(|case| case.torch.is_some()),
            loaded: machine.is_loaded(),
        },
    )
}
