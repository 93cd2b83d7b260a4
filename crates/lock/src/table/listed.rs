use std::collections::{BTreeMap, BTreeSet};

use wainwright_python::PackageName;

use super::list::{Package, Table};
use crate::{MarkerEnvironment, Selection};

/// The packages that say of themselves that they belong to what is wanted, and who needs each of them.
pub(super) fn chosen<'a>(
    table: &'a Table,
    selection: &Selection,
    environment: &MarkerEnvironment,
) -> Vec<(&'a Package, Vec<PackageName>)> {
    let is_wanted = |package: &&Package| {
        package.listed.iter().any(|(part, marker)| {
            part.is_wanted(selection) && marker.as_ref().is_none_or(|marker| marker.applies(environment))
        })
    };
    let chosen: Vec<&Package> = table.packages.iter().filter(is_wanted).collect();
    let mut why: BTreeMap<&PackageName, BTreeSet<&PackageName>> = BTreeMap::new();
    for package in &chosen {
        for need in package.needs.iter().filter(|need| need.name != package.name) {
            why.entry(&need.name).or_default().insert(&package.name);
        }
    }
    let reasons =
        |package: &Package| why.get(&package.name).into_iter().flatten().copied().cloned().collect();
    chosen.into_iter().map(|package| (package, reasons(package))).collect()
}
