//! Grey JPEG as DICOM uses it: baseline 8 bit, extended 12 bit, lossless 2 to 16 bit
//! (ITU-T T.81).
//!
//! Implemented here for two reasons: no Rust library decodes 12-bit lossy JPEG with 12 bits, and the
//! only one for lossless JPEG (`jpeg-decoder`) takes a second for a mammogram, ten times as long as
//! all other preparation. Supported are one component and Huffman-coded sequential processes; others
//! are refused by name.

mod bits;
pub(crate) mod file;
mod huffman;
mod lossless;
mod sequential;

use super::defect::Defect;
use super::samples::Frame;
use bits::Scan;
use huffman::Table;
use mammo_core::refusal::DicomRefusal;

/// Tables from the marker segments before the scan.
#[derive(Default)]
struct Tables {
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    quantisation: [Option<[u16; 64]>; 4],
    /// Units between restart markers; zero when there are none.
    restart_interval: usize,
}

/// The frame header.
struct FrameHeader {
    process: u8,
    precision: u8,
    width: usize,
    height: usize,
    component: u8,
    quantisation: usize,
}

/// The scan header, for one component.
struct ScanHeader {
    dc: usize,
    ac: usize,
    /// Predictor of a lossless scan.
    predictor: u8,
    point_transform: u8,
}

/// Decodes one grey image of the size that the DICOM header gives.
pub(super) fn decode(coded: &[u8], frame: &Frame) -> Result<Vec<u16>, Defect> {
    let mut segments = Segments { coded, at: 0 };
    let (mut tables, mut header) = (Tables::default(), None);
    if segments.take(2)? != [0xFF, 0xD8] {
        return Err(Defect::damaged("no JPEG start marker"));
    }
    loop {
        let (marker, body) = segments.next()?;
        match marker {
            0xC4 => read_huffman(body, &mut tables)?,
            0xDB => read_quantisation(body, &mut tables)?,
            0xDD => {
                let interval = body.get(..2).ok_or_else(|| cut("DRI"))?;
                tables.restart_interval = usize::from(u16::from_be_bytes([interval[0], interval[1]]));
            }
            0xC0 | 0xC1 | 0xC3 => {
                let read = read_frame(marker, body)?;
                frame.check(read.width, read.height)?;
                header = Some(read);
            }
            0xC2 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                let found = format!("JPEG process SOF{}", marker - 0xC0);
                return Err(Defect::new(DicomRefusal::UnsupportedTransferSyntax, found));
            }
            0xDA => {
                let header = header.ok_or_else(|| Defect::damaged("a JPEG scan before its frame"))?;
                let scan = read_scan(body, &header)?;
                let data = Scan::new(&coded[segments.at..])?;
                return match header.process {
                    0xC3 => lossless::decode(&data, &header, &scan, &tables),
                    _ => sequential::decode(&data, &header, &scan, &tables),
                };
            }
            0xD9 => return Err(Defect::damaged("a JPEG image without a scan")),
            // Comments, application data and other segments without pixels.
            _ => {}
        }
    }
}

fn cut(what: &str) -> Defect {
    Defect::damaged(format!("the JPEG segment {what} is cut short"))
}

/// Iterator over marker segments.
struct Segments<'a> {
    coded: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Defect> {
        let bytes = self.coded.get(self.at..self.at + n);
        self.at += n;
        bytes.ok_or_else(|| Defect::damaged("the JPEG data end before the image"))
    }

    /// The next marker and its body.
    fn next(&mut self) -> Result<(u8, &'a [u8]), Defect> {
        if self.take(1)? != [0xFF] {
            return Err(Defect::damaged("a missing JPEG marker"));
        }
        let mut marker = self.take(1)?[0];
        while marker == 0xFF {
            marker = self.take(1)?[0];
        }
        if marker == 0xD9 {
            return Ok((marker, &[]));
        }
        let length = self.take(2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let body =
            length.checked_sub(2).ok_or_else(|| Defect::damaged("a JPEG segment shorter than its length"))?;
        Ok((marker, self.take(body)?))
    }
}

fn read_huffman(mut body: &[u8], tables: &mut Tables) -> Result<(), Defect> {
    while let [head, rest @ ..] = body {
        let counts: &[u8; 16] = rest.first_chunk().ok_or_else(|| cut("DHT"))?;
        let n: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let symbols = rest.get(16..16 + n).ok_or_else(|| cut("DHT"))?;
        let group = if head >> 4 == 0 { &mut tables.dc } else { &mut tables.ac };
        let slot =
            group.get_mut(usize::from(head & 15)).ok_or_else(|| Defect::damaged("a fifth Huffman table"))?;
        *slot = Some(Table::new(counts, symbols)?);
        body = &rest[16 + n..];
    }
    Ok(())
}

fn read_quantisation(mut body: &[u8], tables: &mut Tables) -> Result<(), Defect> {
    while let [head, rest @ ..] = body {
        let wide = head >> 4 != 0;
        let n = if wide { 128 } else { 64 };
        let values = rest.get(..n).ok_or_else(|| cut("DQT"))?;
        let mut table = [0; 64];
        for (i, step) in table.iter_mut().enumerate() {
            *step =
                if wide { u16::from_be_bytes([values[2 * i], values[2 * i + 1]]) } else { values[i].into() };
        }
        let slot = tables.quantisation.get_mut(usize::from(head & 15));
        *slot.ok_or_else(|| Defect::damaged("a fifth quantisation table"))? = Some(table);
        body = &rest[n..];
    }
    Ok(())
}

fn read_frame(process: u8, body: &[u8]) -> Result<FrameHeader, Defect> {
    let &[precision, y1, y0, x1, x0, components, ref rest @ ..] = body else { return Err(cut("SOF")) };
    let &[component, _, quantisation, ..] = rest else { return Err(cut("SOF")) };
    if components != 1 {
        return Err(Defect::new(DicomRefusal::Colour, format!("{components} JPEG components")));
    }
    let allowed = if process == 0xC3 { 2..=16 } else { 8..=12 };
    if !allowed.contains(&precision) {
        return Err(Defect::new(
            DicomRefusal::UnsupportedPixels,
            format!("JPEG samples of {precision} bits"),
        ));
    }
    let (width, height) = (u16::from_be_bytes([x1, x0]).into(), u16::from_be_bytes([y1, y0]).into());
    Ok(FrameHeader { process, precision, width, height, component, quantisation: quantisation.into() })
}

fn read_scan(body: &[u8], header: &FrameHeader) -> Result<ScanHeader, Defect> {
    let &[1, component, tables, first, _, approximation, ..] = body else {
        return Err(Defect::damaged("a JPEG scan header that is not for one component"));
    };
    if component != header.component {
        return Err(Defect::damaged("a JPEG scan of another component than the frame's"));
    }
    Ok(ScanHeader {
        dc: usize::from(tables >> 4),
        ac: usize::from(tables & 15),
        predictor: first,
        point_transform: approximation & 15,
    })
}

/// The table selected by a scan.
fn table<'a, T>(tables: &'a [Option<T>; 4], index: usize, kind: &str) -> Result<&'a T, Defect> {
    let table = tables.get(index).and_then(Option::as_ref);
    table.ok_or_else(|| {
        Defect::damaged(format!("the JPEG scan names {kind} table {index}, which is not there"))
    })
}
