//! The lossless process (T.81 annex H): every pixel predicted from its neighbours.

use super::bits::{Bits, Scan};
use super::huffman::Table;
use super::{FrameHeader, ScanHeader, Tables, table};
use crate::defect::Defect;
use mammo_core::refusal::DicomRefusal;

/// Decodes the scan of a frame whose size has been checked.
pub(super) fn decode(
    data: &Scan,
    frame: &FrameHeader,
    scan: &ScanHeader,
    tables: &Tables,
) -> Result<Vec<u16>, Defect> {
    let (width, height) = (frame.width, frame.height);
    // Every pixel takes at least one bit.
    if width * height > 8 * data.len() {
        return Err(Defect::damaged("the JPEG data are too short for the image"));
    }
    if scan.point_transform >= frame.precision || !(1..=7).contains(&scan.predictor) {
        let found = format!("JPEG predictor {}, point transform {}", scan.predictor, scan.point_transform);
        return Err(Defect::damaged(found));
    }
    let rows_per_stretch = match tables.restart_interval {
        0 => height,
        interval if interval % width == 0 => interval / width,
        _ => {
            let found = "JPEG restart intervals inside a row";
            return Err(Defect::new(DicomRefusal::UnsupportedTransferSyntax, found));
        }
    };
    let table = table(&tables.dc, scan.dc, "Huffman")?;
    let first = 1 << (frame.precision - scan.point_transform - 1);
    let mut cells = vec![0_u16; width * height];
    for (index, rows) in cells.chunks_mut(rows_per_stretch * width).enumerate() {
        decode_stretch(&mut data.stretch(index)?, table, scan.predictor, first, width, rows)?;
    }
    if scan.point_transform > 0 {
        cells.iter_mut().for_each(|cell| *cell <<= scan.point_transform);
    }
    Ok(cells)
}

/// Rows between two restarts: the first is predicted from the left alone.
fn decode_stretch(
    bits: &mut Bits<'_>,
    table: &Table,
    predictor: u8,
    first: u16,
    width: usize,
    rows: &mut [u16],
) -> Result<(), Defect> {
    let (top, mut rest) = rows.split_at_mut(width);
    decode_row(bits, table, top, &[], first, |left, _, _| left)?;
    let mut above = &*top;
    while !rest.is_empty() {
        let (row, below) = rest.split_at_mut(width);
        let start = above[0];
        match predictor {
            1 => decode_row(bits, table, row, &[], start, |left, _, _| left),
            2 => decode_row(bits, table, row, above, start, |_, up, _| up),
            3 => decode_row(bits, table, row, above, start, |_, _, corner| corner),
            4 => decode_row(bits, table, row, above, start, |left, up, corner| left + up - corner),
            5 => decode_row(bits, table, row, above, start, |left, up, corner| left + ((up - corner) >> 1)),
            6 => decode_row(bits, table, row, above, start, |left, up, corner| up + ((left - corner) >> 1)),
            _ => decode_row(bits, table, row, above, start, |left, up, _| (left + up) >> 1),
        }?;
        (above, rest) = (row, below);
    }
    Ok(())
}

/// One row: its first pixel is predicted by `start`, the others by `predict(left, up, corner)`. With
/// an empty row `above`, the prediction is the left pixel.
#[inline]
fn decode_row(
    bits: &mut Bits<'_>,
    table: &Table,
    row: &mut [u16],
    above: &[u16],
    start: u16,
    predict: impl Fn(i32, i32, i32) -> i32,
) -> Result<(), Defect> {
    // Arithmetic is modulo 2^16 (T.81 H.2.1), so wrapping on the way into 16 bits is exact.
    let mut left = start.wrapping_add(table.difference(bits)? as u16);
    row[0] = left;
    if above.is_empty() {
        for cell in &mut row[1..] {
            left = left.wrapping_add(table.difference(bits)? as u16);
            *cell = left;
        }
    } else {
        for (cell, corner_and_up) in row[1..].iter_mut().zip(above.windows(2)) {
            let (corner, up) = (i32::from(corner_and_up[0]), i32::from(corner_and_up[1]));
            let predicted = predict(i32::from(left), up, corner);
            left = (predicted + table.difference(bits)?) as u16;
            *cell = left;
        }
    }
    bits.check()
}
