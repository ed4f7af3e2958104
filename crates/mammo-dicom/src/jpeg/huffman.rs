//! Huffman codes (T.81 annexes C and F), decoded through a table.

use super::bits::Bits;
use crate::defect::Defect;

/// Codes up to this length are decoded with one table lookup. It covers all frequent codes with
/// their additional bits, and the table fits into the first-level cache.
const LOOKUP_BITS: u32 = 12;

/// Lookup entry for [`LOOKUP_BITS`] bits: the code that they begin with.
#[derive(Clone, Copy, Default)]
struct LookupEntry {
    /// Difference value, when its bits are within the lookup as well.
    value: i16,
    /// Bits of code and difference value together; zero when they do not.
    whole_len: u8,
    /// Bits of the code; zero when it is longer than the lookup.
    code_len: u8,
    symbol: u8,
}

/// One Huffman table.
pub(super) struct Table {
    lookup: Vec<LookupEntry>,
    /// For each length, the first code beyond it, left-aligned to 16 bits.
    ends: [u32; 17],
    /// For each length, what to add to a code to find its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, Defect> {
        let mut table = Self {
            lookup: vec![LookupEntry::default(); 1 << LOOKUP_BITS],
            ends: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(counts) {
            table.offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                if code >> length != 0 {
                    return Err(Defect::damaged("an overfull JPEG Huffman table"));
                }
                if length <= LOOKUP_BITS {
                    let shift = LOOKUP_BITS - length;
                    let start = (code << shift) as usize;
                    for (i, entry) in table.lookup[start..start + (1 << shift)].iter_mut().enumerate() {
                        *entry = LookupEntry::new(symbols[index], length, (start + i) as u32);
                    }
                }
                (code, index) = (code + 1, index + 1);
            }
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    /// The next symbol.
    #[inline]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Result<u8, Defect> {
        let ahead = bits.peek();
        let entry = self.lookup[(ahead >> (64 - LOOKUP_BITS)) as usize];
        if entry.code_len > 0 {
            bits.skip(u32::from(entry.code_len));
            return Ok(entry.symbol);
        }
        self.long_symbol(bits, ahead)
    }

    #[cold]
    fn long_symbol(&self, bits: &mut Bits<'_>, ahead: u64) -> Result<u8, Defect> {
        let sixteen = (ahead >> 48) as u32;
        let found = (LOOKUP_BITS + 1..=16).find(|&length| sixteen < self.ends[length as usize]);
        let length = found.ok_or_else(|| Defect::damaged("a code that is not in the JPEG Huffman table"))?;
        bits.skip(length);
        let index = (sixteen >> (16 - length)) as i32 + self.offsets[length as usize];
        let symbol = usize::try_from(index).ok().and_then(|index| self.symbols.get(index));
        symbol.copied().ok_or_else(|| Defect::damaged("a code that is not in the JPEG Huffman table"))
    }

    /// The next difference: a symbol that says how many bits follow, and those bits.
    #[inline]
    pub(super) fn difference(&self, bits: &mut Bits<'_>) -> Result<i32, Defect> {
        let entry = self.lookup[(bits.peek() >> (64 - LOOKUP_BITS)) as usize];
        if entry.whole_len > 0 {
            bits.skip(u32::from(entry.whole_len));
            return Ok(i32::from(entry.value));
        }
        let n = u32::from(self.symbol(bits)?);
        receive(bits, n)
    }
}

impl LookupEntry {
    fn new(symbol: u8, code_len: u32, entry: u32) -> Self {
        let n = u32::from(symbol);
        let short = Self { symbol, code_len: code_len as u8, ..Self::default() };
        if code_len + n > LOOKUP_BITS {
            return short;
        }
        let value = extend((entry >> (LOOKUP_BITS - code_len - n)) & ((1 << n) - 1), n) as i16;
        Self { value, whole_len: (code_len + n) as u8, ..short }
    }
}

/// Reads `n` bits as a signed difference; 16 stands for 32768 without bits (T.81 H.1.2.2).
#[inline]
pub(super) fn receive(bits: &mut Bits<'_>, n: u32) -> Result<i32, Defect> {
    match n {
        0 => Ok(0),
        1..=15 => {
            let value = (bits.peek() >> (64 - n)) as u32;
            bits.skip(n);
            Ok(extend(value, n))
        }
        16 => Ok(32_768),
        _ => Err(Defect::damaged(format!("a JPEG difference of {n} bits"))),
    }
}

/// The sign of a difference: values below half the range are negative (T.81 F.2.2.1).
#[inline]
fn extend(value: u32, n: u32) -> i32 {
    if n == 0 || value >> (n - 1) == 1 { value as i32 } else { value as i32 - (1 << n) + 1 }
}
