//! Pooling of a map over its cells.

use std::fmt;

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::networks::maps::Maps;
use crate::{Error, Result};

/// Pooling of the last map of a convolutional top, per channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapPooling {
    /// Global average pooling, as in the paper.
    #[default]
    Average,
    /// Global max pooling: one lesion is enough for a cancer.
    Max,
    /// Both concatenated, means first: twice as many features.
    AverageMax,
    /// The mean of this many largest values, or of all if the map has fewer cells.
    TopK(usize),
    /// `ln(mean(exp(r x))) / r`, between mean and maximum; each channel learns its sharpness `r` (Pinheiro & Collobert
    /// 2015, arXiv 1411.6228, section 3.2).
    LogSumExp,
}

/// Largest number of values that [`MapPooling::TopK`] averages.
const MOST_VALUES: usize = 1024;

/// Logarithm of the sharpness of [`MapPooling::LogSumExp`] before training: `r` is about 4.
const START_LOG_SHARPNESS: f32 = 1.4;

impl MapPooling {
    /// True for the paper's pooling.
    pub fn is_average(&self) -> bool {
        *self == Self::Average
    }

    /// Features per channel of the map.
    pub fn per_channel(self) -> usize {
        if self == Self::AverageMax { 2 } else { 1 }
    }

    /// Checks the number of values.
    ///
    /// # Errors
    /// [`Error::Network`] naming the setting.
    pub fn check(self) -> Result<()> {
        match self {
            Self::TopK(k) if !(1..=MOST_VALUES).contains(&k) => {
                Err(Error::network("pooling.top_k", k.to_string(), format!("1 to {MOST_VALUES}")))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for MapPooling {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Average => f.write_str("mean over all cells"),
            Self::Max => f.write_str("largest value of any cell"),
            Self::AverageMax => f.write_str("mean over all cells and largest value of any"),
            Self::TopK(k) => write!(f, "mean of the {k} largest values"),
            Self::LogSumExp => f.write_str("log-sum-exp over all cells"),
        }
    }
}

/// A pooling with what it has learned.
#[derive(Module, Debug)]
pub struct Pooling {
    /// Of [`MapPooling::LogSumExp`]: the logarithm of each channel's sharpness.
    log_sharpness: Option<Param<Tensor<1>>>,
    #[module(skip)]
    rule: MapPooling,
}

impl Pooling {
    /// The pooling of a map of `channels` channels.
    pub fn new(rule: MapPooling, channels: usize, device: &Device) -> Self {
        let log_sharpness = (rule == MapPooling::LogSumExp)
            .then(|| Param::from_tensor(Tensor::full([channels], START_LOG_SHARPNESS, device)));
        Self { log_sharpness, rule }
    }

    /// # Shapes
    /// `[n, c, rows, cols]` to `[n, c * per_channel]`.
    pub fn forward(&self, map: Tensor<4>) -> Tensor<2> {
        let [n, c, rows, cols] = map.dims();
        let cells = |map: Tensor<4>| map.cast(DType::F32).reshape([n, c, rows * cols]);
        match (self.rule, &self.log_sharpness) {
            (MapPooling::Max, _) => Maps::from_nchw(map).max_over_space(),
            (MapPooling::AverageMax, _) => {
                let map = Maps::from_nchw(map);
                Tensor::cat(vec![map.clone().mean_over_space(), map.max_over_space()], 1)
            }
            (MapPooling::TopK(k), _) => {
                let largest = cells(map).topk(k.min(rows * cols), 2);
                largest.mean_dim(2).reshape([n, c])
            }
            (MapPooling::LogSumExp, Some(log_sharpness)) => {
                let sharpness = log_sharpness.val().exp().reshape([1, c, 1]);
                let scaled = cells(map) * sharpness.clone();
                // The exponential of a difference to the maximum cannot overflow.
                let largest = scaled.clone().detach().max_dim(2);
                let mean = (scaled - largest.clone()).exp().mean_dim(2);
                ((mean.log() + largest) / sharpness).reshape([n, c])
            }
            (MapPooling::Average | MapPooling::LogSumExp, _) => Maps::from_nchw(map).mean_over_space(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooled(rule: MapPooling, values: [f32; 4]) -> f32 {
        let map = Tensor::<1>::from_floats(values, &Device::flex()).reshape([1, 1, 2, 2]);
        Pooling::new(rule, 1, &Device::flex()).forward(map).into_scalar()
    }

    #[test]
    fn poolings_agree_with_a_hand_count() {
        let values = [0.5, 2.0, -1.0, 1.0];
        assert_eq!(pooled(MapPooling::Average, values), 0.625);
        assert_eq!(pooled(MapPooling::TopK(1), values), pooled(MapPooling::Max, values));
        assert_eq!(pooled(MapPooling::TopK(2), values), 1.5);
        assert_eq!(pooled(MapPooling::TopK(9), values), 0.625);
        let r = START_LOG_SHARPNESS.exp();
        let mean = values.iter().map(|v| (r * v).exp()).sum::<f32>() / 4.0;
        assert!((pooled(MapPooling::LogSumExp, values) - mean.ln() / r).abs() < 1e-5);
        // Where exp(r x) alone would overflow.
        assert!((pooled(MapPooling::LogSumExp, [90.0, 90.0, 90.0, 90.0]) - 90.0).abs() < 1e-4);
    }

    #[test]
    fn gradients_of_the_learned_pooling_agree_with_differences() {
        let device = Device::flex().autodiff();
        let pooling = Pooling::new(MapPooling::LogSumExp, 1, &device);
        let values = [0.5, 2.0, -1.0, 1.0];
        let map = Tensor::<1>::from_floats(values, &device).reshape([1, 1, 2, 2]).require_grad();
        let grads = pooling.forward(map.clone()).sum().backward();
        let gradient: Vec<f32> = map.grad(&grads).unwrap().into_data().try_to_vec().unwrap();
        for (i, gradient) in gradient.iter().enumerate() {
            let bumped = |by: f32| {
                let mut values = values;
                values[i] += by;
                pooled(MapPooling::LogSumExp, values)
            };
            assert!((gradient - (bumped(1e-2) - bumped(-1e-2)) / 2e-2).abs() < 1e-3, "{i}");
        }
        let sharpness = pooling.log_sharpness.unwrap().val().grad(&grads).unwrap().into_scalar::<f32>();
        let at = |log: f32| {
            let r = log.exp();
            (values.iter().map(|v| (r * v).exp()).sum::<f32>() / 4.0).ln() / r
        };
        let slope = (at(START_LOG_SHARPNESS + 1e-2) - at(START_LOG_SHARPNESS - 1e-2)) / 2e-2;
        assert!((sharpness - slope).abs() < 1e-3, "{sharpness} for {slope}");
    }
}
