//! Rectangles and affine maps between the frames of one image.
//!
//! Frames: **stored** (pixels of the file), **input** (pixels of the network input).
//! A map is named `target_from_source`, as in `input_from_stored`, so that adjacent names in a
//! chain of maps agree. Coordinates are continuous: pixel `(row, col)` covers
//! `[col, col + 1) x [row, row + 1)`, its centre is at `+ 0.5`.

use serde::{Deserialize, Serialize};

/// An axis-aligned rectangle in pixels: left edge, top edge, width, height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Rect {
    /// A rectangle from its left and top edges and its size.
    pub const fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self { x, y, width, height }
    }

    /// Right edge.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Bottom edge.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Centre as `(x, y)`.
    pub fn centre(&self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// Area in square pixels.
    pub fn area(&self) -> f64 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// The intersection of two rectangles; of zero size when they are disjoint.
    pub fn intersection(&self, other: &Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = (self.right().min(other.right()) - x).max(0.0);
        let height = (self.bottom().min(other.bottom()) - y).max(0.0);
        Self { x, y, width, height }
    }

    /// The smallest rectangle that contains both.
    pub fn union(&self, other: &Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        Self {
            x,
            y,
            width: self.right().max(other.right()) - x,
            height: self.bottom().max(other.bottom()) - y,
        }
    }
}

/// A map of points `(x, y)` to `(xx·x + xy·y + x0, yx·x + yy·y + y0)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Affine {
    /// x from x.
    pub xx: f64,
    /// x from y.
    pub xy: f64,
    /// x offset.
    pub x0: f64,
    /// y from x.
    pub yx: f64,
    /// y from y.
    pub yy: f64,
    /// y offset.
    pub y0: f64,
}

impl Affine {
    /// The identity map.
    pub const IDENTITY: Self = Self { xx: 1.0, xy: 0.0, x0: 0.0, yx: 0.0, yy: 1.0, y0: 0.0 };

    /// Translation by `(dx, dy)`.
    pub const fn translate(dx: f64, dy: f64) -> Self {
        Self { x0: dx, y0: dy, ..Self::IDENTITY }
    }

    /// Scaling about the origin; a negative factor mirrors.
    pub const fn scale(sx: f64, sy: f64) -> Self {
        Self { xx: sx, yy: sy, ..Self::IDENTITY }
    }

    /// Rotation about the origin by `angle_rad`, from the x axis towards the y axis.
    pub fn rotate(angle_rad: f64) -> Self {
        let (sin, cos) = angle_rad.sin_cos();
        Self { xx: cos, xy: -sin, yx: sin, yy: cos, ..Self::IDENTITY }
    }

    /// The composition: `self` first, then `next`.
    pub fn then(&self, next: &Self) -> Self {
        let (x0, y0) = next.apply(self.x0, self.y0);
        Self {
            xx: next.xx * self.xx + next.xy * self.yx,
            xy: next.xx * self.xy + next.xy * self.yy,
            x0,
            yx: next.yx * self.xx + next.yy * self.yx,
            yy: next.yx * self.xy + next.yy * self.yy,
            y0,
        }
    }

    /// The image of one point.
    pub fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        (self.xx * x + self.xy * y + self.x0, self.yx * x + self.yy * y + self.y0)
    }

    /// The inverse map, or `None` when the map is singular.
    pub fn inverse(&self) -> Option<Self> {
        let det = self.xx * self.yy - self.xy * self.yx;
        if det.abs() < 1e-12 || !det.is_finite() {
            return None;
        }
        let (xx, xy, yx, yy) = (self.yy / det, -self.xy / det, -self.yx / det, self.xx / det);
        Some(Self { xx, xy, yx, yy, x0: -(xx * self.x0 + xy * self.y0), y0: -(yx * self.x0 + yy * self.y0) })
    }

    /// The bounding box of a mapped rectangle.
    pub fn apply_rect(&self, rect: &Rect) -> Rect {
        let corners = [
            self.apply(rect.x, rect.y),
            self.apply(rect.right(), rect.y),
            self.apply(rect.x, rect.bottom()),
            self.apply(rect.right(), rect.bottom()),
        ];
        let min = corners.iter().fold((f64::MAX, f64::MAX), |m, c| (m.0.min(c.0), m.1.min(c.1)));
        let max = corners.iter().fold((f64::MIN, f64::MIN), |m, c| (m.0.max(c.0), m.1.max(c.1)));
        Rect::new(min.0, min.1, max.0 - min.0, max.1 - min.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_and_its_inverse_cancel() {
        let map = Affine::rotate(0.4).then(&Affine::scale(2.0, -0.5)).then(&Affine::translate(3.0, -7.0));
        let back = map.then(&map.inverse().unwrap());
        let (x, y) = back.apply(12.5, -3.25);
        assert!((x - 12.5).abs() < 1e-9 && (y + 3.25).abs() < 1e-9);
        assert!(Affine::scale(0.0, 1.0).inverse().is_none());
    }

    #[test]
    fn a_mirrored_box_keeps_its_area() {
        let mirrored = Affine::scale(-1.0, 1.0).then(&Affine::translate(100.0, 0.0));
        assert_eq!(mirrored.apply_rect(&Rect::new(10.0, 5.0, 20.0, 8.0)), Rect::new(70.0, 5.0, 20.0, 8.0));
    }

    #[test]
    fn boxes_that_do_not_meet_have_an_empty_intersection() {
        let a = Rect::new(0.0, 0.0, 4.0, 4.0);
        assert_eq!(a.intersection(&Rect::new(9.0, 9.0, 1.0, 1.0)).area(), 0.0);
        assert_eq!(a.intersection(&Rect::new(2.0, 2.0, 9.0, 9.0)).area(), 4.0);
    }
}
