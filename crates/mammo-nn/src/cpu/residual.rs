//! The gradient of a residual block's input, which has two consumers.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::flex::FlexTensor;

/// Adds the two gradients of a residual block's input inside a kernel.
///
/// The block input feeds two consumers. The one whose backward pass runs first stores its gradient here; the
/// other, a convolution, adds it while writing its own, which saves one pass over the map and one buffer. A
/// consumer that stores its gradient must not register it with autodiff.
///
/// Without a projection the consumers are the first convolution of the block and the norm at its end, whose
/// backward pass always runs first. With a projection both are convolutions, in either order
/// ([`of_convolutions`](Self::of_convolutions)).
///
/// This relies on the order in which Burn runs backward passes. A gradient that is stored twice, or never
/// taken, would be missing from the sum: both panic.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResidualGradSlot {
    shared: Arc<Shared>,
    of_convolutions: bool,
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Empty,
    Stored(FlexTensor),
    /// The block input needs no gradient: the convolution will not take one.
    Unneeded,
}

impl ResidualGradSlot {
    /// A slot between two convolutions of the same map.
    pub fn of_convolutions() -> Self {
        Self { of_convolutions: true, ..Self::default() }
    }

    /// Stores the gradient of the consumer whose backward pass runs first.
    ///
    /// # Panics
    /// When an earlier gradient has not been taken.
    pub fn store(&self, gradient: FlexTensor) {
        let mut state = self.shared.lock();
        match &*state {
            State::Empty => *state = State::Stored(gradient),
            State::Unneeded => {}
            State::Stored(_) => {
                panic!("a residual block stored a second gradient before the first was taken")
            }
        }
    }

    /// Takes the stored gradient.
    pub fn take(&self) -> Option<FlexTensor> {
        let mut state = self.shared.lock();
        match std::mem::take(&mut *state) {
            State::Stored(gradient) => Some(gradient),
            other => {
                *state = other;
                None
            }
        }
    }

    /// States that the block input needs no gradient: one that is or will be stored is dropped.
    pub fn mark_unneeded(&self) {
        *self.shared.lock() = State::Unneeded;
    }

    /// Whether a convolution that takes no gradient stores its own, for the other convolution.
    pub fn stores_own(&self) -> bool {
        self.of_convolutions
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let left = matches!(&*self.lock(), State::Stored(_));
        assert!(!left || std::thread::panicking(), "a residual block's stored gradient was never taken");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::cpu::tensor;

    fn panics(work: impl FnOnce()) -> bool {
        catch_unwind(AssertUnwindSafe(work)).is_err()
    }

    #[test]
    fn a_gradient_that_is_lost_panics() {
        let gradient = || tensor(vec![1.0f32], [1]);
        assert!(panics(|| ResidualGradSlot::default().store(gradient())), "never taken");
        assert!(
            panics(|| {
                let slot = ResidualGradSlot::default();
                slot.store(gradient());
                slot.store(gradient());
            }),
            "stored twice"
        );
        assert!(!panics(|| {
            let slot = ResidualGradSlot::of_convolutions();
            assert!(slot.take().is_none());
            slot.store(gradient());
            assert!(slot.clone().take().is_some() && slot.take().is_none());
        }));
        assert!(!panics(|| {
            let slot = ResidualGradSlot::default();
            slot.mark_unneeded();
            slot.store(gradient());
            assert!(slot.take().is_none());
        }));
    }
}
