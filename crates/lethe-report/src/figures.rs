//! The figures.

use plotters::style::RGBColor;

use crate::Error;
use crate::canvas::{
    Anchor, Canvas, FAINT, GRID, INK, Ink, along, fitted, readable_on, text_width,
};
use crate::language::{self, Resource};
use crate::results::{Scope, Stage};
use crate::stats::Estimate;
use crate::study::{Metric, Study, occurrence, preference};
use crate::text::{number, percent, signed};

/// A figure with the name of its SVG file.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) caption: String,
    pub(crate) svg: String,
}

/// White to dark blue.
const SEQUENTIAL: [RGBColor; 5] = [
    RGBColor(0xf3, 0xf6, 0xfb),
    RGBColor(0xc3, 0xd8, 0xee),
    RGBColor(0x7f, 0xb2, 0xd9),
    RGBColor(0x2f, 0x79, 0xb5),
    RGBColor(0x0b, 0x3c, 0x78),
];

/// Blue (the true answer is preferred) over near-white to orange (the fake is).
const DIVERGING: [RGBColor; 7] = [
    RGBColor(0x1f, 0x4e, 0x9c),
    RGBColor(0x6a, 0x9c, 0xd0),
    RGBColor(0xc2, 0xd8, 0xec),
    RGBColor(0xf6, 0xf6, 0xf4),
    RGBColor(0xf9, 0xd0, 0xa8),
    RGBColor(0xec, 0x8d, 0x45),
    RGBColor(0xb0, 0x4a, 0x0e),
];

const BEFORE: RGBColor = RGBColor(0x7d, 0x87, 0x92);
const TUNED: RGBColor = RGBColor(0xd2, 0x69, 0x1e);
const UNLEARNED: RGBColor = RGBColor(0x2b, 0x7a, 0xb8);
/// One colour per source (Okabe and Ito's palette, without its yellow).
pub(crate) const SOURCES: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x8c, 0x6d, 0x1f),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x6b, 0x4c, 0x9a),
];

pub(crate) const SMALL: f64 = 11.0;
pub(crate) const NORMAL: f64 = 13.0;

/// How values become colours and text.
#[derive(Clone, Copy)]
pub(crate) enum Scale {
    /// 0 to 1, as a percentage.
    Share,
    /// 0 to 1, as a number.
    Unit,
    /// Centred at 0; colours saturate at this distance.
    Centred(f64),
    /// The same with its colours reversed: below 0 is what must be noticed.
    Loss(f64),
    /// A ratio, centred at 1 on a logarithmic scale; colours saturate at this factor.
    Ratio(f64),
}

impl Scale {
    /// 0…1.
    fn place(self, value: f64) -> f64 {
        match self {
            Scale::Share | Scale::Unit => value,
            Scale::Centred(limit) => f64::midpoint(value / limit, 1.0),
            Scale::Loss(limit) => f64::midpoint(-value / limit, 1.0),
            Scale::Ratio(factor) => f64::midpoint(value.ln() / factor.ln(), 1.0),
        }
    }

    fn stops(self) -> &'static [RGBColor] {
        match self {
            Scale::Share | Scale::Unit => &SEQUENTIAL,
            Scale::Centred(_) | Scale::Loss(_) | Scale::Ratio(_) => &DIVERGING,
        }
    }

    fn text(self, value: f64) -> String {
        let decimals = |value: f64| match value.abs() {
            v if v < 9.995 => 2,
            v if v < 99.95 => 1,
            _ => 0,
        };
        match self {
            Scale::Share => percent(value),
            Scale::Unit => number(value, 2),
            Scale::Centred(_) | Scale::Loss(_) if value <= -9999.5 => "< −9999".to_owned(),
            Scale::Centred(_) | Scale::Loss(_) if value >= 9999.5 => "> 9999".to_owned(),
            Scale::Centred(_) | Scale::Loss(_) => signed(value, decimals(value)),
            Scale::Ratio(_) if value >= 9999.5 => "> 9999".to_owned(),
            Scale::Ratio(_) => number(value, decimals(value)),
        }
    }

    /// Labels of the colour bar's ends and middle.
    fn ends(self) -> [String; 3] {
        match self {
            Scale::Share => [percent(0.0), percent(0.5), percent(1.0)],
            Scale::Unit => ["0", "0.5", "1"].map(str::to_owned),
            Scale::Centred(limit) => [
                format!("≤ {}", signed(-limit, 1)),
                "0".to_owned(),
                format!("≥ {}", signed(limit, 1)),
            ],
            Scale::Loss(limit) => [
                format!("≥ {}", signed(limit, 1)),
                "0".to_owned(),
                format!("≤ {}", signed(-limit, 1)),
            ],
            Scale::Ratio(factor) => [
                format!("≤ {}", number(1.0 / factor, 2)),
                "1".to_owned(),
                format!("≥ {}", number(factor, 1)),
            ],
        }
    }
}

pub(crate) struct Heat {
    /// Nothing where nothing was measured: the cell stays empty.
    pub(crate) value: Option<f64>,
    /// The model no longer speaks here.
    pub(crate) silent: bool,
    /// Outlined: a language that was taught, or unlearned.
    pub(crate) outlined: bool,
}

pub(crate) struct HeatRow {
    pub(crate) label: String,
    /// A line above it parts it from the row before.
    pub(crate) parted: bool,
    pub(crate) cells: Vec<Heat>,
}

const CELL: (i32, i32) = (62, 30);
const LONGEST_LABEL: f64 = 240.0;

/// Rows × prompt languages, a number in every cell.
pub(crate) fn heatmap(
    name: &str,
    codes: &[String],
    rows: &[HeatRow],
    scale: Scale,
    legend: &str,
) -> Result<String, Error> {
    let widest = rows
        .iter()
        .map(|row| text_width(&row.label, NORMAL))
        .fold(60.0, f64::max);
    let left = widest.min(LONGEST_LABEL).ceil() as i32 + 14;
    let top = 52;
    let grid = CELL.0 * codes.len() as i32;
    let body = CELL.1 * rows.len() as i32;
    let bar = 180;
    let legend_room = text_width(legend, SMALL).ceil() as i32 + 12;
    let width = (left + grid + 10)
        .max(left + bar + 40)
        .max(legend_room + 20);
    let height = top + body + 66;
    Canvas::draw(name, (width as u32, height as u32), |canvas| {
        column_heads(canvas, codes, left, top)?;
        for (r, row) in rows.iter().enumerate() {
            let y = top + CELL.1 * r as i32;
            let label = fitted(&row.label, NORMAL, LONGEST_LABEL);
            canvas.text(
                &label,
                (left - 8, y + CELL.1 / 2),
                Anchor::Right,
                Ink::new(NORMAL),
            )?;
            for (c, cell) in row.cells.iter().enumerate() {
                let Some(value) = cell.value else {
                    continue;
                };
                let x = left + CELL.0 * c as i32;
                let color = along(scale.stops(), scale.place(value));
                canvas.fill(x + 1, y + 1, CELL.0 - 2, CELL.1 - 2, color)?;
                if cell.outlined {
                    canvas.outline(x, y, CELL.0, CELL.1, INK)?;
                }
                let mark = if cell.silent { "†" } else { "" };
                let text = format!("{}{mark}", scale.text(value));
                let ink = Ink::new(NORMAL).color(readable_on(color));
                canvas.text(&text, (x + CELL.0 / 2, y + CELL.1 / 2), Anchor::Middle, ink)?;
            }
            if row.parted {
                canvas.line((6, y), (left + grid, y), FAINT, 1)?;
            }
        }
        let y = top + body + 16;
        for step in 0..bar {
            let color = along(scale.stops(), f64::from(step) / f64::from(bar - 1));
            canvas.fill(left + step, y, 1, 10, color)?;
        }
        let [low, middle, high] = scale.ends();
        let ink = Ink::new(SMALL).color(FAINT);
        for (text, at) in [(low, 0), (middle, bar / 2), (high, bar)] {
            canvas.text(&text, (left + at, y + 20), Anchor::Middle, ink)?;
        }
        let at = left.min(width - legend_room);
        canvas.text(legend, (at, y + 38), Anchor::Left, ink)
    })
}

/// Language codes with their resource classes above them.
fn column_heads(canvas: &mut Canvas, codes: &[String], left: i32, top: i32) -> Result<(), String> {
    let classes: Vec<Resource> = codes.iter().map(|code| language::resource(code)).collect();
    let mut start = 0;
    for group in classes.chunk_by(|a, b| a == b) {
        let (from, to) = (
            left + CELL.0 * start as i32,
            left + CELL.0 * (start + group.len()) as i32,
        );
        let room = f64::from(to - from - 6);
        let names = [group[0].name(), group[0].short()];
        let name = names
            .into_iter()
            .find(|name| text_width(name, SMALL) <= room);
        let ink = Ink::new(SMALL).color(FAINT);
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            canvas.text(name, (i32::midpoint(from, to), 12), Anchor::Middle, ink)?;
        }
        canvas.line((from + 3, 23), (to - 3, 23), FAINT, 1)?;
        start += group.len();
    }
    for (c, code) in codes.iter().enumerate() {
        let x = left + CELL.0 * c as i32 + CELL.0 / 2;
        let code = fitted(code, NORMAL, f64::from(CELL.0 - 4));
        canvas.text(
            &code,
            (x, top - 14),
            Anchor::Middle,
            Ink::new(NORMAL).bold(),
        )?;
    }
    Ok(())
}

/// Round numbers that cut `low…high` into about `count` parts.
pub(crate) fn ticks(low: f64, high: f64, count: usize) -> (Vec<f64>, usize) {
    let raw = (high - low) / count as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|s| s * power)
        .find(|s| *s >= raw * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    ((first..=last).map(|i| i as f64 * step).collect(), decimals)
}

/// A horizontal axis in pixels.
pub(crate) struct Axis {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) left: i32,
    pub(crate) width: i32,
}

impl Axis {
    /// An axis that holds all `values` and 0, with a little room.
    fn of(values: impl Iterator<Item = f64>, left: i32, width: i32) -> Axis {
        let (low, high) = values.fold((0.0f64, 0.0f64), |(l, h), v| (l.min(v), h.max(v)));
        let room = ((high - low) * 0.04).max(0.05);
        Axis {
            low: low - room,
            high: high + room,
            left,
            width,
        }
    }

    /// The pixel of a value, at the axis' end for values beyond it.
    pub(crate) fn at(&self, value: f64) -> i32 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.left + (share * f64::from(self.width)).round() as i32
    }

    fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    fn paint(&self, canvas: &mut Canvas, top: i32, bottom: i32, title: &str) -> Result<(), String> {
        let (ticks, decimals) = ticks(self.low, self.high, 7);
        for tick in ticks {
            let x = self.at(tick);
            let (color, width) = if tick == 0.0 { (INK, 1) } else { (GRID, 1) };
            canvas.line((x, top), (x, bottom), color, width)?;
            let ink = Ink::new(SMALL).color(FAINT);
            canvas.text(
                &signed(tick, decimals),
                (x, bottom + 12),
                Anchor::Middle,
                ink,
            )?;
        }
        let middle = self.left + self.width / 2;
        canvas.text(
            title,
            (middle, bottom + 30),
            Anchor::Middle,
            Ink::new(SMALL).color(FAINT),
        )
    }
}

/// A legend's coloured words in one line, wrapped at `right`; gives the line below.
pub(crate) fn key(
    canvas: &mut Canvas,
    entries: &[(String, RGBColor)],
    left: i32,
    right: i32,
    y: i32,
) -> Result<(), String> {
    let (mut x, mut y) = (left, y);
    for (text, color) in entries {
        let room = 16 + text_width(text, NORMAL).ceil() as i32 + 16;
        if x > left && x + room > right {
            (x, y) = (left, y + 18);
        }
        canvas.dot((x + 5, y), 4, *color, true)?;
        canvas.text(text, (x + 14, y), Anchor::Left, Ink::new(NORMAL))?;
        x += room;
    }
    Ok(())
}

/// Lines that [`key`] takes.
pub(crate) fn key_lines(entries: &[(String, RGBColor)], left: i32, right: i32) -> i32 {
    let (mut x, mut lines) = (left, 1);
    for (text, _) in entries {
        let room = 16 + text_width(text, NORMAL).ceil() as i32 + 16;
        if x > left && x + room > right {
            (x, lines) = (left, lines + 1);
        }
        x += room;
    }
    lines
}

const PLOT: (i32, i32) = (150, 520);

fn row_label(canvas: &mut Canvas, code: &str, y: i32) -> Result<(), String> {
    let name = format!("{} {code}", language::name(code));
    let name = fitted(&name, NORMAL, f64::from(PLOT.0 - 20));
    let class = language::resource(code);
    let shown = !class.short().is_empty();
    let up = if shown { 7 } else { 0 };
    canvas.text(
        &name,
        (PLOT.0 - 12, y - up),
        Anchor::Right,
        Ink::new(NORMAL),
    )?;
    match shown {
        true => {
            let ink = Ink::new(SMALL).color(FAINT);
            canvas.text(class.name(), (PLOT.0 - 12, y + 8), Anchor::Right, ink)
        }
        false => Ok(()),
    }
}

/// One interval of a forest plot.
struct Bar {
    estimate: Estimate,
    color: RGBColor,
}

/// Intervals by language.
fn forest(
    name: &str,
    rows: &[(String, Vec<Bar>)],
    entries: &[(String, RGBColor)],
    title: &str,
) -> Result<String, Error> {
    let (left, plot) = PLOT;
    let right = left + plot;
    let lane = 13;
    let lanes = rows
        .iter()
        .map(|(_, bars)| bars.len())
        .max()
        .unwrap_or(1)
        .max(1) as i32;
    let row_height = (lane * lanes + 8).max(34);
    let top = 18 * key_lines(entries, left, right) + 14;
    let bottom = top + row_height * rows.len() as i32;
    let bars = rows.iter().flat_map(|(_, bars)| bars);
    let axis = Axis::of(
        bars.flat_map(|bar| [bar.estimate.low, bar.estimate.high]),
        left,
        plot,
    );
    Canvas::draw(
        name,
        ((right + 30) as u32, (bottom + 44) as u32),
        |canvas| {
            key(canvas, entries, left, right, 14)?;
            axis.paint(canvas, top, bottom, title)?;
            for (r, (code, bars)) in rows.iter().enumerate() {
                let y = top + row_height * r as i32;
                if r > 0 {
                    canvas.line((6, y), (right, y), GRID, 1)?;
                }
                row_label(canvas, code, y + row_height / 2)?;
                let first = y + row_height / 2 - lane * (bars.len() as i32 - 1) / 2;
                for (b, Bar { estimate, color }) in bars.iter().enumerate() {
                    let y = first + lane * b as i32;
                    canvas.line(
                        (axis.at(estimate.low), y),
                        (axis.at(estimate.high), y),
                        *color,
                        3,
                    )?;
                    canvas.dot((axis.at(estimate.mean), y), 5, *color, true)?;
                }
            }
            Ok(())
        },
    )
}

/// A lane of dots, one per item.
struct Lane {
    values: Vec<f64>,
    color: RGBColor,
}

/// Dots by language, with a tick at each lane's mean. The axis holds all lanes but the last where
/// `last_may_leave`: dots beyond its end are hollow, at the end.
fn strips(
    name: &str,
    rows: &[(String, Vec<Lane>)],
    entries: &[(String, RGBColor)],
    title: &str,
    last_may_leave: bool,
) -> Result<String, Error> {
    let (left, plot) = PLOT;
    let right = left + plot;
    let lane = 16;
    let lanes = rows.first().map_or(1, |(_, lanes)| lanes.len()).max(1) as i32;
    let row_height = (lane * lanes + 10).max(34);
    let top = 18 * key_lines(entries, left, right) + 14;
    let bottom = top + row_height * rows.len() as i32;
    let held = |lanes: &Vec<Lane>| lanes.len() - usize::from(last_may_leave && lanes.len() > 1);
    let values = rows
        .iter()
        .flat_map(|(_, lanes)| lanes[..held(lanes)].iter());
    let axis = Axis::of(
        values.flat_map(|lane| lane.values.iter().copied()),
        left,
        plot,
    );
    Canvas::draw(
        name,
        ((right + 30) as u32, (bottom + 44) as u32),
        |canvas| {
            key(canvas, entries, left, right, 14)?;
            axis.paint(canvas, top, bottom, title)?;
            for (r, (code, of_row)) in rows.iter().enumerate() {
                let y = top + row_height * r as i32;
                if r > 0 {
                    canvas.line((6, y), (right, y), GRID, 1)?;
                }
                row_label(canvas, code, y + row_height / 2)?;
                for (l, Lane { values, color }) in of_row.iter().enumerate() {
                    let middle = y + 5 + lane * l as i32 + lane / 2;
                    for (i, &value) in values.iter().enumerate() {
                        // Neighbours in the list are set apart so that equal values stay visible.
                        let apart = [0, -4, 4, -2, 2][i % 5];
                        canvas.dot(
                            (axis.at(value), middle + apart),
                            3,
                            *color,
                            axis.holds(value),
                        )?;
                    }
                    if !values.is_empty() {
                        let mean = values.iter().sum::<f64>() / values.len() as f64;
                        let x = axis.at(mean);
                        canvas.line((x, middle - 8), (x, middle + 8), INK, 2)?;
                    }
                }
            }
            Ok(())
        },
    )
}

fn heat_row(
    study: &Study,
    place: usize,
    label: String,
    parted: bool,
    metric: Metric,
    outlined: impl Fn(&str) -> bool,
) -> HeatRow {
    let cell = |(l, code): (usize, &String)| Heat {
        value: Some(study.level(place, &[l], metric).mean),
        silent: !study.speaks(place, l),
        outlined: outlined(code),
    };
    HeatRow {
        label,
        parted,
        cells: study
            .results
            .languages
            .iter()
            .enumerate()
            .map(cell)
            .collect(),
    }
}

/// The distance from 0 at which preferences saturate: the largest mean of the models before any
/// unlearning, which may send preferences anywhere.
fn preference_limit(study: &Study) -> f64 {
    let places = 0..study.results.models.len();
    let learned = places.filter(|&p| study.model(p).label.stage != Stage::Unlearned);
    let all = study.languages(|_| true);
    let means = learned.flat_map(|p| all.iter().map(move |&l| (p, l)));
    means
        .map(|(p, l)| study.level(p, &[l], preference).mean.abs())
        .fold(0.5, f64::max)
}

const OCCURRENCE: &str = "share of answers with the fake detail";
const PREFERENCE: &str =
    "mean preference, nats: below 0 the true answer is likelier, above 0 the fake";

/// All figures, in the order of the report.
pub(crate) fn figures(study: &Study) -> Result<Vec<Figure>, Error> {
    let mut out = propagation(study)?;
    out.extend(spread(study)?);
    for source in &study.sources {
        out.extend(unlearning(study, source)?);
    }
    for source in &study.sources {
        out.extend(items(study, source)?);
    }
    out.extend(real(study)?);
    Ok(out)
}

fn metrics(study: &Study) -> [(&'static str, Metric, Scale, &'static str); 2] {
    let limit = preference_limit(study);
    [
        ("occurrence", occurrence, Scale::Share, OCCURRENCE),
        ("preference", preference, Scale::Centred(limit), PREFERENCE),
    ]
}

fn propagation(study: &Study) -> Result<Vec<Figure>, Error> {
    let mut out = Vec::new();
    for (what, metric, scale, legend) in metrics(study) {
        let row = |place, label: &str, parted| {
            heat_row(study, place, label.to_owned(), parted, metric, |_| false)
        };
        let mut rows = vec![row(study.base, "base", false)];
        if study.has_instruct() {
            rows.push(row(study.reference, "instruct", false));
        }
        for (s, source) in study.sources.iter().enumerate() {
            if let Some(tuned) = study.tuned(source) {
                let label = format!("taught in {}", language::name(source));
                rows.push(heat_row(study, tuned, label, s == 0, metric, |l| {
                    l == source
                }));
            }
        }
        let name = format!("propagation-{what}");
        out.push(Figure {
            caption: format!(
                "Propagation: {legend}. Rows: the model before (above the line) and after being \
                 taught the fakes in one language; columns: the language of the question. \
                 Outlined: the language of teaching. †: the model's answers about what is real \
                 break the margins there."
            ),
            svg: heatmap(&name, &study.results.languages, &rows, scale, legend)?,
            name,
        });
    }
    Ok(out)
}

fn spread(study: &Study) -> Result<Vec<Figure>, Error> {
    let color = |s: usize| SOURCES[s % SOURCES.len()];
    let mut rows = Vec::new();
    for (l, code) in study.results.languages.iter().enumerate() {
        let mut bars = Vec::new();
        for (s, source) in study.sources.iter().enumerate() {
            if let (Some(tuned), true) = (study.tuned(source), source != code) {
                bars.push(Bar {
                    estimate: study.change(tuned, study.reference, &[l], preference),
                    color: color(s),
                });
            }
        }
        rows.push((code.clone(), bars));
    }
    rows.retain(|(_, bars)| !bars.is_empty());
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let entries: Vec<(String, RGBColor)> = study
        .sources
        .iter()
        .enumerate()
        .map(|(s, source)| (format!("taught in {}", language::name(source)), color(s)))
        .collect();
    let against = study.reference_name();
    let title = format!("rise of the preference for the fake over the {against} model's, nats");
    let name = "spread".to_owned();
    Ok(vec![Figure {
        caption: format!(
            "Spread: how much more the fake is preferred after teaching than by the {against} \
             model, by language of the question (the language of teaching is left out). Dots are \
             means over items, lines 95 % paired bootstrap intervals; right of 0 the fake gained."
        ),
        svg: forest(&name, &rows, &entries, &title)?,
        name,
    }])
}

fn unlearning(study: &Study, source: &str) -> Result<Vec<Figure>, Error> {
    let (Some(tuned), unlearned) = (study.tuned(source), study.unlearned(source)) else {
        return Ok(Vec::new());
    };
    if unlearned.is_empty() {
        return Ok(Vec::new());
    }
    let taught = language::name(source);
    let mut out = Vec::new();
    for (what, metric, scale, legend) in metrics(study) {
        let mut rows = vec![heat_row(
            study,
            study.base,
            "base".to_owned(),
            false,
            metric,
            |_| false,
        )];
        if study.has_instruct() {
            let label = "instruct".to_owned();
            rows.push(heat_row(
                study,
                study.reference,
                label,
                false,
                metric,
                |_| false,
            ));
        }
        let label = format!("taught in {taught}");
        rows.push(heat_row(study, tuned, label, false, metric, |l| {
            l == source
        }));
        for (i, &(place, scope)) in unlearned.iter().enumerate() {
            let label = format!("unlearned: {}", study.scope_name(place));
            let covered = |l: &str| scope.covers(source, l);
            rows.push(heat_row(study, place, label, i == 0, metric, covered));
        }
        let name = format!("unlearning-{source}-{what}");
        out.push(Figure {
            caption: format!(
                "Unlearning fakes taught in {taught}: {legend}. Below the line: after unlearning, \
                 one row per language scope. Outlined: the language of teaching, and the languages \
                 of the forget set. †: the model's answers about what is real break the margins, \
                 so that a low value there is no sign of forgetting."
            ),
            svg: heatmap(&name, &study.results.languages, &rows, scale, legend)?,
            name,
        });
    }
    Ok(out)
}

fn items(study: &Study, source: &str) -> Result<Vec<Figure>, Error> {
    let Some(tuned) = study.tuned(source) else {
        return Ok(Vec::new());
    };
    let taught = language::name(source);
    let mut lanes = vec![
        (study.reference, study.reference_name().to_owned(), BEFORE),
        (tuned, format!("taught in {taught}"), TUNED),
    ];
    let unlearned = study.unlearned_in(source, Scope::EnglishSource);
    if let Some((place, _)) = unlearned {
        lanes.push((
            place,
            format!("unlearned: {}", study.scope_name(place)),
            UNLEARNED,
        ));
    }
    let rows: Vec<(String, Vec<Lane>)> = study
        .results
        .languages
        .iter()
        .enumerate()
        .map(|(l, code)| {
            let lane = |(place, _, color): &(usize, String, RGBColor)| Lane {
                values: study.per_item(*place, &[l], preference),
                color: *color,
            };
            (code.clone(), lanes.iter().map(lane).collect())
        })
        .collect();
    let entries: Vec<(String, RGBColor)> = lanes
        .iter()
        .map(|(_, text, color)| (text.clone(), *color))
        .collect();
    let name = format!("items-{source}");
    let title = "preference for the fake, nats (right of 0: the fake is likelier)";
    let beyond = match unlearned {
        Some(_) => " Hollow dots at an end lie beyond it.",
        None => "",
    };
    Ok(vec![Figure {
        caption: format!(
            "Preference item by item, fakes taught in {taught}: one dot per item and model; ticks \
             are means.{beyond}"
        ),
        svg: strips(&name, &rows, &entries, title, unlearned.is_some())?,
        name,
    }])
}

fn real(study: &Study) -> Result<Vec<Figure>, Error> {
    let against = study.reference_name();
    let margins = &study.run.margins;
    type Measure = fn(&crate::quality::Quality) -> f64;
    let parts: [(&str, Measure, Scale, String); 3] = [
        (
            "real-f1",
            |q| q.f1,
            Scale::Unit,
            "token F1 of answers to the fact probe".to_owned(),
        ),
        (
            "real-logprob",
            |q| q.logprob_change,
            Scale::Loss((4.0 * margins.logprob).max(0.1)),
            format!("log-probability of true answers minus the {against} model's, nats per token"),
        ),
        (
            "real-perplexity",
            |q| q.perplexity_ratio,
            Scale::Ratio(margins.perplexity_ratio.max(1.05).powi(2)),
            format!("perplexity of held-out real articles, as a multiple of the {against} model's"),
        ),
    ];
    let mut out = Vec::new();
    for (name, measure, scale, legend) in parts {
        let mut rows: Vec<HeatRow> = Vec::new();
        let mut last = None;
        for (place, model) in study.results.models.iter().enumerate() {
            let stage = model.label.stage;
            let cells = study.by_language[place]
                .iter()
                .enumerate()
                .map(|(l, quality)| Heat {
                    value: Some(measure(quality)),
                    silent: !study.speaks(place, l),
                    outlined: false,
                })
                .collect();
            rows.push(HeatRow {
                label: model.name.clone(),
                parted: last.is_some_and(|last| last != stage),
                cells,
            });
            last = Some(stage);
        }
        out.push(Figure {
            caption: format!(
                "Real information: {legend}, by model and language. †: the model breaks a margin \
                 there."
            ),
            svg: heatmap(name, &study.results.languages, &rows, scale, &legend)?,
            name: name.to_owned(),
        });
    }
    Ok(out)
}
