use std::collections::{BTreeMap, BTreeSet};

use wainwright_oci::Digest;

use crate::choose::ChosenWheel;
use crate::layering::group;

/// Which layer a wheel is in: the same number in every image that has it.
pub(crate) type Shares = BTreeMap<Digest, usize>;

/// Puts wheels into layers so that images share them: wheels that the same images have may share a layer, others never do.
///
/// `images` are the wheels of each image. No image gets more than about `room` layers: how many each set of wheels gets is
/// the same for all of them, for else they would be other layers.
pub(crate) fn share(images: &[&[ChosenWheel]], room: usize) -> Shares {
    let mut users: BTreeMap<Digest, (BTreeSet<usize>, &ChosenWheel)> = BTreeMap::new();
    for (image, wheels) in images.iter().enumerate() {
        for wheel in *wheels {
            users.entry(wheel.wanted.digest).or_insert_with(|| (BTreeSet::new(), wheel)).0.insert(image);
        }
    }
    let mut sets: BTreeMap<BTreeSet<usize>, Vec<&ChosenWheel>> = BTreeMap::new();
    for (users, wheel) in users.into_values() {
        sets.entry(users).or_default().push(wheel);
    }
    let of_image = |image: usize| sets.iter().filter(move |(users, _)| users.contains(&image));
    let (most, sets_of_one) = (0..images.len()).fold((0, 0), |(wheels, count), image| {
        let here: usize = of_image(image).map(|(_, wheels)| wheels.len()).sum();
        (wheels.max(here), count.max(of_image(image).count()))
    });
    // Every set has one layer at least; what is left is dealt out by the number of wheels.
    let spare = room.saturating_sub(sets_of_one);
    let mut shares = Shares::new();
    let mut number = 0;
    for wheels in sets.values_mut() {
        wheels.sort_by(|a, b| a.name.cmp(&b.name));
        let budget = 1 + (wheels.len() - 1).min(spare * wheels.len() / most.max(1));
        let sized: Vec<(&str, u64)> =
            wheels.iter().map(|wheel| (wheel.name.as_str(), wheel.size.unwrap_or(0))).collect();
        for indices in group(&sized, budget) {
            let digests =
                indices.into_iter().filter_map(|index| wheels.get(index)).map(|wheel| wheel.wanted.digest);
            shares.extend(digests.map(|digest| (digest, number)));
            number += 1;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use wainwright_pypi::{Location, Wanted};

    use super::*;

    fn wheel(name: &str) -> ChosenWheel {
        let filename = format!("{name}-1.0-py3-none-any.whl").parse().unwrap();
        let location = Location::Index { registry: None };
        ChosenWheel {
            name: name.parse().unwrap(),
            wanted: Wanted { filename, digest: Digest::of(name), size: None, location },
            size: Some(1000),
            made: None,
        }
    }

    /// The layers of each image, as names.
    fn layers(images: &[&[&str]], room: usize) -> Vec<BTreeSet<BTreeSet<String>>> {
        let images: Vec<Vec<ChosenWheel>> =
            images.iter().map(|names| names.iter().map(|name| wheel(name)).collect()).collect();
        let slices: Vec<&[ChosenWheel]> = images.iter().map(Vec::as_slice).collect();
        let shares = share(&slices, room);
        let of_image = |wheels: &Vec<ChosenWheel>| {
            let mut layers: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
            for wheel in wheels {
                layers.entry(shares[&wheel.wanted.digest]).or_default().insert(wheel.name.to_string());
            }
            layers.into_values().collect()
        };
        images.iter().map(of_image).collect()
    }

    #[test]
    fn what_several_images_have_is_one_layer_for_all_of_them() {
        let found = layers(&[&["a", "b", "x"], &["a", "b", "y"], &["a", "b"]], 2);
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(found[0], [names(&["a", "b"]), names(&["x"])].into());
        assert_eq!(found[1], [names(&["a", "b"]), names(&["y"])].into());
        assert_eq!(found[2], [names(&["a", "b"])].into());
    }

    #[test]
    fn layers_are_as_many_as_there_is_room_for() {
        let names: Vec<String> = (0..60).map(|number| format!("p{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for room in [1, 8, 38] {
            let found = layers(&[&names, &names[..30]], room);
            assert!(found[0].len() <= room.max(2), "{} layers in {room}", found[0].len());
            assert!(found[1].is_subset(&found[0]));
        }
    }
}
