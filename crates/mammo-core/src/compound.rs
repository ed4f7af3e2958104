//! Checks compound files ([MS-CFB]), the container of XLS workbooks, before they are read.
//!
//! Sectors form linked lists. `calamine` follows a list without a limit, so a cycle in a damaged
//! file would exhaust the memory. This module detects cycles. Own code of a few lines, in place of a second reader
//! of the whole format.

/// Length of the header, and of a sector of version 3.
const HEADER_BYTES: usize = 512;

/// Sector numbers from here on are special values, such as the end of a chain.
const MARKS: u32 = 0xFFFF_FFFA;

/// Whether every chain of sectors ends.
///
/// # Errors
/// A message: no header, a missing sector, or a cycle.
pub fn check_chains(bytes: &[u8]) -> Result<(), String> {
    let header = bytes.get(..HEADER_BYTES).ok_or("no compound file header")?;
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let size = match header[30] {
        9 => HEADER_BYTES,
        12 => 4096,
        other => return Err(format!("compound file sectors of 2^{other} bytes")),
    };
    let sector = |number: u32| {
        let start = (number as usize + 1).saturating_mul(size);
        let cells = bytes.get(start..).map(|rest| &rest[..rest.len().min(size)]).unwrap_or_default();
        cells.chunks_exact(4).map(|cell| u32::from_le_bytes([cell[0], cell[1], cell[2], cell[3]]))
    };
    // Sectors of the allocation table: 109 in the header, further ones in separate sectors.
    let mut table: Vec<u32> = (76..HEADER_BYTES).step_by(4).map(word).collect();
    let (mut next, mut left) = (word(68), bytes.len() / size + 1);
    while next < MARKS {
        left = left.checked_sub(1).ok_or("a cycle of sectors in the compound file")?;
        table.extend(sector(next));
        next =
            table.pop().filter(|_| sector(next).len() > 0).ok_or("a missing sector of the compound file")?;
    }
    let chains: Vec<u32> = table.iter().filter(|number| **number < MARKS).flat_map(|n| sector(*n)).collect();
    check_ends(&chains)?;
    let mut small_chains = Vec::new();
    let mut next = word(60);
    while next < MARKS {
        small_chains.extend(sector(next));
        next = *chains.get(next as usize).ok_or("a missing sector of the compound file")?;
    }
    check_ends(&small_chains)
}

fn check_ends(chains: &[u32]) -> Result<(), String> {
    // Number of the first chain that visited each sector; zero for none.
    let mut seen = vec![0_usize; chains.len()];
    for start in 0..chains.len() {
        let mut at = start;
        while let Some(mark) = seen.get_mut(at).filter(|mark| **mark != start + 1) {
            if *mark != 0 {
                break;
            }
            *mark = start + 1;
            at = chains[at] as usize;
        }
        if seen.get(at) == Some(&(start + 1)) && at < chains.len() {
            return Err("a cycle of sectors in the compound file".to_string());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_that_end_pass_and_cycles_do_not() {
        assert!(check_ends(&[1, 2, u32::MAX, 2, 0xFFFF_FFFE]).is_ok());
        assert!(check_ends(&[1, 2, 0]).is_err());
        assert!(check_ends(&[9, 1]).is_err());
        assert!(check_ends(&[]).is_ok());
    }

    #[test]
    fn a_real_workbook_passes_and_one_with_a_cyclic_directory_does_not() {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/archives/INbreast.xls");
        let mut bytes = std::fs::read(path).unwrap();
        check_chains(&bytes).unwrap();
        let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let (table, directory) = (word(&bytes, 76), word(&bytes, 48));
        let entry = (table as usize + 1) * 512 + 4 * directory as usize;
        bytes[entry..entry + 4].copy_from_slice(&directory.to_le_bytes());
        assert!(check_chains(&bytes).unwrap_err().contains("cycle"));
    }
}
