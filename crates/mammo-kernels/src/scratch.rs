//! Working memory that is used again.
//!
//! Copies of operands and private sums take megabytes for a millisecond. Fresh memory of that size
//! comes from the operating system page by page, which costs more than filling it; so what was used
//! once is kept for the next call.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers kept; more at a time than two threads' worth of operands is rare.
const KEPT: usize = 12;

/// Buffers that wait for their next use, of one number type.
#[derive(Debug)]
pub struct ScratchPool<T>(Mutex<Vec<Vec<T>>>);

impl<T: Copy + Default> Default for ScratchPool<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy + Default> ScratchPool<T> {
    /// An empty scratch_pool.
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// A buffer of `len` numbers, whatever they were before.
    pub(crate) fn take(&'static self, len: usize) -> Scratch<T> {
        let mut scratch_pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, else the largest.
        let fits = |b: &Vec<T>| (b.len() < len, b.len().abs_diff(len));
        let best = (0..scratch_pool.len()).min_by_key(|&i| fits(&scratch_pool[i]));
        let mut buffer = best.map(|i| scratch_pool.swap_remove(i)).unwrap_or_default();
        drop(scratch_pool);
        if buffer.len() < len {
            // Growing would copy what nobody reads.
            buffer = vec![T::default(); len];
        }
        Scratch { buffer, len, scratch_pool: self }
    }
}

/// A buffer that goes back to its scratch_pool.
#[derive(Debug)]
pub(crate) struct Scratch<T: 'static> {
    buffer: Vec<T>,
    /// Numbers asked for; the buffer may hold more, which need not be filled anew each time.
    len: usize,
    scratch_pool: &'static ScratchPool<T>,
}

impl<T> Deref for Scratch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.buffer[..self.len]
    }
}

impl<T> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.buffer[..self.len]
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        let mut scratch_pool = self.scratch_pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if scratch_pool.len() < KEPT {
            scratch_pool.push(std::mem::take(&mut self.buffer));
        }
    }
}
