use std::path::Path;
use std::sync::Arc;

use wainwright_image::{
    Delivered, DockerHost, Loaded, MOST_LAYERS, Release, Siblings, load_docker, load_docker_together,
    write_archive, write_archive_to, write_layout, write_layout_beside,
};
use wainwright_oci::Digest;

use super::outcome::{Delivery, Outcome};
use super::push_release::push_release;
use super::shared::Elsewhere;
use crate::{Error, Event, Output, Session};

/// What images that are delivered together share.
#[derive(Default)]
pub(crate) struct Shared {
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
    session: &Arc<Session>,
) -> Result<Delivery, Error> {
    warn_about_depth(release, session);
    let mut outcomes = Vec::new();
    for output in outputs {
        outcomes.push(put_one(release, output, sent, &Shared::default(), session).await?);
    }
    Ok(Delivery { digest: release.digest(), outcomes })
}

/// Warns of an image that a Docker daemon may not take.
pub(crate) fn warn_about_depth(release: &Release, session: &Session) {
    let most = release.images.iter().map(|image| image.layers.len()).max().unwrap_or(0);
    if most > MOST_LAYERS {
        let message = format!("the image has {most} layers; Docker's own store takes {MOST_LAYERS} at most");
        session.report(Event::Warned { message });
    }
}

/// Puts a release into one output.
pub(crate) async fn put_one(
    release: &Arc<Release>,
    output: &Output,
    sent: u64,
    shared: &Shared,
    session: &Arc<Session>,
) -> Result<Outcome, Error> {
    let name = output.to_string();
    session.report(Event::DeliveryStarted { output: name.clone() });
    let delivered = match output {
        Output::Registry => {
            let pushed = push_release(release, &shared.elsewhere, session).await?;
            Delivered {
                bytes_written: pushed.bytes_written + sent,
                bytes_skipped: pushed.bytes_skipped.saturating_sub(sent),
                was_there: pushed.was_there && sent == 0,
            }
        }
        Output::Docker => {
            let host = DockerHost::find(&session.machine.vars, session.machine.home.as_deref())?;
            let progress = |bytes| session.report(Event::DeliveryProgressed { output: name.clone(), bytes });
            let loaded = load_docker(release, &session.store, &host, &progress).await?;
            report_loaded(release, &loaded, session);
            loaded.delivered
        }
        Output::Layout(path) => {
            hide_from_git(path);
            let siblings = shared.layouts.clone();
            let write = move |release: &Release, store: &_, path: &Path| match siblings {
                Some(siblings) => write_layout_beside(release, store, path, &siblings),
                None => write_layout(release, store, path),
            };
            on_disk(release, path, session, write).await?
        }
        Output::Archive(path) => {
            let platform = session.machine.platform.clone();
            let write = move |release: &Release, store: &_, path: &Path| {
                write_archive(release, store, path, &platform)
            };
            on_disk(release, path, session, write).await?
        }
        Output::Stdout => {
            let Some(stdout) = session.machine.stdout.clone() else {
                return Err(Error::Bug { what: "standard output was not handed down".into() });
            };
            let platform = session.machine.platform.clone();
            let write = move |release: &Release, store: &_, _: &Path| {
                write_archive_to(release, store, &mut &*stdout, &platform)
            };
            on_disk(release, Path::new("-"), session, write).await?
        }
    };
    Ok(Outcome::report(name, delivered, session))
}

/// Loads several releases into a daemon at once.
pub(crate) async fn load_all(
    releases: &[Arc<Release>],
    session: &Arc<Session>,
) -> Result<Vec<Outcome>, Error> {
    let name = Output::Docker.to_string();
    session.report(Event::DeliveryStarted { output: name.clone() });
    let host = DockerHost::find(&session.machine.vars, session.machine.home.as_deref())?;
    let progress = |bytes| session.report(Event::DeliveryProgressed { output: name.clone(), bytes });
    let all: Vec<&Release> = releases.iter().map(Arc::as_ref).collect();
    let loaded = load_docker_together(&all, &session.store, &host, &progress).await?;
    let outcome = |(release, loaded): (&Arc<Release>, Loaded)| {
        report_loaded(release, &loaded, session);
        Outcome::report(name.clone(), loaded.delivered, session)
    };
    Ok(releases.iter().zip(loaded).map(outcome).collect())
}

/// Tells what is odd about an image that was loaded.
fn report_loaded(release: &Release, loaded: &Loaded, session: &Session) {
    warn_about_platform(release, loaded.image_id, session);
    if let Some(words) = &loaded.second_thoughts {
        let message = format!("sent everything, as docker did not have the layers it seemed to: {words}");
        session.report(Event::Noted { message });
    }
}

/// A daemon takes one platform of several; whoever reads that all were delivered should know.
fn warn_about_platform(release: &Release, id: Digest, session: &Session) {
    let is_it =
        |image: &&wainwright_oci::Image| [image.config.digest(), image.manifest.digest()].contains(&id);
    if let (2.., Some(image)) = (release.images.len(), release.images.iter().find(is_it)) {
        let platform = &image.platform;
        session.report(Event::Warned {
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
    session: &Arc<Session>,
    write: F,
) -> Result<Delivered, Error>
where
    F: FnOnce(&Release, &wainwright_store::Store, &Path) -> Result<Delivered, wainwright_image::Error>
        + Send
        + 'static,
{
    let (release, store, path) = (release.clone(), session.store.clone(), path.to_owned());
    session.compute(move || Ok(write(&release, &store, &path)?)).await
}
