//! Bits of an entropy-coded scan.

use crate::flaw::Flaw;

/// Bytes of zeros behind every stretch, so that eight bytes can be read anywhere in it.
const GUARD_BYTES: usize = 16;

/// The entropy-coded bytes of a scan without their stuffing, cut at restart markers.
///
/// Taking the stuffing out beforehand costs one pass of copying and makes every read of bits
/// a plain load.
pub(super) struct Scan {
    bytes: Vec<u8>,
    /// Start and end of each stretch in `bytes`.
    stretches: Vec<(usize, usize)>,
}

impl Scan {
    /// Reads up to the first marker that is no restart marker (T.81 B.1.1.5).
    pub(super) fn new(coded: &[u8]) -> Result<Self, Flaw> {
        let mut bytes = Vec::with_capacity(coded.len() + GUARD_BYTES);
        let (mut stretches, mut start, mut at) = (Vec::new(), 0, 0);
        loop {
            let rest = coded.get(at..).unwrap_or_default();
            let plain = rest
                .iter()
                .position(|&byte| byte == 0xFF)
                .ok_or_else(|| Flaw::damaged("the JPEG data stop before the end-of-image marker"))?;
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
                None => return Err(Flaw::damaged("the JPEG data stop inside a marker")),
            }
        }
    }

    /// Number of coded bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reader of the stretch between two restart markers.
    pub(super) fn stretch(&self, index: usize) -> Result<Bits<'_>, Flaw> {
        let &(start, end) = self
            .stretches
            .get(index)
            .ok_or_else(|| Flaw::damaged("fewer JPEG restart intervals than needed"))?;
        Ok(Bits { bytes: &self.bytes[start..end + GUARD_BYTES], at: 0, end: 8 * (end - start) })
    }
}

/// A position in a stretch, in bits.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl Bits<'_> {
    /// The next 57 or more bits, left-aligned; zeros behind the end.
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

    /// Whether more was read than there is; asked now and then, since zeros do no harm.
    pub(super) fn check(&self) -> Result<(), Flaw> {
        if self.at <= self.end {
            Ok(())
        } else {
            Err(Flaw::damaged("the JPEG data end before the last pixel"))
        }
    }
}
