/// Wheels of at least this size get a layer of their own.
const LARGE: u64 = 1 << 20;

/// Groups wheels into layers: every large one alone, all others together.
///
/// `wheels` are names and sizes in bytes; the answer holds indices into it, large ones first, in the order given. Pure:
/// the same wheels give the same groups, so changing one large wheel changes one layer.
pub fn group(wheels: &[(&str, u64)]) -> Vec<Vec<usize>> {
    let is_large = |index: &usize| wheels[*index].1 >= LARGE;
    let (large, small): (Vec<usize>, Vec<usize>) = (0..wheels.len()).partition(is_large);
    let mut groups: Vec<Vec<usize>> = large.into_iter().map(|index| vec![index]).collect();
    // Docker's classic store takes 127 layers, the base's included.
    const MOST: usize = 100;
    if groups.len() > MOST {
        let rest: Vec<usize> = groups.drain(MOST..).flatten().chain(small).collect();
        groups.push(rest);
    } else if !small.is_empty() {
        groups.push(small);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_wheels_stand_alone() {
        let groups = group(&[("a", 10), ("b", 2 << 20), ("c", 1 << 20), ("d", 20)]);
        assert_eq!(groups, [vec![1], vec![2], vec![0, 3]]);
        assert_eq!(group(&[("a", 5 << 20)]), [vec![0]]);
        assert!(group(&[]).is_empty());
    }

    #[test]
    fn there_are_never_more_layers_than_docker_takes() {
        let wheels: Vec<(&str, u64)> = (0..300).map(|_| ("x", 2 << 20)).collect();
        let groups = group(&wheels);
        assert_eq!(groups.len(), 101);
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 300);
    }
}
