//! The networks of Shen et al.: trunks, the patch classifier and the whole-image classifier.
//!
//! [`trunk`] is a [`resnet`] or a [`vgg`], both built from [`layers`]; [`patch_classifier`] adds global average
//! pooling and a linear layer, [`image_classifier`] the convolutional blocks of [`top`]. [`init`] gives initial
//! weights, [`conventions`] lists the differences between frameworks, [`outline`] the steps of a network that is not
//! built; [`maps`] and [`state`] hold feature maps and tensors, [`precision`] the number type of the maps.

pub mod classifier;
pub mod conventions;
pub mod efficientnet;
pub mod exam;
pub mod image_classifier;
pub mod init;
pub mod layers;
pub mod maps;
pub mod outline;
pub mod patch_classifier;
pub mod precision;
pub mod resnet;
pub mod state;
pub mod top;
pub mod trunk;
pub mod vgg;

pub use classifier::{Classifier, Scope};
