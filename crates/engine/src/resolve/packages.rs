use std::path::Path;
use std::sync::Arc;

use wainwright_lock::{LocalMember, Lock, LockFormat, LockedPackage, ProjectRequirements, Selection};
use wainwright_project::Project;
use wainwright_pypi::IndexOptions;
use wainwright_python::{PackageName, Target};
use wainwright_resolve::Upgrade;

use super::base::oldest_python;
use super::requirement_sets::{RequirementLocks, lock_requirements};
use super::unlocked::{Unlocked, refuse};
use crate::expand::{development_tools, file_name, find_locks, has_dependencies, has_own_lock};
use crate::model::base::ResolvedBase;
use crate::model::image_set::{PackageSelection, Requirements};
use crate::{Error, Event, Request, Session};

/// Where the packages of the images of a set come from.
pub(super) struct Packages {
    /// Requirements of a project that its own lockfiles do not answer.
    unlocked: Option<Unlocked>,
    /// The lockfile of the project; read, or just written.
    lock: Option<Lock>,
    /// Lists of requirements that are pinned in `wain.lock`.
    pinned: RequirementLocks,
    /// Knows the package indexes that the project names.
    session: Arc<Session>,
    indexes: Vec<IndexOptions>,
}

impl Packages {
    /// Reads what the project has locked. What cannot be answered without the network is an error here where the network may
    /// not be used.
    pub(super) fn open(request: &Request, project: &Project, session: &Arc<Session>) -> Result<Self, Error> {
        let mut packages = Self::find(request, project, session)?;
        if request.workflow.is_some() && !has_own_lock(project) {
            return Ok(packages);
        }
        match packages.unlocked.as_ref().and_then(|unlocked| unlocked.reason(None)) {
            Some(reason) => refuse(&reason, request, &packages.session)?,
            None => packages.read_lock(project)?,
        }
        Ok(packages)
    }

    /// Finds the requirements that are ours to lock; reads no lockfile of another tool.
    pub(super) fn find(request: &Request, project: &Project, session: &Arc<Session>) -> Result<Self, Error> {
        let mut packages = Self {
            unlocked: None,
            lock: None,
            pinned: RequirementLocks::default(),
            session: session.clone(),
            indexes: Vec::new(),
        };
        if request.workflow.is_none()
            && let Some((unlocked, indexes)) = Unlocked::find(project, request, session)?
        {
            packages.learn(indexes);
            packages.unlocked = Some(unlocked);
        }
        Ok(packages)
    }

    /// Requirements that are ours to lock, where the project has some.
    pub(super) fn unlocked(&self) -> Option<&Unlocked> {
        self.unlocked.as_ref()
    }

    /// Locks what is not locked yet for the oldest Python of the bases; returns whether a file of the project changed.
    pub(super) async fn complete(
        &mut self,
        selections: &[PackageSelection],
        bases: &[ResolvedBase],
        upgrade: &Upgrade,
        request: &Request,
    ) -> Result<bool, Error> {
        let python =
            oldest_python(bases).ok_or_else(|| Error::Bug { what: "a build for no platform".into() })?;
        if let Some(workflow) = &request.workflow {
            let lists = selections.iter().flat_map(|one| [&one.requirements, &one.tools]).cloned().collect();
            let file = file_name(Path::new(&workflow.file));
            let kept = development_tools();
            self.pinned =
                lock_requirements(&file, lists, &kept, python, upgrade, request, &self.session).await?;
            return Ok(false);
        }
        let Some(unlocked) = &self.unlocked else { return Ok(false) };
        if *upgrade == Upgrade::Nothing && unlocked.reason(Some(python)).is_none() {
            return Ok(false);
        }
        let locked = unlocked.lock(request, python, upgrade, &self.session).await?;
        self.lock = Some(locked.lock);
        Ok(locked.is_changed)
    }

    /// A session that knows the package indexes of the project.
    pub(super) fn session(&self) -> Arc<Session> {
        self.session.clone()
    }

    /// Those package indexes.
    pub(super) fn indexes(&self) -> Vec<IndexOptions> {
        self.indexes.clone()
    }

    /// The lockfile of the project, where it has one.
    pub(super) fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    /// The folders of the project that an image installs as packages.
    pub(super) fn members(
        &self,
        packages: &PackageSelection,
        target: &Target,
    ) -> Result<Vec<LocalMember>, Error> {
        let lock = self.lock.as_ref();
        Ok(lock.map_or(Ok(Vec::new()), |lock| lock.local_members(&self.selection(packages), target))?)
    }

    /// The packages of an image.
    pub(super) fn of(
        &self,
        packages: &PackageSelection,
        target: &Target,
    ) -> Result<Vec<LockedPackage>, Error> {
        let mut all = match &self.lock {
            Some(lock) => lock.packages(&self.selection(packages), target)?,
            None => self.pinned(&packages.requirements, target)?,
        };
        let names: Vec<PackageName> = all.iter().map(|one| one.name.clone()).collect();
        // What an image requires itself wins.
        let tools = self.pinned(&packages.tools, target)?;
        all.extend(tools.into_iter().filter(|one| !names.contains(&one.name)));
        Ok(all)
    }

    fn selection(&self, packages: &PackageSelection) -> Selection {
        let selection = packages.selection.clone();
        match &self.unlocked {
            Some(unlocked) => unlocked.selection(selection),
            None => selection,
        }
    }

    /// The packages that a list of requirements comes to.
    fn pinned(&self, list: &Requirements, target: &Target) -> Result<Vec<LockedPackage>, Error> {
        let lock = self.pinned.get(list);
        Ok(lock.map_or(Ok(Vec::new()), |lock| lock.packages(&Selection::default(), target))?)
    }

    fn learn(&mut self, indexes: IndexOptions) {
        self.session = self.session.with_indexes(vec![indexes.clone()]);
        self.indexes.push(indexes);
    }

    /// Reads the lockfile of the project; there is none when there is nothing to lock.
    fn read_lock(&mut self, project: &Project) -> Result<(), Error> {
        let found = find_locks(project);
        let Some((_, path)) = found.first() else {
            let is_empty = project.python_project.as_ref().is_none_or(|python| !has_dependencies(python));
            return if is_empty { Ok(()) } else { Err(Error::NoLock { folder: project.root.clone() }) };
        };
        let is_ours = self.unlocked.is_some();
        let others = found.iter().skip(1);
        for (format, other) in others.filter(|(format, _)| !(is_ours && *format == LockFormat::Requirements))
        {
            let message =
                format!("`{}` is not read: `{}` comes before it", file_name(other), file_name(path));
            // Requirements files are often there for other tools.
            self.session.report(match format {
                LockFormat::Requirements => Event::Noted { message },
                _ => Event::Warned { message },
            });
        }
        let lock = wainwright_lock::read(path)?;
        lock.check_fresh()?;
        let pyproject = project.root.join("pyproject.toml");
        if pyproject.is_file() {
            lock.check_matches(&ProjectRequirements::read(&pyproject)?)?;
        }
        // What a resolved requirements file says is known already.
        if !is_ours {
            self.learn(indexes_of(&lock, path, &self.session));
        }
        self.lock = Some(lock);
        Ok(())
    }
}

/// The package indexes that a lockfile names.
fn indexes_of(lock: &Lock, path: &Path, session: &Session) -> IndexOptions {
    let mut indexes = lock.indexes();
    for name in indexes.replace_variables(&session.machine.vars) {
        let (file, name) = (file_name(path), name.escape_debug());
        let message = format!("`{file}` names an index with the variable `{name}`, which is not set");
        session.report(Event::Warned { message });
    }
    IndexOptions {
        place: file_name(path),
        index_url: indexes.index,
        extra_index_urls: indexes.extra,
        named: indexes.named,
        find_links: indexes.links,
        no_index: indexes.no_index,
        exclude_newer: None,
    }
}
