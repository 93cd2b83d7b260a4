//! Whether a release can be deployed: each part of it, and all together.

mod fields;

use std::collections::{BTreeMap, BTreeSet};

use wainwright_oci::Platform;
use wainwright_project::{check_pinned, is_dns_label};

use crate::release::SCHEMA;
use crate::{Component, Error, Release, Service};

use fields::{
    Fault, check_command, check_http, check_local, check_part, check_paths, check_prefixed, check_repository,
    check_source, check_times, check_user, check_variables, fault, fault_with, is_project,
};
pub(crate) use fields::{is_subdomain, path_name, secret_part, shown};

/// More components than a project has; each costs some kilobytes of files.
const MOST_PARTS: usize = 1000;

impl Release {
    /// Checks that a release can be deployed: names, images, ports, amounts, edges, and that nothing in it is a secret.
    ///
    /// # Errors
    /// What is wrong first, with its place. Values are never quoted: one of them may be the secret that is complained of.
    pub fn check(&self) -> Result<(), Error> {
        let at = |place: &str| {
            let place = place.to_owned();
            move |(reason, remedy): Fault| Error::Invalid { place, reason, remedy }
        };
        self.check_head().map_err(at("release"))?;
        for component in &self.components {
            component.check().map_err(at(&format!("component `{}`", shown(&component.name))))?;
        }
        for service in &self.services {
            service.check().map_err(at(&format!("service `{}`", shown(&service.name))))?;
        }
        self.check_names().map_err(at("release"))?;
        self.check_edges().map_err(at("release"))
    }

    fn check_head(&self) -> Result<(), Fault> {
        if self.schema != SCHEMA {
            return fault_with(
                format!("schema {} is not supported; this version supports {SCHEMA}", self.schema),
                "build the components again with this version",
            );
        }
        if !is_project(&self.project) {
            return fault(format!(
                "project `{}` is not a valid name: use up to 63 letters and digits, with `.`, `_` and `-` between them",
                shown(&self.project)
            ));
        }
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b".+!_-".contains(&byte);
        let begins = self.version.starts_with(|letter: char| letter.is_ascii_alphanumeric());
        if !begins || self.version.len() > 128 || !self.version.bytes().all(is_inner) {
            return fault(format!("version `{}` is invalid", shown(&self.version)));
        }
        if let Some(namespace) = self.namespace.as_ref().filter(|name| !is_dns_label(name)) {
            return fault(format!("namespace `{}` is not a DNS label", shown(namespace)));
        }
        match self.components.len() + self.services.len() {
            0 => fault_with("it has no components", "build the components first"),
            count if count > MOST_PARTS => {
                fault(format!("it has {count} components and services; the limit is {MOST_PARTS}"))
            }
            _ => Ok(()),
        }
    }

    /// Names and host names stand for one thing each.
    fn check_names(&self) -> Result<(), Fault> {
        let mut names = BTreeSet::new();
        let mut hosts = BTreeMap::new();
        for (name, host) in self.parts() {
            if !names.insert(name) {
                return fault(format!("two components or services are called `{name}`"));
            }
            if let Some(other) = hosts.insert(host, name) {
                return fault_with(
                    format!("`{other}` and `{name}` both have the host name `{host}`"),
                    "rename one of them: host names ignore case and the difference between `_` and `-`",
                );
            }
        }
        let mut published = BTreeMap::new();
        for component in &self.components {
            let Some(port) = component.published else { continue };
            if let Some(other) = published.insert(port, &component.name) {
                return fault(format!(
                    "`{other}` and `{}` are both published on port {port}",
                    component.name
                ));
            }
        }
        Ok(())
    }

    /// What is needed exists, and nothing waits for itself: no order of starting would be right.
    fn check_edges(&self) -> Result<(), Fault> {
        let components = self.components.iter().map(|part| (&part.name, &part.service, &part.needs));
        let services = self.services.iter().map(|part| (&part.name, &part.service, &part.needs));
        let edges: BTreeMap<&str, Vec<&str>> = components
            .chain(services)
            .map(|(name, host, needs)| {
                let needs = needs.iter().map(|need| {
                    self.host_of(need)
                        .ok_or((format!("`{name}` needs `{}`, which does not exist", shown(need)), None))
                });
                Ok((host.as_str(), needs.collect::<Result<_, _>>()?))
            })
            .collect::<Result<_, Fault>>()?;
        let mut done = BTreeSet::new();
        for start in edges.keys() {
            if let Some(path) = cycle(&edges, start, &mut done) {
                return fault(format!("circular dependency: {}", path.join(" -> ")));
            }
        }
        Ok(())
    }

    /// Every name with its host name.
    fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        let components = self.components.iter().map(|part| (part.name.as_str(), part.service.as_str()));
        components.chain(self.services.iter().map(|part| (part.name.as_str(), part.service.as_str())))
    }

    /// The host name of what goes by a name or by a host name.
    pub(crate) fn host_of(&self, name: &str) -> Option<&str> {
        let by_name = self.parts().find(|(known, _)| *known == name);
        by_name.or_else(|| self.parts().find(|(_, host)| *host == name)).map(|(_, host)| host)
    }
}

/// A path that leads back to where it began. Walks without recursion: a chain may have a thousand links.
fn cycle<'a>(
    edges: &BTreeMap<&'a str, Vec<&'a str>>,
    start: &'a str,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    let none = Vec::new();
    let mut path = vec![(start, edges.get(start).unwrap_or(&none).iter())];
    while let Some((host, rest)) = path.last_mut() {
        let host = *host;
        match rest.next() {
            None => {
                done.insert(host);
                path.pop();
            }
            Some(next) if done.contains(next) => {}
            Some(next) => {
                if let Some(begin) = path.iter().position(|(known, _)| known == next) {
                    let mut found: Vec<&str> = path.iter().skip(begin).map(|(host, _)| *host).collect();
                    found.push(next);
                    return Some(found);
                }
                path.push((next, edges.get(next).unwrap_or(&none).iter()));
            }
        }
    }
    None
}

impl Component {
    fn check(&self) -> Result<(), Fault> {
        check_part(&self.name, &self.service)?;
        for (what, word) in
            std::iter::once(("kind", &self.kind)).chain(self.type_.iter().map(|it| ("type", it)))
        {
            let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            if !word.starts_with(|letter: char| letter.is_ascii_lowercase())
                || word.ends_with('_')
                || word.len() > 63
                || !word.bytes().all(is_inner)
            {
                return fault(format!("{what} `{}` is not a word", shown(word)));
            }
        }
        if let Some(repository) = &self.image.repository {
            check_repository(repository)?;
        }
        if let Some(tag) = &self.image.tag {
            check_local(tag)?;
        }
        if self.image.repository.is_none() && self.image.tag.is_none() {
            return fault_with(
                "its image is neither in a registry nor in Docker",
                "build with `--registry REGISTRY --push` or with `--load`, and emit again",
            );
        }
        for platform in &self.platforms {
            match platform.parse::<Platform>() {
                Ok(known) if known.os == "linux" && known.to_string() == *platform => {}
                _ => return fault(format!("`{}` is not a platform of Linux", shown(platform))),
            }
        }
        match (self.port, self.published) {
            (None, Some(_)) => return fault("it is published, but has no port"),
            (_, Some(0)) => return fault("0 is not a port"),
            _ => {}
        }
        check_http(self.http.as_ref(), self.port)?;
        check_times(&self.timing)?;
        for (what, words) in [("command", Some(&self.command)), ("health", self.health.as_ref())] {
            words.map_or(Ok(()), |words| check_command(what, words))?;
        }
        self.user.map_or(Ok(()), check_user)?;
        check_variables(&self.environment, &[&self.secrets[..], &self.optional[..]].concat())?;
        check_paths(self.writable.iter().chain(self.volumes.keys()))?;
        self.resources.check().map_err(|(reason, hint)| (reason, hint.map(str::to_owned)))?;
        if self.replicas > 1000 {
            return fault(format!("{} replicas are more than 1000", self.replicas));
        }
        if let Some(scale) = &self.autoscale {
            if scale.min == 0 || scale.max < scale.min || scale.max > 1000 {
                return fault("autoscale needs `min` of at least 1 and `max` from `min` to 1000");
            }
            if !(1..=1000).contains(&scale.cpu) {
                return fault("autoscale needs `cpu` in percent, from 1 to 1000");
            }
            if self.resources.cpu.is_none() {
                return fault_with(
                    "autoscale depends on the requested CPU, which is not set",
                    "set `cpu` of its resources",
                );
            }
        }
        if self.disruption.is_some_and(|count| count == 0) {
            return fault("a disruption of 0 would block the maintenance of machines");
        }
        if self.stop_grace_period == Some(0) {
            return fault("the grace period must be at least 1 second");
        }
        self.sources.iter().try_for_each(|path| check_source(path))
    }
}

impl Service {
    fn check(&self) -> Result<(), Fault> {
        check_part(&self.name, &self.service)?;
        check_pinned(&self.image)?;
        check_http(self.http.as_ref(), self.port)?;
        check_times(&self.timing)?;
        self.health.as_ref().map_or(Ok(()), |words| check_command("health", words))?;
        self.user.map_or(Ok(()), check_user)?;
        // Kubernetes gets the secret under a name of its own as well.
        let made: Vec<String> =
            self.prefixed.keys().flat_map(|name| [name.clone(), secret_part(name)]).collect();
        check_variables(&self.environment, &[&self.secrets[..], &made].concat())?;
        self.prefixed.iter().try_for_each(|(name, value)| check_prefixed(name, value))?;
        check_paths(self.writable.iter().chain(self.volumes.keys()))?;
        self.resources.check().map_err(|(reason, hint)| (reason, hint.map(str::to_owned)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::samples::{sample, told};

    /// Changes the sample's JSON at a pointer, reads it, and gives the error.
    fn with(pointer: &str, value: Value) -> String {
        let mut release = serde_json::to_value(sample()).unwrap();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match release.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
            object => object[key] = value,
        }
        match Release::read(release.to_string().as_bytes()) {
            Ok(_) => "it was read".into(),
            Err(error) => told(&error),
        }
    }

    #[test]
    fn written_yaml_round_trips() {
        let text = sample().to_json();
        assert_eq!(Release::read(&text).unwrap().to_json(), text);
        assert_eq!(text, include_bytes!("../../../../fixtures/releases/support.json"));
    }

    #[test]
    fn undeployable_release_is_rejected() {
        let long = "a".repeat(64);
        let cases = [
            ("/schema", json!(2)),
            ("/project", json!("de mo")),
            ("/version", json!("")),
            ("/namespace", json!("Prod")),
            ("/colour", json!("red")),
            ("/bus", json!("nats")),
            ("/components/0/name", json!("a\nb")),
            ("/components/0/name", json!("model")),
            ("/components/0/service", json!("Out")),
            ("/components/0/service", json!("1st")),
            ("/components/0/service", json!(long)),
            ("/components/0/service", json!("redis")),
            ("/components/0/kind", json!("a b")),
            ("/components/0/image/digest", json!("sha256:12")),
            ("/components/0/image/repository", json!("registry.example/x:latest")),
            ("/components/0/image/repository", json!("Registry/X")),
            ("/components/0/image/repository", Value::Null),
            ("/components/0/platforms", json!(["windows/amd64"])),
            ("/components/0/port", json!(0)),
            ("/components/0/port", json!(65536)),
            ("/components/0/user", json!(0)),
            ("/components/0/user", json!(-1)),
            ("/components/0/environment", json!({"A B": "x"})),
            ("/components/0/environment", json!({"A": "x\u{0}"})),
            ("/components/0/environment", json!({"A": "x".repeat(200_000)})),
            ("/components/0/environment", json!({"OPENAI_API_KEY": "hunter2"})),
            ("/components/0/environment", json!({"DATABASE": "postgres://ann:hunter2@db/x"})),
            ("/components/0/secrets", json!(["WOODWORK_ENV"])),
            ("/components/0/secrets", json!(["KEY=hunter2"])),
            ("/components/0/secrets", json!("KEY=hunter2")),
            ("/components/0/needs", json!(["nobody"])),
            ("/components/3/needs", json!(["Support_Agent"])),
            ("/components/0/needs", json!(["out"])),
            ("/components/0/writable", json!(["/"])),
            ("/components/0/writable", json!(["/app/../etc"])),
            ("/components/0/writable", json!(["/a:b"])),
            ("/components/0/writable", json!(["/a/b", "/a-b"])),
            ("/components/0/volumes", json!({"/app/data": "1e3"})),
            ("/components/0/resources", json!({"memory": "512"})),
            ("/components/0/resources", json!({"memory": "2Gi", "memory_limit": "1Gi"})),
            ("/components/0/replicas", json!(1001)),
            ("/components/0/autoscale", json!({"min": 3, "max": 2, "cpu": 80})),
            ("/components/0/disruption", json!(0)),
            ("/components/0/health", json!([])),
            ("/components/0/health", json!(["curl", "http://ann:hunter2@localhost"])),
            ("/components/0/sources", json!(["."])),
            ("/components/0/sources", json!(["../secrets"])),
            ("/services/0/image", json!("redis")),
            ("/services/0/image", json!("redis:latest")),
            ("/services/0/image", json!(format!("redis:7@sha256:{}", "a".repeat(64)))),
        ];
        let told: Vec<String> = cases
            .into_iter()
            .map(|(pointer, value)| {
                let text: String = value.to_string().chars().take(60).collect();
                let error = with(pointer, value);
                assert!(!error.contains("hunter2"), "a secret is quoted: {error}");
                format!("{pointer} = {text}\n  {}\n", error.replace('\n', "\n  "))
            })
            .collect();
        insta::assert_snapshot!(told.concat());
    }

    #[test]
    fn long_dependency_chain_is_accepted() {
        let mut release = sample();
        let mut component = release.components[4].clone();
        component.needs.clear();
        release.components = (0..900)
            .map(|number| {
                component.name = format!("c{number}");
                component.service = component.name.clone();
                let part = component.clone();
                component.needs = vec![component.name.clone()];
                part
            })
            .collect();
        release.check().unwrap();
        release.components[0].needs = vec!["c899".into()];
        assert!(release.check().is_err());
    }
}
