//! Variation between scanners: display curve and sharpness, applied to grey values of a window.

/// White, as stored in the cache.
const FULL_SCALE: f32 = 65535.0;

/// Applies the display curve `full_scale * (grey / full_scale)^gamma`; grey values lie in
/// 0..=65535.
pub(super) fn bend(values: &mut [f32], gamma: f32) {
    if gamma != 1.0 {
        values.iter_mut().for_each(|grey| *grey = FULL_SCALE * (*grey / FULL_SCALE).powf(gamma));
    }
}

/// Unsharp masking: adds `amount` times the difference from the 3x3 binomial blur (weights 1 2 1 per
/// axis, border values repeated) and clips to full scale. `values` are rows of `width`.
pub(super) fn sharpen(values: &mut [f32], width: usize, amount: f32) {
    if amount == 0.0 || values.is_empty() {
        return;
    }
    let height = values.len() / width;
    let mut across = vec![0.0; values.len()];
    for (row, blurred) in values.chunks_exact(width).zip(across.chunks_exact_mut(width)) {
        blurred.copy_from_slice(row);
        for (value, three) in blurred[1.min(width - 1)..].iter_mut().zip(row.windows(3)) {
            *value = (three[0] + 2.0 * three[1] + three[2]) / 4.0;
        }
        if width > 1 {
            blurred[0] = (3.0 * row[0] + row[1]) / 4.0;
            blurred[width - 1] = (row[width - 2] + 3.0 * row[width - 1]) / 4.0;
        }
    }
    let line = |y: usize| &across[y * width..(y + 1) * width];
    for (y, row) in values.chunks_exact_mut(width).enumerate() {
        let (above, here, below) = (line(y.saturating_sub(1)), line(y), line((y + 1).min(height - 1)));
        for (grey, ((a, b), c)) in row.iter_mut().zip(above.iter().zip(here).zip(below)) {
            let blurred = (a + 2.0 * b + c) / 4.0;
            *grey = (*grey + amount * (*grey - blurred)).clamp(0.0, FULL_SCALE);
        }
    }
}
