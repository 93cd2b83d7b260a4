use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use wainwright_image::{
    Delivered, DockerHost, Loaded, MOST_LAYERS, Release, Siblings, load_docker, load_docker_together,
    write_archive, write_archive_to, write_layout, write_layout_beside,
};
use wainwright_oci::{Digest, Reference};

use crate::push::push;
use crate::remote::fetch_layers;
use crate::transfer::Elsewhere;
use crate::{Error, Event, Images, Output, Tools};

/// What was delivered.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The digest of the image, or of the index over several.
    pub digest: Digest,
    /// What became of every output, in the order asked for.
    pub outcomes: Vec<Outcome>,
}

/// What became of one output.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The output, as written.
    pub output: String,
    /// How many bytes were written or sent.
    pub bytes: u64,
    /// How many bytes were left out because the output had them.
    pub skipped: u64,
    /// Whether it had the image already.
    pub was_there: bool,
}

impl Outcome {
    /// What became of an output, told as an event as well.
    pub(crate) fn tell(output: String, delivered: Delivered, tools: &Tools) -> Self {
        let Delivered { bytes_written: bytes, bytes_skipped: skipped, was_there } = delivered;
        tools.tell(Event::DeliveryFinished { output: output.clone(), bytes, skipped, was_there });
        Self { output, bytes, skipped, was_there }
    }
}

/// Puts finished images where they are wanted, one output after the other.
pub async fn deliver(
    images: &Images,
    outputs: &[Output],
    tags: &[Reference],
    tools: &Arc<Tools>,
) -> Result<Delivery, Error> {
    let release = release(images, outputs, tags, tools).await?;
    let delivery = put(&release, outputs, images.sent, tools).await?;
    tools.remember_last(&release);
    Ok(delivery)
}

/// Images under their names, with all layers here that outputs want to have here.
pub(crate) async fn release(
    images: &Images,
    outputs: &[Output],
    tags: &[Reference],
    tools: &Tools,
) -> Result<Arc<Release>, Error> {
    // Only a registry may have the layers of a base that came from one.
    if outputs.iter().any(|output| *output != Output::Registry) {
        for image in &images.images {
            fetch_layers(image, tools).await?;
        }
    }
    Ok(Arc::new(Release {
        images: images.images.clone(),
        index: images.index.clone(),
        tree: None,
        tags: tags.to_vec(),
    }))
}

/// What several releases that are delivered together have of each other.
#[derive(Default)]
pub(crate) struct Company {
    /// The layouts among their outputs, which are written one after the other.
    pub(crate) layouts: Option<Arc<Siblings>>,
    /// Repositories that have layers of theirs by now.
    pub(crate) elsewhere: Elsewhere,
}

/// Puts a release whose blobs are all here where it is wanted; `sent` bytes of them are in their registries already.
pub(crate) async fn put(
    release: &Arc<Release>,
    outputs: &[Output],
    sent: u64,
    tools: &Arc<Tools>,
) -> Result<Delivery, Error> {
    tell_depth(release, tools);
    let mut outcomes = Vec::new();
    for output in outputs {
        outcomes.push(put_one(release, output, sent, &Company::default(), tools).await?);
    }
    Ok(Delivery { digest: release.digest(), outcomes })
}

/// Warns of an image that a Docker daemon may not take.
pub(crate) fn tell_depth(release: &Release, tools: &Tools) {
    let most = release.images.iter().map(|image| image.layers.len()).max().unwrap_or(0);
    if most > MOST_LAYERS {
        let message = format!("the image has {most} layers; Docker's own store takes {MOST_LAYERS} at most");
        tools.tell(Event::Warned { message });
    }
}

/// Puts a release into one output.
pub(crate) async fn put_one(
    release: &Arc<Release>,
    output: &Output,
    sent: u64,
    company: &Company,
    tools: &Arc<Tools>,
) -> Result<Outcome, Error> {
    let name = output.to_string();
    tools.tell(Event::DeliveryStarted { output: name.clone() });
    let delivered = match output {
        Output::Registry => {
            let pushed = push(release, &company.elsewhere, tools).await?;
            Delivered {
                bytes_written: pushed.bytes_written + sent,
                bytes_skipped: pushed.bytes_skipped.saturating_sub(sent),
                was_there: pushed.was_there && sent == 0,
            }
        }
        Output::Docker => {
            let host = DockerHost::find(&tools.machine.vars, tools.machine.home.as_deref())?;
            let progress = |bytes| tools.tell(Event::DeliveryProgressed { output: name.clone(), bytes });
            let loaded = load_docker(release, &tools.store, &host, &progress).await?;
            tell_loaded(release, &loaded, tools);
            loaded.delivered
        }
        Output::Layout(path) => {
            hide_from_git(path);
            let siblings = company.layouts.clone();
            let write = move |release: &Release, store: &_, path: &Path| match siblings {
                Some(siblings) => write_layout_beside(release, store, path, &siblings),
                None => write_layout(release, store, path),
            };
            on_disk(release, path, tools, write).await?
        }
        Output::Archive(path) => {
            let platform = tools.machine.platform.clone();
            let write = move |release: &Release, store: &_, path: &Path| {
                write_archive(release, store, path, &platform)
            };
            on_disk(release, path, tools, write).await?
        }
        Output::Stdout => {
            let Some(stdout) = tools.machine.stdout.clone() else {
                return Err(Error::Bug { what: "standard output was not handed down".into() });
            };
            let platform = tools.machine.platform.clone();
            let write = move |release: &Release, store: &_, _: &Path| {
                write_archive_to(release, store, &mut &*stdout, &platform)
            };
            on_disk(release, Path::new("-"), tools, write).await?
        }
    };
    Ok(Outcome::tell(name, delivered, tools))
}

/// Loads several releases into a daemon at once.
pub(crate) async fn load_all(releases: &[Arc<Release>], tools: &Arc<Tools>) -> Result<Vec<Outcome>, Error> {
    let name = Output::Docker.to_string();
    tools.tell(Event::DeliveryStarted { output: name.clone() });
    let host = DockerHost::find(&tools.machine.vars, tools.machine.home.as_deref())?;
    let progress = |bytes| tools.tell(Event::DeliveryProgressed { output: name.clone(), bytes });
    let all: Vec<&Release> = releases.iter().map(Arc::as_ref).collect();
    let loaded = load_docker_together(&all, &tools.store, &host, &progress).await?;
    let outcome = |(release, loaded): (&Arc<Release>, Loaded)| {
        tell_loaded(release, &loaded, tools);
        Outcome::tell(name.clone(), loaded.delivered, tools)
    };
    Ok(releases.iter().zip(loaded).map(outcome).collect())
}

/// Tells what is odd about an image that was loaded.
fn tell_loaded(release: &Release, loaded: &Loaded, tools: &Tools) {
    tell_which(release, loaded.image_id, tools);
    if let Some(words) = &loaded.second_thoughts {
        let message = format!("sent everything, as docker did not have the layers it seemed to: {words}");
        tools.tell(Event::Noted { message });
    }
}

/// A daemon takes one platform of several; whoever reads that all were delivered should know.
fn tell_which(release: &Release, id: Digest, tools: &Tools) {
    let is_it =
        |image: &&wainwright_oci::Image| [image.config.digest(), image.manifest.digest()].contains(&id);
    if let (2.., Some(image)) = (release.images.len(), release.images.iter().find(is_it)) {
        let platform = &image.platform;
        tools.tell(Event::Warned {
            message: format!("of all platforms, docker has only the image for {platform}"),
        });
    }
}

/// The folder `.wain` of a project holds only what can be built again; git is told so, as tools for Python do.
fn hide_from_git(layout: &Path) {
    let Some(folder) =
        layout.parent().filter(|folder| folder.file_name().is_some_and(|name| name == ".wain"))
    else {
        return;
    };
    let file = folder.join(".gitignore");
    if !file.exists() {
        // Best effort: the image does not depend on it, and writing the image will tell what is wrong here.
        let _ = wainwright_image::replace(&file, b"*\n");
    }
}

async fn on_disk<F>(
    release: &Arc<Release>,
    path: &Path,
    tools: &Arc<Tools>,
    write: F,
) -> Result<Delivered, Error>
where
    F: FnOnce(&Release, &wainwright_store::Store, &Path) -> Result<Delivered, wainwright_image::Error>
        + Send
        + 'static,
{
    let (release, store, path) = (release.clone(), tools.store.clone(), path.to_owned());
    tools.cpu().await?.run(move || Ok(write(&release, &store, &path)?)).await
}
