//! Compares with finite differences of the loss in `f64`.

use super::*;
use half::bf16;

fn noise(n: usize, seed: u32) -> Vec<f32> {
    (0..n as u32)
        .map(|i| (i.wrapping_mul(2654435761).wrapping_add(seed) >> 8) as f32 / 8388608.0 - 1.0)
        .collect()
}

/// `activation(norm(x) + r)` weighted by `g`, in `f64`; `high` is the upper bound of the activation.
fn loss([x, r, gamma, beta, g]: [&[f64]; 5], fixed: Option<&Statistics>, high: f64) -> f64 {
    let c = gamma.len();
    let m = (x.len() / c) as f64;
    (0..x.len())
        .map(|i| {
            let k = i % c;
            let column = || x.iter().skip(k).step_by(c);
            let mean = fixed.map_or_else(|| column().sum::<f64>() / m, |s| f64::from(s.mean[k]));
            let var = fixed.map_or_else(
                || column().map(|v| (v - mean).powi(2)).sum::<f64>() / m,
                |s| f64::from(s.variance[k]),
            );
            ((x[i] - mean) / (var + 1e-5).sqrt() * gamma[k] + beta[k] + r[i]).clamp(0.0, high) * g[i]
        })
        .sum()
}

#[test]
fn gradients_agree_with_differences() {
    let (c, pixels) = if cfg!(miri) { (3, 4) } else { (5, 12) };
    let (x, r, g) = (noise(c * pixels, 1), noise(c * pixels, 2), noise(c * pixels, 3));
    let beta = noise(c, 5);
    // Large enough for values on both sides of each bound.
    let gamma: Vec<f32> = noise(c, 4).iter().map(|v| 8.0 + v).collect();
    let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let given = Statistics { mean: noise(c, 6), variance: vec![0.5; c] };
    let activations = [(Activation::Relu, f64::INFINITY), (Activation::Relu6, 6.0)];
    for (isa, (activation, high)) in
        Isa::available().into_iter().flat_map(|isa| activations.map(|a| (isa, a)))
    {
        for fixed in [None, Some(&given)] {
            let used = fixed.cloned().unwrap_or_else(|| statistics(isa, c, &x));
            let (scale, shift) = fold(&used, &gamma, &beta, 1e-5);
            let mut y = vec![0.0; x.len()];
            apply(isa, &x, &scale, &shift, NormEpilogue { residual: Some(&r), activation }, &mut y);
            assert!(y.contains(&0.0) && y.iter().any(|&y| y >= 6.0), "no value beyond a bound");
            let value: f64 = y.iter().zip(&g).map(|(&y, &g)| f64::from(y) * f64::from(g)).sum();
            let ask = |x: &[f64], r: &[f64], gamma: &[f64], beta: &[f64]| {
                loss([x, r, gamma, beta, &wide(&g)], fixed, high)
            };
            let centre = ask(&wide(&x), &wide(&r), &wide(&gamma), &wide(&beta));
            assert!((value - centre).abs() < 1e-3, "{isa:?}: {value} for {centre}");
            let (mut d_x, mut d_r) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            let operands = Backward {
                x: &x,
                passed: Passed::ByOutput(activation, &y),
                d_out: &g,
                statistics: &used,
                of_batch: fixed.is_none(),
                gamma: &gamma,
                beta: &beta,
                epsilon: 1e-5,
            };
            let grads = backward(isa, &operands, &mut d_x, Some(&mut d_r));
            let bump = |which: usize, i: usize, by: f64| {
                let mut v = [wide(&x), wide(&r), wide(&gamma), wide(&beta)];
                v[which][i] += by;
                ask(&v[0], &v[1], &v[2], &v[3])
            };
            for (which, got) in [&d_x, &d_r, &grads.gamma, &grads.beta].into_iter().enumerate() {
                for (i, &got) in got.iter().enumerate() {
                    let slope = (bump(which, i, 1e-6) - bump(which, i, -1e-6)) / 2e-6;
                    assert!((f64::from(got) - slope).abs() < 3e-3, "{isa:?} {which} {i}: {got} for {slope}");
                }
            }
        }
    }
}

#[test]
fn far_from_zero_the_variance_is_still_right() {
    let n = if cfg!(miri) { 600 } else { 4000 };
    let x: Vec<f32> = noise(n, 9).iter().map(|v| 1000.0 + v).collect();
    let s = statistics(Isa::best(), 1, &x);
    let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
    let var = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n as f64;
    assert!((f64::from(s.variance[0]) - var).abs() < 1e-5 * var, "{} for {var}", s.variance[0]);
}

#[test]
fn bf16_agrees_with_f32_to_its_precision() {
    let x = noise(64 * if cfg!(miri) { 9 } else { 33 }, 1);
    let half: Vec<bf16> = x.iter().map(|&v| <bf16 as Operand>::from_f32(v)).collect();
    let (a, b) = (statistics(Isa::best(), 64, &x), statistics(Isa::best(), 64, &half));
    assert!(a.mean.iter().zip(&b.mean).all(|(a, b)| (a - b).abs() < 2e-3));
    let mut y = vec![bf16::ZERO; x.len()];
    apply(Isa::best(), &half, &[2.0; 64], &[1.0; 64], NormEpilogue::default(), &mut y);
    assert!(y.iter().zip(&x).all(|(y, x)| (y.to_f32() - (2.0 * x + 1.0)).abs() < 0.02));
}
