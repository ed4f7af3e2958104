//! RLE Lossless (PS3.5 annex G): one byte plane per segment, the high byte first.

use super::defect::Defect;
use super::samples::Frame;

/// Number of segments, and their 15 offsets.
const HEADER_BYTES: usize = 64;

pub(super) fn decode(coded: &[u8], frame: &Frame) -> Result<Vec<u16>, Defect> {
    let word =
        |at: usize| coded.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let cut = || Defect::damaged("RLE data end inside their header");
    if coded.len() < HEADER_BYTES {
        return Err(cut());
    }
    let n_segments = word(0).ok_or_else(cut)?;
    if n_segments != frame.bytes_per_pixel {
        let expected = frame.bytes_per_pixel;
        return Err(Defect::damaged(format!("{n_segments} RLE segments, {expected} expected")));
    }
    let mut cells = vec![0_u16; frame.width * frame.height];
    for segment in 1..=n_segments {
        let start = word(4 * segment).ok_or_else(cut)?;
        let end = if segment == n_segments { coded.len() } else { word(4 * segment + 4).ok_or_else(cut)? };
        let bytes = coded.get(start..end).ok_or_else(|| Defect::damaged("RLE segments out of order"))?;
        unpack(bytes, &mut cells)?;
    }
    Ok(cells)
}

/// Adds a byte plane below the one already in `cells`.
fn unpack(mut bytes: &[u8], cells: &mut [u16]) -> Result<(), Defect> {
    let cut = || Defect::damaged("an RLE segment ends before the last pixel");
    let mut at = 0;
    while at < cells.len() {
        let (&head, rest) = bytes.split_first().ok_or_else(cut)?;
        let head = head as i8;
        // The last run may extend into the padding after the frame.
        let room = cells.len() - at;
        match head {
            -128 => bytes = rest,
            0.. => {
                let n = head as usize + 1;
                let literal = rest.get(..n.min(room)).ok_or_else(cut)?;
                for (cell, &byte) in cells[at..].iter_mut().zip(literal) {
                    *cell = *cell << 8 | u16::from(byte);
                }
                at += literal.len();
                bytes = rest.get(n..).unwrap_or_default();
            }
            _ => {
                let n = (1 - isize::from(head)) as usize;
                let (&byte, rest) = rest.split_first().ok_or_else(cut)?;
                let run = n.min(room);
                cells[at..at + run].iter_mut().for_each(|cell| *cell = *cell << 8 | u16::from(byte));
                at += run;
                bytes = rest;
            }
        }
    }
    Ok(())
}
