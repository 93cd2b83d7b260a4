use wainwright_engine::{Error, Images, LayerReport};

use crate::units::bytes;

/// Layers of an image that is too large.
const MOST_NAMED: usize = 10;

/// Refuses an image whose layers are larger than wanted, and names those that count most; `of` is the component it is of.
pub(crate) fn check_size(images: &Images, limit: u64, of: Option<&str>) -> Result<(), Error> {
    for (image, layers) in images.images.iter().zip(&images.layers) {
        let size = image.layers.iter().map(|layer| layer.descriptor.size).sum();
        if size <= limit {
            continue;
        }
        let mut largest: Vec<_> = layers.iter().collect();
        largest.sort_by_key(|layer| std::cmp::Reverse(layer.size));
        let line = |layer: &&LayerReport| format!("\n  {:>9}  {}", bytes(layer.size), layer.name);
        return Err(Error::TooLarge {
            of: of.map(str::to_owned),
            platform: image.platform.clone(),
            size: bytes(size),
            limit: bytes(limit),
            parts: largest.iter().take(MOST_NAMED).map(line).collect(),
        });
    }
    Ok(())
}
