//! Names that somebody may have meant.

use strsim::levenshtein;

/// Letters of a name that are compared.
const LONGEST: usize = 64;
/// Names that are suggested.
const MOST: usize = 3;

/// The names next to `name`: the same but for case, or but for at most two letters; the nearest first.
pub(crate) fn similar<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    if name.len() > LONGEST {
        return Vec::new();
    }
    // Of short names nearly all are two letters apart.
    let most = if name.chars().count() < 5 { 1 } else { 2 };
    let near = names.into_iter().filter(|other| other.len().abs_diff(name.len()) <= 2 * 4);
    let near = near.map(|other| (levenshtein(&name.to_lowercase(), &other.to_lowercase()), other));
    let mut near: Vec<_> = near.filter(|(distance, _)| *distance <= most).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, name)| name).take(MOST).collect()
}

/// `did you mean ...?`, if there is something to suggest.
pub(crate) fn did_you_mean(names: &[&str]) -> Option<String> {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    (!quoted.is_empty()).then(|| format!("did you mean {}?", quoted.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_suggested() {
        let names = ["assistant", "Assistant", "assist", "tools", "memory"];
        assert_eq!(similar("asistant", names), ["Assistant", "assistant"]);
        assert_eq!(similar("MEMORY", names), ["memory"]);
        assert_eq!(similar("tool", names), ["tools"]);
        assert_eq!(similar("x", names), [""; 0]);
    }
}
