//! How the cost grows: one figure for speed and one for memory along every axis.

use super::{BenchCase, BenchRun};
use crate::Error;
use crate::canvas::{Anchor, Canvas, FAINT, GRID, Ink};
use crate::figures::{Figure, NORMAL, SMALL, SOURCES};
use crate::text::{number, thousands};

const SIZE: (u32, u32) = (640, 320);
const LEFT: i32 = 90;
const RIGHT: i32 = 500;
const TOP: i32 = 40;
const BOTTOM: i32 = 270;

/// One device's points along an axis: where, the median, the least and the greatest.
type Line<'a> = (&'a str, Vec<[f64; 4]>);

/// A logarithmic axis in pixels.
struct Logarithmic {
    low: f64,
    high: f64,
    from: i32,
    to: i32,
}

impl Logarithmic {
    fn of(values: &[f64], from: i32, to: i32) -> Logarithmic {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        Logarithmic {
            low: low / 1.1,
            high: high * 1.1,
            from,
            to,
        }
    }

    fn at(&self, value: f64) -> i32 {
        let share = (value / self.low).ln() / (self.high / self.low).ln();
        self.from + (share * f64::from(self.to - self.from)).round() as i32
    }

    /// 1, 2 and 5 times the powers of ten that are on it.
    fn ticks(&self) -> Vec<f64> {
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        let all = (first..=last).flat_map(|p| [1.0, 2.0, 5.0].map(|s| s * 10f64.powi(p)));
        all.filter(|t| (self.low..=self.high).contains(t)).collect()
    }
}

/// Of every axis that has points, the figures.
pub(super) fn growth(run: &BenchRun) -> Result<Vec<Figure>, Error> {
    let mut axes: Vec<(&str, &str)> = Vec::new();
    for case in &run.cases {
        if let Some((axis, _)) = &case.growth
            && !axes.iter().any(|(known, _)| known == axis)
        {
            axes.push((axis, &case.unit));
        }
    }
    let mut out = Vec::new();
    for (axis, unit) in axes {
        let rate = |case: &BenchCase| {
            let rate = case.derived.rate?;
            Some([rate.median, rate.low, rate.high])
        };
        let peak = |case: &BenchCase| {
            let peak = case.ours.timing()?.peak? as f64 / 1e9;
            Some([peak; 3])
        };
        let name = axis.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let speed = lines(run, axis, rate);
        out.extend(draw(
            &format!("growth-{name}"),
            &format!("{unit} a second by {axis}: medians, with the slowest and the fastest repeat"),
            (axis, &format!("{unit}/s")),
            &speed,
        )?);
        let memory = lines(run, axis, peak);
        out.extend(draw(
            &format!("memory-{name}"),
            &format!("peak memory of the process by {axis}"),
            (axis, "GB"),
            &memory,
        )?);
    }
    Ok(out)
}

fn lines<'a>(
    run: &'a BenchRun,
    axis: &str,
    value: impl Fn(&BenchCase) -> Option<[f64; 3]>,
) -> Vec<Line<'a>> {
    let mut out: Vec<Line> = Vec::new();
    for case in &run.cases {
        let Some((along, at)) = &case.growth else {
            continue;
        };
        let Some([middle, low, high]) = value(case).filter(|_| along == axis) else {
            continue;
        };
        let point = [*at, middle, low, high];
        match out.iter_mut().find(|(device, _)| *device == case.device) {
            Some((_, points)) => points.push(point),
            None => out.push((&case.device, vec![point])),
        }
    }
    out
}

fn draw(
    name: &str,
    caption: &str,
    (axis, unit): (&str, &str),
    lines: &[Line],
) -> Result<Option<Figure>, Error> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let mut places: Vec<f64> = points().map(|p| p[0]).collect();
    let values: Vec<f64> = points().flat_map(|p| [p[2], p[3]]).collect();
    if values.is_empty() || values.iter().chain(&places).any(|&v| v <= 0.0) {
        return Ok(None);
    }
    places.sort_by(f64::total_cmp);
    places.dedup();
    let x = Logarithmic::of(&places, LEFT, RIGHT);
    let y = Logarithmic::of(&values, BOTTOM, TOP);
    let svg = Canvas::draw(name, SIZE, |canvas| {
        let faint = Ink::new(SMALL).color(FAINT);
        for value in y.ticks() {
            let at = y.at(value);
            canvas.line((LEFT, at), (RIGHT, at), GRID, 1)?;
            let text = match value < 10.0 {
                true => number(value, usize::from(value < 1.0)),
                false => thousands(value as u64),
            };
            canvas.text(&text, (LEFT - 8, at), Anchor::Right, faint)?;
        }
        for &place in &places {
            let at = x.at(place);
            canvas.line((at, TOP), (at, BOTTOM), GRID, 1)?;
            let text = thousands(place as u64);
            canvas.text(&text, (at, BOTTOM + 14), Anchor::Middle, faint)?;
        }
        let below = (i32::midpoint(LEFT, RIGHT), BOTTOM + 34);
        canvas.text(axis, below, Anchor::Middle, Ink::new(NORMAL))?;
        canvas.text(unit, (LEFT - 8, TOP - 18), Anchor::Right, Ink::new(NORMAL))?;
        for (row, (device, points)) in lines.iter().enumerate() {
            let color = SOURCES[row % SOURCES.len()];
            for pair in points.windows(2) {
                let [from, to] = [pair[0], pair[1]].map(|p| (x.at(p[0]), y.at(p[1])));
                canvas.line(from, to, color, 2)?;
            }
            for p in points {
                let at = x.at(p[0]);
                canvas.line((at, y.at(p[2])), (at, y.at(p[3])), color, 1)?;
                canvas.dot((at, y.at(p[1])), 4, color, true)?;
            }
            let at = (RIGHT + 16, TOP + 18 * row as i32);
            canvas.text(device, at, Anchor::Left, Ink::new(NORMAL).color(color))?;
        }
        Ok(())
    })?;
    Ok(Some(Figure {
        name: name.to_owned(),
        caption: format!("{caption}. Both axes are logarithmic."),
        svg,
    }))
}
