//! One cached input: its description and its memory-mapped pixels.

use std::fs::{self, File};
use std::path::Path;
use std::time::UNIX_EPOCH;

use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use crate::preprocess::{BreastDoubt, Mask, Prepared};
use crate::{Error, Result};
use mammo_core::geometry::{Affine, Rect};
use mammo_core::image::GreyView;
use mammo_core::record::{Mammogram, Polarity};

#[cfg(target_endian = "big")]
compile_error!("cached pixels are little-endian and mapped without conversion");

/// The frames of one image: sizes of the stored image and of the input, and the map between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFrame {
    /// Columns of the stored image.
    pub stored_width: usize,
    /// Rows of the stored image.
    pub stored_height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Rows of the input.
    pub height: usize,
    /// Maps points of the stored image to points of the input.
    pub input_from_stored: Affine,
}

/// Size, time and polarity of a source file when it was prepared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    bytes: u64,
    modified_ns: u128,
    polarity: Polarity,
}

impl Source {
    pub(super) fn of(path: &Path, polarity: Polarity) -> Result<Self> {
        let unreadable = |error| Error::io(path, "read the image", error);
        let metadata = fs::metadata(path).map_err(unreadable)?;
        let modified = metadata.modified().map_err(unreadable)?;
        let modified_ns = modified.duration_since(UNIX_EPOCH).map(|age| age.as_nanos()).unwrap_or(0);
        Ok(Self { bytes: metadata.len(), modified_ns, polarity })
    }
}

/// The content of `<name>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    file: String,
    pub(super) source: Source,
    pub(super) frame: InputFrame,
    breast: Rect,
    doubt: Option<BreastDoubt>,
    breast_mask: Mask,
}

impl Entry {
    pub(super) fn new(image: &Mammogram, source: Source, prepared: Prepared) -> Self {
        let frame = InputFrame {
            stored_width: prepared.stored_width,
            stored_height: prepared.stored_height,
            width: prepared.image.width,
            height: prepared.image.height,
            input_from_stored: prepared.input_from_stored,
        };
        Self {
            file: image.file.clone(),
            source,
            frame,
            breast: prepared.breast,
            doubt: prepared.doubt,
            breast_mask: prepared.breast_mask,
        }
    }
}

/// The pixels of a prepared input, mapped from the disk, not copied.
#[derive(Debug)]
pub struct CachedPixels {
    map: Mmap,
    width: usize,
    height: usize,
}

impl CachedPixels {
    /// Maps a pixel file after checking its size.
    pub(super) fn map(path: &Path, width: usize, height: usize) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, "open the cached input", error))?;
        // SAFETY: a map is sound while the file is neither changed nor truncated. Files of the
        // cache are never written in place: `write_atomically` renames a new file over the old
        // one, whose pages remain valid as long as they are mapped.
        let map =
            unsafe { Mmap::map(&file) }.map_err(|error| Error::io(path, "map the cached input", error))?;
        let expected = 2 * width * height;
        if map.len() != expected {
            let found = format!("{} bytes", map.len());
            return Err(Error::image(path, found, format!("{expected} bytes; build the cache again")));
        }
        Ok(Self { map, width, height })
    }

    /// `width * height` pixels, row-major, windowed to 0..=65535, with their size.
    pub fn view(&self) -> GreyView<'_> {
        // A map is page-aligned, and its length was checked to be even.
        GreyView { pixels: bytemuck::cast_slice(&self.map), width: self.width, height: self.height }
    }
}

/// A prepared input: its pixels and their description.
#[derive(Debug)]
pub struct CachedInput {
    pixels: CachedPixels,
    entry: Entry,
}

impl CachedInput {
    pub(super) fn map(path: &Path, entry: Entry) -> Result<Self> {
        let pixels = CachedPixels::map(path, entry.frame.width, entry.frame.height)?;
        Ok(Self { pixels, entry })
    }

    /// `width * height` pixels, row-major, windowed to 0..=65535.
    pub fn pixels(&self) -> &[u16] {
        self.view().pixels
    }

    /// The pixels with their size.
    pub fn view(&self) -> GreyView<'_> {
        self.pixels.view()
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.entry.frame.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.entry.frame.height
    }

    /// The frames of this image.
    pub fn frame(&self) -> &InputFrame {
        &self.entry.frame
    }

    /// Maps points of the stored image to points of this input.
    pub fn input_from_stored(&self) -> &Affine {
        &self.entry.frame.input_from_stored
    }

    /// Bounding box of the breast, in pixels of this input.
    pub fn breast(&self) -> Rect {
        self.entry.breast
    }

    /// Breast tissue in cells of [`Prepared::MASK_CELL_PX`] pixels.
    pub fn breast_mask(&self) -> &Mask {
        &self.entry.breast_mask
    }

    /// Set when the breast outline was not trusted.
    pub fn doubt(&self) -> Option<BreastDoubt> {
        self.entry.doubt
    }
}
