use std::collections::BTreeMap;

use crate::index::PackageId;
use crate::relation::{self, Relation};
use crate::{Error, Exclusion, Index, Package};

/// A package that was chosen, and what it was chosen for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The package.
    pub package: Package<'a>,
    /// The name of the first package that wanted it; `None`: it was asked for.
    pub wanted_by: Option<&'a str>,
}

/// Chooses packages as `apt-get install --no-install-recommends` does on an empty system, sorted by name.
///
/// Each entry of `requested` is a dependency as in a control file: `libpq5`, `libpq5 (>= 15)`, `a | b`. A group is met by what is
/// chosen already, else by the first alternative that exists and is in nobody's way; a package of the name comes before
/// others that provide it. What is installed already counts as chosen, stays in its version, and is not in the answer. No choice
/// is ever taken back. A dependency with an alternative in `excluded` counts as met, and whatever
/// is asked for by name is never excluded.
pub fn resolve<'a>(
    index: &'a Index,
    requested: &[String],
    excluded: &[Exclusion],
) -> Result<Vec<Chosen<'a>>, Error> {
    let mut choice = Choice { index, excluded, chosen: BTreeMap::new(), refusals: BTreeMap::new() };
    for id in index.installed() {
        choice.take(id, None);
    }
    let malformed = |text: &String| Error::Request { text: text.chars().take(100).collect() };
    let mut groups = Vec::new();
    for text in requested {
        for group in relation::groups(text) {
            groups.push(group.ok_or_else(|| malformed(text))?);
        }
    }
    // Everything asked for is chosen before any dependency, so that `a | b` takes `b` where `b` was asked for.
    let mut roots = Vec::new();
    for group in &groups {
        roots.extend(choice.choose(group, None)?);
    }
    for root in roots {
        choice.complete(root)?;
    }
    let mut result: Vec<_> = choice
        .chosen
        .iter()
        .filter(|(id, _)| !index.is_installed(**id))
        .map(|(id, parent)| Chosen {
            package: index.get(*id),
            wanted_by: parent.map(|parent| index.get(parent).name),
        })
        .collect();
    result.sort_by_key(|chosen| chosen.package.name);
    Ok(result)
}

struct Choice<'a, 'e> {
    index: &'a Index,
    excluded: &'e [Exclusion],
    /// What is chosen, and for whom.
    chosen: BTreeMap<PackageId, Option<PackageId>>,
    /// What the chosen ones refuse to have beside them, by name.
    refusals: BTreeMap<&'a str, Vec<(Relation<'a>, PackageId)>>,
}

impl<'a> Choice<'a, '_> {
    /// Chooses everything `root` needs, depth first as apt does. A loop with its own stack: dependencies may be nested deeply.
    fn complete(&mut self, root: PackageId) -> Result<(), Error> {
        let mut stack = vec![(root, self.dependencies(root)?)];
        while let Some((package, groups)) = stack.last_mut() {
            let package = *package;
            let Some(group) = groups.next() else {
                stack.pop();
                continue;
            };
            if let Some(next) = self.choose(&group, Some(package))? {
                stack.push((next, self.dependencies(next)?));
            }
        }
        Ok(())
    }

    fn dependencies(&self, id: PackageId) -> Result<std::vec::IntoIter<Vec<Relation<'a>>>, Error> {
        let package = self.index.get(id);
        let groups: Option<Vec<_>> =
            relation::groups(package.pre_depends).chain(relation::groups(package.depends)).collect();
        groups.map(Vec::into_iter).ok_or_else(|| Error::Relation { package: package.name.to_owned() })
    }

    /// Meets one group for `parent`. `None` where it was met before.
    fn choose(
        &mut self,
        group: &[Relation<'_>],
        parent: Option<PackageId>,
    ) -> Result<Option<PackageId>, Error> {
        let is_excluded = parent.is_some_and(|parent| {
            let parent = self.index.get(parent).name;
            group.iter().any(|wanted| self.excluded.iter().any(|out| out.covers(wanted.name, parent)))
        });
        if is_excluded || group.iter().any(|wanted| self.is_met(wanted)) {
            return Ok(None);
        }
        let mut obstacle = None;
        for wanted in group {
            for candidate in self.candidates(wanted) {
                match self.conflict(candidate) {
                    None => {
                        self.take(candidate, parent);
                        return Ok(Some(candidate));
                    }
                    Some(other) => obstacle = obstacle.or(Some((candidate, other))),
                }
            }
        }
        Err(match obstacle {
            Some((candidate, other)) => Error::Conflict {
                package: self.index.get(candidate).name.to_owned(),
                wanted_by: self.chain(parent),
                other: self.index.get(other).name.to_owned(),
                is_installed: self.index.is_installed(other),
                other_wanted_by: self.chain(self.chosen.get(&other).copied().flatten()),
            },
            None => self.unmet(group, parent),
        })
    }

    fn is_met(&self, wanted: &Relation<'_>) -> bool {
        let is_chosen = |id: &PackageId| self.chosen.contains_key(id);
        let real = self.index.find(wanted.name);
        real.is_some_and(|id| is_chosen(&id) && wanted.accepts(self.index.get(id).version))
            || self
                .index
                .providers(wanted.name)
                .any(|(id, version)| is_chosen(&id) && wanted.accepts_provided(version))
    }

    /// What could meet `wanted`: the package of that name, then who provides it.
    fn candidates(&self, wanted: &Relation<'_>) -> Vec<PackageId> {
        let real = self.index.find(wanted.name).filter(|id| wanted.accepts(self.index.get(*id).version));
        let providers =
            self.index.providers(wanted.name).filter(|(_, version)| wanted.accepts_provided(*version));
        real.into_iter().chain(providers.map(|(id, _)| id)).collect()
    }

    /// A chosen package that cannot be beside `candidate`, by the wish of either.
    fn conflict(&self, candidate: PackageId) -> Option<PackageId> {
        let package = self.index.get(candidate);
        let is_other = |id: &PackageId| *id != candidate && self.chosen.contains_key(id);
        let by_candidate = refused_by(&package).find_map(|refused| {
            let real = self.index.find(refused.name).filter(&is_other);
            real.filter(|id| refused.accepts(self.index.get(*id).version)).or_else(|| {
                let mut providers = self.index.providers(refused.name);
                let refuses = |(id, version): &(_, _)| is_other(id) && refused.accepts_provided(*version);
                providers.find(refuses).map(|(id, _)| id)
            })
        });
        by_candidate.or_else(|| {
            let who_refuses = |name: &str, accepts: &dyn Fn(&Relation<'_>) -> bool| {
                let refusals = self.refusals.get(name)?;
                refusals.iter().find(|(refused, by)| *by != candidate && accepts(refused)).map(|(_, by)| *by)
            };
            who_refuses(package.name, &|refused| refused.accepts(package.version)).or_else(|| {
                relation::entries(package.provides).flatten().find_map(|provided| {
                    let version = provided.bound.map(|(_, version)| version);
                    who_refuses(provided.name, &|refused| refused.accepts_provided(version))
                })
            })
        })
    }

    fn take(&mut self, id: PackageId, parent: Option<PackageId>) {
        self.chosen.insert(id, parent);
        for refused in refused_by(&self.index.get(id)) {
            self.refusals.entry(refused.name).or_default().push((refused, id));
        }
    }

    fn unmet(&self, group: &[Relation<'_>], parent: Option<PackageId>) -> Error {
        let relation = group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
        let installed = group.iter().find_map(|wanted| {
            self.index
                .find(wanted.name)
                .filter(|id| self.index.is_installed(*id))
                .map(|id| self.index.get(id))
        });
        if let Some(installed) = installed {
            let installed = format!("{} {}", installed.name, installed.version);
            return Error::Upgrade { relation, wanted_by: self.chain(parent), installed };
        }
        let found = group.iter().find_map(|wanted| self.index.package(wanted.name));
        Error::Unmet {
            relation,
            wanted_by: self.chain(parent),
            found: found.map(|package| format!("{} {}", package.name, package.version)),
            similar: group
                .iter()
                .flat_map(|wanted| self.index.similar(wanted.name))
                .map(Into::into)
                .collect(),
        }
    }

    /// `b`, `a`: `b` wanted it, `a` wanted `b` and was asked for.
    fn chain(&self, parent: Option<PackageId>) -> Vec<String> {
        let up = |id: &PackageId| self.chosen.get(id).copied().flatten();
        // Everybody is chosen after who wanted it, so this ends.
        std::iter::successors(parent, up).map(|id| self.index.get(id).name.to_owned()).collect()
    }
}

/// What `package` refuses to be installed beside (Debian policy 7.3 and 7.4).
fn refused_by<'a>(package: &Package<'a>) -> impl Iterator<Item = Relation<'a>> + use<'a> {
    relation::entries(package.conflicts).chain(relation::entries(package.breaks)).flatten()
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;

    /// Each line: `name version; Field: value; ...`.
    fn paragraphs(lines: &str) -> String {
        let mut text = String::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (head, fields) = line.split_once(';').unwrap_or((line, ""));
            let (name, version) = head.split_once(' ').unwrap_or((head, "1"));
            let digest = wainwright_oci::Digest::of(head).hex();
            text += &format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n");
            text += &format!("Filename: pool/{name}_{version}.deb\nSize: 10\nSHA256: {digest}\n");
            for field in fields.split(';').map(str::trim).filter(|field| !field.is_empty()) {
                text += &format!("{field}\n");
            }
            text += "\n";
        }
        text
    }

    fn index(lines: &str) -> Index {
        Index::read([("Packages".to_owned(), paragraphs(lines).as_bytes())], "amd64").expect("a good index")
    }

    fn check(lines: &str, requested: &str, excluded: &[&str], expected: &str) {
        let excluded: Vec<Exclusion> = excluded.iter().map(|text| text.parse().expect("good")).collect();
        let requested: Vec<String> = requested.split(',').map(|name| name.trim().into()).collect();
        let found = match resolve(&index(lines), &requested, &excluded) {
            Ok(chosen) => chosen.iter().map(|chosen| chosen.package.name).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    /// As [`check`], on a system with these packages.
    fn check_beside(lines: &str, installed: &str, requested: &str, expected: &str) {
        let archive = paragraphs(lines);
        let installed = paragraphs(installed);
        let index = Index::read_beside([("Packages".to_owned(), archive.as_bytes())], "amd64", &installed);
        let found = match resolve(&index.expect("a good index"), &[requested.to_owned()], &[]) {
            Ok(chosen) => chosen.iter().map(|chosen| chosen.package.name).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn installed_packages_are_not_chosen_again() {
        let archive = "app; Depends: lib (>= 1), mail\nlib 2; Depends: more\nmore\nmailer; Provides: mail";
        check_beside(archive, "lib 1\npost; Provides: mail", "app", "app");
        check_beside(archive, "lib 1", "app", "app mailer");
        check_beside(archive, "app; Status: install ok installed", "app", "");
        check_beside(archive, "app; Status: deinstall ok config-files\nlib 1", "app", "app mailer");
    }

    #[test]
    fn installed_packages_are_never_replaced() {
        let archive = "app; Depends: one\none; Depends: libc (>= 2.41)\nlibc 2.41";
        let expected = "`libc (>= 2.41)`, required by one, required by app, is not satisfied by `libc 2.36-9` of the base";
        check_beside(archive, "libc 2.36-9", "app", expected);
        check_beside("app; Depends: libc (= 2) | musl\nmusl", "libc 1", "app", "app musl");
        check_beside("app; Conflicts: old", "old", "app", "`app` conflicts with `old` of the base");
        check_beside("app 2", "old; Breaks: app (<< 3)", "app", "`app` conflicts with `old` of the base");
    }

    #[test]
    fn packages_of_another_processor_are_not_installed_for_this_one() {
        let index = Index::read_beside(
            [("Packages".to_owned(), paragraphs("app; Depends: lib\nlib").as_bytes())],
            "amd64",
            &paragraphs("lib").replace("amd64", "i386"),
        );
        assert_eq!(resolve(&index.expect("good"), &["app".into()], &[]).expect("met").len(), 2);
    }

    #[test]
    fn the_first_alternative_that_exists_is_taken() {
        let lines = "app; Depends: gone | b | c\nb\nc";
        check(lines, "app", &[], "app b");
    }

    #[test]
    fn an_alternative_that_is_chosen_already_is_enough() {
        check("app; Depends: b | c\nb\nc", "app, c", &[], "app c");
        check("app; Depends: x, b | c\nx; Depends: c\nb\nc", "app", &[], "app c x");
    }

    #[test]
    fn a_real_package_comes_before_one_that_provides_its_name() {
        let lines = "app; Depends: mail\nanother; Provides: mail\nmail";
        check(lines, "app", &[], "app mail");
    }

    #[test]
    fn more_important_packages_provide_first() {
        let lines = "app; Depends: awk\naaa; Provides: awk; Priority: optional\nmawk; Provides: awk; Priority: required";
        check(lines, "app", &[], "app mawk");
    }

    #[test]
    fn only_versioned_provides_satisfies_bound() {
        let lines = "app; Depends: ssl (>= 3)\nold; Provides: ssl\nnew; Provides: ssl (= 3.1)";
        check(lines, "app", &[], "app new");
        check(
            "app; Depends: ssl (>= 3)\nold; Provides: ssl (= 2)",
            "app",
            &[],
            "no package satisfies `ssl (>= 3)`, required by app",
        );
    }

    #[test]
    fn pre_depends_count_and_recommends_do_not() {
        check("app; Pre-Depends: a; Recommends: b\na\nb", "app", &[], "a app");
    }

    #[test]
    fn dependency_cycles_end() {
        check("a; Depends: b\nb; Depends: c\nc; Depends: a, b", "a", &[], "a b c");
    }

    #[test]
    fn deep_chains_do_not_exhaust_the_stack() {
        let lines: String = (0..20_000).map(|n| format!("p{n}; Depends: p{}\n", n + 1)).collect();
        let index = index(&(lines + "p20000"));
        let chosen = resolve(&index, &["p0".into()], &[]).expect("a long chain");
        assert_eq!(chosen.len(), 20_001);
    }

    #[test]
    fn excluded_packages_are_not_chosen() {
        let lines =
            "ca; Depends: openssl, debconf | cdebconf\nopenssl\ndebconf\ncdebconf\nmail; Depends: openssl";
        check(lines, "ca", &["openssl for ca", "debconf"], "ca");
        check(lines, "ca, mail", &["openssl for ca", "debconf"], "ca mail openssl");
        check(lines, "ca, debconf", &["openssl", "debconf"], "ca debconf");
    }

    #[test]
    fn the_highest_version_of_all_suites_wins() {
        let index = index("a 1.0~rc1\na 1.0-1+deb12u1\na 1.0-1");
        assert_eq!(index.package("a").map(|package| package.version), Some("1.0-1+deb12u1"));
        assert_eq!(index.len(), 1);
    }

    #[test]
    fn missing_package_names_its_dependents() {
        let lines = "app; Depends: lib\nlib; Depends: gone (>= 2) | lost";
        check(
            lines,
            "app",
            &[],
            "no package satisfies `gone (>= 2) | lost`, required by lib, required by app",
        );
        check(lines, "libx", &[], "no package satisfies `libx`");
        check(
            "app; Depends: lib (>= 2)\nlib 1",
            "app",
            &[],
            "no package satisfies `lib (>= 2)`, required by app (available: lib 1)",
        );
        let error = resolve(&index("libpq5\nlibpq-dev"), &["libpq".into()], &[]).expect_err("no libpq");
        assert_eq!(error.hint().as_deref(), Some("did you mean `libpq-dev` or `libpq5`?"));
    }

    #[test]
    fn conflicting_packages_are_not_chosen_together() {
        let lines = "app; Depends: b | c\nb; Conflicts: d (<< 2)\nc\nd 1";
        check(lines, "d, app", &[], "app c d");
        let lines = "app; Depends: b\nb; Breaks: d (<< 2)\nd 1";
        check(lines, "d, app", &[], "`b`, required by app, conflicts with `d`");
        check("b; Breaks: d (<< 2)\nd 2", "b, d", &[], "b d");
        // Everybody who provides `mta` may refuse all others of the kind without refusing itself.
        let lines = "m; Provides: mta; Conflicts: mta\nn; Provides: mta; Conflicts: mta";
        check(lines, "m", &[], "m");
        check(lines, "m, n", &[], "`n` conflicts with `m`");
    }

    #[test]
    fn requests_are_dependencies() {
        check("a 2\nb", "a (>= 2), gone | b", &[], "a b");
        check("a 2", "a (", &[], "`a (` is not a package");
    }
}
