use std::sync::Arc;

use wainwright_base::BaseImage;
use wainwright_oci::Platform;
use wainwright_python::Target;

use super::debian::DebianRecipe;
use super::native::LibraryIndex;

/// The base for one platform.
#[derive(Clone)]
pub(crate) enum BaseRecipe {
    Debian(Box<DebianRecipe>),
    /// With what is added to it.
    Image(Box<BaseImage>, Option<Box<DebianRecipe>>),
}

/// A base with what it offers, for one platform.
#[derive(Clone)]
pub(crate) struct ResolvedBase {
    pub(crate) platform: Platform,
    pub(crate) base: BaseRecipe,
    pub(crate) name: String,
    /// What the image's annotations call it; a path of this machine is no name.
    pub(crate) reference: Option<String>,
    pub(crate) target: Target,
    /// An absolute path.
    pub(crate) interpreter: String,
    pub(crate) has_app: bool,
    pub(crate) user: String,
    pub(crate) sets_language: bool,
    /// The libraries of an image.
    pub(crate) libraries: Arc<LibraryIndex>,
    /// Whether `system-packages` can add something to it.
    pub(crate) takes_packages: bool,
    /// The Debian release it is of: `bookworm`.
    pub(crate) codename: Option<String>,
}
