//! From a stored mammogram to the network input.
//!
//! | module | in | out |
//! |---|---|---|
//! | [`input_check`] | a stored image | its polarity and warnings, or why it is not scored |
//! | [`preprocess`] | a stored image | the network input, and the map between their frames |
//! | [`cache`] | records + preprocessing | memory-mapped network inputs |
//! | [`patch_sampling`] | cached inputs + lesions | patch coordinates with classes |
//! | [`augment`] | a cached input | a randomly transformed window of it |

pub mod augment;
pub mod cache;
pub mod input_check;
pub mod patch_sampling;
pub mod preprocess;

pub use mammo_core::{Error, Result};
