use wainwright_oci::Digest;

/// Wheels of one size class share layers only with each other. Absolute, so that a class never depends on what else is
/// installed.
const CLASSES: [u64; 4] = [64 << 10, 256 << 10, 1 << 20, 4 << 20];

/// The finest grain: wheels share a layer while their number times their bytes stays below this.
///
/// The product is what a layer adds to the expected upload: each of its wheels changes as often as others do, and then all
/// its bytes have to be sent. Smaller would give small projects more layers for some kilobytes.
const GRAIN: u64 = 4 << 20;

/// Groups wheels into layers, so that a change of one wheel changes one layer.
///
/// `wheels` are normalized names and sizes in bytes; the answer holds indices into it, in at most `budget` groups (one, if
/// the budget is smaller). Layers of large wheels come first: what changes seldom for its size belongs at the bottom,
/// because Docker unpacks everything above a change again.
///
/// Within a size class the digests of the names are the leaves of a binary tree. A branch whose wheels are cheap together is
/// one layer; another one is split in two. So adding, removing or changing a wheel touches the layer on the way to its
/// leaf (which may split, or join its sibling), and no other. Two things alone reach further: a wheel that grows into another
/// size class leaves one layer for another, and where the groups would exceed the budget, the grain is made coarser for all.
pub fn group(wheels: &[(&str, u64)], budget: usize) -> Vec<Vec<usize>> {
    let mut classes: [Vec<Leaf>; CLASSES.len() + 1] = Default::default();
    for (index, &(name, size)) in wheels.iter().enumerate() {
        let class = CLASSES.partition_point(|&limit| limit <= size);
        classes[class].push(Leaf { path: path(name), size, index });
    }
    for class in &mut classes {
        class.sort_unstable_by_key(|leaf| (leaf.path, leaf.index));
    }
    classes.reverse();
    let fewest = classes.iter().filter(|class| !class.is_empty()).count();
    let mut grain = u128::from(GRAIN);
    let mut groups = split(&classes, grain);
    while groups.len() > budget.max(fewest) {
        grain = next(grain);
        groups = split(&classes, grain);
    }
    if groups.len() > budget {
        let rest = groups.split_off(budget.saturating_sub(1)).concat();
        groups.push(rest);
    }
    for group in &mut groups {
        group.sort_unstable();
    }
    groups
}

/// What Docker and containerd stack, the layers of the base included.
const MOST_LAYERS: usize = 127;

/// How many layers wheels may get on a base, beside one for the environment and one for the project; `None` when there is
/// no room.
pub(crate) fn room_for_wheels(base: usize, has_wheels: bool, max_layers: usize) -> Option<usize> {
    let room = MOST_LAYERS.checked_sub(base)?.checked_sub(2)?;
    let wanted = max_layers.saturating_sub(2).max(1);
    (room > 0 || !has_wheels).then_some(room.min(wanted))
}

/// A wheel at its place in the tree: the bits of `path` are left and right, from the highest.
struct Leaf {
    path: u64,
    size: u64,
    index: usize,
}

/// Names are spread evenly, and a name is always at the same place.
fn path(name: &str) -> u64 {
    let digest = Digest::of(name.as_bytes());
    digest.as_bytes().iter().take(8).fold(0, |path, byte| path << 8 | u64::from(*byte))
}

/// Powers of two and the steps half-way between them.
fn next(grain: u128) -> u128 {
    if grain.is_power_of_two() { grain / 2 * 3 } else { grain / 3 * 4 }
}

fn split(classes: &[Vec<Leaf>], grain: u128) -> Vec<Vec<usize>> {
    let mut groups = Vec::new();
    for class in classes {
        branch(class, u64::BITS, grain, &mut groups);
    }
    groups
}

/// Adds the groups of a branch: leaves that agree in all bits above the lowest `bits`.
fn branch(leaves: &[Leaf], bits: u32, grain: u128, groups: &mut Vec<Vec<usize>>) {
    let bytes: u128 = leaves.iter().map(|leaf| u128::from(leaf.size)).sum();
    let is_cheap = leaves.len() as u128 * bytes <= grain;
    match leaves {
        [] => {}
        [_] => groups.push(leaves.iter().map(|leaf| leaf.index).collect()),
        _ if is_cheap || bits == 0 => groups.push(leaves.iter().map(|leaf| leaf.index).collect()),
        _ => {
            let bit = 1 << (bits - 1);
            let (left, right) = leaves.split_at(leaves.partition_point(|leaf| leaf.path & bit == 0));
            branch(left, bits - 1, grain, groups);
            branch(right, bits - 1, grain, groups);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const BUDGET: usize = 38;

    /// Groups as sets of names, which can be compared between two sets of wheels.
    fn names(wheels: &[(String, u64)], budget: usize) -> BTreeSet<BTreeSet<String>> {
        let borrowed: Vec<(&str, u64)> = wheels.iter().map(|(name, size)| (name.as_str(), *size)).collect();
        let groups = group(&borrowed, budget);
        groups.iter().map(|group| group.iter().map(|index| wheels[*index].0.clone()).collect()).collect()
    }

    #[test]
    fn a_large_wheel_stands_alone_and_small_ones_share() {
        let groups =
            group(&[("six", 11_000), ("numpy", 16 << 20), ("scipy", 35 << 20), ("idna", 68_000)], BUDGET);
        assert_eq!(groups.len(), 4);
        let small: Vec<(String, u64)> = (0..20).map(|n| (format!("small{n}"), 5_000)).collect();
        assert_eq!(names(&small, BUDGET).len(), 1, "twenty wheels of 5 kB are cheap together");
        assert!(group(&[], BUDGET).is_empty());
    }

    #[test]
    fn large_wheels_are_at_the_bottom() {
        let groups =
            group(&[("a", 10), ("b", 100 << 10), ("c", 300 << 10), ("d", 2 << 20), ("e", 5 << 20)], BUDGET);
        assert_eq!(groups, [[4], [3], [2], [1], [0]]);
    }

    #[test]
    fn a_small_budget_is_kept() {
        let wheels = [("a", 10), ("b", 100 << 10), ("c", 300 << 10), ("d", 2 << 20), ("e", 5 << 20)];
        assert_eq!(group(&wheels, 3), [vec![4], vec![3], vec![0, 1, 2]]);
        assert_eq!(group(&wheels, 1), [[0, 1, 2, 3, 4]]);
        assert_eq!(group(&wheels, 0), [[0, 1, 2, 3, 4]]);
        assert_eq!(group(&[("a", u64::MAX), ("b", u64::MAX), ("c", u64::MAX)], 1), [[0, 1, 2]]);
    }

    #[test]
    fn an_image_never_has_more_layers_than_docker_takes() {
        assert_eq!(room_for_wheels(1, true, 40), Some(38));
        assert_eq!(room_for_wheels(100, true, 40), Some(25));
        assert_eq!(room_for_wheels(124, true, 40), Some(1));
        assert_eq!(room_for_wheels(125, true, 40), None);
        assert_eq!(room_for_wheels(125, false, 40), Some(0));
        assert_eq!(room_for_wheels(126, false, 40), None);
        assert_eq!(room_for_wheels(4000, true, 127), None);
    }

    fn wheels() -> impl Strategy<Value = Vec<(String, u64)>> {
        // Sizes as package indexes have them: mostly small, some of many megabytes.
        let size = (10u32..26, 0u64..1000).prop_map(|(power, part)| (1 << power) + (part << power) / 1000);
        proptest::collection::btree_map("[a-z]{2,8}", size, 1..120).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn every_wheel_is_in_one_group_and_the_budget_holds(wheels in wheels(), budget in 0usize..60) {
            let borrowed: Vec<(&str, u64)> = wheels.iter().map(|(name, size)| (name.as_str(), *size)).collect();
            let groups = group(&borrowed, budget);
            prop_assert!(groups.len() <= budget.max(1));
            let mut all = groups.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..wheels.len()).collect::<Vec<_>>());
        }

        /// Without a budget that binds, a wheel more or less concerns the layer it is in.
        #[test]
        fn other_layers_stay(wheels in wheels(), index in any::<proptest::sample::Index>()) {
            let with = names(&wheels, usize::MAX);
            let mut fewer = wheels.clone();
            let (gone, _) = fewer.remove(index.index(wheels.len()));
            let without = names(&fewer, usize::MAX);
            let mut changed: BTreeSet<String> =
                with.difference(&without).chain(without.difference(&with)).flatten().cloned().collect();
            prop_assert!(changed.remove(&gone));
            // What else changed shares the layer of the wheel, or is the sibling that its layer split from.
            let joined = without.difference(&with).count();
            prop_assert!(joined <= 1, "{joined} layers have to be made");
        }

        #[test]
        fn the_order_of_the_wheels_does_not_matter(wheels in wheels()) {
            let mut reversed = wheels.clone();
            reversed.reverse();
            prop_assert_eq!(names(&wheels, BUDGET), names(&reversed, BUDGET));
        }
    }
}
