//! Two axes, what is drawn between them, and room for labels there.

use plotters::style::RGBColor;

use crate::canvas::{Anchor, Canvas, FAINT, GRID, Ink};
use crate::figures::{Axis, SMALL, ticks};
use crate::text::{compact, signed};

/// Pixels from a line of labels to the next.
pub(super) const LABEL_HEIGHT: i32 = 14;

type Drawn = Result<(), String>;

/// An axis of `width` pixels from `left`, rightwards or (below 0) upwards, that holds all values.
pub(super) fn axis(values: impl Iterator<Item = f64>, left: i32, width: i32) -> Axis {
    let bounds = values.fold(None, |bounds: Option<(f64, f64)>, v| match bounds {
        Some((low, high)) => Some((low.min(v), high.max(v))),
        None => Some((v, v)),
    });
    let (low, high) = bounds.unwrap_or_default();
    // Values that are all one still need an axis around them.
    let span = match high - low {
        0.0 => low.abs().max(1.0),
        span => span,
    };
    Axis {
        low: low - 0.05 * span,
        high: high + 0.05 * span,
        left,
        width,
    }
}

/// Two axes and the rectangle between them.
pub(super) struct Plot {
    pub(super) x: Axis,
    /// Upwards: its width is negative.
    pub(super) y: Axis,
}

impl Plot {
    pub(super) fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (self.x.at(x), self.y.at(y))
    }

    pub(super) fn left(&self) -> i32 {
        self.x.left
    }

    pub(super) fn right(&self) -> i32 {
        self.x.left + self.x.width
    }

    pub(super) fn top(&self) -> i32 {
        self.y.left + self.y.width
    }

    pub(super) fn bottom(&self) -> i32 {
        self.y.left
    }

    /// Upright grid lines, with numbers below where they are wanted.
    pub(super) fn paint_x(&self, canvas: &mut Canvas, count: usize, numbers: bool) -> Drawn {
        let (at, decimals) = ticks(self.x.low, self.x.high, count);
        for value in at {
            let x = self.x.at(value);
            canvas.line((x, self.top()), (x, self.bottom()), grid(value), 1)?;
            if numbers {
                let text = match value.abs() {
                    huge if huge >= 1e4 => compact(value, decimals),
                    _ => signed(value, decimals),
                };
                let at = (x, self.bottom() + 12);
                canvas.text(&text, at, Anchor::Middle, Ink::new(SMALL).color(FAINT))?;
            }
        }
        Ok(())
    }

    /// Level grid lines, with numbers at the left where they are wanted.
    pub(super) fn paint_y(&self, canvas: &mut Canvas, count: usize, numbers: bool) -> Drawn {
        let (at, decimals) = ticks(self.y.low, self.y.high, count);
        for value in at {
            let y = self.y.at(value);
            canvas.line((self.left(), y), (self.right(), y), grid(value), 1)?;
            if numbers {
                let (text, at) = (compact(value, decimals), (self.left() - 8, y));
                canvas.text(&text, at, Anchor::Right, Ink::new(SMALL).color(FAINT))?;
            }
        }
        Ok(())
    }
}

fn grid(value: f64) -> RGBColor {
    if value == 0.0 { FAINT } else { GRID }
}

/// What stands on a figure already: left, right, top, bottom.
pub(super) type Placed = [i32; 4];

/// Finds room for labels beside their points.
pub(super) struct Labels {
    pub(super) taken: Vec<Placed>,
}

impl Labels {
    fn fits(&self, plot: &Plot, [left, right, top, bottom]: Placed) -> bool {
        let inside = left > plot.left()
            && right < plot.right()
            && top > plot.top()
            && bottom < plot.bottom();
        let clear = |[l, r, t, b]: &Placed| right < *l || *r < left || bottom < *t || *b < top;
        inside && self.taken.iter().all(clear)
    }

    /// The nearest free place among eight directions at growing distances, of which a label that
    /// must stand gets more.
    pub(super) fn place(
        &mut self,
        plot: &Plot,
        (x, y): (i32, i32),
        width: i32,
        must: bool,
    ) -> Option<Placed> {
        let rings: &[i32] = match must {
            true => &[0, 14, 30, 48, 68, 90, 115, 145, 180, 220],
            false => &[0, 14],
        };
        let (half, height) = (width / 2, LABEL_HEIGHT / 2);
        for &ring in rings {
            let (dx, dy) = (8 + half + ring, LABEL_HEIGHT + ring);
            let around = [
                (dx, 0),
                (-dx, 0),
                (0, -dy),
                (0, dy),
                (dx, -dy),
                (dx, dy),
                (-dx, -dy),
                (-dx, dy),
            ];
            for (dx, dy) in around {
                let (x, y) = (x + dx, y + dy);
                let place = [x - half, x + half, y - height, y + height];
                if self.fits(plot, place) {
                    self.taken.push(place);
                    return Some(place);
                }
            }
        }
        None
    }
}
