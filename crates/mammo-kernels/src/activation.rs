//! Activations that an epilogue applies to each value before it is stored.

/// A function of one value whose result lies within fixed bounds. Its derivative is 1 strictly between the bounds
/// and 0 elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The value itself.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`, the activation of MobileNets and EfficientNet-Lite (Howard et al. 2017, arXiv 1704.04861).
    Relu6,
}

impl Activation {
    /// The bounds of its values.
    #[inline(always)]
    pub(crate) fn bounds(self) -> Bounds {
        match self {
            Self::None => Bounds { low: f32::NEG_INFINITY, high: f32::INFINITY },
            Self::Relu => Bounds { low: 0.0, high: f32::INFINITY },
            Self::Relu6 => Bounds { low: 0.0, high: 6.0 },
        }
    }
}

/// The bounds of an activation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    low: f32,
    high: f32,
}

impl Bounds {
    /// The activation of `x`.
    #[inline(always)]
    pub fn clamp(self, x: f32) -> f32 {
        let x = if x > self.low { x } else { self.low };
        if x < self.high { x } else { self.high }
    }

    /// True if the activation passes the gradient of `x`, which may be the value before the activation or after it.
    #[inline(always)]
    pub fn pass(self, x: f32) -> bool {
        x > self.low && x < self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_clamped_and_gradients_pass_strictly_between_the_bounds() {
        let of = |activation: Activation| {
            [-1.0, 0.0, 0.5, 6.0, 7.0].map(|x| (activation.bounds().clamp(x), activation.bounds().pass(x)))
        };
        assert_eq!(of(Activation::None), [-1.0, 0.0, 0.5, 6.0, 7.0].map(|x| (x, true)));
        let relu = [(0.0, false), (0.0, false), (0.5, true), (6.0, true), (7.0, true)];
        assert_eq!(of(Activation::Relu), relu);
        let relu6 = [(0.0, false), (0.0, false), (0.5, true), (6.0, false), (6.0, false)];
        assert_eq!(of(Activation::Relu6), relu6);
    }
}
