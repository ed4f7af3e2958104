//! Coordinates of a phantom image in millimetres and pixels.
//!
//! Everything is drawn in the **left frame**: the chest wall is the left edge (`x = 0`),
//! the nipple points right, `y` grows downwards. Right breasts are mirrored at the end.
//! All sizes are in millimetres, so that a seed gives the same breast at any resolution.

use super::PhantomConfig;

/// Height of the imaged field in millimetres (an 18 x 24 cm film).
pub const FIELD_HEIGHT_MM: f32 = 240.0;

/// Width of the imaged field in millimetres: 240 mm x 896 / 1152.
pub const FIELD_WIDTH_MM: f32 = 187.0;

/// Size of the image and of one of its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Columns.
    pub width_px: usize,
    /// Rows.
    pub height_px: usize,
    /// Side of a square pixel.
    pub spacing_mm: f32,
}

impl Frame {
    /// The finest spacing at which the whole field fits on the configured image.
    pub fn new(config: &PhantomConfig) -> Self {
        let (width_px, height_px) = (config.width_px.max(1), config.height_px.max(1));
        let spacing_mm = (FIELD_HEIGHT_MM / height_px as f32).max(FIELD_WIDTH_MM / width_px as f32);
        Self { width_px, height_px, spacing_mm }
    }

    /// Height of the image in millimetres.
    pub fn height_mm(&self) -> f32 {
        self.height_px as f32 * self.spacing_mm
    }

    /// Width of the image in millimetres.
    pub fn width_mm(&self) -> f32 {
        self.width_px as f32 * self.spacing_mm
    }

    /// Centre of pixel `i` along either axis, in millimetres.
    pub fn centre_mm(&self, i: usize) -> f32 {
        (i as f32 + 0.5) * self.spacing_mm
    }

    /// Columns and rows whose centres can lie within `reach_mm` of a point, as half-open ranges.
    pub fn around(&self, centre: Point, reach_mm: f32) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let range = |at: f32, end: usize| {
            let low = ((at - reach_mm) / self.spacing_mm - 0.5).ceil().clamp(0.0, end as f32);
            let high = ((at + reach_mm) / self.spacing_mm + 0.5).floor().clamp(low, end as f32);
            low as usize..high as usize
        };
        (range(centre.x, self.width_px), range(centre.y, self.height_px))
    }
}

/// A point or a direction in millimetres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Distance from the chest-wall edge.
    pub x: f32,
    /// Distance from the top edge.
    pub y: f32,
}

impl Point {
    /// The point `length_mm` away in the direction `angle_rad` (0 is right, growing downwards).
    pub fn polar(self, length_mm: f32, angle_rad: f32) -> Self {
        Self { x: self.x + length_mm * angle_rad.cos(), y: self.y + length_mm * angle_rad.sin() }
    }

    /// Distance to another point.
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// Distance to the segment from `a` to `b`.
    pub fn distance_to_segment(self, a: Self, b: Self) -> f32 {
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let length2 = dx * dx + dy * dy;
        let along = ((self.x - a.x) * dx + (self.y - a.y) * dy) / length2.max(1e-12);
        let t = along.clamp(0.0, 1.0);
        self.distance(Self { x: a.x + t * dx, y: a.y + t * dy })
    }
}
