//! Grey-scale transformations from stored values to display values (PS3.3 C.11, PS3.4 N.2).
//!
//! Modality LUT or rescale, then VOI LUT or window, then MONOCHROME1 inversion and padding.
//! A stored value has at most 16 bits, so all stages are combined in one table of 65,536 entries,
//! computed in 64-bit floating point and rounded once.

use dicom_core::Tag;
use dicom_core::value::PrimitiveValue;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, Notes};
use super::header::{Header, Photometric};
use super::note::NoteKind;
use mammo_core::image::GreyImage;

/// Whether the VOI transformation of a DICOM image is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voi {
    /// The first VOI LUT, or else the first window, of the file: the image as intended for display.
    /// The default, because models are trained on such images.
    #[default]
    Apply,
    /// None: modality values over the full range of the stored bits.
    Ignore,
}

/// A lookup table with its descriptor (PS3.3 C.11.1.1).
struct Lut {
    first: f64,
    entries: Vec<u16>,
    max: f64,
}

impl Lut {
    /// The table in a sequence item; `None` when it is inconsistent.
    fn of(item: &InMemDicomObject, signed: bool) -> Option<Self> {
        let descriptor = item.get(tags::LUT_DESCRIPTOR)?.to_multi_int::<i32>().ok()?;
        let [n, first, bits] = descriptor[..] else { return None };
        // Zero stands for 65,536; the first value has the sign of the pixels.
        let n = if n == 0 { 1 << 16 } else { usize::try_from(n & 0xFFFF).ok()? };
        let first = if signed { f64::from(first as u16 as i16) } else { f64::from(first as u16) };
        if !(1..=16).contains(&bits) {
            return None;
        }
        let entries = match item.get(tags::LUT_DATA)?.value().primitive()? {
            PrimitiveValue::U16(words) => unpack(words, n)?,
            PrimitiveValue::I16(words) => {
                unpack(&words.iter().map(|&word| word as u16).collect::<Vec<_>>(), n)?
            }
            PrimitiveValue::U8(bytes) if bytes.len() >= 2 * n => {
                bytes.chunks_exact(2).take(n).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
            }
            PrimitiveValue::U8(bytes) if bytes.len() >= n => bytes[..n].iter().map(|&b| b.into()).collect(),
            _ => return None,
        };
        Some(Self { first, entries, max: f64::from((1_u32 << bits) - 1) })
    }

    /// The table of a sequence's first item; an inconsistent one is noted.
    fn first(attributes: &Attributes, sequence: Tag, signed: bool, notes: &mut Notes) -> Option<Self> {
        let item = attributes.item(sequence)?;
        let lut = Self::of(item, signed);
        if lut.is_none() {
            let found = format!("LUT Descriptor and LUT Data of the first item of {sequence}");
            notes.add(NoteKind::LutDropped, found);
        }
        lut
    }

    /// The entry of an input value; values outside the table take its first or last entry.
    fn entry(&self, value: f64) -> f64 {
        let index = (value - self.first).round().clamp(0.0, self.entries.len() as f64 - 1.0);
        f64::from(self.entries[index as usize])
    }
}

/// One entry per word, or two 8-bit entries in each, the low byte first.
fn unpack(words: &[u16], n: usize) -> Option<Vec<u16>> {
    if words.len() >= n {
        return Some(words[..n].to_vec());
    }
    let bytes: Vec<u16> = words.iter().flat_map(|word| [word & 0xFF, word >> 8]).take(n).collect();
    (bytes.len() == n && n > 0).then_some(bytes)
}

/// First stage: stored values to modality values.
enum Modality {
    Lut(Lut),
    Rescale { slope: f64, intercept: f64 },
}

impl Modality {
    fn of(attributes: &Attributes, signed: bool, notes: &mut Notes) -> Self {
        if let Some(lut) = Lut::first(attributes, tags::MODALITY_LUT_SEQUENCE, signed, notes) {
            return Self::Lut(lut);
        }
        let mut number = |tag, name: &str, default: f64, is_usable: fn(f64) -> bool| {
            let found = attributes.number(tag).filter(|&number| is_usable(number));
            if found.is_none() && attributes.has(tag) {
                notes.add(
                    NoteKind::RescaleDropped,
                    format!("{name} '{}'; {default} taken", attributes.text(tag)),
                );
            }
            found.unwrap_or(default)
        };
        Self::Rescale {
            slope: number(tags::RESCALE_SLOPE, "Rescale Slope", 1.0, |slope| slope != 0.0),
            intercept: number(tags::RESCALE_INTERCEPT, "Rescale Intercept", 0.0, |_| true),
        }
    }

    fn apply(&self, stored: f64) -> f64 {
        match self {
            Self::Lut(lut) => lut.entry(stored),
            Self::Rescale { slope, intercept } => stored * slope + intercept,
        }
    }

    /// Smallest and largest modality value for a range of stored values.
    fn range(&self, (low, high): (i32, i32)) -> (f64, f64) {
        match self {
            Self::Lut(lut) => (0.0, lut.max),
            Self::Rescale { .. } => {
                let (a, b) = (self.apply(f64::from(low)), self.apply(f64::from(high)));
                (a.min(b), a.max(b))
            }
        }
    }
}

/// Second stage: modality values to 0..=1.
enum Contrast {
    Lut(Lut),
    Linear { centre: f64, width: f64 },
    LinearExact { centre: f64, width: f64 },
    Sigmoid { centre: f64, width: f64 },
}

impl Contrast {
    /// The first VOI LUT, or else the first window with valid numbers. Invalid ones are noted.
    fn of(attributes: &Attributes, modality_signed: bool, notes: &mut Notes) -> Option<Self> {
        if let Some(lut) = Lut::first(attributes, tags::VOILUT_SEQUENCE, modality_signed, notes) {
            return Some(Self::Lut(lut));
        }
        let function = Function::of(attributes, notes);
        let centres = attributes.each_number(tags::WINDOW_CENTER);
        let widths = attributes.each_number(tags::WINDOW_WIDTH);
        let n = centres.len().max(widths.len());
        let window = |i: usize| {
            let (centre, width) = ((*centres.get(i)?)?, (*widths.get(i)?)?);
            function.allows(width).then(|| function.window(centre, width))
        };
        let mut windows: Vec<Option<Self>> = (0..n).map(window).collect();
        let used = windows.iter().position(Option::is_some);
        if windows.iter().any(Option::is_none) {
            let (centre, width) = (attributes.text(tags::WINDOW_CENTER), attributes.text(tags::WINDOW_WIDTH));
            let instead = match used {
                Some(i) => format!("window {} taken", i + 1),
                None => "the full range is used".to_string(),
            };
            let found = format!("Window Center '{centre}', Window Width '{width}'; {instead}");
            notes.add(NoteKind::WindowDropped, found);
        }
        used.and_then(|i| windows.swap_remove(i))
    }

    /// The formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3 for an output of 0..=1.
    fn apply(&self, value: f64) -> f64 {
        match *self {
            Self::Lut(ref lut) => lut.entry(value) / lut.max,
            Self::Linear { centre, width } => {
                if value <= centre - 0.5 - (width - 1.0) / 2.0 {
                    0.0
                } else if value > centre - 0.5 + (width - 1.0) / 2.0 {
                    1.0
                } else {
                    (value - (centre - 0.5)) / (width - 1.0) + 0.5
                }
            }
            Self::LinearExact { centre, width } => ((value - centre) / width + 0.5).clamp(0.0, 1.0),
            Self::Sigmoid { centre, width } => 1.0 / (1.0 + (-4.0 * (value - centre) / width).exp()),
        }
    }
}

/// VOI LUT Function: the shape of a window (PS3.3 C.11.2.1.3).
#[derive(Clone, Copy)]
enum Function {
    Linear,
    LinearExact,
    Sigmoid,
}

impl Function {
    /// As stated, ignoring case; LINEAR when the function is missing or unknown.
    fn of(attributes: &Attributes, notes: &mut Notes) -> Self {
        match attributes.code(tags::VOILUT_FUNCTION).as_str() {
            "SIGMOID" => Self::Sigmoid,
            "LINEAR_EXACT" => Self::LinearExact,
            "LINEAR" | "" => Self::Linear,
            other => {
                notes.add(NoteKind::UnknownVoiFunction, format!("'{other}'; LINEAR taken"));
                Self::Linear
            }
        }
    }

    /// Whether a window width is valid.
    fn allows(self, width: f64) -> bool {
        match self {
            Self::Linear => width >= 1.0,
            Self::LinearExact | Self::Sigmoid => width > 0.0,
        }
    }

    fn window(self, centre: f64, width: f64) -> Contrast {
        match self {
            Self::Linear => Contrast::Linear { centre, width },
            Self::LinearExact => Contrast::LinearExact { centre, width },
            Self::Sigmoid => Contrast::Sigmoid { centre, width },
        }
    }
}

/// The range of stored values of pixel padding (PS3.3 C.7.5.1.1.2); `None` when it is not stated,
/// or is outside the range of the stored bits and so matches no pixel.
fn padding(attributes: &Attributes, header: &Header, notes: &mut Notes) -> Option<(i32, i32)> {
    let mut values = Vec::new();
    for tag in [tags::PIXEL_PADDING_VALUE, tags::PIXEL_PADDING_RANGE_LIMIT] {
        if !attributes.has(tag) {
            continue;
        }
        let value = attributes.number(tag).and_then(|number| header.stored_from_attribute(number));
        let Some(value) = value else {
            let found = format!("{tag} is {}, {} bits are stored", attributes.text(tag), header.bits_stored);
            notes.add(NoteKind::PaddingDropped, found);
            return None;
        };
        // A limit without a value has no meaning.
        if tag == tags::PIXEL_PADDING_RANGE_LIMIT && values.is_empty() {
            return None;
        }
        values.push(value);
    }
    Some((*values.iter().min()?, *values.iter().max()?))
}

/// All grey transformations of one file.
pub(super) struct Greys {
    modality: Modality,
    contrast: Option<Contrast>,
    /// The range of stored values of pixel padding.
    padding: Option<(i32, i32)>,
}

impl Greys {
    pub(super) fn of(attributes: &Attributes, header: &Header, notes: &mut Notes) -> Self {
        let modality = Modality::of(attributes, header.signed, notes);
        let modality_signed = match &modality {
            Modality::Lut(_) => false,
            Modality::Rescale { intercept, .. } => header.signed || *intercept < 0.0,
        };
        let contrast = Contrast::of(attributes, modality_signed, notes);
        Self { modality, contrast, padding: padding(attributes, header, notes) }
    }

    /// Maps the cells of a frame in place to full-scale grey with dense tissue bright.
    pub(super) fn apply(&self, header: &Header, mut cells: Vec<u16>, voi: Voi) -> GreyImage {
        let contrast = self.contrast.as_ref().filter(|_| voi == Voi::Apply);
        let (low, high) = self.modality.range(header.stored_range());
        let inverted = header.photometric == Photometric::Monochrome1;
        let grey = |cell: u16| {
            let stored = header.stored_value(cell);
            if self.padding.is_some_and(|(first, last)| (first..=last).contains(&stored)) {
                return 0;
            }
            let value = self.modality.apply(f64::from(stored));
            let shown = match contrast {
                Some(contrast) => contrast.apply(value).clamp(0.0, 1.0),
                None => ((value - low) / (high - low)).clamp(0.0, 1.0),
            };
            ((if inverted { 1.0 - shown } else { shown }) * 65535.0).round() as u16
        };
        let table: Vec<u16> = (0..=u16::MAX).map(grey).collect();
        cells.iter_mut().for_each(|cell| *cell = table[usize::from(*cell)]);
        GreyImage { width: header.columns as usize, height: header.rows as usize, pixels: cells }
    }
}
