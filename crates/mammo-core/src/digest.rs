//! Digests in hexadecimal: whole where records are compared, their first 16 digits where people read them.

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first 16 hexadecimal digits of a digest: the name of a model, of settings, of a cached input.
pub fn short_hex(digest: &[u8]) -> String {
    hex(&digest[..digest.len().min(8)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_lower_case_and_keep_their_zeros() {
        assert_eq!(hex(&[0x00, 0x0f, 0xA0]), "000fa0");
        assert_eq!(short_hex(&[0xff; 32]), "ffffffffffffffff");
        assert_eq!(short_hex(&[1]), "01");
    }
}
