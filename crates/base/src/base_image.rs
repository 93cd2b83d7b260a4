use wainwright_oci::Image;

/// The image a build starts from.
#[derive(Clone, Debug)]
pub struct BaseImage {
    /// Its documents, which were checked, and its layers, which are checked when they are read.
    ///
    /// The layers of a compressed archive are in the store; all others are where they were.
    pub image: Image,
    /// The best known reference: `docker.io/library/python:3.11`, or only a tag. For people; nothing is decided by it.
    pub name: Option<String>,
}

impl BaseImage {
    /// A variable that the config sets.
    pub fn env(&self, name: &str) -> Option<&str> {
        let lines = self.image.config.json.pointer("/config/Env")?.as_array()?;
        lines.iter().find_map(|line| line.as_str()?.strip_prefix(name)?.strip_prefix('='))
    }
}
