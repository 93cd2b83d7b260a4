//! Libraries that wheels need and nobody has are named before anything is delivered.

use serde_json::Value;
use wainwright_testing::{ElfFile, Ran, Wheel, With as _, Workshop, run, wheel};

use crate::WAIN;

const TAG: &str = "cp313-cp313-manylinux_2_17_x86_64";

/// A module that needs what somebody bundles, what the base has, and what nobody has.
fn eyes() -> Wheel {
    let module = ElfFile::new()
        .symbol("PyInit_eyes")
        .needed("liblens-1a2b.so.1")
        .requires("libc.so.6", &["GLIBC_2.17", "GLIBC_2.34"])
        .needed("libGL.so.1");
    let plugin = ElfFile::new().needed("libnss3.so");
    let foreign = ElfFile::new().machine(3).needed("libnothing.so.1");
    wheel("eyes")
        .tag(TAG)
        .file("eyes/eyes.abi3.so", module.bytes())
        .file("eyes/plugin.so", plugin.bytes())
        .file("eyes/attach_x86.so", foreign.bytes())
        .file("eyes.libs/liblens-1a2b.so.1", ElfFile::new().soname("liblens-1a2b.so.1").bytes())
}

fn shop(wheel: Wheel) -> Workshop {
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "");
    shop.lock(&[wheel]);
    shop
}

fn fails(ran: Ran) -> Ran {
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    ran
}

fn build(shop: &Workshop, words: &[&str]) -> Ran {
    run(&mut shop.build().with(&["--output", "layout:out"]).with(words))
}

/// The lines that warn, and those of an error.
fn told(text: &str) -> String {
    let is_told = |line: &&str| {
        !line.starts_with("note:")
            && (line.contains("warning:")
                || line.contains("error:")
                || line.contains("hint:")
                || line.starts_with("  `"))
    };
    text.lines().filter(is_told).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_plan_and_a_build_name_what_is_missing() {
    let shop = shop(eyes());
    let project = shop.path("project").display().to_string();
    let plan = |words: &[&str]| {
        run(&mut shop
            .wain(&["plan", &project, "--base", "layout:base", "--platform", "linux/amd64"])
            .with(words))
    };
    insta::assert_snapshot!(told(&plan(&[]).ok().stdout), @"
    warning: `libGL.so.1` is in no wheel and not in the base: `import eyes` fails without it (`eyes.abi3.so` of eyes 1.0)
    warning: programs and plug-ins in wheels, which may never be used, want libraries that nobody has: libnss3.so
    ");
    let built = build(&shop, &[]);
    insta::assert_snapshot!(told(&built.ok().stderr), @"
    warning: `libGL.so.1` is in no wheel and not in the base: `import eyes` fails without it (`eyes.abi3.so` of eyes 1.0)
    warning: programs and plug-ins in wheels, which may never be used, want libraries that nobody has: libnss3.so
    ");
    // Told again by a build that makes nothing and opens no wheel.
    std::fs::remove_dir_all(shop.path("wheels")).unwrap();
    insta::assert_snapshot!(told(&build(&shop, &["--offline"]).ok().stderr), @"
    warning: `libGL.so.1` is in no wheel and not in the base: `import eyes` fails without it (`eyes.abi3.so` of eyes 1.0)
    warning: programs and plug-ins in wheels, which may never be used, want libraries that nobody has: libnss3.so
    ");
    let json: Value = serde_json::from_str(&plan(&["--json"]).ok().stdout).unwrap();
    let missing = &json["images"][0]["native"]["missing"];
    assert_eq!(
        (&missing[0]["library"], &missing[0]["imports"]),
        (&"libGL.so.1".into(), &vec!["eyes"].into())
    );
    assert_eq!((&missing[1]["library"], &missing[1]["imports"][0]), (&"libnss3.so".into(), &Value::Null));
}

#[test]
fn strictness_refuses_what_cannot_be_imported() {
    let shop = shop(eyes());
    let refused = fails(build(&shop, &["--strict-native"]));
    insta::assert_snapshot!(told(&refused.stderr), @"
    error: wheels need libraries that are neither in a wheel nor in the base
      `libGL.so.1` is in no wheel and not in the base: `import eyes` fails without it (`eyes.abi3.so` of eyes 1.0)
      hint: find the packages that have them, and add those to the base; or leave out --strict-native
    ");
    assert!(!shop.path("out").exists());
    shop.write("project/wainwright.toml", "strict-native = true\n");
    fails(build(&shop, &[]));
}

#[test]
fn a_module_that_can_never_be_imported_is_refused() {
    let newer = ElfFile::new().symbol("PyInit_eyes").requires("libc.so.6", &["GLIBC_2.99"]);
    let other = ElfFile::new().symbol("PyInit_eyes").machine(183);
    for (name, module) in [("a newer C library", newer), ("another processor", other)] {
        let shop = shop(wheel("eyes").tag(TAG).file("eyes.abi3.so", module.bytes()));
        let refused = fails(build(&shop, &[]));
        insta::assert_snapshot!(name.replace(' ', "-"), told(&refused.stderr));
        assert!(!shop.path("out").exists());
    }
}
