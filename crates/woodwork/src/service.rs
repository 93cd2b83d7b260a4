/// Octets of a name in DNS.
const LONGEST: usize = 63;

/// Why the name of a component cannot become that of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoService {
    /// It begins with `_`, or with a digit once it is cut.
    #[error("a service name starts with a letter")]
    Begins,
    /// More than 63 octets.
    #[error("a service name has at most 63 characters")]
    Long,
}

/// The name of the service of a component: lower-case, with `-` for `_`, none of them at the end.
///
/// It is a label of DNS (RFC 1035): `[a-z]([a-z0-9-]*[a-z0-9])?`, at most 63 octets.
pub fn service_name(component: &str) -> Result<String, NoService> {
    let service = component.to_ascii_lowercase().replace('_', "-");
    let service = service.trim_end_matches('-');
    match service {
        _ if !service.starts_with(|letter: char| letter.is_ascii_lowercase()) => Err(NoService::Begins),
        _ if service.len() > LONGEST => Err(NoService::Long),
        _ => Ok(service.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services() {
        let check = |name: &str, service: &str| assert_eq!(service_name(name).as_deref(), Ok(service));
        check("Support_Agent", "support-agent");
        check("a__b_", "a--b");
        check("in", "in");
        check(&"a".repeat(63), &"a".repeat(63));
        assert_eq!(service_name(&"a".repeat(64)), Err(NoService::Long));
        assert_eq!(service_name("_a"), Err(NoService::Begins));
        assert_eq!(service_name("__"), Err(NoService::Begins));
    }
}
