//! The two names in a certificate, for error messages only: what is trusted is decided by webpki.

/// Who a certificate is for, and who signed it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) subject: String,
    pub(crate) issuer: String,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];

/// Reads both names of an X.509 certificate (RFC 5280, 4.1), or `None` where it does not follow the grammar.
pub(crate) fn names(der: &[u8]) -> Option<Names> {
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (mut fields, _) = expect(certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    let (_, _, fields) = element(fields)?; // Serial number.
    let (_, _, fields) = element(fields)?; // Signature algorithm.
    let (issuer, fields) = expect(fields, SEQUENCE)?;
    let (_, _, fields) = element(fields)?; // Validity.
    let (subject, _) = expect(fields, SEQUENCE)?;
    Some(Names { subject: name(subject), issuer: name(issuer) })
}

/// The common name, else the organization.
fn name(mut parts: &[u8]) -> String {
    let mut organization = None;
    while let Some((part, rest)) = expect(parts, SET) {
        parts = rest;
        let Some((attribute, _)) = expect(part, SEQUENCE) else { continue };
        let Some((_, kind, rest)) = element(attribute) else { continue };
        let Some((_, value, _)) = element(rest) else { continue };
        let text = || {
            String::from_utf8_lossy(value).chars().take(100).collect::<String>().escape_debug().to_string()
        };
        if kind == COMMON_NAME {
            return text();
        }
        if kind == ORGANIZATION {
            organization = Some(text());
        }
    }
    organization.unwrap_or_else(|| "(no name)".into())
}

fn expect(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(der)?;
    (tag == wanted).then_some((content, rest))
}

/// Splits the first element off: its tag, its content, and what follows. Only the definite lengths of DER, up
/// to 64 KiB.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (length, start) = match *der.get(1)? {
        short @ 0..=0x7f => (usize::from(short), 2),
        0x81 => (usize::from(*der.get(2)?), 3),
        0x82 => (usize::from(u16::from_be_bytes([*der.get(2)?, *der.get(3)?])), 4),
        _ => return None,
    };
    let content = der.get(start..start + length)?;
    Some((*der.first()?, content, der.get(start + length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_certificate_has_no_names() {
        for der in
            [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x02\x30\x00", b"\x30\x82\xff\xff\x30"]
        {
            assert_eq!(names(der), None);
        }
    }

    #[test]
    fn both_names_are_read() {
        let issuer_key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Acme Root");
        let issuer = rcgen::Issuer::new(params, issuer_key);
        let mut params = rcgen::CertificateParams::new(vec!["pypi.acme.example".into()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "pypi.acme.example");
        let certificate = params.signed_by(&rcgen::KeyPair::generate().unwrap(), &issuer).unwrap();
        let found = names(certificate.der()).unwrap();
        assert_eq!(found, Names { subject: "pypi.acme.example".into(), issuer: "Acme Root".into() });
    }
}
