//! A grey image in memory, owned or borrowed.

/// A grey image, row by row, full-scale 16 bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GreyImage {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` values, row-major.
    pub pixels: Vec<u16>,
}

impl GreyImage {
    /// A black image.
    pub fn black(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; width * height] }
    }

    /// One row of pixels.
    pub fn row(&self, y: usize) -> &[u16] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }
}

/// A grey image that is borrowed, from a cache or from an image in memory.
#[derive(Clone, Copy, Debug)]
pub struct GreyView<'a> {
    /// `width * height` values, row-major.
    pub pixels: &'a [u16],
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl<'a> From<&'a GreyImage> for GreyView<'a> {
    fn from(image: &'a GreyImage) -> Self {
        Self { pixels: &image.pixels, width: image.width, height: image.height }
    }
}
