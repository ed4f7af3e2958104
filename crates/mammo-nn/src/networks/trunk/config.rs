//! A trunk as data, as in configurations and model files.

use serde::{Deserialize, Serialize};

use crate::networks::conventions::{ChannelNorm, Conventions, Padding, StrideOn};
use crate::networks::efficientnet::{self, EfficientNetShape, LiteSize};
use crate::networks::resnet::{BlockKind, ResNetShape};
use crate::networks::vgg::VggShape;
use crate::{Error, Result};

/// Network family of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Basic blocks 2-2-2-2. Not in the paper; the smallest residual network.
    Resnet18,
    /// Bottleneck blocks 3-4-6-3, the paper's best single model (section "Image classification").
    Resnet50,
    /// Blocks of 2-2-3-3-3 convolutions.
    Vgg16,
    /// Blocks of 2-2-4-4-4 convolutions.
    Vgg19,
    /// Six blocks of 2-2-2-2-2-2 convolutions with batch norm. The paper gives no channel
    /// table; 32-64-128-256-512-512 is ours.
    Yaroslav,
    /// Inverted residual blocks, the smallest network with ImageNet weights here. Not in the paper.
    #[serde(rename = "efficientnet_lite0")]
    EfficientNetLite0,
    /// The same with more blocks.
    #[serde(rename = "efficientnet_lite1")]
    EfficientNetLite1,
    /// The same with more blocks and channels.
    #[serde(rename = "efficientnet_lite2")]
    EfficientNetLite2,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 8] = [
        Self::Resnet18,
        Self::Resnet50,
        Self::Vgg16,
        Self::Vgg19,
        Self::Yaroslav,
        Self::EfficientNetLite0,
        Self::EfficientNetLite1,
        Self::EfficientNetLite2,
    ];
}

/// A trunk as data, as in configurations and model files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkConfig {
    /// Network family.
    pub family: Family,
    /// Factor on every channel count; 1 is the published network.
    #[serde(default = "one")]
    pub width: f64,
    /// Number of stages (ResNet: 1 to 4; VGG: 1 to 5; YaroslavNet: 1 to 6; EfficientNet-Lite: 1 to
    /// 8, the eighth is the last 1x1 convolution); all by default. Fewer stages give a
    /// smaller stride and receptive field.
    #[serde(default)]
    pub stages: Option<usize>,
    /// Input channels: 1 for grey, 3 for grey copied three times, as ImageNet weights need it.
    #[serde(default = "one_channel")]
    pub channels: usize,
    /// VGG family: channels and number of convolutions of each block, instead of the published table; `width` does
    /// not apply to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<Vec<[usize; 2]>>,
    /// VGG family: whether each convolution is followed by batch norm, if that differs from the published network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_norm: Option<bool>,
    /// Strides, padding and norms; torchvision's by default.
    #[serde(default)]
    pub conventions: Conventions,
    /// Mean and deviation of each of three channels, applied by the network itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_norm: Option<ChannelNorm>,
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
        Self {
            family,
            width: 1.0,
            stages: None,
            channels: 1,
            blocks: None,
            batch_norm: None,
            conventions: Conventions::default(),
            channel_norm: None,
        }
    }

    fn max_stages(&self) -> usize {
        match self.shape() {
            FamilyShape::Residual(..) => 4,
            FamilyShape::Plain(blocks, _) => blocks.len(),
            FamilyShape::Inverted(_) => efficientnet::STAGES,
        }
    }

    /// Number of stages that are built.
    pub fn n_stages(&self) -> usize {
        self.stages.unwrap_or(self.max_stages())
    }

    /// Blocks and channels of the whole family, before `stages` truncates it.
    fn shape(&self) -> FamilyShape {
        let plain = |table: &[[usize; 2]], norm: bool| {
            let scaled = table.iter().map(|&[c, depth]| [self.scaled(c), depth]).collect();
            let blocks = self.blocks.clone().unwrap_or(scaled);
            FamilyShape::Plain(blocks, self.batch_norm.unwrap_or(norm))
        };
        match self.family {
            Family::Resnet18 => FamilyShape::Residual(BlockKind::Basic, [2, 2, 2, 2]),
            Family::Resnet50 => FamilyShape::Residual(BlockKind::Bottleneck, [3, 4, 6, 3]),
            Family::Vgg16 => plain(&[[64, 2], [128, 2], [256, 3], [512, 3], [512, 3]], false),
            Family::Vgg19 => plain(&[[64, 2], [128, 2], [256, 4], [512, 4], [512, 4]], false),
            Family::Yaroslav => plain(&[[32, 2], [64, 2], [128, 2], [256, 2], [512, 2], [512, 2]], true),
            Family::EfficientNetLite0 => FamilyShape::Inverted(LiteSize::Lite0),
            Family::EfficientNetLite1 => FamilyShape::Inverted(LiteSize::Lite1),
            Family::EfficientNetLite2 => FamilyShape::Inverted(LiteSize::Lite2),
        }
    }

    /// The trunk's shape as data, without building it.
    ///
    /// # Errors
    /// [`check`](Self::check).
    pub fn build_shape(&self) -> Result<TrunkShape> {
        self.check()?;
        Ok(match self.shape() {
            FamilyShape::Residual(kind, depths) => TrunkShape::ResNet(ResNetShape {
                kind,
                depths,
                stages: self.n_stages(),
                c_in: self.channels,
                base: self.scaled(64),
                conventions: self.conventions,
                channel_norm: self.channel_norm,
            }),
            FamilyShape::Plain(blocks, norm) => TrunkShape::Vgg(VggShape {
                blocks: blocks.iter().take(self.n_stages()).map(|&[c, depth]| (c, depth)).collect(),
                c_in: self.channels,
                norm: norm.then_some(self.conventions),
                channel_norm: self.channel_norm,
            }),
            FamilyShape::Inverted(size) => TrunkShape::EfficientNet(self.inverted(size)),
        })
    }

    fn inverted(&self, size: LiteSize) -> EfficientNetShape {
        let shape =
            EfficientNetShape::new(size, self.width, self.n_stages(), self.channels, self.conventions);
        EfficientNetShape { channel_norm: self.channel_norm, ..shape }
    }

    /// Rows and columns of the feature map for an image of this size.
    pub fn grid(&self, input_px: [usize; 2]) -> [usize; 2] {
        let conventions = &self.conventions;
        input_px.map(|n| match self.shape() {
            FamilyShape::Residual(kind, _) => {
                let n = conventions.stem_padding.n_out(n, 7, 2);
                let n = conventions.stem_pool_padding.n_out(n, 3, 2);
                let kernel = match (kind, conventions.stride_on) {
                    (BlockKind::Bottleneck, StrideOn::First) => 1,
                    _ => 3,
                };
                (1..self.n_stages()).fold(n, |n, _| conventions.padding.n_out(n, kernel, 2))
            }
            FamilyShape::Plain(..) => (0..self.n_stages()).fold(n, |n, _| Padding::Valid.n_out(n, 2, 2)),
            FamilyShape::Inverted(size) => {
                let shape = self.inverted(size);
                let n = conventions.stem_padding.n_out(n, 3, 2);
                shape.blocks().fold(n, |n, block| conventions.padding.n_out(n, block.kernel, block.stride))
            }
        })
    }

    /// Input pixels per output cell; image sides must be multiples of it.
    pub fn stride(&self) -> usize {
        match self.shape() {
            FamilyShape::Residual(..) => 4 << (self.n_stages() - 1),
            FamilyShape::Plain(..) => 1 << self.n_stages(),
            FamilyShape::Inverted(size) => {
                2 * self.inverted(size).blocks().map(|block| block.stride).product::<usize>()
            }
        }
    }

    /// Checks width, stage count and channel counts.
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
        let plain = matches!(self.shape(), FamilyShape::Plain(..));
        if !plain && (self.blocks.is_some() || self.batch_norm.is_some()) {
            let found = format!("set for {:?}", self.family);
            return Err(Error::network("trunk.blocks or trunk.batch_norm", found, "a VGG family"));
        }
        if let Some(blocks) = &self.blocks
            && (blocks.len() > 10
                || blocks.iter().any(|&[c, depth]| !(1..=4096).contains(&c) || !(1..=16).contains(&depth)))
        {
            let expected = "at most 10 blocks of 1 to 4096 channels and 1 to 16 convolutions";
            return Err(Error::network("trunk.blocks", format!("{blocks:?}"), expected));
        }
        if let Some(norm) = &self.channel_norm {
            norm.check()?;
            if self.channels != 3 {
                return Err(Error::network("trunk.channel_norm", "set for one channel", "channels = 3"));
            }
        }
        self.conventions.check().map_err(|e| e.within("trunk"))
    }

    /// A channel count of the published network, scaled; at least 4, and even.
    fn scaled(&self, channels: usize) -> usize {
        ((channels as f64 * self.width / 2.0).round() as usize * 2).max(4)
    }
}

/// Blocks of a network family.
enum FamilyShape {
    /// Kind of block, blocks in each stage.
    Residual(BlockKind, [usize; 4]),
    /// Channels and convolutions of each block; whether they have batch norm.
    Plain(Vec<[usize; 2]>, bool),
    /// Inverted residual blocks.
    Inverted(LiteSize),
}

/// A trunk's shape with all names and factors resolved to counts.
#[derive(Clone, Debug)]
pub enum TrunkShape {
    /// ResNet18 or ResNet50.
    ResNet(ResNetShape),
    /// VGG16, VGG19 or YaroslavNet.
    Vgg(VggShape),
    /// EfficientNet-Lite.
    EfficientNet(EfficientNetShape),
}
