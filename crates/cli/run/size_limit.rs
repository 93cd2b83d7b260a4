use wainwright_engine::{Error, Images, LayerReport};

use crate::units::bytes;

/// The number of layers in the error.
const MOST_NAMED: usize = 10;

/// Returns an error with the largest layers if an image exceeds the limit.
pub(crate) fn check_size(images: &Images, limit: u64) -> Result<(), Error> {
    for image in &images.images {
        for platform in &image.platforms {
            let size = platform.image.layers.iter().map(|layer| layer.descriptor.size).sum();
            if size <= limit {
                continue;
            }
            let mut largest: Vec<&LayerReport> = platform.layers.iter().collect();
            largest.sort_by_key(|layer| std::cmp::Reverse(layer.size));
            let line = |layer: &&LayerReport| format!("\n  {:>9}  {}", bytes(layer.size), layer.name);
            return Err(Error::TooLarge {
                of: image.name.clone(),
                platform: platform.image.platform.clone(),
                size: bytes(size),
                limit: bytes(limit),
                parts: largest.iter().take(MOST_NAMED).map(line).collect(),
            });
        }
    }
    Ok(())
}
