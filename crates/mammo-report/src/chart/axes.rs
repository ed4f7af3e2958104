//! The axes of a figure, and from data to pixels.

use std::fmt::Write;

use super::Axis;
use super::svg::{escape, label, line, round};

/// Data to pixels.
pub(super) struct Frame<'a> {
    pub(super) plot: [f64; 4],
    pub(super) x: &'a Axis,
    pub(super) y: &'a Axis,
}

impl Frame<'_> {
    pub(super) fn x(&self, v: f64) -> f64 {
        self.plot[0] + (v - self.x.min) / (self.x.max - self.x.min) * self.plot[2]
    }

    pub(super) fn y(&self, v: f64) -> f64 {
        self.plot[1] + (self.y.max - v) / (self.y.max - self.y.min) * self.plot[3]
    }

    pub(super) fn axes(&self, out: &mut String) {
        let [left, top, width, height] = self.plot;
        let (right, bottom) = (left + width, top + height);
        for (v, text) in &self.y.ticks {
            let y = self.y(*v);
            line(out, "grid", [left, y, right, y], "");
            label(out, "", [left - 8.0, y + 3.8], "end", text);
        }
        for (v, text) in &self.x.ticks {
            let x = self.x(*v);
            line(out, "grid", [x, top, x, bottom], "");
            label(out, "", [x, bottom + 18.0], "middle", text);
        }
        line(out, "axis", [left, bottom, right, bottom], "");
        label(out, "name", [left + width / 2.0, bottom + 36.0], "middle", &self.x.label);
        let (x, y) = (13.0, top + height / 2.0);
        let _ = write!(
            out,
            "<text class=\"name\" text-anchor=\"middle\" transform=\"translate({x} {}) rotate(-90)\">{}</text>",
            round(y),
            escape(&self.y.label)
        );
    }

    pub(super) fn path(&self, points: impl Iterator<Item = [f64; 2]>) -> String {
        let mut d = String::new();
        for (i, [x, y]) in points.enumerate() {
            let _ = write!(d, "{}{} {}", if i == 0 { "M" } else { "L" }, round(self.x(x)), round(self.y(y)));
        }
        d
    }
}
