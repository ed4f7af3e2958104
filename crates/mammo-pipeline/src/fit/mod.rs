//! A model of one's own in one call: from a folder of mammograms to a trained and evaluated classifier.
//!
//! [`prepare`] recognises and imports the data set, checks and splits it, measures its [`Fingerprint`] and the speed of
//! this machine, and from them makes a [`Plan`]: a configuration with a reason for each choice, and the expected time of
//! each step. [`train`] carries it out. Both skip what a run that is continued has done already.
//!
//! | file | does |
//! |---|---|
//! | `source` | recognises a folder or an archive |
//! | `data_set` | imports, checks and splits |
//! | `fingerprint` | facts of the data set |
//! | `start` | the model that training starts from |
//! | `recipe` | networks, rates and counts that were tried |
//! | `size` | sizes of inputs and patches |
//! | `time`, `pace` | time model, and the measurement of a machine |
//! | `situation` | what a plan depends on, and the time of its steps |
//! | `plan`, `reasons`, `config_text` | the plan, as settings and as a file with comments |
//! | `measure`, `run`, `steps` | measures, prepares and runs |

mod config_text;
mod data_set;
mod fingerprint;
mod measure;
pub mod pace;
mod plan;
mod reasons;
mod recipe;
mod run;
mod situation;
mod size;
mod source;
mod start;
pub mod steps;
#[cfg(test)]
mod tests;
pub mod time;

pub use fingerprint::{Fingerprint, LesionFacts, Quantiles, SideCounts};
pub use plan::Plan;
pub use run::{CONFIG, Fit, Fitted, Preparation, Prepared, START_FILE, prepare, train};
pub use situation::{Situation, Step};
pub use size::{SizeRule, Sizes};
pub use source::Source;
pub use start::{Start, Weights};
