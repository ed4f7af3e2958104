//! Rounds weights to bf16 by error diffusion.
//!
//! The rounding error of a weight is the same at every pixel, so it does not average out over an image. After ReLU
//! all activations are positive, so the effect on an output channel is about proportional to the *sum* of the errors
//! of its weights. With rounding to nearest that sum grows with the square root of their number; here each error is
//! carried over to the next weight (error diffusion, Floyd & Steinberg 1976), so that the sum stays below one
//! rounding step. Neighbouring weights of a kernel belong to the same channel and see the same mean activation. Nagel
//! et al. 2019 (arXiv 1906.04721, section 3.2) show that such biased errors of weights are what harms quantised
//! networks.

use mammo_kernels::{Operand, bf16};

/// Rounds the weights of one output channel to bf16, each to one of its two neighbours, so that their sum is
/// preserved.
pub(super) fn round_with_error_diffusion(weights: &mut [f32]) {
    let mut excess = 0.0;
    for weight in weights {
        let wanted = *weight - excess;
        let [low, high] = neighbours(*weight);
        let rounded = if (wanted - low).abs() <= (high - wanted).abs() { low } else { high };
        excess += rounded - *weight;
        *weight = rounded;
    }
}

/// The largest bf16 number that is not above `x`, and the smallest that is not below it.
fn neighbours(x: f32) -> [f32; 2] {
    let toward_zero = f32::from_bits(x.to_bits() & 0xffff_0000);
    let away = f32::from_bits((x.to_bits() & 0xffff_0000).wrapping_add(0x1_0000));
    match x {
        _ if toward_zero == x || !away.is_finite() => [<bf16 as Operand>::from_f32(x).to_f32(); 2],
        _ if x > 0.0 => [toward_zero, away],
        _ => [away, toward_zero],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_weight_goes_to_a_neighbour_and_the_sum_stays() {
        let exact: Vec<f32> =
            (0..4608u32).map(|i| (i.wrapping_mul(2654435761) >> 8) as f32 / 16777216.0 - 0.4).collect();
        let mut rounded = exact.clone();
        round_with_error_diffusion(&mut rounded);
        let sum_of_errors = |rounded: &[f32]| -> f64 {
            exact.iter().zip(rounded).map(|(e, r)| f64::from(r - e)).sum::<f64>().abs()
        };
        for (e, r) in exact.iter().zip(&rounded) {
            let [low, high] = neighbours(*e);
            assert!(low <= *e && *e <= high && (*r == low || *r == high), "{e} became {r}");
            assert_eq!(<bf16 as Operand>::from_f32(*r).to_f32(), *r);
        }
        // Half a step of the largest weights.
        assert!(sum_of_errors(&rounded) < 1.0 / 512.0);
        let nearest: Vec<f32> = exact.iter().map(|&e| <bf16 as Operand>::from_f32(e).to_f32()).collect();
        assert!(sum_of_errors(&nearest) > sum_of_errors(&rounded));
    }

    #[test]
    fn what_bf16_holds_stays() {
        for x in [0.0, -0.0, 1.0, -2.5, f32::MIN_POSITIVE] {
            assert_eq!(neighbours(x), [x; 2]);
        }
    }
}
