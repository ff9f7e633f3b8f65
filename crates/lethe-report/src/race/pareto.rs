//! What is left against what was lost: the models of a scope with their Pareto front.

use plotters::style::RGBColor;

use super::figures::{LOSS, OWN, PUBLISHED, RESIDUE};
use super::measure::{Runner, Standings, point};
use super::plot::{Labels, Plot, axis};
use super::tables::slug;
use crate::Error;
use crate::canvas::{Anchor, Canvas, FAINT, INK, Ink, fitted, text_width};
use crate::figures::{Figure, SMALL, key, key_lines};
use crate::results::Scope;
use crate::text::enumerate;

/// A strategy's models at one place, whatever their budgets.
struct Mark<'a> {
    strategy: &'a str,
    budgets: Vec<String>,
    /// Residue and utility loss.
    point: (f64, f64),
    front: bool,
}

fn marks<'a>(full: &[&'a Runner]) -> Vec<Mark<'a>> {
    let mut out: Vec<Mark> = Vec::new();
    for runner in full.iter().filter(|runner| runner.run.step > 0) {
        let (strategy, point) = (runner.run.strategy.as_str(), point(&runner.entry.row));
        let budget = runner.run.budget.to_string();
        match out
            .iter_mut()
            .find(|m| m.strategy == strategy && m.point == point)
        {
            Some(mark) => mark.budgets.push(budget),
            None => out.push(Mark {
                strategy,
                budgets: vec![budget],
                point,
                front: runner.entry.row.front == Some(true),
            }),
        }
    }
    out
}

/// Nothing where no model was to forget everything at once.
pub(super) fn pareto(standings: &Standings, scope: Scope) -> Result<Option<Figure>, Error> {
    let full = standings.full(scope);
    if full.is_empty() {
        return Ok(None);
    }
    let marks = marks(&full);
    let tuned = point(&standings.tuned.row);
    let color = |strategy: &str| match standings.is_own(strategy) {
        true => OWN,
        false => PUBLISHED,
    };
    let entries: Vec<(String, RGBColor)> = [
        ("published strategies", PUBLISHED),
        ("own strategies", OWN),
        ("the tuned model, and the front", INK),
    ]
    .into_iter()
    .filter(|(_, wanted)| *wanted == INK || marks.iter().any(|m| color(m.strategy) == *wanted))
    .map(|(text, color)| (text.to_owned(), color))
    .collect();
    let (left, right) = (64, 64 + 740);
    let top = 18 * key_lines(&entries, left, right) + 34;
    let bottom = top + 440;
    let points = || marks.iter().map(|mark| mark.point).chain([tuned]);
    let plot = Plot {
        x: axis(points().map(|(_, loss)| loss), left, right - left),
        y: axis(
            points().map(|(residue, _)| residue).chain([0.0]),
            bottom,
            top - bottom,
        ),
    };
    let at = |(residue, loss): (f64, f64)| plot.at((loss, residue));
    let mut front: Vec<(f64, f64)> = marks.iter().filter(|m| m.front).map(|m| m.point).collect();
    front.extend(standings.tuned_is_on_front(scope).then_some(tuned));
    front.sort_by(|a, b| a.1.total_cmp(&b.1).then(b.0.total_cmp(&a.0)));

    let name = format!("pareto-{}", slug(&scope.name()));
    let size = ((right + 30) as u32, (bottom + 44) as u32);
    let svg = Canvas::draw(&name, size, |canvas| {
        key(canvas, &entries, left, right, 14)?;
        let ink = Ink::new(SMALL).color(FAINT);
        canvas.text(RESIDUE, (8, top - 14), Anchor::Left, ink)?;
        plot.paint_x(canvas, 8, true)?;
        plot.paint_y(canvas, 6, true)?;
        let middle = (i32::midpoint(left, right), bottom + 32);
        canvas.text(LOSS, middle, Anchor::Middle, ink)?;
        let mut labels = Labels { taken: Vec::new() };
        // The levels that residues lie between, named outside of them at the right end.
        for (text, level, away) in [("tuned model", tuned.0, -9), ("untuned model", 0.0, 9)] {
            let y = plot.y.at(level);
            canvas.line((left, y), (right, y), FAINT, 1)?;
            let width = text_width(text, SMALL).ceil() as i32;
            canvas.text(text, (right - 4, y + away), Anchor::Right, ink)?;
            labels.taken.push([left, right, y - 1, y + 1]);
            labels
                .taken
                .push([right - 4 - width, right, y + away - 7, y + away + 7]);
        }
        // The least residue so far holds until a greater loss buys less.
        let ends = front.iter().skip(1).map(|&next| at(next));
        let ends: Vec<(i32, i32)> = ends.chain([(right, bottom)]).collect();
        for (&of_front, (to_x, to_y)) in front.iter().zip(ends) {
            let (x, y) = at(of_front);
            canvas.line((x, y), (to_x, y), INK, 1)?;
            labels.taken.push([x, to_x, y - 1, y + 1]);
            if to_x < right {
                canvas.line((to_x, y), (to_x, to_y), INK, 1)?;
                labels.taken.push([to_x - 1, to_x + 1, y, to_y]);
            }
        }
        for mark in &marks {
            let (x, y) = at(mark.point);
            canvas.dot((x, y), 5, color(mark.strategy), true)?;
            labels.taken.push([x - 5, x + 5, y - 5, y + 5]);
        }
        let (x, y) = at(tuned);
        canvas.dot((x, y), 6, INK, false)?;
        labels.taken.push([x - 6, x + 6, y - 6, y + 6]);
        // Those that must have a label choose first.
        for must in [true, false] {
            for mark in marks.iter().filter(|mark| mark.front == must) {
                let text = format!("{}, {}", mark.strategy, mark.budgets.join(" and "));
                let text = fitted(&text, SMALL, 240.0);
                let width = text_width(&text, SMALL).ceil() as i32;
                let (x, y) = at(mark.point);
                let Some([l, r, t, b]) = labels.place(&plot, (x, y), width, must) else {
                    continue;
                };
                let middle = (i32::midpoint(l, r), i32::midpoint(t, b));
                let near = (x.clamp(l, r), y.clamp(t, b));
                if (near.0 - x).abs().max((near.1 - y).abs()) > 16 {
                    canvas.line((x, y), near, FAINT, 1)?;
                }
                let ink = Ink::new(SMALL).color(color(mark.strategy));
                canvas.text(&text, middle, Anchor::Middle, ink)?;
            }
        }
        Ok(())
    })?;
    let on_front: Vec<String> = marks
        .iter()
        .filter(|mark| mark.front)
        .map(|mark| format!("{} ({})", mark.strategy, mark.budgets.join(" and ")))
        .collect();
    let on_front: Vec<&str> = on_front.iter().map(String::as_str).collect();
    Ok(Some(Figure {
        caption: format!(
            "Scope {}: what is left against what was lost, on the reported items. Left and below is \
             better. One dot per strategy and budget (the number behind its name); those for which \
             nothing within the budget was better than to do nothing are the tuned model, the ring. \
             The stepped line is the Pareto front; on it: {}. Where there is no room, a dot off the \
             front has no name.",
            scope.name(),
            enumerate(&on_front)
        ),
        name,
        svg,
    }))
}
