//! `mammo demo`.

use anyhow::Result;
use crate::Done;

/// tmp
#[derive(clap::Args)]
pub struct Args {}

/// Runs the verb.
pub fn run(_args: &Args) -> Result<Done> { Ok(Done::All) }
