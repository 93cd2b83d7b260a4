use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use wainwright_blob::{Entry, Kind};
use wainwright_layer::{Error as Refused, Lost, fingerprint};
use wainwright_oci::{Digest, ImagePath, one_below_another};
use wainwright_project::AllowedClash;
use wainwright_python::PackageName;
use wainwright_store::CacheKey;
use wainwright_wheel::Layout;

use crate::choose::ChosenWheel;
use crate::oracle::Told;
use crate::plan::{LayerPlan, Recipe, layout_facts};
use crate::wheels::{Fetches, Owned, find_out, recall};
use crate::{Error, ImagePlan, Tools};

/// Notes about shared paths beyond this number are counted only.
const MOST_NOTES: usize = 20;

/// What the wheels of an image are to each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Together {
    /// What is odd about each of them.
    oddities: Vec<String>,
    /// The paths that several own.
    pub(crate) shared: Vec<Shared>,
}

/// A path that several packages own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// The path in the image: `/app/.venv/bin/tool`.
    pub path: String,
    /// File names of the wheels, lowest layer first.
    pub owners: Vec<String>,
    /// The package whose file it is, by the user's decision; `None` where all agree what it holds.
    pub kept: Option<String>,
    /// The packages that are installed without it.
    pub lost: Vec<String>,
}

/// Looks at the wheels of an image together, whatever layers they are in: refuses those that own one path with different
/// contents unless that is allowed, and gives what is odd about each and about all of them.
///
/// What was found once is remembered, and told again by the builds that need not look.
pub(crate) async fn compare(
    image: &ImagePlan,
    fetches: &Fetches,
    tools: &Arc<Tools>,
) -> Result<Together, Error> {
    let Some(key) = key(image)? else { return Ok(Together::default()) };
    if let Some(known) = tools.store.recall(&key)? {
        return Ok(known);
    }
    if let Some(told) = &image.told.together {
        return Ok(told.clone());
    }
    let wheels: Vec<(&ChosenWheel, &Layout)> = image.layers.iter().flat_map(wheels).collect();
    let ours = wheels.first().map(|(_, layout)| ours(image, layout)).unwrap_or_default();
    // Most are known from making layers; those are fetched whose layer was made earlier, and those nobody opened yet.
    let known = wheels.iter().map(|(wheel, layout)| facts_of(wheel, layout, &image.told, fetches, tools));
    let known = futures_util::future::try_join_all(known).await?;
    let is_ours = known.iter().all(|(_, is_found)| *is_found);
    let who =
        |(wheel, _): &(&ChosenWheel, _)| Who::Wheel(wheel.wanted.filename.to_string(), wheel.name.clone());
    let who: Vec<Who> = wheels.iter().map(who).collect();
    let mut owners = Owners::default();
    ours.iter().for_each(|(who, path, content)| owners.add(who, [(path.as_str(), content.as_str())]));
    who.iter().zip(&known).for_each(|(who, (known, _))| owners.add(who, known.files()));
    let oddities = known.iter().flat_map(|(known, _)| known.notes.clone()).collect();
    let together = Together { oddities, shared: owners.settle(&image.allow_clash)? };
    // What only a cache says is not kept as if this machine had found it out.
    if is_ours {
        tools.store.remember(&key, &together)?;
    }
    Ok(together)
}

/// Decides what the wheels of an image are to each other; `None` when there are none.
pub(crate) fn key(image: &ImagePlan) -> Result<Option<CacheKey>, Error> {
    let wheels: Vec<(&ChosenWheel, &Layout)> = image.layers.iter().flat_map(wheels).collect();
    let Some((_, layout)) = wheels.first() else { return Ok(None) };
    let mut digests: Vec<Digest> = wheels.iter().map(|(wheel, _)| wheel.wanted.digest).collect();
    digests.sort();
    let rules: Vec<String> = image.allow_clash.iter().map(ToString::to_string).collect();
    let ours = ours(image, layout);
    let facts = json!({
        "format": 3, "wheels": digests, "layout": layout_facts(layout), "allowClash": rules,
        "ours": ours.iter().map(|(_, path, content)| json!([path, content])).collect::<Vec<_>>(),
    });
    Ok(Some(CacheKey::of("wheels-together", &facts)?))
}

pub(crate) fn wheels(layer: &LayerPlan) -> impl Iterator<Item = (&ChosenWheel, &Layout)> {
    let (wheels, layout) = match &layer.recipe {
        Recipe::Wheels(wheels, layout) => (&wheels[..], Some(layout)),
        Recipe::Entries(_) | Recipe::Unbuilt(_) | Recipe::Bytecode(..) => (&[][..], None),
    };
    wheels.iter().filter_map(move |wheel| Some((wheel, layout?)))
}

/// What is in the environment besides wheels: the environment itself, which is the lowest layer, and the project.
fn ours(image: &ImagePlan, layout: &Layout) -> Vec<(Who, String, String)> {
    let mut ours = Vec::new();
    for (index, layer) in image.layers.iter().enumerate() {
        let Recipe::Entries(entries) = &layer.recipe else { continue };
        let who = if index == 0 { Who::Environment } else { Who::Project };
        let is_file =
            |entry: &&Entry| entry.path.starts_with(&layout.prefix) && !matches!(entry.kind, Kind::Directory);
        for entry in entries.iter().filter(is_file) {
            // Never what a wheel holds: nobody else may have these paths, whatever is in them.
            let content = format!("{who:?} {}", fingerprint(std::slice::from_ref(entry)));
            ours.push((who.clone(), entry.path.to_string(), content));
        }
    }
    ours
}

/// What is known of a wheel, and whether this machine found it out.
async fn facts_of(
    wheel: &ChosenWheel,
    layout: &Layout,
    told: &Told,
    fetches: &Fetches,
    tools: &Arc<Tools>,
) -> Result<(Owned, bool), Error> {
    if let Some(known) = recall(wheel.wanted.digest, layout, &tools.store)? {
        return Ok((known, true));
    }
    if let Some(told) = told.wheels.get(&wheel.wanted.digest) {
        return Ok((told.owned.clone(), false));
    }
    fetches.fetch(wheel, tools).await?;
    let (wheel, layout, store) = (wheel.clone(), layout.clone(), tools.store.clone());
    let found = tools.cpu().await?.run(move || find_out(&wheel, &layout, &store)).await?;
    Ok((found, true))
}

impl Together {
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
pub(crate) fn lost(shared: &[Shared]) -> Lost {
    let mut lost = Lost::new();
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
    Project,
    Environment,
}

impl Owner<'_> {
    fn name(&self) -> String {
        match &self.who {
            Who::Wheel(file, _) => file.clone(),
            Who::Project => "the project".into(),
            Who::Environment => "the Python environment".into(),
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
    fn settle(mut self, rules: &[AllowedClash]) -> Result<Vec<Shared>, Error> {
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
                (None, _) => shared.push(Shared::of(path, owners, None, &[])),
                (Some(_), Some(kept)) => shared.push(Shared::of(path, owners, Some(kept), &lost)),
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
                (Who::Environment, _) => Refused::ReplacesEnvironment { path, wheel: folder.name() },
                (_, Who::Environment) => Refused::ReplacesEnvironment { path, wheel: file.name() },
                _ => Refused::ClashOfKinds { path, file: file.name(), folder: folder.name() },
            }
            .into()),
            _ => Ok(()),
        }
    }
}

impl Shared {
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
        (Who::Environment, _) => Refused::ReplacesEnvironment { path, wheel: second.name() },
        (Who::Project, _) => Refused::ClashWithProject { path, wheel: second.name() },
        _ => Refused::Clash { path, first: first.name(), second: second.name(), more },
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(files: &[(&str, &str, &str)], rules: &[&str]) -> Result<Together, String> {
        let who = |who: &str| match who {
            "project" => Who::Project,
            "environment" => Who::Environment,
            name => Who::Wheel(format!("{name}-1.whl"), name.parse().unwrap()),
        };
        let all: Vec<Who> = files.iter().map(|(name, ..)| who(name)).collect();
        let mut owners = Owners::default();
        for (who, (_, path, content)) in all.iter().zip(files) {
            owners.add(who, [(*path, *content)]);
        }
        let shared = owners.settle(&allowed(rules)).map_err(|error| error.to_string())?;
        Ok(Together { oddities: Vec::new(), shared })
    }

    fn allowed(rules: &[&str]) -> Vec<AllowedClash> {
        rules.iter().map(|rule| rule.parse().unwrap()).collect()
    }

    fn refuse(files: &[(&str, &str, &str)], rules: &[&str]) -> String {
        settle(files, rules).unwrap_err()
    }

    #[test]
    fn one_path_has_one_content() {
        assert_eq!(settle(&[("one", "a/b", "1"), ("two", "a/c", "1")], &[]), Ok(Together::default()));
        insta::assert_snapshot!(refuse(&[("one", "a/b", "1"), ("two", "a/b", "2")], &[]), @"E-CLASH: `/a/b` differs between `one-1.whl` and `two-1.whl`");
        insta::assert_snapshot!(refuse(&[("one", "a", "1"), ("two", "a", "2"), ("one", "b", "1"), ("six", "b", "2")], &[]), @"E-CLASH: `/a` differs between `one-1.whl` and `two-1.whl`; 1 more path differs");
        let same = settle(&[("one", "a/b", "1"), ("two", "a/b", "1")], &[]).unwrap();
        insta::assert_snapshot!(same.notes().join("\n"), @"W-CLASH: `/a/b` is in both `one-1.whl` and `two-1.whl`, with the same contents (`wain explain W-CLASH`)");
        assert!(lost(&same.shared).is_empty());
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
            Ok::<_, String>(format!("{:?}\n{}", lost(&together.shared), warnings.join("\n")))
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
