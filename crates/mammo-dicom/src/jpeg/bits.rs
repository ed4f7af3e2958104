//! Bit reader of an entropy-coded scan.

use crate::defect::Defect;

/// Zero bytes after every segment, so that eight bytes can be read at any position of it.
const GUARD_BYTES: usize = 16;

/// The entropy-coded bytes of a scan without byte stuffing, split at restart markers.
///
/// Removing the byte stuffing beforehand takes one copy and makes every read a plain load.
pub(super) struct Scan {
    bytes: Vec<u8>,
    /// Start and end of each segment in `bytes`.
    stretches: Vec<(usize, usize)>,
}

impl Scan {
    /// Reads up to the first marker other than a restart marker (T.81 B.1.1.5).
    pub(super) fn new(coded: &[u8]) -> Result<Self, Defect> {
        let mut bytes = Vec::with_capacity(coded.len() + GUARD_BYTES);
        let (mut stretches, mut start, mut at) = (Vec::new(), 0, 0);
        loop {
            let rest = coded.get(at..).unwrap_or_default();
            let plain = rest
                .iter()
                .position(|&byte| byte == 0xFF)
                .ok_or_else(|| Defect::damaged("the JPEG data stop before the end-of-image marker"))?;
            bytes.extend_from_slice(&rest[..plain]);
            at += plain + 2;
            match rest.get(plain + 1) {
                Some(0) => bytes.push(0xFF),
                // Fill bytes before a marker.
                Some(0xFF) => at -= 1,
                Some(marker) => {
                    stretches.push((start, bytes.len()));
                    bytes.extend_from_slice(&[0; GUARD_BYTES]);
                    start = bytes.len();
                    if !(0xD0..=0xD7).contains(marker) {
                        return Ok(Self { bytes, stretches });
                    }
                }
                None => return Err(Defect::damaged("the JPEG data stop inside a marker")),
            }
        }
    }

    /// Number of coded bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reader of the segment between two restart markers.
    pub(super) fn stretch(&self, index: usize) -> Result<Bits<'_>, Defect> {
        let &(start, end) = self
            .stretches
            .get(index)
            .ok_or_else(|| Defect::damaged("fewer JPEG restart intervals than needed"))?;
        Ok(Bits { bytes: &self.bytes[start..end + GUARD_BYTES], at: 0, end: 8 * (end - start) })
    }
}

/// A position in a segment, in bits.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl Bits<'_> {
    /// The next 57 or more bits, left-aligned; zeros after the end.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        let byte = self.at / 8;
        match self.bytes.get(byte..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(&bytes) => u64::from_be_bytes(bytes) << (self.at % 8),
            None => 0,
        }
    }

    #[inline]
    pub(super) fn skip(&mut self, n: u32) {
        self.at += n as usize;
    }

    /// An error when bits were read beyond the end; checked only now and then, because reading zeros is
    /// harmless.
    pub(super) fn check(&self) -> Result<(), Defect> {
        if self.at <= self.end {
            Ok(())
        } else {
            Err(Defect::damaged("the JPEG data end before the last pixel"))
        }
    }
}
