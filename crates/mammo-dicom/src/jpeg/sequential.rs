//! The sequential DCT processes (T.81 annexes A and F): baseline with 8 bits, extended with 12.

use std::f32::consts::PI;

use super::bits::{Bits, Scan};
use super::huffman::{Table, receive};
use super::{FrameHeader, ScanHeader, Tables, table};
use crate::defect::Defect;

/// Row-major position of each coefficient in zigzag order (T.81 figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Decodes the scan of a frame whose size has been checked.
pub(super) fn decode(
    data: &Scan,
    frame: &FrameHeader,
    scan: &ScanHeader,
    tables: &Tables,
) -> Result<Vec<u16>, Defect> {
    let (across, down) = (frame.width.div_ceil(8), frame.height.div_ceil(8));
    let n_blocks = across * down;
    // Every block takes at least two codes.
    if n_blocks > 4 * data.len() {
        return Err(Defect::damaged("the JPEG data are too short for the image"));
    }
    let blocks = Blocks {
        dc: table(&tables.dc, scan.dc, "Huffman")?,
        ac: table(&tables.ac, scan.ac, "Huffman")?,
        steps: table(&tables.quantisation, frame.quantisation, "quantisation")?,
        basis: basis(),
    };
    let (middle, highest) =
        (f32::from(1_u16 << (frame.precision - 1)), f32::from(u16::MAX >> (16 - frame.precision)));
    let mut cells = vec![0_u16; frame.width * frame.height];
    let per_stretch = if tables.restart_interval == 0 { n_blocks.max(1) } else { tables.restart_interval };
    for start in (0..n_blocks).step_by(per_stretch) {
        let mut bits = data.stretch(start / per_stretch)?;
        let mut dc = 0;
        for block in start..(start + per_stretch).min(n_blocks) {
            let light = blocks.next(&mut bits, &mut dc)?;
            let (x, y) = (block % across * 8, block / across * 8);
            for (row, line) in light.chunks_exact(8).enumerate().take(frame.height - y) {
                let at = (y + row) * frame.width + x;
                let n = 8.min(frame.width - x);
                for (cell, &value) in cells[at..at + n].iter_mut().zip(line) {
                    *cell = (value + middle).round().clamp(0.0, highest) as u16;
                }
            }
        }
        bits.check()?;
    }
    Ok(cells)
}

/// Decodes blocks of 8x8 pixels.
struct Blocks<'a> {
    dc: &'a Table,
    ac: &'a Table,
    steps: &'a [u16; 64],
    basis: [[f32; 8]; 8],
}

impl Blocks<'_> {
    /// The next block, before the level shift; `dc` is the running DC coefficient.
    fn next(&self, bits: &mut Bits<'_>, dc: &mut i32) -> Result<[f32; 64], Defect> {
        let mut coefficients = [0.0_f32; 64];
        *dc = dc.wrapping_add(self.dc.difference(bits)?);
        coefficients[0] = *dc as f32 * f32::from(self.steps[0]);
        let mut k = 1;
        while k < 64 {
            let symbol = self.ac.symbol(bits)?;
            let (zeros, n) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (zeros, n) {
                (15, 0) => k += 16,
                (_, 0) => break,
                _ => {
                    k += zeros;
                    let place = ZIGZAG
                        .get(k)
                        .ok_or_else(|| Defect::damaged("a JPEG block of more than 64 values"))?;
                    coefficients[*place] = receive(bits, n)? as f32 * f32::from(self.steps[k]);
                    k += 1;
                }
            }
        }
        bits.check()?;
        Ok(self.inverse(&coefficients))
    }

    /// The inverse cosine transform (T.81 A.3.3), rows and then columns, in floating point: exact, and
    /// fast enough for the few mammograms with this coding.
    fn inverse(&self, coefficients: &[f32; 64]) -> [f32; 64] {
        let mut half = [0.0_f32; 64];
        for (row, out) in coefficients.chunks_exact(8).zip(half.chunks_exact_mut(8)) {
            for (&coefficient, wave) in row.iter().zip(&self.basis).filter(|(c, _)| **c != 0.0) {
                out.iter_mut().zip(wave).for_each(|(sum, w)| *sum += coefficient * w);
            }
        }
        let mut light = [0.0_f32; 64];
        for (line, wave) in half.chunks_exact(8).zip(&self.basis) {
            for (out, &w) in light.chunks_exact_mut(8).zip(wave) {
                out.iter_mut().zip(line).for_each(|(sum, value)| *sum += w * value);
            }
        }
        light
    }
}

/// `basis[u][x]`: the value at `x` of the cosine wave of frequency `u`.
fn basis() -> [[f32; 8]; 8] {
    let mut basis = [[0.0; 8]; 8];
    for (u, wave) in basis.iter_mut().enumerate() {
        let scale = if u == 0 { 0.125_f32.sqrt() } else { 0.5 };
        for (x, value) in wave.iter_mut().enumerate() {
            *value = scale * ((2 * x + 1) as f32 * u as f32 * PI / 16.0).cos();
        }
    }
    basis
}
