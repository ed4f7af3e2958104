//! Memory of feature maps that is used again.
//!
//! A training step makes the same hundreds of maps as the step before. Fresh memory for them comes
//! from the operating system page by page, which costs a fifth of a step. So every map made here is
//! remembered, and once nobody else holds it, its memory serves the next map of its size.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use burn::backend::flex::FlexTensor;

use super::{Number, tensor};

/// Maps made since a size was last asked for, after which its memory is given back.
const EVICT_AFTER_ALLOCS: u64 = 8192;

#[derive(Default)]
struct Memory {
    /// By size in bytes: when last asked for, and the maps.
    maps: HashMap<usize, (u64, Vec<FlexTensor>)>,
    made: u64,
}

static MEMORY: LazyLock<Mutex<Memory>> = LazyLock::new(Mutex::default);

/// A tensor of that shape whose numbers `fill` writes; it finds anything in them.
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
    memory.made += 1;
    let made = memory.made;
    let known = memory.maps.entry(size_of::<T>() * len).or_default();
    known.0 = made;
    let free = known.1.iter().position(|t| t.is_unique() && t.dtype() == T::dtype());
    match free {
        Some(free) => known.1.swap_remove(free).into_data().try_into_vec().ok(),
        None => {
            memory.maps.retain(|_, (asked, maps)| {
                if made - *asked > EVICT_AFTER_ALLOCS {
                    maps.retain(|t| !t.is_unique());
                }
                !maps.is_empty() || *asked == made
            });
            None
        }
    }
}
