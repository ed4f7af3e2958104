//! Encapsulated pixel data: the fragments of one frame (PS3.5 A.4).

use std::borrow::Cow;
use std::ops::Range;

use dicom_core::Tag;

use super::defect::Defect;
use super::walk::{ITEM, SEQUENCE_END};

/// Data Set Trailing Padding (PS3.10 7.2).
const TRAILING_PADDING: Tag = Tag(0xFFFC, 0xFFFC);

/// The coded frame, and whether the sequence delimiter after it was found.
pub(super) struct Frame<'a> {
    pub(super) coded: Cow<'a, [u8]>,
    pub(super) has_end: bool,
}

/// Joins the fragments of a single frame that starts at `at`; the first item is the offset table.
///
/// A missing delimiter is accepted when the file ends after a complete fragment, or when only zeros or
/// trailing padding follow.
pub(super) fn frame(data_set: &[u8], at: usize) -> Result<Frame<'_>, Defect> {
    let (ranges, has_end) = fragments(data_set, at)?;
    let coded = match &ranges[..] {
        [] => return Err(Defect::damaged("encapsulated pixel data without a fragment")),
        [one] => Cow::Borrowed(&data_set[one.clone()]),
        many => Cow::Owned(many.iter().flat_map(|range| &data_set[range.clone()]).copied().collect()),
    };
    Ok(Frame { coded, has_end })
}

fn fragments(data_set: &[u8], mut at: usize) -> Result<(Vec<Range<usize>>, bool), Defect> {
    let cut = || Defect::damaged("a pixel fragment is truncated");
    let (mut fragments, mut is_offset_table) = (Vec::new(), true);
    loop {
        let rest = data_set.get(at..).unwrap_or_default();
        let &[a, b, c, d, ref length @ ..] = rest.first_chunk::<8>().unwrap_or(&[0; 8]);
        let tag = Tag(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        let length = u32::from_le_bytes(*length) as usize;
        at += 8;
        match tag {
            SEQUENCE_END => return Ok((fragments, true)),
            TRAILING_PADDING => return Ok((fragments, false)),
            ITEM if length <= data_set.len().saturating_sub(at) => {
                if !std::mem::take(&mut is_offset_table) {
                    fragments.push(at..at + length);
                }
                at += length;
            }
            ITEM => return Err(cut()),
            _ if rest.iter().all(|&byte| byte == 0) => return Ok((fragments, false)),
            // Fewer bytes than an item header: a truncated delimiter.
            _ if rest.len() < 8 => return Ok((fragments, false)),
            other => return Err(Defect::damaged(format!("{other} between pixel fragments"))),
        }
    }
}
