//! Whether an image is what its project builds, and where every file of it comes from.
//!
//! The image is built again from source and lock, and nothing that was made earlier is trusted: every layer is made
//! anew. Then two things are compared that do not know of each other. The digests of documents and layers say whether
//! the bytes are the same. And the tars of the image are read, member by member, against what the inputs say: the RECORD
//! of every wheel, the contents of every Debian package, the files of the project. A mistake in how layers are written
//! would not hide from both.

mod compare;
mod expected;
mod origin;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wainwright_base::{Source, WholeImage, open_whole};
use wainwright_oci::{Document, Image, Platform};

use wainwright_engine::{
    BasePlan, BuiltImage, DebianRecipe, Error, LayerState, Output, Pinning, Plan, Project, Request, Session,
    execute, expand, lay_out, lost_files, plan, resolve, write_base,
};

use self::expected::{Files, expected_layers, of_base};
pub use self::origin::Origin;
pub use self::report::{
    Finding, LayerVerdict, LayerVerification, OriginCount, PlatformVerification, Verdict, Verification,
};
use crate::documents;

/// Builds a project again and compares an image with what comes out. Nothing is delivered, and no file of the project
/// is written.
///
/// Without platforms in the request or the settings the image's own are built.
///
/// # Errors
/// When the image cannot be read, or the project cannot be built.
pub async fn verify(
    source: &Source,
    request: &Request,
    project: &Arc<Project>,
    session: &Arc<Session>,
) -> Result<Verification, Error> {
    let image = Arc::new(open_whole(source, &session.store)?);
    let mut request = request.clone();
    request.pinning = Pinning::Never;
    // An image that was built into the project's folder was no file of the project then.
    request.outputs = vec![match source {
        Source::Layout { dir, .. } => Output::Layout(dir.clone()),
        Source::Archive { file, .. } => Output::Archive(file.clone()),
    }];
    let is_subset = !request.platforms.is_empty();
    if !is_subset && project.settings.platforms.is_empty() {
        request.platforms = image.images.iter().map(|image| image.platform.clone()).collect();
    }
    let set = expand(&request, project, session).await?;
    let resolution = resolve(&set, session).await?;
    let session = &session.with_indexes(resolution.indexes.clone());
    let mut plan = plan(&resolution, &session.store)?;
    let bases = make_anew(&mut plan, session).await?;
    let built = execute(&plan, session).await?;
    let [rebuilt] = &built.images[..] else {
        return Err(Error::Bug { what: format!("{} images of one project", built.images.len()) });
    };

    let mut problems = Vec::new();
    let mut platforms = Vec::new();
    let made = rebuilt.platforms.iter().map(|platform| (&platform.image, &platform.shared));
    for ((image_plan, (made, shared)), base) in plan.platforms().zip(made).zip(bases) {
        let Some(found) = image.images.iter().find(|found| found.platform == made.platform) else {
            problems.push(format!("it has no image for {}", made.platform));
            continue;
        };
        let (image_plan, made, found) = (image_plan.clone(), made.clone(), found.clone());
        let has_manifest = image.has_manifests;
        let (store, epoch, lost) = (session.store.clone(), plan.options.mtime, lost_files(shared));
        let job = move || {
            let expected = expected_layers(&image_plan, &made, base, &lost, epoch, &store)?;
            compare::compare(expected, &made, &found, has_manifest, epoch, &store)
        };
        platforms.push(session.compute(job).await?);
    }
    Ok(finish(&image, rebuilt, is_subset, problems, platforms))
}

/// The layers below ours, by name, with what is in them; `None` for those of a given image.
type BaseFiles = Vec<(String, Option<Files>)>;

/// Forgets that layers were made earlier, and lays out the bases.
async fn make_anew(plan: &mut Plan, session: &Arc<Session>) -> Result<Vec<BaseFiles>, Error> {
    let epoch = plan.options.mtime;
    let mut bases = Vec::new();
    for image in plan.platforms_mut() {
        for layer in &mut image.layers {
            layer.state = LayerState::Missing;
        }
        bases.push(match &mut image.base {
            BasePlan::Image(base) => {
                let name = |at| format!("base layer {at}");
                let mut files: BaseFiles = (1..=base.layers.len()).map(|at| (name(at), None)).collect();
                if let Some(recipe) = &mut image.system {
                    files.extend(lay_out_anew(recipe, epoch, session).await?);
                }
                files
            }
            BasePlan::Runtime(recipe) => lay_out_anew(recipe, epoch, session).await?,
        });
    }
    Ok(bases)
}

/// Lays packages out and makes their layers, whatever was made earlier; gives what has to be in them.
async fn lay_out_anew(
    recipe: &mut DebianRecipe,
    epoch: u64,
    session: &Arc<Session>,
) -> Result<BaseFiles, Error> {
    let assembled = Arc::new(lay_out(recipe, session).await?);
    let versions: BTreeMap<String, String> = recipe
        .packages()
        .iter()
        .filter_map(|package| package.split_once(' '))
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect();
    let is_added = recipe.is_added();
    let job = {
        let assembled = assembled.clone();
        move || of_base(&assembled, is_added, &versions, epoch)
    };
    let files = session.compute(job).await?;
    let layers = Arc::unwrap_or_clone(assembled).layers;
    recipe.made = Some(write_base(recipe, layers, session).await?);
    Ok(files)
}

/// Draws the conclusion from all platforms and the index over them.
fn finish(
    image: &WholeImage,
    rebuilt: &BuiltImage,
    is_subset: bool,
    mut problems: Vec<String>,
    platforms: Vec<PlatformVerification>,
) -> Verification {
    let built: BTreeSet<&Platform> = rebuilt.platforms.iter().map(|one| &one.image.platform).collect();
    let found = image.images.iter().map(|image| &image.platform);
    let others: Vec<Platform> = found.filter(|platform| !built.contains(platform)).cloned().collect();
    let not_compared = if is_subset { others } else { Vec::new() };
    if !is_subset {
        let is_other = |image: &&Image| !built.contains(&image.platform);
        let others = image.images.iter().filter(is_other);
        problems.extend(others.map(|image| {
            format!("it has an image for {}, which the project is not built for", image.platform)
        }));
    }
    let (expected, found, index) = match (&platforms[..], not_compared.is_empty()) {
        (_, true) => {
            let only = rebuilt.platforms.first().map(|made| image.name(&made.image));
            let expected = rebuilt.index.as_ref().map(Document::digest).or(only);
            (expected, image.digest(), documents::indexes(rebuilt.index.as_ref(), image.index.as_ref()))
        }
        ([one], false) => (Some(one.expected), Some(one.found), Vec::new()),
        (_, false) => (None, None, Vec::new()),
    };
    let worst = platforms.iter().map(|platform| platform.verdict).max().unwrap_or(Verdict::Different);
    let verdict = match expected == found && index.is_empty() {
        _ if !problems.is_empty() => Verdict::Different,
        true => worst,
        false if index.iter().all(documents::is_form) => worst.max(Verdict::SameFiles),
        false => Verdict::Different,
    };
    Verification { verdict, expected, found, problems, not_compared, index, platforms }
}
