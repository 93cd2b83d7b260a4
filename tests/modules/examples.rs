//! What counts as a use and what as a circle, example by example.

use super::Modules;

/// A crate of files, each `// name` and its text.
fn modules(text: &str) -> Modules {
    let file = |part: &str| {
        let (name, text) = part.split_once('\n').expect("a name, then a text");
        (name.trim().into(), text.to_owned())
    };
    Modules::of(&text.trim_start().trim_start_matches("// ").split("\n// ").map(file).collect())
}

fn check_uses(text: &str, expected: &[&str]) {
    let modules = modules(text);
    let found: Vec<_> = modules.uses().map(|found| format!("{} -> {}", found.user, found.used)).collect();
    assert_eq!(found, expected, "{modules:#?}");
}

fn check_cycles(text: &str, expected: &[&str]) {
    let modules = modules(text);
    let found: Vec<_> = modules.cycles().into_iter().map(|c| Vec::from_iter(c).join(" ")).collect();
    assert_eq!(found, expected, "{modules:#?}");
}

#[test]
fn imports_groups_and_paths_are_uses() {
    check_uses(
        "
// lib.rs
mod a; mod b; mod c; mod d; mod e;
// a.rs
use crate::{b::{self, B}, c::C as See};
fn f(x: crate::d::D) -> Vec<super::e::E> { b::make() }
// b.rs
pub struct B; pub fn make() {}
// c.rs
pub struct C;
// d.rs
pub struct D;
// e.rs
pub struct E;",
        &["a -> b", "a -> c", "a -> d", "a -> e"],
    );
}

#[test]
fn macro_arguments_attributes_and_tests_are_uses() {
    check_uses(
        r#"
// lib.rs
mod a; mod b; mod c; mod d;
// a.rs
#[derive(Serialize)]
struct A { #[serde(with = "crate::c::text")] c: u8 }
fn f() -> String { format!("{}", super::b::name()) }
#[cfg(test)]
mod tests {
    use crate::d::*;
    #[test]
    fn g() { assert_eq!(D, 0..crate::b::X.super_::y) }
}
// b.rs
pub fn name() -> u8 { 1 }
// c.rs
pub mod text { pub fn serialize() {} }
// d.rs
pub const D: u8 = 1;"#,
        &["a -> b", "a -> c", "a -> d"],
    );
}

#[test]
fn reexports_lead_to_the_module_that_defines() {
    check_uses(
        "
// lib.rs
mod a; mod b; mod user;
pub use a::Item;
pub use b::*;
pub use elsewhere::Foreign;
// a/mod.rs
mod deep;
pub use deep::Item;
// a/deep.rs
pub struct Item;
// b.rs
pub struct Other;
// user.rs
use crate::{Foreign, Item, Other};",
        &["user -> a::deep", "user -> b"],
    );
}

#[test]
fn reexport_is_a_use_where_the_code_names_it() {
    check_uses("\n// lib.rs\nmod a;\npub use a::A;\n// a.rs\npub struct A;", &[]);
    check_uses("\n// lib.rs\nmod a;\npub use a::A;\nfn f(a: A) {}\n// a.rs\npub struct A;", &["crate -> a"]);
    let variable =
        "\n// lib.rs\nmod a;\npub use a::made;\nfn f(made: u8) { made }\n// a.rs\npub fn made() {}";
    check_uses(variable, &[]);
}

#[test]
fn imported_and_declared_modules_are_uses_where_something_in_them_is_named() {
    check_uses(
        "
// lib.rs
mod a; mod b;
// a/mod.rs
mod deep;
use super::b;
fn f() { deep::g() }
// a/deep.rs
use crate::b;
pub fn g() { b::h() }
// b.rs
pub fn h() {}",
        &["a -> a::deep", "a::deep -> b"],
    );
}

#[test]
fn module_and_function_of_one_name_are_told_apart() {
    check_uses(
        "
// lib.rs
mod plan; mod user; mod other;
// plan/mod.rs
mod plan;
pub mod view;
pub use plan::plan;
// plan/plan.rs
pub fn plan() {}
// plan/view.rs
pub fn show() {}
// user.rs
use crate::plan::plan;
// other.rs
use crate::plan;
fn f() { plan::view::show() }",
        &["other -> plan::view", "user -> plan::plan"],
    );
}

#[test]
fn fields_methods_and_names_of_other_crates_are_no_uses() {
    check_uses(
        "
// lib.rs
mod tar; mod user;
// tar.rs
pub fn header() {}
// user.rs
use tar::Header;
fn f(x: X) { x.tar(); x.header; ::tar::read(); <X as T>::header(); debug!(x.header, ::tar::read()) }",
        &[],
    );
}

#[test]
fn two_files_that_use_each_other_are_a_circle() {
    let text = "\n// lib.rs\nmod a; mod b; mod c;\n// a.rs\nuse crate::b::B; pub struct A;\n// b.rs\nuse crate::c::C; pub struct B;\n// c.rs\npub struct C; fn f() -> crate::a::A {}";
    check_cycles(text, &["a b c"]);
    assert_eq!(
        modules(text).cycles_in_words(),
        "3 modules use each other in a circle: a, b, c\n  a -> b: crate::b::B\n  b -> c: crate::c::C\n  c -> a: crate::a::A\n"
    );
}

#[test]
fn circle_only_through_tests_is_one() {
    check_cycles(
        "\n// lib.rs\nmod a; mod b;\n// a.rs\npub struct A;\n#[cfg(test)] mod tests { use crate::b::B; }\n// b.rs\nuse crate::a::A; pub struct B;",
        &["a b"],
    );
}

#[test]
fn parent_may_use_its_children_and_they_their_brothers() {
    check_cycles(
        "
// lib.rs
mod a;
// a/mod.rs
mod one; mod two;
pub use two::Two;
fn f() { one::one(Two) }
// a/one.rs
use super::Two;
pub fn one(two: Two) {}
// a/two.rs
pub struct Two;",
        &[],
    );
}

#[test]
fn child_that_uses_what_its_parent_defines_is_in_a_circle() {
    check_cycles(
        "
// lib.rs
mod a;
// a/mod.rs
mod one;
pub struct Own;
fn f() { one::one() }
// a/one.rs
use super::Own;
pub fn one() -> Own {}",
        &["a a::one"],
    );
}

#[test]
fn test_file_of_a_module_is_in_no_circle_with_it() {
    check_cycles(
        "\n// lib.rs\nmod a;\n// a.rs\npub struct A; use B; pub struct B;\n#[cfg(test)] mod tests;\n// a/tests.rs\nuse super::*; fn f(a: A) {}",
        &[],
    );
}

#[test]
fn rooms_are_the_folders_below_the_root() {
    let modules = modules(
        "\n// lib.rs\nmod plan; mod model;\n// plan/mod.rs\nmod view;\n// plan/view.rs\nuse crate::model::M;\n// model.rs\npub struct M;",
    );
    let rooms = modules.rooms();
    let found: Vec<_> = rooms.uses().map(|found| (found.user, found.used, found.path)).collect();
    assert_eq!(found, [("plan", "model", "crate::model::M in plan::view")]);
}
