use netrc::Netrc;

/// The login and password that Python reads for a.example.
fn python(text: &str) -> Option<String> {
    let program = "
import netrc, sys, tempfile
with tempfile.NamedTemporaryFile('w', suffix='netrc') as file:
    file.write(sys.argv[1]); file.flush()
    try:
        login, _, password = netrc.netrc(file.name).hosts['a.example']
        print(f'{login}|{password}', end='')
    except netrc.NetrcParseError:
        pass
";
    Some(crate::python(program, &[text.as_ref()])).filter(|found| !found.is_empty())
}

/// It reads well; what speaks against it is below.
#[test]
fn rust_netrc_reads_as_python_does() {
    for text in [
        "machine a.example login \"b o\" password q\\ r\n",
        "machine a.example login x password p#1\n",
        "# machine c\nmachine a.example login x password y # why\n",
        "macdef init\nmachine c.example login no password no\n\nmachine a.example login yes password p",
        "machine a.example user x password p",
        "machine a.example login x password p nonsense",
    ] {
        let theirs = text.parse::<Netrc>().ok();
        let theirs = theirs
            .map(|netrc| format!("{}|{}", netrc.hosts["a.example"].login, netrc.hosts["a.example"].password));
        assert_eq!(theirs, python(text), "{text:?}");
    }
}

/// It finds the home directory through shellexpand and dirs, whose option-ext is under the MPL.
#[test]
fn rust_netrc_needs_a_licence_that_deny_toml_does_not_allow() {
    assert!(include_str!("../Cargo.lock").contains("name = \"option-ext\""));
    assert!(!include_str!("../../../deny.toml").contains("MPL"));
}
