use std::sync::Arc;

use wainwright_layer::{ConflictLosers, Error as Refused};
use wainwright_oci::{ImagePath, one_below_another};
use wainwright_project::AllowedClash;
use wainwright_python::PackageName;
use wainwright_wheel::Layout;

use super::wheels::{Fetches, find_out};
use crate::model::cache::CacheHits;
use crate::model::conflicts::{FileConflicts, SharedFile};
use crate::model::findings::{Part, conflicts_key, own_files, wheels_of};
use crate::model::wheel::{ChosenWheel, WheelFiles, recall};
use crate::{Error, PlatformPlan, Session};

/// Notes about shared paths beyond this number are counted only.
const MOST_NOTES: usize = 20;

/// Looks at the wheels of an image together, whatever layers they are in: refuses those that own one path with different
/// contents unless that is allowed, and gives what is odd about each and about all of them.
///
/// What was found once is remembered, and told again by the builds that need not look.
pub(crate) async fn compare(
    image: &PlatformPlan,
    fetches: &Fetches,
    session: &Arc<Session>,
) -> Result<FileConflicts, Error> {
    let Some(key) = conflicts_key(image)? else { return Ok(FileConflicts::default()) };
    if let Some(known) = session.store.recall(&key)? {
        return Ok(known);
    }
    if let Some(offered) = &image.cache_hits.conflicts {
        return Ok(offered.clone());
    }
    let wheels: Vec<(&ChosenWheel, &Layout)> = image.layers.iter().flat_map(wheels_of).collect();
    let ours = wheels.first().map(|(_, layout)| own_files(image, layout)).unwrap_or_default();
    // Most are known from making layers; those are fetched whose layer was made earlier, and those nobody opened yet.
    let known =
        wheels.iter().map(|(wheel, layout)| facts_of(wheel, layout, &image.cache_hits, fetches, session));
    let known = futures_util::future::try_join_all(known).await?;
    let is_ours = known.iter().all(|(_, is_found)| *is_found);
    let who =
        |(wheel, _): &(&ChosenWheel, _)| Who::Wheel(wheel.wanted.filename.to_string(), wheel.name.clone());
    let who: Vec<Who> = wheels.iter().map(who).collect();
    let mut owners = Owners::default();
    let own: Vec<Who> = ours.iter().map(|file| Who::Own(file.part)).collect();
    own.iter()
        .zip(&ours)
        .for_each(|(who, file)| owners.add(who, [(file.path.as_str(), file.content.as_str())]));
    who.iter().zip(&known).for_each(|(who, (known, _))| owners.add(who, known.files()));
    let oddities = known.iter().flat_map(|(known, _)| known.notes.clone()).collect();
    let together = FileConflicts { oddities, shared: owners.settle(&image.allow_clash)? };
    // What only a cache says is not kept as if this machine had found it out.
    if is_ours {
        session.store.remember(&key, &together)?;
    }
    Ok(together)
}

/// What is known of a wheel, and whether this machine found it out.
async fn facts_of(
    wheel: &ChosenWheel,
    layout: &Layout,
    hits: &CacheHits,
    fetches: &Fetches,
    session: &Arc<Session>,
) -> Result<(WheelFiles, bool), Error> {
    if let Some(known) = recall(wheel.wanted.digest, layout, &session.store)? {
        return Ok((known, true));
    }
    if let Some(told) = hits.wheels.get(&wheel.wanted.digest) {
        return Ok((told.owned.clone(), false));
    }
    fetches.fetch(wheel, session).await?;
    let (wheel, layout, store) = (wheel.clone(), layout.clone(), session.store.clone());
    let found = session.compute(move || find_out(&wheel, &layout, &store)).await?;
    Ok((found, true))
}

impl FileConflicts {
    /// What nobody has to act on.
    pub(crate) fn notes(&self) -> Vec<String> {
        let agreed = self.shared.iter().filter(|shared| shared.kept.is_none());
        let notes = agreed.map(|shared| {
            let owners = shared.owners.join("` and `");
            let path = &shared.path;
            format!(
                "W-CLASH: `{path}` is in both `{owners}`, with the same contents (`wain explain W-CLASH`)"
            )
        });
        let mut all = self.oddities.clone();
        all.append(&mut some(notes.collect(), "W-CLASH: and {} more paths with two owners"));
        all
    }

    /// What the user decided, and decided for nothing.
    pub(crate) fn warnings(&self, rules: &[AllowedClash]) -> Vec<String> {
        let decided = self.shared.iter().filter_map(|shared| {
            let (path, kept, lost) = (&shared.path, shared.kept.as_ref()?, shared.lost.join("`, `"));
            Some(format!("`{path}` is the file of `{kept}`; installed without it: `{lost}`"))
        });
        let mut all = some(decided.collect(), "and so are {} more paths where packages clash");
        let is_used = |rule: &AllowedClash| {
            self.shared.iter().any(|shared| {
                shared.kept.as_deref() == Some(rule.package.as_str())
                    && rule.path.as_ref().is_none_or(|path| shared.path == format!("/{path}"))
            })
        };
        let unused = rules.iter().filter(|rule| !is_used(rule));
        all.extend(unused.map(|rule| format!("nothing clashes that --allow-clash {rule} would decide")));
        all
    }
}

/// What packages lose to others, for those who make their layers.
pub fn lost_files(shared: &[SharedFile]) -> ConflictLosers {
    let mut lost = ConflictLosers::new();
    for shared in shared {
        let Ok(path) = ImagePath::new(shared.path.trim_start_matches('/')) else { continue };
        for package in shared.lost.iter().filter_map(|package| package.parse::<PackageName>().ok()) {
            lost.entry(package).or_default().insert(path.clone());
        }
    }
    lost
}

/// The first of many lines, and how many more there are.
fn some(mut lines: Vec<String>, rest: &str) -> Vec<String> {
    let more = lines.len().saturating_sub(MOST_NOTES);
    if more > 0 {
        lines.truncate(MOST_NOTES);
        lines.push(rest.replace("{}", &more.to_string()));
    }
    lines
}

/// Who owns which path: one of these for every path of everybody, so it only borrows.
#[derive(Default)]
struct Owners<'a>(Vec<Owner<'a>>);

struct Owner<'a> {
    path: &'a str,
    who: &'a Who,
    /// Digest and mode; empty where the digest is not known.
    content: &'a str,
}

#[derive(Clone, Debug)]
enum Who {
    /// The file of a wheel, and its package.
    Wheel(String, PackageName),
    /// What is ours.
    Own(Part),
}

impl Owner<'_> {
    fn name(&self) -> String {
        match &self.who {
            Who::Wheel(file, _) => file.clone(),
            Who::Own(Part::Project) => "the project".into(),
            Who::Own(Part::Environment) => "the Python environment".into(),
        }
    }

    fn package(&self) -> Option<&PackageName> {
        match &self.who {
            Who::Wheel(_, package) => Some(package),
            _ => None,
        }
    }
}

impl<'a> Owners<'a> {
    fn add(&mut self, who: &'a Who, files: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.0.extend(files.into_iter().map(|(path, content)| Owner { path, who, content }));
    }

    /// Decides whose every path is.
    fn settle(mut self, rules: &[AllowedClash]) -> Result<Vec<SharedFile>, Error> {
        // Stable: the owners of one path stay in the order in which they were added.
        self.0.sort_by_key(|owner| owner.path);
        self.check_folders()?;
        let mut shared = Vec::new();
        let mut clashes = Vec::new();
        let paths = self.0.chunk_by(|a, b| a.path == b.path);
        for owners in paths.filter(|owners| owners.len() > 1) {
            let path = owners[0].path;
            let kept = winner(path, owners, rules);
            let first = kept.unwrap_or(0);
            let is_lost = |index: &usize| {
                *index != first
                    && (owners[*index].content != owners[first].content || owners[first].content.is_empty())
            };
            let lost: Vec<usize> = (0..owners.len()).filter(is_lost).collect();
            match (lost.first(), kept) {
                (None, _) => shared.push(SharedFile::of(path, owners, None, &[])),
                (Some(_), Some(kept)) => shared.push(SharedFile::of(path, owners, Some(kept), &lost)),
                (Some(other), None) => clashes.push((path, &owners[first], &owners[*other])),
            }
        }
        let more = clashes.len().saturating_sub(1);
        match clashes.first() {
            Some((path, first, second)) => Err(clash(path, first, second, more)),
            None => Ok(shared),
        }
    }

    /// The folder of one wheel would take the place of the file of another.
    fn check_folders(&self) -> Result<(), Error> {
        let paths = self.0.iter().map(|owner| owner.path.as_bytes());
        let Some((above, below)) = one_below_another(paths) else { return Ok(()) };
        let first = |wanted: &[u8]| self.0.iter().find(|owner| owner.path.as_bytes() == wanted);
        let path = ImagePath::new(above)?;
        match (first(above), first(below)) {
            (Some(file), Some(folder)) => Err(match (&file.who, &folder.who) {
                (Who::Own(Part::Environment), _) => {
                    Refused::ReplacesEnvironment { path, wheel: folder.name() }
                }
                (_, Who::Own(Part::Environment)) => Refused::ReplacesEnvironment { path, wheel: file.name() },
                _ => Refused::ClashOfKinds { path, file: file.name(), folder: folder.name() },
            }
            .into()),
            _ => Ok(()),
        }
    }
}

impl SharedFile {
    fn of(path: &str, owners: &[Owner<'_>], kept: Option<usize>, lost: &[usize]) -> Self {
        let package = |index: &usize| owners[*index].package().map(ToString::to_string);
        Self {
            path: format!("/{path}"),
            owners: owners.iter().map(Owner::name).collect(),
            kept: kept.as_ref().and_then(package),
            lost: lost.iter().filter_map(package).collect(),
        }
    }
}

/// Whose file the user wants at a path. Nobody can give away what is ours, or what packages say of themselves: a package
/// without its RECORD could not be uninstalled.
fn winner(path: &str, owners: &[Owner<'_>], rules: &[AllowedClash]) -> Option<usize> {
    if owners.iter().any(|owner| owner.package().is_none()) || path.contains(".dist-info/") {
        return None;
    }
    let fitting =
        rules.iter().filter(|rule| rule.path.as_ref().is_none_or(|only| only.as_bytes() == path.as_bytes()));
    fitting.filter_map(|rule| owners.iter().position(|owner| owner.package() == Some(&rule.package))).next()
}

fn clash(path: &str, first: &Owner<'_>, second: &Owner<'_>, more: usize) -> Error {
    let path = match ImagePath::new(path) {
        Ok(path) => path,
        Err(error) => return error.into(),
    };
    match (&first.who, &second.who) {
        (Who::Own(Part::Environment), _) => Refused::ReplacesEnvironment { path, wheel: second.name() },
        (Who::Own(Part::Project), _) => Refused::ClashWithProject { path, wheel: second.name() },
        _ => Refused::Clash { path, first: first.name(), second: second.name(), more },
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(files: &[(&str, &str, &str)], rules: &[&str]) -> Result<FileConflicts, String> {
        let who = |who: &str| match who {
            "project" => Who::Own(Part::Project),
            "environment" => Who::Own(Part::Environment),
            name => Who::Wheel(format!("{name}-1.whl"), name.parse().unwrap()),
        };
        let all: Vec<Who> = files.iter().map(|(name, ..)| who(name)).collect();
        let mut owners = Owners::default();
        for (who, (_, path, content)) in all.iter().zip(files) {
            owners.add(who, [(*path, *content)]);
        }
        let shared = owners.settle(&allowed(rules)).map_err(|error| error.to_string())?;
        Ok(FileConflicts { oddities: Vec::new(), shared })
    }

    fn allowed(rules: &[&str]) -> Vec<AllowedClash> {
        rules.iter().map(|rule| rule.parse().unwrap()).collect()
    }

    fn refuse(files: &[(&str, &str, &str)], rules: &[&str]) -> String {
        settle(files, rules).unwrap_err()
    }

    #[test]
    fn one_path_has_one_content() {
        assert_eq!(settle(&[("one", "a/b", "1"), ("two", "a/c", "1")], &[]), Ok(FileConflicts::default()));
        insta::assert_snapshot!(refuse(&[("one", "a/b", "1"), ("two", "a/b", "2")], &[]), @"E-CLASH: `/a/b` differs between `one-1.whl` and `two-1.whl`");
        insta::assert_snapshot!(refuse(&[("one", "a", "1"), ("two", "a", "2"), ("one", "b", "1"), ("six", "b", "2")], &[]), @"E-CLASH: `/a` differs between `one-1.whl` and `two-1.whl`; 1 more path differs");
        let same = settle(&[("one", "a/b", "1"), ("two", "a/b", "1")], &[]).unwrap();
        insta::assert_snapshot!(same.notes().join("\n"), @"W-CLASH: `/a/b` is in both `one-1.whl` and `two-1.whl`, with the same contents (`wain explain W-CLASH`)");
        assert!(lost_files(&same.shared).is_empty());
        refuse(&[("one", "a/b", ""), ("two", "a/b", "")], &[]);
    }

    #[test]
    fn a_file_and_a_folder_do_not_share_a_path() {
        insta::assert_snapshot!(refuse(&[("one", "a/b/c", "1"), ("two", "a/b", "2")], &["two", "one"]), @"E-CLASH: `/a/b` is a file of `two-1.whl` and a folder of `one-1.whl`");
    }

    #[test]
    fn what_is_ours_stays_ours() {
        insta::assert_snapshot!(refuse(&[("environment", "bin/python", "1"), ("one", "bin/python", "1x")], &["one"]), @"E-BASE: `one-1.whl` would replace `/bin/python` of the Python environment");
        insta::assert_snapshot!(refuse(&[("environment", "bin/python", "1"), ("one", "bin", "1")], &["one"]), @"E-BASE: `one-1.whl` would replace `/bin` of the Python environment");
        insta::assert_snapshot!(refuse(&[("environment", "bin/python", "1"), ("one", "bin/python/x", "1")], &["one"]), @"E-BASE: `one-1.whl` would replace `/bin/python` of the Python environment");
        insta::assert_snapshot!(refuse(&[("project", "bin/tool", "1"), ("one", "bin/tool", "2")], &["one"]), @"E-CLASH: `/bin/tool` differs between the project and `one-1.whl`");
    }

    #[test]
    fn the_user_decides_whose_file_stays() {
        let files =
            [("one", "a", "1"), ("two", "a", "2"), ("six", "a", "1"), ("one", "b", "1"), ("two", "b", "2")];
        let show = |rules: &[&str]| {
            let together = settle(&files, rules)?;
            let warnings = together.warnings(&allowed(rules));
            Ok::<_, String>(format!("{:?}\n{}", lost_files(&together.shared), warnings.join("\n")))
        };
        insta::assert_snapshot!(show(&["two"]).unwrap(), @"
        {one: {a, b}, six: {a}}
        `/a` is the file of `two`; installed without it: `one`, `six`
        `/b` is the file of `two`; installed without it: `one`
        ");
        insta::assert_snapshot!(show(&["/b=two", "one", "zero"]).unwrap(), @"
        {one: {b}, two: {a}}
        `/a` is the file of `one`; installed without it: `two`
        `/b` is the file of `two`; installed without it: `one`
        nothing clashes that --allow-clash zero would decide
        ");
        insta::assert_snapshot!(show(&["/b=two"]).unwrap_err(), @"E-CLASH: `/a` differs between `one-1.whl` and `two-1.whl`");
    }

    #[test]
    fn what_a_package_says_of_itself_is_not_given_away() {
        let path = "lib/one-1.dist-info/RECORD";
        refuse(&[("one", path, "1"), ("two", path, "2")], &["two", "one"]);
    }

    #[test]
    fn many_shared_paths_are_counted() {
        let paths: Vec<String> = (0..30).map(|number| format!("a/{number}")).collect();
        let files: Vec<_> =
            paths.iter().flat_map(|path| [("one", path.as_str(), "1"), ("two", path, "1")]).collect();
        let notes = settle(&files, &[]).unwrap().notes();
        assert_eq!((notes.len(), notes[20].as_str()), (21, "W-CLASH: and 10 more paths with two owners"));
    }
}
