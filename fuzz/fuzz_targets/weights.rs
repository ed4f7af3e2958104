//! Bytes as a weight file from elsewhere: the first ones say PyTorch (zip, tar, legacy pickle),
//! safetensors or Keras' HDF5.

#![no_main]

mod shared;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| shared::read_weights(bytes));
