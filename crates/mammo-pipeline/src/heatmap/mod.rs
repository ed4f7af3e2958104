//! Regions with evidence of cancer: maps, tables of findings, pictures.

mod mapper;
pub mod overlay;
mod tables;
mod write;

pub use mapper::{Attribution, ImageMap, Mapper, Method};
pub use tables::{FINDINGS_FILE, IMAGES_FILE, ImageRow, Tables, finding_row};
pub use write::{Maps, write_maps};
