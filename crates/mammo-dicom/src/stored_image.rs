//! An image file, opened once, parsed once and decoded once.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use mammo_core::{Error, GreyImage};
use sha2::{Digest, Sha256};

use crate::defect::Defect;
use crate::header::Header;
use crate::image_file::{check_size, decode_other, size_of_bytes};
use crate::walk::{self, Stop};
use crate::{DicomImage, DicomRefusal, Note, Voi, attributes, complete, is_dicom, parsed_file, samples};

/// Number of bytes by which DICOM is recognised.
pub(crate) const HEAD_BYTES: usize = 1024;

/// A DICOM file of at most so many bytes is read whole before its header is parsed; of a larger one, such as a
/// tomosynthesis object of gigabytes, the header first.
const SMALL_FILE_BYTES: usize = 32 << 20;

/// First piece of a large file that is read for its header, in bytes; most headers are smaller.
const HEADER_PIECE_BYTES: usize = 64 << 10;

/// Largest file read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// A mammogram as its file stores it: DICOM, PNG, JPEG, TIFF or PGM.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredImage {
    /// The attributes of a DICOM file; `None` for other formats.
    pub header: Option<Header>,
    /// Full-scale 16-bit grey; for DICOM, dense tissue is bright.
    pub image: GreyImage,
    /// Irregularities of a DICOM file.
    pub notes: Vec<Note>,
}

impl StoredImage {
    /// Reads an image file; a DICOM object must have one grey frame.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Image`] or [`Error::Dicom`] when its pixels cannot.
    pub fn open(path: &Path, voi: Voi) -> Result<Self, Error> {
        Self::open_if(path, voi, |_| Ok(()))
    }

    /// Reads an image file; the pixels of a DICOM file only if its header is accepted.
    ///
    /// # Errors
    /// As [`open`](Self::open), and what `accept` returns.
    pub fn open_if<E: From<Error>>(
        path: &Path,
        voi: Voi,
        accept: impl FnOnce(&Header) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut opened = OpenFile::open(path)?;
        if is_dicom(&opened.bytes) {
            return Self::of_dicom(&mut opened, voi, accept);
        }
        opened.read_to(usize::MAX)?;
        Ok(Self { header: None, image: decode_other(path, &opened.bytes)?, notes: Vec::new() })
    }

    /// Reads an image file whose header and size, columns and rows in pixels, are accepted; returns the SHA-256 of all
    /// bytes of the file with it.
    ///
    /// # Errors
    /// As [`open`](Self::open), and what `accept` returns.
    pub fn open_with_digest<E: From<Error>>(
        path: &Path,
        voi: Voi,
        accept: impl FnOnce(Option<&Header>, [u32; 2]) -> Result<(), E>,
    ) -> Result<(Self, [u8; 32]), E> {
        let mut opened = OpenFile::open(path)?;
        let stored = if is_dicom(&opened.bytes) {
            Self::of_dicom(&mut opened, voi, |header| accept(Some(header), [header.columns, header.rows]))?
        } else {
            opened.read_to(usize::MAX)?;
            let (columns, rows) = size_of_bytes(path, &opened.bytes)?;
            accept(None, [columns, rows])?;
            Self { header: None, image: decode_other(path, &opened.bytes)?, notes: Vec::new() }
        };
        Ok((stored, opened.digest()?))
    }

    fn of_dicom<E: From<Error>>(
        opened: &mut OpenFile,
        voi: Voi,
        accept: impl FnOnce(&Header) -> Result<(), E>,
    ) -> Result<Self, E> {
        let DicomImage { header, image, notes } = read_dicom(opened, voi, accept)?;
        check_size(opened.path, image.width as u32, image.height as u32)?;
        Ok(Self { header: Some(header), image, notes })
    }
}

/// A file whose beginning has been read.
pub(crate) struct OpenFile<'p> {
    path: &'p Path,
    file: File,
    /// Length of the file.
    full: u64,
    /// The bytes read so far.
    pub bytes: Vec<u8>,
}

impl<'p> OpenFile<'p> {
    /// Opens a file and reads its first [`HEAD_BYTES`].
    pub fn open(path: &'p Path) -> Result<Self, Error> {
        let io = |e| Error::io(path, "read the image", e);
        let file = File::open(path).map_err(io)?;
        let full = file.metadata().map_err(io)?.len();
        let mut opened = Self { path, file, full, bytes: Vec::new() };
        opened.read_to(HEAD_BYTES)?;
        Ok(opened)
    }

    /// Reads until `length` bytes are in memory or the file ends.
    fn read_to(&mut self, length: usize) -> Result<(), Error> {
        let more = length.saturating_sub(self.bytes.len());
        self.bytes.reserve_exact(more.min(self.full as usize));
        let read = (&mut self.file).take(more as u64).read_to_end(&mut self.bytes);
        read.map(|_| ()).map_err(|e| Error::io(self.path, "read the image", e))
    }

    /// SHA-256 of the whole file; bytes that are not in memory are read in blocks.
    fn digest(mut self) -> Result<[u8; 32], Error> {
        let mut hasher = Sha256::new_with_prefix(&self.bytes);
        let mut block = vec![0; HEADER_PIECE_BYTES];
        loop {
            match self.file.read(&mut block).map_err(|e| Error::io(self.path, "read the image", e))? {
                0 => return Ok(hasher.finalize().into()),
                n => hasher.update(&block[..n]),
            }
        }
    }

    /// Length of a DICOM file, with an upper bound.
    fn checked_len(&self) -> Result<usize, Error> {
        if self.full > MAX_FILE_BYTES {
            let found = format!("a file of {} MiB", self.full >> 20);
            return Err(Defect::new(DicomRefusal::TooLarge, found).at(self.path));
        }
        Ok(self.full as usize)
    }

    /// Reads and parses the header.
    pub fn header(&mut self) -> Result<Header, Error> {
        let full = self.checked_len()?;
        let mut piece = HEADER_PIECE_BYTES;
        loop {
            self.read_to(piece)?;
            match parsed_file::parse_file(&self.bytes, full.max(self.bytes.len())) {
                Ok(parsed) => return attributes::parse(&parsed).map_err(|defect| defect.at(self.path)),
                Err(Stop::Defect(defect)) => return Err(defect.at(self.path)),
                Err(Stop::NeedsMore) if self.bytes.len() < piece => {
                    return Err(Defect::damaged("the file became shorter while it was read").at(self.path));
                }
                Err(Stop::NeedsMore) => piece = piece.saturating_mul(4),
            }
        }
    }
}

/// Reads and decodes a DICOM file if its header is accepted.
pub(crate) fn read_dicom<E: From<Error>>(
    opened: &mut OpenFile,
    voi: Voi,
    accept: impl FnOnce(&Header) -> Result<(), E>,
) -> Result<DicomImage, E> {
    let full = opened.checked_len()?;
    if full <= SMALL_FILE_BYTES {
        opened.read_to(usize::MAX)?;
        let full = opened.bytes.len();
        return decode(opened.path, &opened.bytes, full, voi, accept);
    }
    let header = opened.header()?;
    accept(&header)?;
    check_pixels(&header).map_err(|defect| defect.at(opened.path))?;
    let most = walk::MAX_HEADER_BYTES + 2 * header.n_pixels() * usize::from(header.bits_allocated / 8);
    opened.read_to(most)?;
    let full = if opened.bytes.len() < most { opened.bytes.len() } else { full.max(opened.bytes.len()) };
    decode(opened.path, &opened.bytes, full, voi, |_| Ok(()))
}

/// Decodes the beginning of a file of `full` bytes, as far as its pixels reach.
pub(crate) fn decode<E: From<Error>>(
    path: &Path,
    bytes: &[u8],
    full: usize,
    voi: Voi,
    accept: impl FnOnce(&Header) -> Result<(), E>,
) -> Result<DicomImage, E> {
    let at_path = |defect: Defect| defect.at(path);
    let parsed = complete(parsed_file::parse_file(bytes, full)).map_err(at_path)?;
    let (header, greys) = attributes::parse_with_greys(&parsed).map_err(at_path)?;
    accept(&header)?;
    check_pixels(&header).map_err(at_path)?;
    let (samples, notes) = samples::decode(&parsed, &header).map_err(|defect| {
        if bytes.len() == full || defect.refusal != DicomRefusal::Damaged {
            return defect.at(path);
        }
        let size = format!("{}x{} pixels", header.columns, header.rows);
        Defect::new(DicomRefusal::TooLarge, format!("a file of {} MiB for {size}", full >> 20)).at(path)
    })?;
    let image = greys.apply(&header, samples, voi);
    Ok(DicomImage { notes: [&header.notes[..], &notes].concat(), header, image })
}

/// Checks that the file has pixels of a supported kind.
fn check_pixels(header: &Header) -> Result<(), Defect> {
    if !header.has_pixels {
        return Err(Defect::new(DicomRefusal::NoPixelData, "no pixel data element (7FE0,0010)"));
    }
    header.check_pixels()
}
