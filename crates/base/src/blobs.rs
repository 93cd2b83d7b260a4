use std::io;
use std::path::{Path, PathBuf};

use wainwright_oci::{Descriptor, Document, Place, Reference};
use wainwright_store::Store;

use crate::Error;
use crate::archive::Members;
use crate::document::{LARGEST, Where};
use crate::span::Span;

/// The files of a layout: in a folder, or in an archive.
#[derive(Debug)]
pub(crate) struct Blobs {
    /// What the user named, for messages.
    pub(crate) shown: PathBuf,
    files: Files,
}

#[derive(Debug)]
enum Files {
    Folder(PathBuf),
    Archive(Members),
    /// What has been fetched from a registry so far.
    Fetched(Store, Reference),
}

impl Blobs {
    pub(crate) fn folder(path: &Path) -> Self {
        Self { shown: path.to_owned(), files: Files::Folder(path.to_owned()) }
    }

    pub(crate) fn archive(shown: &Path, members: Members) -> Self {
        Self { shown: shown.to_owned(), files: Files::Archive(members) }
    }

    pub(crate) fn fetched(store: &Store, reference: &Reference) -> Self {
        Self { shown: reference.to_string().into(), files: Files::Fetched(store.clone(), reference.clone()) }
    }

    /// Finds a regular file by its name in the layout.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Span>, Error> {
        match &self.files {
            Files::Archive(members) => members.find(name),
            // A store has blobs and no names.
            Files::Fetched(..) => Ok(None),
            Files::Folder(folder) => {
                let path = folder.join(name);
                match path.metadata() {
                    Ok(found) if found.is_file() => Ok(Some(Span { path, offset: 0, size: found.len() })),
                    Ok(_) => Ok(None),
                    Err(error) if is_absent(&error) => Ok(None),
                    Err(source) => Err(Error::disk("read", &path)(source)),
                }
            }
        }
    }

    /// Where the bytes of a layer are, or from where they can be fetched.
    pub(crate) fn layer(&self, what: &str, descriptor: &Descriptor) -> Result<Place, Error> {
        match &self.files {
            Files::Fetched(_, reference) => Ok(Place::Registry(reference.clone())),
            Files::Folder(_) | Files::Archive(_) => Ok(self.blob(what, descriptor)?.place()),
        }
    }

    /// Finds the blob of a descriptor, and compares the size: the digest is compared by whoever reads it.
    pub(crate) fn blob(&self, what: &str, descriptor: &Descriptor) -> Result<Span, Error> {
        if let Files::Fetched(store, _) = &self.files {
            let (path, size) = (store.path(&descriptor.digest), descriptor.size);
            return match store.contains(&descriptor.digest, Some(size)) {
                true => Ok(Span { path, offset: 0, size }),
                false => {
                    Err(Error::Unfetched { what: what.to_owned(), descriptor: Box::new(descriptor.clone()) })
                }
            };
        }
        let name = format!("blobs/sha256/{}", descriptor.digest.hex());
        let (path, what) = (self.shown.clone(), what.to_owned());
        match self.find(&name)? {
            None => Err(Error::Missing { path, what, blob: descriptor.digest.to_string() }),
            Some(span) if span.size != descriptor.size => {
                Err(Error::Size { path, what, expected: descriptor.size, found: span.size })
            }
            Some(span) => Ok(span),
        }
    }

    /// Reads a document whose digest is known.
    pub(crate) fn document(&self, what: &'static str, descriptor: &Descriptor) -> Result<Document, Error> {
        let span = self.blob(what, descriptor)?;
        let document = self.parse(what, &descriptor.media_type, &span)?;
        if document.digest() != descriptor.digest {
            return Err(Error::Mismatch {
                path: self.shown.clone(),
                what: what.to_owned(),
                expected: descriptor.digest,
                found: document.digest(),
            });
        }
        Ok(document)
    }

    /// Reads a JSON object whose digest is not known beforehand.
    pub(crate) fn parse(&self, what: &'static str, media_type: &str, span: &Span) -> Result<Document, Error> {
        Document::read(what, media_type, self.small(what, span)?).or_else(|error| match error {
            wainwright_oci::Error::Document { reason, .. } => self.at(what).refuse(reason),
            other => self.at(what).refuse(other.to_string()),
        })
    }

    /// Reads a file of at most 4 MiB.
    pub(crate) fn small(&self, what: &str, span: &Span) -> Result<Vec<u8>, Error> {
        if span.size > LARGEST {
            return self.at(what).refuse(format!("it has {} bytes; the limit is {LARGEST}", span.size));
        }
        span.read().map_err(Error::disk("read", &span.path))
    }

    pub(crate) fn at<'a>(&'a self, what: &'a str) -> Where<'a> {
        Where { path: &self.shown, what }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
