use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::OnceCell;
use wainwright_http::{Client, Settings};
use wainwright_project::Project;
use wainwright_pypi::{Index, IndexOptions, IndexSettings, Places};
use wainwright_registry::{Credentials, Hosts, Registry};
use wainwright_store::{LockWait, Store, Waiting};

use super::cpu::Cpu;
use crate::{Error, Event, Listener, Machine, Request};

/// What every step works with: the store, the network and the processors of a machine.
///
/// It never changes. Network clients are made when they are first needed: a build that changes nothing does without them.
/// What a step learns about package indexes is added by making another session ([`Session::with_indexes`]) that shares
/// everything else.
pub struct Session {
    /// The machine.
    pub machine: Machine,
    /// Blobs and memos.
    pub store: Arc<Store>,
    clients: Arc<Clients>,
    index: OnceCell<Index>,
    index_options: Vec<IndexOptions>,
    /// What the project says about mirrors of registries.
    mirrors: BTreeMap<String, Vec<String>>,
    root: PathBuf,
    listener: Arc<Listener>,
}

/// What sessions of one run share.
#[derive(Default)]
struct Clients {
    cpu: OnceCell<Cpu>,
    http: OnceCell<Client>,
    registry: OnceCell<Registry>,
}

impl Session {
    /// Opens the store for work on a project.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn new(
        machine: Machine,
        request: &Request,
        project: &Project,
        listener: Arc<Listener>,
    ) -> Result<Self, Error> {
        let session = Self::without_project(machine, listener)?;
        Ok(Self {
            index_options: vec![request.indexes.clone()],
            mirrors: project.settings.mirrors.clone(),
            root: request.root.clone(),
            ..session
        })
    }

    /// Opens the store for work that is about no project.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn without_project(machine: Machine, listener: Arc<Listener>) -> Result<Self, Error> {
        let store = match &machine.cache {
            Some(root) => {
                let tell = |waiting: &Waiting| listener(Event::Warned { message: waiting.to_string() });
                let patience = LockWait { limit: machine.lock_timeout, tell: &tell };
                Store::open_with(root, &patience)?.at(machine.now)
            }
            None => Store::ephemeral(&machine.temporary)?,
        };
        Ok(Self {
            machine,
            store: Arc::new(store),
            clients: Arc::default(),
            index: OnceCell::new(),
            index_options: Vec::new(),
            mirrors: BTreeMap::new(),
            root: PathBuf::new(),
            listener,
        })
    }

    /// The same session with package indexes that a lockfile or a requirements file names; the command line goes before them.
    #[must_use]
    pub fn with_indexes(&self, more: Vec<IndexOptions>) -> Arc<Self> {
        Arc::new(Self {
            machine: self.machine.clone(),
            store: self.store.clone(),
            clients: self.clients.clone(),
            index: OnceCell::new(),
            index_options: self.index_options.iter().cloned().chain(more).collect(),
            mirrors: self.mirrors.clone(),
            root: self.root.clone(),
            listener: self.listener.clone(),
        })
    }

    /// Removes everything unfinished, for when the program is about to end in the middle of its work.
    ///
    /// Work that still goes on in other threads fails after this, and that is meant.
    pub fn abandon(&self) {
        self.store.abandon();
        wainwright_image::abandon();
    }

    /// Reports what happened.
    pub fn report(&self, event: Event) {
        (self.listener)(event);
    }

    /// The folder of the project; what is about no project is done at the root of the file system.
    pub(crate) fn root(&self) -> &Path {
        if self.root.as_os_str().is_empty() { Path::new("/") } else { &self.root }
    }

    /// A listener of its own for a job.
    pub(crate) fn listener(&self) -> Arc<Listener> {
        self.listener.clone()
    }

    /// Runs a job on the CPU pool: the one way from what moves bytes to what makes them.
    ///
    /// # Errors
    /// Those of the job; a panic in it is an error too.
    pub async fn compute<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let cpu = self.clients.cpu.get_or_try_init(|| async { Cpu::new(self.machine.jobs) }).await?;
        cpu.run(job).await
    }

    pub(crate) async fn registry(&self) -> Result<&Registry, Error> {
        let make = || async {
            self.registry_with(Credentials::load(&self.machine.vars, self.machine.home.as_deref()))
        };
        self.clients.registry.get_or_try_init(make).await
    }

    /// Refuses what only a registry can do, where none may be asked: the cache is no help.
    pub(crate) fn demand_registry(&self, registry: &str) -> Result<(), Error> {
        match self.machine.is_offline {
            true => Err(Error::NeedsRegistry { registry: registry.to_owned() }),
            false => Ok(()),
        }
    }

    /// A client of its own, for somebody else than the user of this machine.
    pub(crate) fn registry_with(&self, credentials: Credentials) -> Result<Registry, Error> {
        let listener = self.listener.clone();
        let settings = wainwright_registry::Settings {
            http: self.http_settings(),
            hosts: self.hosts()?,
            credentials,
            listener: Arc::new(move |message| listener(Event::Warned { message })),
        };
        Ok(Registry::new(settings)?)
    }

    /// Certificates of registries are where Docker and podman have them (docker-certs.d(5), containers-certs.d(5)).
    /// What else is known about them is in a file of the user's.
    fn hosts(&self) -> Result<Hosts, Error> {
        let own = self.machine.home.as_ref().map(|home| home.join(".config/containers/certs.d"));
        let shared = ["docker/certs.d", "containers/certs.d"].map(|path| self.machine.etc.join(path));
        let mut hosts = Hosts {
            insecure: self.machine.insecure_registries.clone(),
            certificates: own.into_iter().chain(shared).collect(),
            ..Hosts::default()
        };
        let set = self.machine.vars.get("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(Into::into);
        let folder = set.or_else(|| self.machine.home.as_ref().map(|home| home.join(".config")));
        if let Some(folder) = folder {
            hosts.read(&folder.join("wainwright/registries.toml"))?;
        }
        for (registry, mirrors) in &self.mirrors {
            hosts.mirrors.entry(registry.clone()).or_insert_with(|| mirrors.clone());
        }
        Ok(hosts)
    }

    /// Ends the uploads that were begun, for when the program is about to end in the middle of one.
    pub async fn end_uploads(&self) {
        if let Some(registry) = self.clients.registry.get() {
            registry.abandon().await;
        }
    }

    fn http_settings(&self) -> Settings {
        let agent = concat!("wainwright/", env!("CARGO_PKG_VERSION"));
        let mut settings = Settings::new(agent).with_vars(&self.machine.vars);
        settings.connections = self.machine.connections;
        settings.offline = self.machine.is_offline;
        settings.more_ca_files = self.machine.ca_certs.clone();
        let listener = self.listener.clone();
        settings.on_wait = Arc::new(move |host, time| {
            listener(Event::Waited { host: host.to_owned(), seconds: time.as_secs() });
        });
        settings
    }

    pub(crate) async fn http(&self) -> Result<&Client, Error> {
        let make = || async {
            let mut settings = self.http_settings();
            if settings.ca_file.is_none() {
                settings.ca_file = self.index_settings()?.ca_file;
            }
            Ok::<_, Error>(Client::new(&settings)?)
        };
        self.clients.http.get_or_try_init(make).await
    }

    pub(crate) async fn index(&self) -> Result<&Index, Error> {
        let make =
            || async { Ok::<_, Error>(Index::new(self.http().await?.clone(), self.index_settings()?)) };
        self.index.get_or_try_init(make).await
    }

    /// The passwords that are written for indexes: no file of the project may carry them into the image.
    ///
    /// Settings that cannot be read are told when an index is asked.
    pub(crate) fn passwords(&self) -> Vec<String> {
        let settings = self.index_settings();
        let passwords = settings.map(|settings| settings.passwords()).unwrap_or_default();
        passwords.iter().map(|password| password.reveal().to_owned()).collect()
    }

    pub(crate) fn index_settings(&self) -> Result<IndexSettings, Error> {
        let places = Places {
            vars: &self.machine.vars,
            home: self.machine.home.as_deref(),
            etc: &self.machine.etc,
            project_root: &self.root,
        };
        Ok(IndexSettings::read(&places, &self.index_options)?)
    }
}
