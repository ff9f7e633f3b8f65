//! A drawing surface: plotters' SVG backend with labels and colours as the figures want them.
//!
//! No font is loaded: widths are estimated from above, so that a label that fits by the estimate
//! fits on paper. Ink, faint ink, grid and paper are fixed colours that the page's style sheet maps
//! to the reader's colour scheme; a figure's file alone is dark on white.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Error;
use crate::text::visible;

pub(crate) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
pub(crate) const FAINT: RGBColor = RGBColor(0x59, 0x63, 0x6e);
pub(crate) const GRID: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);
pub(crate) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// plotters draws text at this fraction of the size that it is asked for.
const PLOTTERS_SIZE: f64 = 1.24;

/// Where a label stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Anchor {
    Left,
    Middle,
    Right,
}

/// How a label looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ink {
    pub(crate) size: f64,
    pub(crate) color: RGBColor,
    pub(crate) bold: bool,
}

impl Ink {
    pub(crate) fn new(size: f64) -> Ink {
        Ink {
            size,
            color: INK,
            bold: false,
        }
    }

    pub(crate) fn color(self, color: RGBColor) -> Ink {
        Ink { color, ..self }
    }

    pub(crate) fn bold(self) -> Ink {
        Ink { bold: true, ..self }
    }
}

/// The surface while it is drawn on.
pub(crate) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

type Drawn = Result<(), String>;

impl Canvas<'_> {
    /// Draws a figure of `size` pixels; gives the SVG document.
    pub(crate) fn draw(
        name: &str,
        size: (u32, u32),
        paint: impl FnOnce(&mut Canvas) -> Drawn,
    ) -> Result<String, Error> {
        let mut svg = String::new();
        Canvas::paint(&mut svg, size, paint).map_err(|reason| Error::Figure {
            figure: name.to_owned(),
            reason,
        })?;
        Ok(svg)
    }

    fn paint(
        svg: &mut String,
        size: (u32, u32),
        paint: impl FnOnce(&mut Canvas) -> Drawn,
    ) -> Drawn {
        let area = SVGBackend::with_string(svg, size).into_drawing_area();
        let mut canvas = Canvas { area };
        let (width, height) = size;
        canvas.fill(0, 0, width as i32, height as i32, PAPER)?;
        paint(&mut canvas)?;
        canvas.area.present().map_err(|e| e.to_string())
    }

    pub(crate) fn fill(&mut self, x: i32, y: i32, w: i32, h: i32, color: RGBColor) -> Drawn {
        let shape = Rectangle::new([(x, y), (x + w, y + h)], color.filled());
        self.area.draw(&shape).map_err(|e| e.to_string())
    }

    pub(crate) fn line(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        color: RGBColor,
        width: u32,
    ) -> Drawn {
        let shape = PathElement::new([from, to], color.stroke_width(width));
        self.area.draw(&shape).map_err(|e| e.to_string())
    }

    /// The outline of a rectangle, two pixels wide, inside its bounds.
    pub(crate) fn outline(&mut self, x: i32, y: i32, w: i32, h: i32, color: RGBColor) -> Drawn {
        let corners = [
            (x + 1, y + 1),
            (x + w - 1, y + 1),
            (x + w - 1, y + h - 1),
            (x + 1, y + h - 1),
        ];
        let around = [corners[0], corners[1], corners[2], corners[3], corners[0]];
        let shape = PathElement::new(around, color.stroke_width(2));
        self.area.draw(&shape).map_err(|e| e.to_string())
    }

    pub(crate) fn dot(
        &mut self,
        at: (i32, i32),
        radius: i32,
        color: RGBColor,
        filled: bool,
    ) -> Drawn {
        let style = if filled {
            color.filled()
        } else {
            color.stroke_width(1)
        };
        self.area
            .draw(&Circle::new(at, radius, style))
            .map_err(|e| e.to_string())
    }

    /// A label, vertically centred on its point.
    pub(crate) fn text(
        &mut self,
        text: &str,
        (x, y): (i32, i32),
        anchor: Anchor,
        ink: Ink,
    ) -> Drawn {
        let text = visible(text);
        let h_pos = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let weight = if ink.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let style = ("sans-serif", ink.size * PLOTTERS_SIZE, weight)
            .into_text_style(&self.area)
            .color(&ink.color)
            .pos(Pos::new(h_pos, VPos::Center));
        self.area
            .draw_text(&text, &style, (x, y))
            .map_err(|e| e.to_string())
    }
}

/// The width of `text` at this size in pixels, estimated from above for common sans-serif faces.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '[' | ']' => 0.36,
        'f' | 't' | 'r' | '(' | ')' | '-' | '/' => 0.45,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.98,
        'A'..='Z' => 0.76,
        '0'..='9' | 'a'..='z' | '†' => 0.64,
        '+' | '−' | '=' | '<' | '>' | '≤' | '≥' | '×' => 0.84,
        c if (c as u32) < 0x1100 => 0.84,
        _ => 1.05,
    };
    size * text.chars().map(em).sum::<f64>()
}

/// `text`, shortened with an ellipsis to fit `width` pixels.
pub(crate) fn fitted(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if text_width(&out, size) + text_width("…", size) > width {
            out.pop();
            break;
        }
    }
    out + "…"
}

/// Colours along a scale: `stops` are equally spaced over 0…1.
pub(crate) fn along(stops: &[RGBColor], at: f64) -> RGBColor {
    let last = stops.len() - 1;
    let place = at.clamp(0.0, 1.0) * last as f64;
    let below = (place.floor() as usize).min(last.saturating_sub(1));
    let (a, b) = (stops[below], stops[(below + 1).min(last)]);
    let share = place - below as f64;
    let mix = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// Near-black or near-white, whichever reads better on `ground` (WCAG 2 relative luminance). Not
/// the ink colour: it must not follow the reader's colour scheme.
pub(crate) fn readable_on(ground: RGBColor) -> RGBColor {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.040_45 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    };
    let luminance =
        0.2126 * linear(ground.0) + 0.7152 * linear(ground.1) + 0.0722 * linear(ground.2);
    match (luminance + 0.05) * (luminance + 0.05) > 1.05 * 0.05 {
        true => RGBColor(0x10, 0x10, 0x10),
        false => RGBColor(0xfd, 0xfd, 0xfd),
    }
}
