//! A pool of buffers for working memory.
//!
//! Copies of operands and partial sums take megabytes for a millisecond. New memory of that size comes from the
//! operating system page by page, which costs more than filling it, so buffers are kept for later calls.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers that a pool keeps; more than two threads' operands at a time are rare.
const MAX_FREE: usize = 12;

/// Free buffers of one number type.
#[derive(Debug)]
pub struct ScratchPool<T>(Mutex<Vec<Vec<T>>>);

impl<T: Copy + Default> Default for ScratchPool<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy + Default> ScratchPool<T> {
    /// An empty pool.
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// A buffer of `len` values, with arbitrary contents.
    pub(crate) fn take(&'static self, len: usize) -> Scratch<T> {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, else the largest.
        let fits = |b: &Vec<T>| (b.len() < len, b.len().abs_diff(len));
        let best = (0..pool.len()).min_by_key(|&i| fits(&pool[i]));
        let mut buffer = best.map(|i| pool.swap_remove(i)).unwrap_or_default();
        drop(pool);
        if buffer.len() < len {
            // Growing the buffer would copy its old contents.
            buffer = vec![T::default(); len];
        }
        Scratch { buffer, len, pool: self }
    }
}

/// A buffer that returns to its pool when dropped.
#[derive(Debug)]
pub(crate) struct Scratch<T: 'static> {
    buffer: Vec<T>,
    /// Requested length; the buffer may be longer.
    len: usize,
    pool: &'static ScratchPool<T>,
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
        let mut pool = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < MAX_FREE {
            pool.push(std::mem::take(&mut self.buffer));
        }
    }
}
