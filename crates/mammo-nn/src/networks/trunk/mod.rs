//! The trunk, for all network families: the part that patch and image classifier share.

mod config;

use burn::module::{Module, ParamGroup};
use burn::tensor::{Device, Tensor};

pub use self::config::{Family, TrunkConfig, TrunkShape};
use crate::Result;
use crate::inference::plan::{Map, Planner};
use crate::networks::efficientnet::EfficientNet;
use crate::networks::precision::Precision;
use crate::networks::resnet::ResNet;
use crate::networks::vgg::Vgg;

/// The convolutional part that patch and image classifier share.
// There is one trunk per network: boxing the larger variant would save nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum Trunk {
    /// ResNet18 or ResNet50.
    ResNet(ResNet),
    /// VGG16, VGG19 or YaroslavNet.
    Vgg(Vgg),
    /// EfficientNet-Lite.
    EfficientNet(EfficientNet),
}

impl Trunk {
    /// Builds the trunk; weights are filled by [`init`](crate::networks::init).
    ///
    /// # Errors
    /// [`TrunkConfig::check`].
    pub fn new(config: &TrunkConfig, device: &Device) -> Result<Self> {
        Ok(match config.build_shape()? {
            TrunkShape::ResNet(shape) => Self::ResNet(ResNet::new(shape, device)),
            TrunkShape::Vgg(shape) => Self::Vgg(Vgg::new(&shape, device)),
            TrunkShape::EfficientNet(shape) => Self::EfficientNet(EfficientNet::new(&shape, device)),
        })
    }

    /// The features of images, in the number type of the images.
    ///
    /// # Shapes
    /// `[n, channels, h, w]` to `[n, c_out, h / stride, w / stride]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let precision = Precision::of_dtype(images.dtype());
        self.forward_in(images, precision)
    }

    /// [`forward`](Self::forward) with feature maps in the number type of `precision`, whatever that of the images:
    /// `f32` images are normalised before they are rounded.
    pub fn forward_in(&self, images: Tensor<4>, precision: Precision) -> Tensor<4> {
        match self {
            Self::ResNet(trunk) => trunk.forward(images, precision),
            Self::Vgg(trunk) => trunk.forward(images, precision),
            Self::EfficientNet(trunk) => trunk.forward(images, precision),
        }
    }

    /// A planner with the layers of the trunk, reading `channels` copies of a grey plane, and its last map.
    pub fn plan(&self, channels: usize) -> (Planner, Map) {
        match self {
            Self::ResNet(trunk) => trunk.plan(channels),
            Self::Vgg(trunk) => trunk.plan(channels),
            Self::EfficientNet(trunk) => trunk.plan(channels),
        }
    }

    /// Channels out.
    pub fn c_out(&self) -> usize {
        match self {
            Self::ResNet(trunk) => trunk.c_out(),
            Self::Vgg(trunk) => trunk.c_out(),
            Self::EfficientNet(trunk) => trunk.c_out(),
        }
    }

    /// The kernels of depthwise convolutions: one filter for each channel, not a map from channels to channels.
    pub fn depthwise_kernels(&self) -> ParamGroup {
        ParamGroup::from_ids(match self {
            Self::ResNet(_) | Self::Vgg(_) => Vec::new(),
            Self::EfficientNet(trunk) => trunk.depthwise_kernels(),
        })
    }

    /// The parameters of the last block, which the second stage of patch training unfreezes.
    pub fn last_block(&self) -> ParamGroup {
        match self {
            Self::ResNet(trunk) => group_of(trunk.last_block()),
            Self::Vgg(trunk) => group_of(trunk.last_block()),
            Self::EfficientNet(trunk) => {
                let (block, last) = trunk.last_block();
                group_of(block).fuse(&group_of(last))
            }
        }
    }
}

fn group_of<M: Module>(module: Option<&M>) -> ParamGroup {
    module.map_or_else(|| ParamGroup::from_ids(Vec::new()), |m| ParamGroup::ids_from_module(m.clone()))
}
