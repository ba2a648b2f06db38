//! What the fuzz targets share.

pub mod events;
pub mod server;
pub mod text;
