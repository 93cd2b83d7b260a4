//! The kinds and types of components: what they want, what they need, and where they go.

use Accepts::{
    Any, Boolean, Components, Dictionary, List, OfKind, Path, Port, Secret, Text, TextOrDictionary,
};

/// A kind and type of component.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// As `llm`.
    pub kind: &'static str,
    /// As `openai`.
    pub kind_type: &'static str,
    /// Where its components go.
    pub place: Place,
    /// The packages it needs, without versions.
    pub requirements: &'static [&'static str],
    /// The service besides that its components talk to.
    pub beside: Option<Service>,
    pub(crate) keys: &'static [Key],
}

/// Where a component goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into an image of its own.
    Image,
    /// Into the images of those that use it; an image of its own, where nobody does and it can be one.
    Folded {
        /// Whether it can be an image.
        alone: bool,
        /// Whether several images may each have it.
        shared: bool,
    },
    /// It is a service that others have made an image of.
    Service(Service),
    /// It is left out.
    LeftOut {
        /// Why.
        note: &'static str,
    },
    /// It steers a Docker daemon: left out, unless that is allowed.
    DockerSocket,
}

/// Something that runs beside the components and is no image of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// The ports it listens on.
    pub ports: &'static [u16],
}

/// A key that a kind knows. Others are allowed, and handed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) is_required: bool,
    pub(crate) accepts: Accepts,
}

/// What a key may hold; an environment variable may stand for every text, number and boolean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepts {
    Any,
    Text,
    /// A text that should be an environment variable.
    Secret,
    /// A text that names a file of the project.
    Path,
    Boolean,
    /// A number or text from 1 to 65535.
    Port,
    Dictionary,
    TextOrDictionary,
    List,
    /// A component of one of these kinds.
    OfKind(&'static [&'static str]),
    /// A component, or a list of components, of one of these kinds; none means any.
    Components(&'static [&'static str]),
}

const fn needs(name: &'static str, accepts: Accepts) -> Key {
    Key { name, is_required: true, accepts }
}

const fn may(name: &'static str, accepts: Accepts) -> Key {
    Key { name, is_required: false, accepts }
}

const fn image(
    kind: &'static str,
    kind_type: &'static str,
    requirements: &'static [&'static str],
    keys: &'static [Key],
) -> Kind {
    Kind { kind, kind_type, place: Place::Image, requirements, beside: None, keys }
}

const fn placed(kind: &'static str, kind_type: &'static str, place: Place, keys: &'static [Key]) -> Kind {
    Kind { kind, kind_type, place, requirements: &[], beside: None, keys }
}

const fn left_out(
    kind: &'static str,
    kind_type: &'static str,
    note: &'static str,
    keys: &'static [Key],
) -> Kind {
    placed(kind, kind_type, Place::LeftOut { note }, keys)
}

const MEMORY: Place = Place::Folded { alone: true, shared: false };
const KNOWLEDGE: Place = Place::Folded { alone: false, shared: true };
const NEO4J: Service = Service { name: "neo4j", ports: &[7687, 7474] };
const OLLAMA: Service = Service { name: "ollama", ports: &[11434] };

const TERMINAL: &str = "it needs a terminal; run it beside the containers, or use `input api`";
const SOUND: &str = "it needs a sound device, which a container does not have";
const GROUP: &str = "it groups components on a machine and is not one itself";

/// What every component may have. `hooks`, `pipes`, `resources`, `replicas` and `requirements` are read elsewhere.
pub(crate) const COMMON: &[Key] = &[
    may("to", Components(&[])),
    may("depends_on", Components(&[])),
    may("streaming", Boolean),
    may("session_id", Text),
    may("deployment", Dictionary),
];

const OPENAI: &[&str] = &["langchain", "langchain-core", "langchain-openai"];
const CLAUDE: &[&str] = &["langchain", "langchain-anthropic", "langchain-core"];
const CHROMA: &[&str] = &["chromadb", "langchain-chroma", "langchain-community", "langchain-openai", "pypdf"];
const CORE: &[&str] = &["langchain-core"];

/// What a model with a key takes.
const KEYED_MODEL: &[Key] = &[
    needs("api_key", Secret),
    may("model", Text),
    may("memory", OfKind(&["memory"])),
    may("knowledge_base", Components(&["knowledge_base"])),
    may("prompt", TextOrDictionary),
];
const OWN_MODEL: &[Key] = &[
    needs("model", Text),
    may("memory", OfKind(&["memory"])),
    may("knowledge_base", Components(&["knowledge_base"])),
    may("prompt", TextOrDictionary),
];
const CODING: &[Key] = &[
    may("repo_url", Text),
    may("local_path", Text),
    may("dockerfile", Text),
    may("image_name", Text),
    may("container_name", Text),
    may("setup_scripts", List),
    may("startup_scripts", List),
    may("environment_variables", Dictionary),
    may("working_directory", Text),
    may("vector_db", Any),
    may("embedding_model", Any),
];

/// Every kind and type there is.
pub(crate) const KINDS: &[Kind] = &[
    image(
        "agent",
        "llm",
        CORE,
        &[
            needs("model", OfKind(&["llm"])),
            needs("tools", Components(&[])),
            may("cache", Boolean),
            may("planning", Boolean),
            may("prompt", TextOrDictionary),
            may("memory", OfKind(&["memory"])),
            may("knowledge_base", Components(&["knowledge_base"])),
        ],
    ),
    image("api", "functions", &[], &[needs("path", Path)]),
    image("api", "web", &["requests"], &[needs("url", Text), may("documentation", Path)]),
    placed(
        "core",
        "code",
        Place::DockerSocket,
        &[
            needs("container", OfKind(&["core"])),
            needs("repo_url", Text),
            may("local_path", Text),
            may("vector_db", Any),
            may("embedding_model", Any),
        ],
    ),
    placed("core", "command_line", Place::DockerSocket, &[]),
    placed("environment", "coding", Place::DockerSocket, CODING),
    image("input", "api", &[], &[may("port", Port), may("local", Boolean), may("routes", Dictionary)]),
    left_out("input", "command_line", TERMINAL, &[]),
    left_out("input", "keyword_voice", SOUND, &[needs("api_key", Secret), needs("keyword", Text)]),
    left_out("input", "push_to_talk", SOUND, &[needs("api_key", Secret)]),
    Kind {
        requirements: CHROMA,
        ..placed(
            "knowledge_base",
            "chroma",
            KNOWLEDGE,
            &[needs("api_key", Secret), may("path", Text), may("file_to_embed", Path)],
        )
    },
    placed(
        "knowledge_base",
        "neo4j",
        Place::Service(NEO4J),
        &[needs("uri", Text), needs("user", Text), needs("password", Secret), may("api_key", Secret)],
    ),
    placed("knowledge_base", "text_file", KNOWLEDGE, &[needs("path", Path)]),
    image("llm", "claude", CLAUDE, KEYED_MODEL),
    image("llm", "hugging_face", CORE, KEYED_MODEL),
    Kind { beside: Some(OLLAMA), ..image("llm", "ollama", CORE, OWN_MODEL) },
    image("llm", "openai", OPENAI, KEYED_MODEL),
    image(
        "mcp",
        "server",
        &["mcp"],
        &[
            needs("server", Text),
            may("version", Text),
            may("env", Dictionary),
            may("auth", Dictionary),
            may("toolsets", Any),
            may("readonly", Boolean),
        ],
    ),
    placed("memory", "short_term", MEMORY, &[]),
    left_out("output", "voice", SOUND, &[]),
    left_out("vm", "server", GROUP, &[needs("components", Components(&[])), may("port", Port)]),
];

/// The kind and type, if there is one.
pub(crate) fn kind(kind: &str, kind_type: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|known| known.kind == kind && known.kind_type == kind_type)
}

/// All types of a kind.
pub(crate) fn types(kind: &str) -> Vec<&'static str> {
    KINDS.iter().filter(|known| known.kind == kind).map(|known| known.kind_type).collect()
}

/// All kinds, once each.
pub(crate) fn kinds() -> Vec<&'static str> {
    let mut kinds: Vec<&'static str> = KINDS.iter().map(|known| known.kind).collect();
    kinds.dedup();
    kinds
}

/// The kind and type of a word that is a type of one kind only, and no kind.
pub(crate) fn kind_of_type(word: &str) -> Option<(&'static str, &'static str)> {
    let mut found = KINDS.iter().filter(|known| known.kind_type == word);
    let first = found.next()?;
    (found.next().is_none() && !kinds().contains(&word)).then_some((first.kind, first.kind_type))
}

/// What a kind was called before, by kind and type.
pub(crate) fn renamed(kind: &str, kind_type: &str) -> Option<&'static str> {
    match (kind, kind_type) {
        ("decomposer", "llm") => Some("`decomposer llm` was renamed to `agent llm`"),
        ("decomposer", _) => Some("the kind `decomposer` was renamed to `agent`"),
        _ => None,
    }
}

impl Kind {
    /// What a key may hold, if the kind or every component knows it.
    pub(crate) fn accepts(&self, key: &str) -> Option<Accepts> {
        let known = self.keys.iter().chain(COMMON).find(|known| known.name == key);
        known.map(|known| known.accepts)
    }

    /// The keys that hold secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().filter(|key| key.accepts == Secret).map(|key| key.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_without_duplicates() {
        let names: Vec<_> = KINDS.iter().map(|known| (known.kind, known.kind_type)).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }

    #[test]
    fn type_alone_suggests_kind() {
        assert_eq!(kind_of_type("claude"), Some(("llm", "claude")));
        // A kind as well, and a type of two kinds.
        assert_eq!(kind_of_type("llm"), None);
        assert_eq!(kind_of_type("command_line"), None);
        assert_eq!(kind_of_type("nothing"), None);
    }
}
