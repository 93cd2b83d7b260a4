use std::path::PathBuf;

use crate::{FindLinks, IndexUrl};

/// What one source of settings says.
#[derive(Default)]
pub(crate) struct Layer {
    pub(crate) default: Option<IndexUrl>,
    pub(crate) extra: Vec<IndexUrl>,
    pub(crate) explicit: Vec<IndexUrl>,
    pub(crate) find_links: Vec<FindLinks>,
    pub(crate) no_index: Option<bool>,
    pub(crate) exclude_newer: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Layer {
    /// Adds a weaker source whose lists come after these.
    pub(crate) fn append(&mut self, weaker: Self) {
        self.default = self.default.take().or(weaker.default);
        self.extra.extend(weaker.extra);
        self.explicit.extend(weaker.explicit);
        self.find_links.extend(weaker.find_links);
        self.no_index = self.no_index.or(weaker.no_index);
        self.exclude_newer = self.exclude_newer.take().or(weaker.exclude_newer);
        self.ca_file = self.ca_file.take().or(weaker.ca_file);
    }

    /// Adds a weaker source whose lists count only where there is none.
    pub(crate) fn fill_from(&mut self, mut weaker: Self) {
        if !self.extra.is_empty() {
            weaker.extra.clear();
        }
        if !self.find_links.is_empty() {
            weaker.find_links.clear();
        }
        self.append(weaker);
    }
}
