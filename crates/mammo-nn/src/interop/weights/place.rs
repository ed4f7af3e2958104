//! Converts foreign tensors to this project's names and layouts, with checks.

use crate::networks::outline::{ConvStep, Outline};
use crate::networks::state::{NamedTensor, StateDict};

/// Layout of a foreign tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As in this project: kernels `[out, in, h, w]`, linear layers `[in, out]`.
    Same,
    /// Linear layer `[out, in]` (PyTorch).
    Transposed,
    /// Kernel `[h, w, in, out]` (Keras).
    Hwio,
    /// Linear layer `[in, out]` that becomes a 1x1 kernel.
    DenseAsConv,
    /// Linear layer `[h * w * c, out]` on a flattened map whose channels came last (Keras).
    FlattenedHwc {
        /// Channels of the map.
        channels: usize,
    },
}

/// One tensor of the network and its source.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Its name in this project.
    pub to: String,
    /// The foreign tensors, concatenated along the first axis after conversion of their layout, or added if `sum` is
    /// set; if empty, the tensor is filled with `constant`.
    pub from: Vec<(String, Layout)>,
    /// Added instead of concatenated.
    pub sum: bool,
    /// Value of a tensor that the file does not hold.
    pub constant: f32,
}

impl Placement {
    /// One tensor.
    pub fn one(to: impl Into<String>, from: impl Into<String>, layout: Layout) -> Self {
        Self { to: to.into(), from: vec![(from.into(), layout)], sum: false, constant: 0.0 }
    }

    /// A tensor full of one value.
    pub fn constant(to: impl Into<String>, constant: f32) -> Self {
        Self { to: to.into(), from: Vec::new(), sum: false, constant }
    }
}

/// Foreign names of one convolution and its norm.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvNames {
    /// Layer of the convolution.
    pub conv: String,
    /// Layer of the norm.
    pub norm: Option<String>,
}

/// PyTorch's placements of one convolution.
pub fn torch_conv(step: &ConvStep, names: &ConvNames) -> Vec<Placement> {
    let part = |to: &str, layer: &str, from: &str| {
        Placement::one(format!("{}.{to}", step.path), format!("{layer}.{from}"), Layout::Same)
    };
    let mut placements = vec![part("conv.weight", &names.conv, "weight")];
    if step.bias {
        placements.push(part("conv.bias", &names.conv, "bias"));
    }
    if let (Some(_), Some(norm)) = (&step.norm, &names.norm) {
        placements.push(part("norm.gamma", norm, "weight"));
        placements.push(part("norm.beta", norm, "bias"));
        placements.push(part("norm.running_mean", norm, "running_mean"));
        placements.push(part("norm.running_var", norm, "running_var"));
    }
    placements
}

/// Fills the outline's tensors; unused ones stay in `foreign`.
///
/// # Errors
/// A message with the first tensor that is missing, has another shape or is not finite.
pub fn place(
    outline: &Outline,
    placements: &[Placement],
    foreign: &mut StateDict,
) -> Result<StateDict, String> {
    let mut expected = outline.tensors();
    let mut placed = StateDict::new();
    for placement in placements {
        let to = &placement.to;
        let shape = expected.remove(to).ok_or_else(|| format!("'{to}' has no place in this network"))?;
        let tensor = match placement.from.is_empty() {
            true => {
                let n = shape.iter().product();
                NamedTensor { shape: shape.clone(), values: vec![placement.constant; n] }
            }
            false => gather(placement, foreign)?,
        };
        let from: Vec<&str> = placement.from.iter().map(|(name, _)| name.as_str()).collect();
        if tensor.shape != shape {
            let from = from.join(" and ");
            return Err(format!(
                "tensor '{from}' gives shape {:?}, the network needs {shape:?}",
                tensor.shape
            ));
        }
        if tensor.values.iter().any(|v| !v.is_finite()) {
            return Err(format!("tensor '{}' holds a value that is not finite", from.join(" and ")));
        }
        placed.insert(to.clone(), tensor);
    }
    match expected.keys().next() {
        Some(missing) => Err(format!("nothing gives tensor '{missing}'")),
        None => Ok(placed),
    }
}

fn gather(placement: &Placement, foreign: &mut StateDict) -> Result<NamedTensor, String> {
    let mut whole: Option<NamedTensor> = None;
    for (name, layout) in &placement.from {
        let tensor = foreign.remove(name).ok_or_else(|| format!("tensor '{name}' is missing"))?;
        let part = converted(name, tensor, *layout)?;
        whole = Some(match whole {
            None => part,
            Some(mut whole) if placement.sum && whole.shape == part.shape => {
                whole.values.iter_mut().zip(&part.values).for_each(|(a, b)| *a += b);
                whole
            }
            Some(mut whole)
                if !placement.sum
                    && whole.shape.get(1..).is_some_and(|rest| part.shape.get(1..) == Some(rest)) =>
            {
                whole.shape[0] += part.shape[0];
                whole.values.extend(part.values);
                whole
            }
            Some(_) => return Err(format!("tensor '{name}' does not fit the one that it joins")),
        });
    }
    whole.ok_or_else(|| format!("nothing gives tensor '{}'", placement.to))
}

fn converted(name: &str, tensor: NamedTensor, layout: Layout) -> Result<NamedTensor, String> {
    let NamedTensor { shape, values } = tensor;
    let misfit = |needed: &str| format!("tensor '{name}' has shape {shape:?}, expected {needed}");
    let permuted = |out: Vec<usize>, index: &dyn Fn(usize) -> usize| {
        let values = (0..values.len()).map(|i| values[index(i)]).collect();
        Ok(NamedTensor { shape: out, values })
    };
    match layout {
        Layout::Same => Ok(NamedTensor { shape, values }),
        Layout::Transposed | Layout::DenseAsConv => {
            let [rows, cols] = shape[..] else { return Err(misfit("a matrix")) };
            let out = match layout {
                Layout::DenseAsConv => vec![cols, rows, 1, 1],
                _ => vec![cols, rows],
            };
            permuted(out, &|i| (i % rows) * cols + i / rows)
        }
        Layout::Hwio => {
            let [h, w, c_in, c_out] = shape[..] else { return Err(misfit("[h, w, in, out]")) };
            permuted(vec![c_out, c_in, h, w], &|i| {
                let (x, y) = (i % w, i / w % h);
                let (c, o) = (i / (w * h) % c_in, i / (w * h * c_in));
                ((y * w + x) * c_in + c) * c_out + o
            })
        }
        Layout::FlattenedHwc { channels } => {
            let [d_in, d_out] = shape[..] else { return Err(misfit("a matrix")) };
            if channels == 0 || d_in % channels != 0 {
                return Err(misfit(&format!("a multiple of {channels} rows")));
            }
            let cells = d_in / channels;
            permuted(vec![d_in, d_out], &|i| {
                let (row, o) = (i / d_out, i % d_out);
                let (c, cell) = (row / cells, row % cells);
                (cell * channels + c) * d_out + o
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(shape: &[usize]) -> NamedTensor {
        let n: usize = shape.iter().product();
        NamedTensor { shape: shape.to_vec(), values: (0..n).map(|i| i as f32).collect() }
    }

    #[test]
    fn layouts_turn_as_numpy_turns_them() {
        // numpy: np.arange(24).reshape(1, 2, 3, 4).transpose(3, 2, 0, 1).ravel()[:7]
        let kernel = converted("k", counted(&[1, 2, 3, 4]), Layout::Hwio).unwrap();
        assert_eq!(kernel.shape, [4, 3, 1, 2]);
        assert_eq!(kernel.values[..7], [0.0, 12.0, 4.0, 16.0, 8.0, 20.0, 1.0]);
        // np.arange(6).reshape(2, 3).T.ravel()
        let matrix = converted("m", counted(&[2, 3]), Layout::Transposed).unwrap();
        assert_eq!(matrix.values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        // np.arange(8).reshape(2, 2, 2).transpose(1, 0, 2).ravel(): 2 cells, 2 channels, 2 out.
        let dense = converted("d", counted(&[4, 2]), Layout::FlattenedHwc { channels: 2 }).unwrap();
        assert_eq!(dense.values, [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]);
    }
}
