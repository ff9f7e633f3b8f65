//! The figures of a race.

use plotters::style::RGBColor;

use super::measure::{Runner, Standings};
use super::pareto::pareto;
use super::plot::{LABEL_HEIGHT, Plot, axis};
use super::read::Measured;
use super::tables::{rate, slug};
use crate::Error;
use crate::canvas::{Anchor, Canvas, FAINT, GRID, Ink, fitted, text_width};
use crate::figures::{Figure, NORMAL, SMALL, SOURCES};
use crate::results::Scope;

pub(super) const OWN: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
pub(super) const PUBLISHED: RGBColor = RGBColor(0x00, 0x72, 0xb2);
pub(super) const LOSS: &str = "utility loss, nats per token";
pub(super) const RESIDUE: &str = "residue, nats";

/// The figures of a scope.
pub(crate) struct ScopeFigures {
    /// The front, if any model was to forget everything at once, and the ways on the items held
    /// aside, if any was measured.
    pub(crate) standings: Vec<Figure>,
    /// One per budget.
    pub(crate) requests: Vec<Figure>,
}

/// All figures, by scope in the order of the standings.
pub(crate) fn figures(standings: &Standings) -> Result<Vec<ScopeFigures>, Error> {
    let of_scope = |&scope: &Scope| {
        let pareto = pareto(standings, scope)?;
        Ok(ScopeFigures {
            standings: pareto
                .into_iter()
                .chain(trajectories(standings, scope)?)
                .collect(),
            requests: requests(standings, scope)?,
        })
    };
    standings.scopes.iter().map(of_scope).collect()
}

/// A strategy's way with one learning rate and setting: utility loss and residue, step by step.
struct Trajectory<'a> {
    strategy: &'a str,
    learning_rate: f64,
    points: Vec<(f64, f64)>,
}

/// Of each strategy the run whose least residue within `budget` is the least of all its runs; where
/// none stays within it, the run that loses least.
fn best_runs<'a>(measured: &[&'a Measured], budget: f64) -> Vec<Trajectory<'a>> {
    let mut out = Vec::new();
    for of_strategy in measured.chunk_by(|a, b| a.strategy == b.strategy) {
        let least = |run: &[&Measured], of: fn(&Measured) -> f64, within: f64| {
            let held = run.iter().filter(|m| m.utility_loss <= within);
            held.map(|m| of(m)).fold(f64::INFINITY, f64::min)
        };
        let rank = |run: &[&Measured]| {
            let left = least(run, |m| m.residue, budget);
            (left, least(run, |m| m.utility_loss, f64::INFINITY))
        };
        let runs = of_strategy
            .chunk_by(|a, b| (&a.settings, a.learning_rate) == (&b.settings, b.learning_rate));
        let best = runs.min_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        if let Some((first, run)) = best.and_then(|run| run.first().zip(Some(run))) {
            out.push(Trajectory {
                strategy: &first.strategy,
                learning_rate: first.learning_rate,
                points: run.iter().map(|m| (m.utility_loss, m.residue)).collect(),
            });
        }
    }
    out
}

/// The parts of a polyline up to `limit` in x, cut where it crosses.
fn up_to(points: &[(f64, f64)], limit: f64) -> Vec<[(f64, f64); 2]> {
    let cut = |inside: (f64, f64), outside: (f64, f64)| {
        let share = (limit - inside.0) / (outside.0 - inside.0);
        (limit, inside.1 + share * (outside.1 - inside.1))
    };
    let mut out = Vec::new();
    for (&a, &b) in points.iter().zip(points.iter().skip(1)) {
        match (a.0 <= limit, b.0 <= limit) {
            (true, true) => out.push([a, b]),
            (true, false) => out.push([a, cut(a, b)]),
            (false, true) => out.push([cut(b, a), b]),
            (false, false) => {}
        }
    }
    out
}

fn trajectories(standings: &Standings, scope: Scope) -> Result<Option<Figure>, Error> {
    const COLUMNS: usize = 4;
    const PANEL: (i32, i32) = (186, 150);
    const GAP: (i32, i32) = (16, 44);
    let is_there = |m: &&Measured| m.scope == scope && m.is_full();
    let measured: Vec<&Measured> = standings.race.measured.iter().filter(is_there).collect();
    if measured.is_empty() {
        return Ok(None);
    }
    let budget = standings.budgets(scope).last().copied();
    let runs = best_runs(&measured, budget.unwrap_or(f64::INFINITY));
    let limit = match budget {
        Some(budget) if budget > 0.0 => 2.0 * budget,
        _ => f64::INFINITY,
    };
    let shown: Vec<(f64, f64)> = runs
        .iter()
        .flat_map(|run| &run.points)
        .filter(|(loss, _)| *loss <= limit)
        .copied()
        .collect();
    let losses = || shown.iter().map(|(loss, _)| *loss).chain([0.0]);
    let losses = || losses().chain(limit.is_finite().then_some(limit));
    let residues = || shown.iter().map(|(_, residue)| *residue).chain([0.0]);
    let (left, top) = (56, 48);
    let columns = runs.len().min(COLUMNS);
    let lines = runs.len().div_ceil(COLUMNS);
    let width = left + (PANEL.0 + GAP.0) * columns as i32 + 14;
    let height = top + (PANEL.1 + GAP.1) * lines as i32 + 4;
    let name = format!("trajectories-{}", slug(&scope.name()));
    let size = (width.max(230) as u32, height as u32);
    let svg = Canvas::draw(&name, size, |canvas| {
        let ink = Ink::new(SMALL).color(FAINT);
        canvas.text(RESIDUE, (8, 12), Anchor::Left, ink)?;
        for (i, run) in runs.iter().enumerate() {
            let (column, line) = ((i % COLUMNS) as i32, (i / COLUMNS) as i32);
            let x = left + (PANEL.0 + GAP.0) * column;
            let bottom = top + (PANEL.1 + GAP.1) * line + PANEL.1;
            let plot = Plot {
                x: axis(losses(), x, PANEL.0),
                y: axis(residues(), bottom, -PANEL.1),
            };
            let is_lowest = i + COLUMNS >= runs.len();
            plot.paint_x(canvas, 3, is_lowest)?;
            plot.paint_y(canvas, 4, column == 0)?;
            if let Some(budget) = budget {
                let x = plot.x.at(budget);
                canvas.line((x, plot.top()), (x, bottom), FAINT, 1)?;
            }
            let color = match standings.is_own(run.strategy) {
                true => OWN,
                false => PUBLISHED,
            };
            for [a, b] in up_to(&run.points, limit) {
                canvas.line(plot.at(a), plot.at(b), color, 2)?;
            }
            for &point in run.points.iter().filter(|(loss, _)| *loss <= limit) {
                canvas.dot(plot.at(point), 2, color, true)?;
            }
            let rate = format!(" {}", rate(run.learning_rate));
            let room = f64::from(PANEL.0) - text_width(&rate, SMALL);
            let title = fitted(run.strategy, SMALL, room) + &rate;
            let ink = Ink::new(SMALL).color(color).bold();
            canvas.text(&title, (x, plot.top() - 10), Anchor::Left, ink)?;
        }
        canvas.text(LOSS, (width.max(230) / 2, height - 8), Anchor::Middle, ink)
    })?;
    let clipped = match budget {
        Some(budget) => format!(
            " The upright line is the largest budget, {budget}; what loses more than twice that is \
             cut off."
        ),
        None => String::new(),
    };
    Ok(Some(Figure {
        caption: format!(
            "Scope {}: the way of each strategy on the items held aside, from the tuned model at \
             the upper left; a dot per measurement. Behind a strategy's name stands its learning \
             rate: of all that ran, the one with the least residue within the largest \
             budget.{clipped}",
            scope.name()
        ),
        name,
        svg,
    }))
}

/// A strategy's utility loss request by request.
struct Way {
    label: String,
    color: RGBColor,
    width: u32,
    points: Vec<(f64, f64)>,
}

fn requests(standings: &Standings, scope: Scope) -> Result<Vec<Figure>, Error> {
    let is_there = |r: &&Runner| r.scope == scope && !r.run.is_one_request();
    let there: Vec<&Runner> = standings.runners.iter().filter(is_there).collect();
    let mut budgets: Vec<f64> = there.iter().map(|r| r.run.budget).collect();
    budgets.sort_by(f64::total_cmp);
    budgets.dedup();
    let mut out = Vec::new();
    for budget in budgets {
        let mut of_budget = there.clone();
        of_budget.retain(|r| r.run.budget == budget);
        out.push(ways(standings, scope, budget, of_budget)?);
    }
    Ok(out)
}

fn ways(
    standings: &Standings,
    scope: Scope,
    budget: f64,
    mut there: Vec<&Runner>,
) -> Result<Figure, Error> {
    let mut counts: Vec<u32> = there.iter().map(|r| r.run.requests).collect();
    counts.sort_unstable();
    counts.dedup();
    let mut others = SOURCES.iter().filter(|color| **color != OWN).cycle();
    let mut ways: Vec<Way> = Vec::new();
    there.sort_by_key(|r| (r.run.requests, &r.run.strategy, r.run.request));
    let is_one_way = |a: &&Runner, b: &&Runner| {
        (a.run.requests, &a.run.strategy) == (b.run.requests, &b.run.strategy)
    };
    for of_strategy in there.chunk_by(is_one_way) {
        let Some(first) = of_strategy.first() else {
            continue;
        };
        let strategy = &first.run.strategy;
        let of_runner = |r: &&Runner| (f64::from(r.run.request), r.entry.row.utility_loss.mean);
        let is_own = standings.is_own(strategy);
        ways.push(Way {
            label: match counts.len() {
                1 => strategy.clone(),
                _ => format!("{strategy}, {} requests", first.run.requests),
            },
            color: match is_own {
                true => OWN,
                false => others.next().copied().unwrap_or(PUBLISHED),
            },
            width: if is_own { 3 } else { 2 },
            points: [(0.0, 0.0)]
                .into_iter()
                .chain(of_strategy.iter().map(of_runner))
                .collect(),
        });
    }
    let (left, top, room) = (64, 40, 210);
    let right = left + 520;
    let bottom = top + (LABEL_HEIGHT * ways.len() as i32).max(320);
    let points = || ways.iter().flat_map(|way| &way.points);
    let plot = Plot {
        x: axis(points().map(|(request, _)| *request), left, right - left),
        y: axis(points().map(|(_, loss)| *loss), bottom, top - bottom),
    };
    // Names stand at the right at the height of their lines' ends, as far as they leave each other
    // room.
    let end = |way: &Way| way.points.last().copied().unwrap_or_default();
    let mut order: Vec<(i32, &Way)> = ways
        .iter()
        .map(|way| (plot.y.at(end(way).1), way))
        .collect();
    order.sort_by_key(|(y, _)| *y);
    let mut lowest = top - LABEL_HEIGHT;
    for (y, _) in &mut order {
        *y = (*y).max(lowest + LABEL_HEIGHT);
        lowest = *y;
    }
    let mut highest = bottom + LABEL_HEIGHT;
    for (y, _) in order.iter_mut().rev() {
        *y = (*y).min(highest - LABEL_HEIGHT);
        highest = *y;
    }
    let name = format!("requests-{}-{budget}", slug(&scope.name()));
    let size = ((right + room) as u32, (bottom + 44) as u32);
    let svg = Canvas::draw(&name, size, |canvas| {
        let ink = Ink::new(SMALL).color(FAINT);
        canvas.text(LOSS, (8, 14), Anchor::Left, ink)?;
        plot.paint_y(canvas, 6, true)?;
        let most = counts.last().copied().unwrap_or_default();
        // As many numbers as there is room for.
        for request in (0..=most).step_by(most.div_ceil(20).max(1) as usize) {
            let x = plot.x.at(f64::from(request));
            canvas.line((x, bottom), (x, bottom + 4), FAINT, 1)?;
            canvas.text(&request.to_string(), (x, bottom + 13), Anchor::Middle, ink)?;
        }
        let middle = (i32::midpoint(left, right), bottom + 32);
        canvas.text("requests so far", middle, Anchor::Middle, ink)?;
        for (y, way) in &order {
            for (&a, &b) in way.points.iter().zip(way.points.iter().skip(1)) {
                canvas.line(plot.at(a), plot.at(b), way.color, way.width)?;
            }
            for &point in &way.points {
                canvas.dot(plot.at(point), 3, way.color, true)?;
            }
            canvas.line(plot.at(end(way)), (right + 6, *y), GRID, 1)?;
            let text = fitted(&way.label, NORMAL, f64::from(room - 16));
            let ink = Ink::new(NORMAL).color(way.color);
            canvas.text(&text, (right + 10, *y), Anchor::Left, ink)?;
        }
        Ok(())
    })?;
    Ok(Figure {
        caption: format!(
            "Scope {}, budget {budget}: utility loss over successive requests, one line per \
             strategy, from the tuned model at 0.",
            scope.name()
        ),
        name,
        svg,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(strategy: &str, rate: f64, step: u32, loss: f64, residue: f64) -> Measured {
        Measured {
            scope: Scope::Multilingual,
            strategy: strategy.to_owned(),
            settings: String::new(),
            fraction: 1.0,
            request: 1,
            requests: 1,
            learning_rate: rate,
            step,
            forget_nll: 1.0,
            residue,
            utility_loss: loss,
        }
    }

    #[test]
    fn the_best_run_leaves_least_within_the_budget() {
        let all = [
            measured("a", 1e-6, 1, 0.01, 2.0),
            measured("a", 1e-5, 1, 0.09, 1.0),
            measured("a", 1e-5, 2, 0.2, 0.0),
            measured("a", 1e-4, 1, 0.3, 0.0),
            measured("b", 1e-5, 1, 0.8, 0.0),
            measured("b", 1e-4, 1, 0.7, 3.0),
        ];
        let all: Vec<&Measured> = all.iter().collect();
        let best = best_runs(&all, 0.1);
        let chosen: Vec<(&str, f64)> = best.iter().map(|r| (r.strategy, r.learning_rate)).collect();
        assert_eq!(chosen, [("a", 1e-5), ("b", 1e-4)]);
        assert_eq!(best[0].points, [(0.09, 1.0), (0.2, 0.0)]);
    }

    #[test]
    fn lines_are_cut_where_they_leave() {
        let way = [(0.0, 4.0), (1.0, 2.0), (3.0, 0.0), (5.0, 0.0), (1.0, 1.0)];
        assert_eq!(
            up_to(&way, 2.0),
            [
                [(0.0, 4.0), (1.0, 2.0)],
                [(1.0, 2.0), (2.0, 1.0)],
                [(2.0, 0.75), (1.0, 1.0)],
            ]
        );
        assert!(up_to(&way[..1], 2.0).is_empty());
    }
}
