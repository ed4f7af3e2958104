//! The networks of Shen et al.: trunks, the patch classifier and the whole-image classifier.
//!
//! [`trunk`] is made of [`resnet`] or [`vgg`], both of [`layers`]; [`patch_classifier`] puts an average and a
//! linear layer on it, [`image_classifier`] the convolutional blocks of [`top`]. [`init`] gives starting weights,
//! [`conventions`] says in what frameworks differ, [`outline`] lists a network's steps without building it,
//! [`maps`] and [`state`] hold feature maps and tensors, [`precision`] is the number type of the maps.

pub mod classifier;
pub mod conventions;
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
