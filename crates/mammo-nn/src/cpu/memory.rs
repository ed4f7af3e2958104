//! A cache of feature-map buffers.
//!
//! Every training step allocates the same hundreds of feature maps. New memory for them comes from the operating
//! system page by page, which costs a fifth of a step. So every map allocated here is remembered, and when no other
//! reference is left, its memory is used for the next map of the same size.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use burn::backend::flex::FlexTensor;

use super::{Number, tensor};

/// Buffers of a size are freed if none was requested during this many allocations.
const EVICT_AFTER_ALLOCS: u64 = 8192;

#[derive(Default)]
struct Memory {
    /// By size in bytes: the allocation at which the size was last requested, and the maps.
    maps: HashMap<usize, (u64, Vec<FlexTensor>)>,
    n_allocs: u64,
}

static MEMORY: LazyLock<Mutex<Memory>> = LazyLock::new(Mutex::default);

/// A tensor of this shape, filled by `fill`, which receives arbitrary values.
pub(super) fn filled<T: Number, const D: usize>(
    shape: [usize; D],
    fill: impl FnOnce(&mut [T]),
) -> FlexTensor {
    let len = shape.iter().product();
    let mut numbers = take::<T>(len).unwrap_or_else(|| vec![T::default(); len]);
    fill(&mut numbers);
    let made = tensor(numbers, shape);
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    memory.maps.entry(size_of::<T>() * len).or_default().1.push(made.clone());
    made
}

fn take<T: Number>(len: usize) -> Option<Vec<T>> {
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    memory.n_allocs += 1;
    let now = memory.n_allocs;
    let known = memory.maps.entry(size_of::<T>() * len).or_default();
    known.0 = now;
    let free = known.1.iter().position(|t| t.is_unique() && t.dtype() == T::dtype());
    match free {
        Some(free) => known.1.swap_remove(free).into_data().try_into_vec().ok(),
        None => {
            memory.maps.retain(|_, (last_request, maps)| {
                if now - *last_request > EVICT_AFTER_ALLOCS {
                    maps.retain(|t| !t.is_unique());
                }
                !maps.is_empty() || *last_request == now
            });
            None
        }
    }
}
