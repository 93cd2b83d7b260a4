//! Names made of what a project calls itself and its version.

/// The project's name as objects are called: lower-case, `-` for `.` and `_`.
pub(crate) fn slug(project: &str) -> String {
    project.to_ascii_lowercase().replace(['.', '_'], "-")
}

/// A version as the value of a label: at most 63 characters, `_` for what a label does not take.
pub(crate) fn version_label(version: &str) -> String {
    let is_known = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let text: String =
        version.chars().map(|letter| if is_known(letter) { letter } else { '_' }).take(63).collect();
    text.trim_matches(['.', '_', '-']).to_owned()
}

/// A version of Python's (PEP 440) as Helm wants the version of a chart: SemVer 2.
///
/// What comes before a release becomes a pre-release, everything else behind the numbers build metadata.
pub(crate) fn semver(version: &str) -> String {
    let rest = version.split_once('!').map_or(version, |(_, rest)| rest).trim_start_matches(['v', 'V']);
    let mut numbers = Vec::new();
    let mut rest = rest;
    while numbers.len() < 3 {
        let after = if numbers.is_empty() { Some(rest) } else { rest.strip_prefix('.') };
        let digits = after.map_or("", |after| {
            &after[..after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len()]
        });
        // SemVer sets no limit; those who read it do.
        let Ok(number) = digits.parse::<u32>() else { break };
        numbers.push(number);
        rest = after.and_then(|after| after.strip_prefix(digits)).unwrap_or(rest);
    }
    numbers.resize(3, 0);
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    let (before, local) = rest.split_once('+').unwrap_or((rest, ""));
    let words = |text: &str| -> Vec<String> {
        let words =
            text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.map(without_zeros).collect()
    };
    let tail = words(before);
    let is_early = tail.first().is_some_and(|word| {
        ["a", "b", "c", "rc", "alpha", "beta", "pre", "dev"]
            .contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()))
    });
    let (early, mut late) = if is_early { (tail, Vec::new()) } else { (Vec::new(), tail) };
    late.extend(words(local));
    let part = |sign: &str, words: &[String]| match words {
        [] => String::new(),
        words => format!("{sign}{}", words.join(".")),
    };
    format!("{}{}{}", numbers.join("."), part("-", &early), part("+", &late))
}

/// A number of SemVer begins with no zero.
fn without_zeros(word: &str) -> String {
    match word.bytes().all(|byte| byte.is_ascii_digit()) {
        true if word.trim_start_matches('0').is_empty() => "0".into(),
        true => word.trim_start_matches('0').into(),
        false => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_python_become_versions_of_charts() {
        for (version, expected) in [
            ("0.1.0", "0.1.0"),
            ("1", "1.0.0"),
            ("2024.05", "2024.5.0"),
            ("1.2.3.4", "1.2.3+4"),
            ("1.0rc1", "1.0.0-rc1"),
            ("1.0.dev3", "1.0.0-dev3"),
            ("1.0a2.dev3+g12.0abc", "1.0.0-a2.dev3+g12.0abc"),
            ("1.0.post1", "1.0.0+post1"),
            ("1!2.0", "2.0.0"),
            ("v1.2", "1.2.0"),
            ("1.0+001", "1.0.0+1"),
            ("99999999999.1", "0.0.0+99999999999.1"),
            ("abc", "0.0.0+abc"),
        ] {
            assert_eq!(semver(version), expected, "{version}");
        }
    }

    #[test]
    fn a_version_becomes_a_label() {
        assert_eq!(version_label("1.0+local.1"), "1.0_local.1");
        assert_eq!(version_label(&format!("1.{}", "-".repeat(80))), "1");
    }
}
