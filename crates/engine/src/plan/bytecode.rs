use serde_json::{Value, json};
use wainwright_layer::bytecode::{FORMAT, OLDEST};

use crate::Error;
use crate::model::base::BaseRecipe;
use crate::model::resolution::PlatformResolution;

/// What decides bytecode beside its sources: the Python that the image has, as exactly as it is known.
pub(super) fn facts(resolved: &PlatformResolution) -> Result<Value, Error> {
    let python = resolved.base.target.python;
    if (python.major, python.minor) < OLDEST {
        return Err(Error::OldBytecode { python });
    }
    let interpreter = match &resolved.base.base {
        BaseRecipe::Debian(recipe) => {
            let packages = recipe.packages();
            let is_python = |name: &String| name.trim_start_matches("lib").starts_with("python3");
            json!(packages.into_iter().filter(is_python).collect::<Vec<_>>())
        }
        BaseRecipe::Image(..) if python.patch.is_some() => json!(python.full()),
        BaseRecipe::Image(base, _) => {
            json!(base.image.layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>())
        }
    };
    Ok(json!({ "format": FORMAT, "interpreter": interpreter }))
}

/// How many layers wheels and their bytecode get of the room for both, where the wheels alone would take `groups`.
///
/// Wheels keep the layers they would have without bytecode, unless those leave it less than a quarter.
pub(super) fn share(groups: usize, room: usize) -> Option<(usize, usize)> {
    let least = (room / 4).max(1).min(groups.max(1));
    match room.checked_sub(groups) {
        Some(left) if left >= least => Some((groups, left.min(groups))),
        _ => Some((room.checked_sub(least).filter(|left| *left > 0)?, least)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_keep_their_layers_where_there_is_room_for_both() {
        // What wheels would take alone, the room, and what each gets.
        for (groups, room, expected) in [
            (1, 38, Some((1, 1))),
            (15, 38, Some((15, 15))),
            (25, 38, Some((25, 13))),
            (29, 38, Some((29, 9))),
            (38, 38, Some((29, 9))),
            (5, 5, Some((4, 1))),
            (2, 2, Some((1, 1))),
            (1, 1, None),
        ] {
            assert_eq!(share(groups, room), expected, "{groups} in {room}");
        }
    }
}
