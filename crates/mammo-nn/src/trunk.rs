//! One trunk type for every network family: the part that patch and image classifier share.

use burn::module::{Module, ParamGroup};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::resnet::{BlockKind, ResNet, ResNetShape};
use crate::vgg::{Vgg, VggShape};
use crate::{Error, Result};

/// Network family of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Basic blocks 2-2-2-2. Not in the paper; the smallest residual network.
    Resnet18,
    /// Bottleneck blocks 3-4-6-3, the paper's best single model.
    Resnet50,
    /// Blocks of 2-2-3-3-3 convolutions.
    Vgg16,
    /// Blocks of 2-2-4-4-4 convolutions.
    Vgg19,
    /// Six blocks of 2-2-2-2-2-2 convolutions with batch norm. The paper gives no channel
    /// table; 32-64-128-256-512-512 is ours.
    Yaroslav,
}

/// A trunk as data: what a configuration says and a model file stores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkConfig {
    /// Network family.
    pub family: Family,
    /// Factor on every channel count; 1 is the published network.
    #[serde(default = "one")]
    pub width: f64,
    /// Number of stages (ResNet: 1 to 4; VGG: 1 to 5; YaroslavNet: 1 to 6); all by default.
    /// Fewer stages mean a smaller stride and receptive field.
    #[serde(default)]
    pub stages: Option<usize>,
    /// Input channels: 1 is grey, 3 is grey copied three times, as ImageNet weights need it.
    #[serde(default = "one_channel")]
    pub channels: usize,
}

fn one() -> f64 {
    1.0
}

fn one_channel() -> usize {
    1
}

impl TrunkConfig {
    /// The published network of a family, with one grey input channel.
    pub fn new(family: Family) -> Self {
        Self { family, width: 1.0, stages: None, channels: 1 }
    }

    fn max_stages(&self) -> usize {
        match self.family {
            Family::Resnet18 | Family::Resnet50 => 4,
            Family::Vgg16 | Family::Vgg19 => 5,
            Family::Yaroslav => 6,
        }
    }

    fn n_stages(&self) -> usize {
        self.stages.unwrap_or(self.max_stages())
    }

    /// Input pixels per output cell; image sides must be multiples of it.
    pub fn stride(&self) -> usize {
        match self.family {
            Family::Resnet18 | Family::Resnet50 => 4 << (self.n_stages() - 1),
            Family::Vgg16 | Family::Vgg19 | Family::Yaroslav => 1 << self.n_stages(),
        }
    }

    /// Refuses impossible widths, stage counts and channel counts.
    ///
    /// # Errors
    /// [`Error::Network`] naming the setting.
    pub fn check(&self) -> Result<()> {
        if !(self.width.is_finite() && self.width > 0.0 && self.width <= 4.0) {
            return Err(Error::network("trunk.width", self.width.to_string(), "above 0 and at most 4"));
        }
        if !(1..=self.max_stages()).contains(&self.n_stages()) {
            let expected = format!("1 to {} for {:?}", self.max_stages(), self.family);
            return Err(Error::network("trunk.stages", self.n_stages().to_string(), expected));
        }
        if ![1, 3].contains(&self.channels) {
            return Err(Error::network("trunk.channels", self.channels.to_string(), "1 or 3"));
        }
        Ok(())
    }

    /// A channel count of the published network, scaled; at least 4, and even.
    fn scaled(&self, channels: usize) -> usize {
        ((channels as f64 * self.width / 2.0).round() as usize * 2).max(4)
    }
}

/// The convolutional part that patch and image classifier share.
// One trunk exists per network: boxing the larger variant would buy nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum Trunk {
    /// ResNet18 or ResNet50.
    ResNet(ResNet),
    /// VGG16, VGG19 or YaroslavNet.
    Vgg(Vgg),
}

impl Trunk {
    /// Builds the trunk; weights are filled by [`init`](crate::init).
    ///
    /// # Errors
    /// [`TrunkConfig::check`].
    pub fn new(config: &TrunkConfig, device: &Device) -> Result<Self> {
        config.check()?;
        let residual = |kind, depths| {
            let shape = ResNetShape {
                kind,
                depths,
                stages: config.n_stages(),
                c_in: config.channels,
                base: config.scaled(64),
            };
            Self::ResNet(ResNet::new(shape, device))
        };
        let plain = |blocks: &[(usize, usize)], batch_norm| {
            let blocks =
                blocks.iter().take(config.n_stages()).map(|&(c, depth)| (config.scaled(c), depth)).collect();
            Self::Vgg(Vgg::new(&VggShape { blocks, c_in: config.channels, batch_norm }, device))
        };
        Ok(match config.family {
            Family::Resnet18 => residual(BlockKind::Basic, [2, 2, 2, 2]),
            Family::Resnet50 => residual(BlockKind::Bottleneck, [3, 4, 6, 3]),
            Family::Vgg16 => plain(&[(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], false),
            Family::Vgg19 => plain(&[(64, 2), (128, 2), (256, 4), (512, 4), (512, 4)], false),
            Family::Yaroslav => plain(&[(32, 2), (64, 2), (128, 2), (256, 2), (512, 2), (512, 2)], true),
        })
    }

    /// # Shapes
    /// `[n, channels, h, w]` to `[n, c_out, h / stride, w / stride]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        match self {
            Self::ResNet(trunk) => trunk.forward(images),
            Self::Vgg(trunk) => trunk.forward(images),
        }
    }

    /// Channels out.
    pub fn c_out(&self) -> usize {
        match self {
            Self::ResNet(trunk) => trunk.c_out(),
            Self::Vgg(trunk) => trunk.c_out(),
        }
    }

    /// The parameters of the last block, which the middle stage of patch training unfreezes.
    pub fn last_block(&self) -> ParamGroup {
        match self {
            Self::ResNet(trunk) => group_of(trunk.last_block()),
            Self::Vgg(trunk) => group_of(trunk.last_block()),
        }
    }
}

fn group_of<M: Module>(module: Option<&M>) -> ParamGroup {
    module.map_or_else(|| ParamGroup::from_ids(Vec::new()), |m| ParamGroup::ids_from_module(m.clone()))
}
