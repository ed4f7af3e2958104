//! Devices by name, chosen at run time among those compiled in.

pub use burn::tensor::Device;
use mammo_kernels::isa::{self, Isa};

use crate::{Error, Result};

/// Names of the devices in this build; always includes `cpu`.
pub fn available() -> Vec<&'static str> {
    let mut names = vec!["cpu"];
    if cfg!(feature = "vulkan") {
        names.push("vulkan");
    }
    if cfg!(feature = "metal") {
        names.push("metal");
    }
    if cfg!(feature = "webgpu") {
        names.push("webgpu");
    }
    if cfg!(feature = "cuda") {
        names.push("cuda");
    }
    names
}

/// Name of the vector instructions that the CPU kernels use, such as `avx2`.
pub fn cpu_instructions() -> &'static str {
    Isa::best().name()
}

/// Checks that `MAMMO_ISA`, if set, names instructions of this processor.
///
/// # Errors
/// [`Error::Instructions`] with the valid names.
pub fn check_cpu_instructions() -> Result<()> {
    isa::check_variable().map_err(Error::Instructions)
}

/// The device with this name, without autodiff.
///
/// # Errors
/// [`Error::Device`] for a name that is unknown or was not compiled in.
pub fn by_name(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(Default::default())),
        #[cfg(feature = "metal")]
        "metal" => Ok(Device::metal(Default::default())),
        #[cfg(feature = "webgpu")]
        "webgpu" => Ok(Device::webgpu(Default::default())),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(burn::tensor::DeviceIndex::Default)),
        other => Err(Error::Device {
            found: other.to_string(),
            available: available().join(", "),
            hint: match other {
                "vulkan" | "metal" | "webgpu" | "cuda" => {
                    format!("; build with `cargo build --release --features {other}` to have it")
                }
                _ => String::new(),
            },
        }),
    }
}
