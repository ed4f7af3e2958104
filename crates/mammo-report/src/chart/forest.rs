//! A [`Forest`] drawn: a row per group with its counts, estimate and interval.

use std::fmt::Write;

use super::axes::Frame;
use super::svg::{Body, Drawing, label, line, round};
use super::{Axis, Forest, Head};

const BOTTOM: f64 = 46.0;
const FOREST_ROW: f64 = 24.0;

impl Drawing for Forest {
    fn head(&self) -> &Head {
        &self.head
    }

    fn in_words(&self) -> String {
        self.words()
    }

    fn body(&self) -> Body {
        let (width, top) = (720.0, 26.0);
        let height = top + self.rows.len() as f64 * FOREST_ROW + BOTTOM;
        let plot = [330.0, top, 230.0, height - top - BOTTOM];
        let [low, high] = self.range;
        let step = (high - low) / 4.0;
        let ticks = (0..=4).map(|i| low + f64::from(i) * step).map(|v| (v, format!("{v:.2}"))).collect();
        let x = Axis { label: self.label.clone(), min: low, max: high, ticks };
        let y = Axis { label: String::new(), min: 0.0, max: self.rows.len() as f64, ticks: vec![] };
        let frame = Frame { plot, x: &x, y: &y };
        let mut out = String::new();
        frame.axes(&mut out);
        for (text, place, anchor) in
            [("images", 250.0, "end"), ("malignant", 316.0, "end"), ("estimate and interval", 706.0, "end")]
        {
            label(&mut out, "", [place, top - 10.0], anchor, text);
        }
        if let Some(overall) = self.overall {
            let x = frame.x(overall);
            line(&mut out, "line dash", [x, top, x, top + plot[3]], " stroke=\"var(--neutral)\"");
        }
        for (i, row) in self.rows.iter().enumerate() {
            let y = top + (i as f64 + 0.5) * FOREST_ROW;
            let (class, indent) = if row.heading { ("strong", 8.0) } else { ("name", 22.0) };
            label(&mut out, class, [indent, y + 3.8], "start", &row.label);
            if let Some([n, malignant]) = row.n {
                label(&mut out, "name", [250.0, y + 3.8], "end", &n.to_string());
                label(&mut out, "name", [316.0, y + 3.8], "end", &malignant.to_string());
            }
            match row.estimate {
                Some([estimate, from, to]) => {
                    let (a, b) = (frame.x(from.max(low)), frame.x(to.min(high)));
                    line(&mut out, "whisker", [a, y, b, y], " stroke=\"var(--accent)\"");
                    let _ = write!(
                        out,
                        "<circle class=\"dot\" data-row=\"{i}\" cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"var(--accent)\"/>",
                        round(frame.x(estimate.clamp(low, high))),
                        round(y)
                    );
                    let text = format!("{estimate:.3}  ({from:.3} to {to:.3})");
                    label(&mut out, "name", [706.0, y + 3.8], "end", &text);
                }
                None if !row.heading => label(&mut out, "", [706.0, y + 3.8], "end", &row.note),
                None => {}
            }
        }
        Body { width, height, plot, range: [low, high, 0.0, self.rows.len() as f64], content: out }
    }
}
