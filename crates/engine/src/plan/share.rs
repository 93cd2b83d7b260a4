use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use wainwright_oci::Digest;

use super::layering::group;
use crate::model::wheel::ChosenWheel;

/// Which layer a wheel is in: the same number in every image that has it. Layers lie in the order of their numbers.
pub(crate) type Shares = BTreeMap<Digest, usize>;

/// Puts wheels into layers so that images share them: wheels that the same images have may share a layer, others never do.
///
/// `images` are the wheels of each image. No image gets more than about `room` layers: how many each set of wheels gets is
/// the same for all of them, for else they would be other layers.
///
/// What most images have lies lowest. Docker and containerd know a layer by all that lies below it, too, and unpack it once for
/// each such pile; in this order piles are the same for as long as they can be.
///
/// So the image of a component depends on what others have, as it must where layers are shared. But nothing changes it that has
/// nothing to do with it: neither the order of the components, nor one more that has the same wheels as another, none, or only
/// wheels that this image does not have.
pub(crate) fn share(images: &[&[ChosenWheel]], room: usize) -> Shares {
    let mut wheels: BTreeMap<Digest, &ChosenWheel> = BTreeMap::new();
    // Each selection of wheels counts once, however many images have it, and wherever they stand.
    let mut selections: BTreeSet<BTreeSet<Digest>> = BTreeSet::new();
    for image in images {
        wheels.extend(image.iter().map(|wheel| (wheel.wanted.digest, wheel)));
        selections.insert(image.iter().map(|wheel| wheel.wanted.digest).collect());
    }
    let mut sets: BTreeMap<Vec<usize>, Vec<&ChosenWheel>> = BTreeMap::new();
    for (digest, wheel) in wheels {
        let users = selections.iter().enumerate().filter(|(_, selection)| selection.contains(&digest));
        sets.entry(users.map(|(user, _)| user).collect()).or_default().push(wheel);
    }
    sets.values_mut().for_each(|wheels| wheels.sort_by_key(|wheel| (&wheel.name, wheel.wanted.digest)));
    // Every set has one layer at least; what is left is dealt out by the number of wheels.
    let budgets: Vec<(usize, usize)> = (0..selections.len())
        .map(|user| {
            let here = sets.iter().filter(|(users, _)| users.binary_search(&user).is_ok());
            let (count, wheels) = here.fold((0, 0), |(count, all), (_, set)| (count + 1, all + set.len()));
            (room.saturating_sub(count), wheels)
        })
        .collect();
    let budget = |users: &[usize], count: usize| {
        let of_user = |user: &usize| budgets.get(*user).map(|(spare, all)| spare * count / all.max(&1));
        1 + users.iter().filter_map(of_user).min().unwrap_or_default().min(count - 1)
    };
    let mut order: Vec<(Vec<usize>, Vec<&ChosenWheel>)> = sets.into_iter().collect();
    order.sort_by(|(a, one), (b, other)| {
        let key =
            |wheels: &[&ChosenWheel]| wheels.first().map(|wheel| (wheel.name.clone(), wheel.wanted.digest));
        (Reverse(a.len()), key(one)).cmp(&(Reverse(b.len()), key(other)))
    });
    let mut shares = Shares::new();
    let mut number = 0;
    for (users, wheels) in order {
        let sized: Vec<(&str, u64)> =
            wheels.iter().map(|wheel| (wheel.name.as_str(), wheel.size.unwrap_or(0))).collect();
        for indices in group(&sized, budget(&users, wheels.len())) {
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

    /// The layers of the first image, lowest first, as names.
    fn pile(images: &[&[&str]]) -> Vec<Vec<String>> {
        let images: Vec<Vec<ChosenWheel>> =
            images.iter().map(|names| names.iter().map(|name| wheel(name)).collect()).collect();
        let slices: Vec<&[ChosenWheel]> = images.iter().map(Vec::as_slice).collect();
        let shares = share(&slices, 10);
        let mut layers: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for wheel in &images[0] {
            layers.entry(shares[&wheel.wanted.digest]).or_default().push(wheel.name.to_string());
        }
        layers.into_values().collect()
    }

    #[test]
    fn what_most_images_have_lies_lowest() {
        let found = pile(&[&["few", "most", "one"], &["few", "most"], &["most"]]);
        assert_eq!(found, [["most"], ["few"], ["one"]]);
    }

    #[test]
    fn what_has_nothing_to_do_with_an_image_leaves_it_alone() {
        let images: [&[&str]; 3] = [&["few", "most", "one"], &["few", "most"], &["most", "other"]];
        let before = pile(&images);
        assert_eq!(before, [["most"], ["few"], ["one"]]);
        let many: Vec<String> = (0..100).map(|number| format!("p{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let changes: [(&str, &[&[&str]]); 4] = [
            ("others the other way round", &[images[0], images[2], images[1]]),
            ("one without wheels", &[images[0], &[], images[1], images[2]]),
            ("two with the wheels of another", &[images[0], images[1], images[2], images[2], images[2]]),
            ("one with many wheels of its own", &[images[0], &many, images[1], images[2]]),
        ];
        for (what, images) in changes {
            assert_eq!(pile(images), before, "{what}");
        }
        // Who shares wheels has a say in the layers that they share.
        assert_eq!(pile(&[images[0], &["one"], &["one", "x"], &["one", "y"]])[0], ["one"]);
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
