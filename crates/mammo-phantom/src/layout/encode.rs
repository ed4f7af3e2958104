//! Two lossless encoders for DICOM pixel data.

use super::dicom::DicomPixels;

/// RLE Lossless (PS3.5 annex G): one PackBits segment per byte plane, the high byte first.
pub fn rle(pixels: &DicomPixels, allocated: u16) -> Vec<u8> {
    let planes: &[u32] = if allocated == 8 { &[0] } else { &[8, 0] };
    let segments: Vec<Vec<u8>> = planes
        .iter()
        .map(|shift| {
            let plane = |row: &[u16]| pack_bits(&row.iter().map(|v| (v >> shift) as u8).collect::<Vec<_>>());
            let mut segment: Vec<u8> = pixels.values.chunks(pixels.width).flat_map(plane).collect();
            if segment.len() % 2 == 1 {
                segment.push(0);
            }
            segment
        })
        .collect();
    let mut coded = vec![0_u8; 64];
    coded[..4].copy_from_slice(&(segments.len() as u32).to_le_bytes());
    for (number, segment) in (1..).zip(&segments) {
        let offset = (coded.len() as u32).to_le_bytes();
        coded[4 * number..4 * number + 4].copy_from_slice(&offset);
        coded.extend(segment);
    }
    coded
}

/// One row: runs of three and more, and the bytes between them.
fn pack_bits(row: &[u8]) -> Vec<u8> {
    let run = |at: usize| row[at..].iter().take(128).take_while(|byte| **byte == row[at]).count();
    let (mut packed, mut at) = (Vec::new(), 0);
    while at < row.len() {
        let length = run(at);
        if length >= 3 {
            packed.extend([(257 - length) as u8, row[at]]);
            at += length;
            continue;
        }
        let start = at;
        while at < row.len() && at - start < 128 && run(at) < 3 {
            at += 1;
        }
        packed.push((at - start - 1) as u8);
        packed.extend(&row[start..at]);
    }
    packed
}

/// Bits of every Huffman code: 17 categories of differences fit, and none is all ones.
const CODE_BITS: u32 = 5;

/// Lossless JPEG, process 14 with selection value 1 (ITU-T T.81 annex H): each value is
/// predicted by its left neighbour, the first of a row by the one above it.
///
/// One fixed Huffman table of equally long codes: simple, not small.
pub fn jpeg_lossless(pixels: &DicomPixels) -> Vec<u8> {
    let (width, height) = (pixels.width as u16, pixels.height as u16);
    let mut jpeg = vec![0xFF, 0xD8];
    let mut segment = |marker: u8, body: &[u8]| {
        jpeg.extend([0xFF, marker]);
        jpeg.extend((body.len() as u16 + 2).to_be_bytes());
        jpeg.extend(body);
    };
    let ([h1, h0], [w1, w0]) = (height.to_be_bytes(), width.to_be_bytes());
    segment(0xC3, &[pixels.bits as u8, h1, h0, w1, w0, 1, 1, 0x11, 0]);
    let mut table = vec![0_u8; 17];
    table[CODE_BITS as usize] = 17;
    table.extend(0..17_u8);
    segment(0xC4, &table);
    segment(0xDA, &[1, 1, 0, 1, 0, 0]);

    let mut bits = Bits::default();
    for y in 0..pixels.height {
        let row = &pixels.values[y * pixels.width..(y + 1) * pixels.width];
        for (x, &value) in row.iter().enumerate() {
            let predicted = match (x, y) {
                (0, 0) => 1 << (pixels.bits - 1),
                (0, _) => pixels.values[(y - 1) * pixels.width],
                _ => row[x - 1],
            };
            bits.difference(value.wrapping_sub(predicted) as i16);
        }
    }
    jpeg.extend(bits.finish());
    jpeg.extend([0xFF, 0xD9]);
    if jpeg.len() % 2 == 1 {
        jpeg.push(0);
    }
    jpeg
}

/// Entropy-coded bits, a zero byte stuffed behind every 0xFF.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u64,
    n_pending: u32,
}

impl Bits {
    /// The category of a difference, then as many bits as the category says.
    fn difference(&mut self, difference: i16) {
        if difference == i16::MIN {
            return self.put(16, CODE_BITS); // 32768, the one value of category 16.
        }
        let difference = i32::from(difference);
        let category = 32 - difference.unsigned_abs().leading_zeros();
        self.put(category, CODE_BITS);
        let coded = if difference < 0 { difference - 1 } else { difference };
        self.put(coded as u32 & ((1 << category) - 1), category);
    }

    fn put(&mut self, value: u32, n: u32) {
        self.pending = (self.pending << n) | u64::from(value);
        self.n_pending += n;
        while self.n_pending >= 8 {
            self.n_pending -= 8;
            let byte = (self.pending >> self.n_pending) as u8;
            self.bytes.push(byte);
            if byte == 0xFF {
                self.bytes.push(0);
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let missing = (8 - self.n_pending % 8) % 8;
        self.put((1 << missing) - 1, missing);
        self.bytes
    }
}
