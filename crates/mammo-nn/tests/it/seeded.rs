//! Values from a name, as `fixtures/models/seeded.py` makes them.

use mammo_nn::networks::state::{NamedTensor, StateDict};
use serde_json::Value;

pub fn uniform(name: &str, n: usize) -> Vec<f32> {
    let mut state = 0xCBF2_9CE4_8422_2325_u64;
    for byte in name.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
    }
    (1..=n as u64)
        .map(|i| {
            let mut z = state.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            (z >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

/// A tensor by its PyTorch name.
pub fn weight(name: &str, shape: &[usize]) -> NamedTensor {
    let mut values = uniform(name, shape.iter().product());
    let fan_in: usize = shape.iter().skip(1).product();
    let (offset, scale) = match name {
        _ if name.ends_with("running_var") => (1.0, 0.5),
        _ if name.ends_with("running_mean") || name.ends_with("bias") => (0.0, 0.2),
        _ if shape.len() == 1 => (1.0, 0.3),
        _ => (0.0, (6.0 / fan_in as f32).sqrt()),
    };
    values.iter_mut().for_each(|v| *v = offset + scale * *v);
    NamedTensor { shape: shape.to_vec(), values }
}

/// All tensors of a JSON object of names and shapes.
pub fn weights(shapes: &Value) -> StateDict {
    let shape = |value: &Value| -> Vec<usize> { serde_json::from_value(value.clone()).unwrap() };
    let shapes = shapes.as_object().unwrap();
    shapes.iter().map(|(name, value)| (name.clone(), weight(name, &shape(value)))).collect()
}
