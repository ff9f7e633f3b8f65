//! A table, written as CSV with every digit and shown as HTML with as many as can be read.

use std::borrow::Cow;

use serde::Serialize;

use crate::findings::Verdict;
use crate::language;
use crate::stats::Estimate;
use crate::text::{compact, number, percent, signed, visible};

/// Characters from which a text is given room on a narrow screen.
const LONG: usize = 40;

/// One cell.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Text(String),
    /// A name that is not to be broken, in a fixed-width face.
    Code(String),
    /// Text in a language, given by its code.
    Quote(String, String),
    Count(u64),
    /// A value and the decimals to show.
    Number(f64, usize),
    /// The same with its sign.
    Signed(f64, usize),
    Share(f64),
    /// A signed change with its interval, and the decimals to show: three CSV columns.
    Change(Estimate, usize),
    /// A share with its interval: three CSV columns.
    ShareOf(Estimate),
    /// Any other value with its interval: three CSV columns.
    Level(Estimate, usize),
    Verdict(Verdict),
    Yes(bool),
    /// Any cell, with the words that the page has for it.
    Said(String, Box<Cell>),
    /// Any cell of a model that no longer speaks.
    Marked(Box<Cell>),
    Missing,
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }

    pub(crate) fn language(code: &str) -> Cell {
        Cell::Text(format!("{} ({code})", language::name(code)))
    }

    /// Marks the cell where `speaks` is false and there is something to mark.
    pub(crate) fn unless(self, speaks: bool) -> Cell {
        match self {
            Cell::Missing => self,
            _ if speaks => self,
            _ => Cell::Marked(Box::new(self)),
        }
    }

    fn shown(&self) -> Shown {
        let plain = |text: String, class: &'static str| Shown {
            text,
            class,
            ..Shown::default()
        };
        let interval = |value: String, low: String, high: String| Shown {
            text: value,
            interval: format!("[{low}, {high}]"),
            class: "number",
            ..Shown::default()
        };
        match self {
            Cell::Text(text) if text.chars().count() > LONG => plain(visible(text), "long"),
            Cell::Text(text) => plain(visible(text), ""),
            Cell::Code(text) => plain(visible(text), "code"),
            Cell::Quote(text, code) => Shown {
                text: visible(text),
                class: "quote",
                lang: code.clone(),
                dir: language::direction(code),
                ..Shown::default()
            },
            Cell::Count(value) => plain(crate::text::thousands(*value), "number"),
            Cell::Number(value, decimals) => plain(compact(*value, *decimals), "number"),
            Cell::Signed(value, decimals) => plain(signed(*value, *decimals), "number"),
            Cell::Share(value) => plain(percent(*value), "number"),
            Cell::Change(e, d) => {
                interval(signed(e.mean, *d), signed(e.low, *d), signed(e.high, *d))
            }
            Cell::Level(e, d) => {
                interval(compact(e.mean, *d), compact(e.low, *d), compact(e.high, *d))
            }
            Cell::ShareOf(e) => {
                let bare = |share: f64| number(100.0 * share, 0);
                interval(percent(e.mean), bare(e.low), bare(e.high))
            }
            Cell::Verdict(verdict) => plain(verdict.word().to_owned(), verdict.word()),
            Cell::Yes(yes) => plain(if *yes { "yes" } else { "no" }.to_owned(), ""),
            Cell::Said(words, cell) => Shown {
                text: visible(words),
                ..cell.shown()
            },
            Cell::Marked(cell) => {
                let mut shown = cell.shown();
                shown.text.push('†');
                shown
            }
            Cell::Missing => plain("–".to_owned(), "number"),
        }
    }

    fn values(&self) -> Vec<String> {
        match self {
            Cell::Text(text) | Cell::Code(text) | Cell::Quote(text, _) => vec![text.clone()],
            Cell::Count(value) => vec![value.to_string()],
            Cell::Number(value, _) | Cell::Signed(value, _) | Cell::Share(value) => {
                vec![value.to_string()]
            }
            Cell::Change(e, _) | Cell::Level(e, _) | Cell::ShareOf(e) => {
                [e.mean, e.low, e.high].iter().map(f64::to_string).collect()
            }
            Cell::Verdict(verdict) => vec![verdict.word().to_owned()],
            Cell::Yes(yes) => vec![yes.to_string()],
            Cell::Said(_, cell) | Cell::Marked(cell) => cell.values(),
            Cell::Missing => vec![String::new()],
        }
    }
}

/// A cell as the page's template sees it.
#[derive(Debug, Default, Serialize)]
struct Shown {
    text: String,
    interval: String,
    class: &'static str,
    lang: String,
    dir: &'static str,
}

/// A column: its heading on the page, its name in CSV, and whether its cells hold intervals.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    heading: Cow<'static, str>,
    name: Cow<'static, str>,
    interval: bool,
}

impl Column {
    pub(crate) fn new(
        heading: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
    ) -> Column {
        Column {
            heading: heading.into(),
            name: name.into(),
            interval: false,
        }
    }

    /// For cells with an interval, or a missing one.
    pub(crate) fn interval(
        heading: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
    ) -> Column {
        Column {
            interval: true,
            ..Column::new(heading, name)
        }
    }
}

/// A table with the name of its CSV file.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) caption: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// A table as the page's template sees it.
#[derive(Debug, Serialize)]
pub(crate) struct TableView {
    name: String,
    caption: String,
    headings: Vec<String>,
    rows: Vec<Vec<Shown>>,
}

impl Table {
    pub(crate) fn view(&self) -> TableView {
        TableView {
            name: self.name.clone(),
            caption: visible(&self.caption),
            headings: self.columns.iter().map(|c| visible(&c.heading)).collect(),
            rows: self
                .rows
                .iter()
                .map(|row| row.iter().map(Cell::shown).collect())
                .collect(),
        }
    }

    /// RFC 4180 with line feeds: a field with a comma, quote or line end stands in quotes, its
    /// quotes doubled. An interval takes the columns `x`, `x_low`, `x_high`.
    pub(crate) fn csv(&self) -> String {
        let mut out = String::new();
        let mut header = Vec::new();
        for column in &self.columns {
            header.push(column.name.clone().into_owned());
            if column.interval {
                header.extend(["low", "high"].map(|end| format!("{}_{end}", column.name)));
            }
        }
        write_record(&mut out, &header);
        for row in &self.rows {
            let mut record = Vec::new();
            for (cell, column) in row.iter().zip(&self.columns) {
                let mut values = cell.values();
                values.resize(if column.interval { 3 } else { 1 }, String::new());
                record.extend(values);
            }
            write_record(&mut out, &record);
        }
        out
    }
}

fn write_record(out: &mut String, fields: &[String]) {
    for (i, field) in fields.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        if field.contains(['"', ',', '\n', '\r']) {
            out.push('"');
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(field);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_needs_it_and_spreads_intervals() {
        let estimate = Estimate {
            mean: 0.5,
            low: -0.125,
            high: 1.0,
            n: 9,
        };
        let table = Table {
            name: "t".into(),
            caption: String::new(),
            columns: vec![
                Column::new("Text", "text"),
                Column::interval("X", "x"),
                Column::new("N", "n"),
            ],
            rows: vec![
                vec![
                    Cell::text("a,\"b\"\r\nc"),
                    Cell::Change(estimate, 2),
                    Cell::Count(1000),
                ],
                vec![
                    Cell::text("گلابی"),
                    Cell::Missing,
                    Cell::Share(0.25).unless(false),
                ],
            ],
        };
        assert_eq!(
            table.csv(),
            "text,x,x_low,x_high,n\n\"a,\"\"b\"\"\r\nc\",0.5,-0.125,1,1000\nگلابی,,,,0.25\n"
        );
        let view = serde_json::to_value(table.view()).unwrap_or_default();
        assert_eq!(view["rows"][0][1]["interval"], "[−0.12, +1.00]");
        assert_eq!(view["rows"][1][2]["text"], "25 %†");
        assert_eq!(view["rows"][0][0]["text"], "a,\"b\"⏎c");
    }
}
