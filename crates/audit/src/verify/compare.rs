use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;
use wainwright_base::{FileKind, LayerFile, Listing, list, merge};
use wainwright_fault::Classify;
use wainwright_oci::{Digest, Image};
use wainwright_store::Store;

use wainwright_engine::Error;

use super::expected::{ExpectedLayer, Files};
use super::origin::Origin;
use super::report::{Finding, LayerVerdict, LayerVerification, OriginCount, PlatformVerification, Verdict};
use crate::describe_file::{describe, is_same, shown};
use crate::documents;
use crate::pairs::pairs;

/// Compares an image with what it should be: documents, layers, and every member of every layer.
///
/// A member is explained when some input brings it to its path with this content, mode and owner; the layer it stands in
/// does not matter, so that an image cut into other layers is explained as well. What a container would see in the end is
/// compared besides: layers that are fine one by one could still hide each other.
///
/// What `docker save` wrote has no manifest and plain layers; there the config, which names every tar, is what counts.
pub(super) fn compare(
    expected: Vec<ExpectedLayer>,
    rebuilt: &Image,
    found: &Image,
    has_manifest: bool,
    epoch: u64,
    store: &Store,
) -> Result<PlatformVerification, Error> {
    let listings = listings(found, store)?;
    let ids: Vec<Digest> = expected.iter().map(|layer| layer.layer.diff_id.0).collect();
    let found_ids: Vec<Digest> = listings
        .iter()
        .zip(&found.layers)
        .map(|(listing, layer)| listing.as_ref().map_or(layer.diff_id.0, |listing| listing.diff_id))
        .collect();
    let pairs = pairs(&ids, &found_ids);
    let layers: Vec<LayerVerification> =
        pairs.iter().map(|pair| layer(*pair, &expected, found, &listings)).collect();

    let partners: HashMap<usize, usize> =
        pairs.iter().filter_map(|(one, two)| Some(((*two)?, (*one)?))).collect();
    let inputs = inputs(&expected, &pairs, &found_ids, &listings, store)?;
    let mut check = Check::new(&expected, &inputs, partners, epoch);
    for (at, listing) in listings.iter().enumerate() {
        if let Ok(listing) = listing {
            listing.files.iter().for_each(|file| check.member(at, file));
        }
    }
    if ids != found_ids {
        check.whole(&listings);
    }
    let manifest = match has_manifest {
        true => documents::manifests(&rebuilt.manifest, &found.manifest),
        false => Vec::new(),
    };
    let config = documents::configs(&rebuilt.config, &found.config);
    let is_explained = check.unexplained.is_empty() && check.differing.is_empty() && check.missing.is_empty();
    let is_fine = is_explained && layers.iter().all(|layer| layer.state != LayerVerdict::Damaged);
    let name = |image: &Image| if has_manifest { image.manifest.digest() } else { image.config.digest() };
    let is_same_layer = |layer: &LayerVerification| match layer.state {
        LayerVerdict::Same => true,
        LayerVerdict::Recompressed => !has_manifest,
        _ => false,
    };
    let is_same = name(rebuilt) == name(found)
        && rebuilt.config.digest() == found.config.digest()
        && layers.iter().all(is_same_layer);
    let verdict = match is_fine {
        true if is_same => Verdict::Same,
        true if documents::run_alike(rebuilt, found, &manifest, &config) => Verdict::SameFiles,
        _ => Verdict::Different,
    };
    Ok(PlatformVerification {
        platform: found.platform.clone(),
        expected: name(rebuilt),
        found: name(found),
        verdict,
        manifest,
        config,
        layers,
        origins: check.counts(),
        unexplained: check.unexplained,
        differing: check.differing,
        missing: check.missing,
        other_times: check.other_times,
        files: check.files,
    })
}

/// Reads all layers. One that cannot be read is a finding, unless it is the disk's fault.
fn listings(image: &Image, store: &Store) -> Result<Vec<Result<Listing, String>>, Error> {
    let read = image.layers.par_iter().enumerate().map(|(at, layer)| match list(layer, at + 1, store) {
        Ok(listing) => Ok(Ok(listing)),
        Err(error) if error.is_outside() => Err(error.into()),
        Err(error) => {
            let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
            Ok(Err(format!("{error}{cause}")))
        }
    });
    read.collect()
}

fn layer(
    (one, two): (Option<usize>, Option<usize>),
    expected: &[ExpectedLayer],
    found: &Image,
    listings: &[Result<Listing, String>],
) -> LayerVerification {
    let wanted = one.and_then(|at| expected.get(at));
    let there = two.and_then(|at| Some((found.layers.get(at)?, listings.get(at)?)));
    let (state, problem) = match (wanted, there) {
        (_, Some((_, Err(problem)))) => (LayerVerdict::Damaged, Some(problem.clone())),
        (_, Some((layer, Ok(listing))))
            if listing.digest != layer.descriptor.digest || listing.size != layer.descriptor.size =>
        {
            let problem =
                format!("its bytes have the digest {}, not {}", listing.digest, layer.descriptor.digest);
            (LayerVerdict::Damaged, Some(problem))
        }
        (_, Some((layer, Ok(listing)))) if listing.diff_id != layer.diff_id.0 => {
            let problem =
                format!("it unpacks to {}, and the config promises {}", listing.diff_id, layer.diff_id);
            (LayerVerdict::Damaged, Some(problem))
        }
        (Some(wanted), Some((layer, _))) if wanted.layer.descriptor.digest == layer.descriptor.digest => {
            (LayerVerdict::Same, None)
        }
        (Some(wanted), Some((layer, _))) if wanted.layer.diff_id == layer.diff_id => {
            (LayerVerdict::Recompressed, None)
        }
        (Some(_), Some(_)) => (LayerVerdict::Different, None),
        (None, _) => (LayerVerdict::Extra, None),
        (Some(_), None) => (LayerVerdict::Missing, None),
    };
    LayerVerification {
        position: two.map(|at| at + 1),
        name: wanted.map(|wanted| wanted.name.clone()),
        expected: wanted.map(|wanted| wanted.layer.descriptor.digest),
        found: there.map(|(layer, _)| layer.descriptor.digest),
        state,
        problem,
    }
}

/// What the inputs say of each expected layer. A layer of the base image is an input itself: it is read, unless the
/// image holds the same tar.
fn inputs(
    expected: &[ExpectedLayer],
    pairs: &[(Option<usize>, Option<usize>)],
    found_ids: &[Digest],
    listings: &[Result<Listing, String>],
    store: &Store,
) -> Result<Vec<Option<Files>>, Error> {
    let partners: HashMap<usize, usize> =
        pairs.iter().filter_map(|(one, two)| Some(((*one)?, (*two)?))).collect();
    let of_base = |(at, layer): (usize, &ExpectedLayer)| {
        if layer.files.is_some() {
            return Ok(None);
        }
        let twin = partners.get(&at).filter(|two| found_ids.get(**two) == Some(&layer.layer.diff_id.0));
        let files = match twin.and_then(|two| listings.get(*two)) {
            Some(Ok(listing)) => listing.files.clone(),
            _ => list(&layer.layer, at + 1, store)?.files,
        };
        let origin = Origin::Base { layer: layer.layer.descriptor.digest };
        Ok(Some(Files { origins: vec![origin; files.len()], files }))
    };
    expected.par_iter().enumerate().map(of_base).collect()
}

/// Members of layers against what the inputs bring.
struct Check<'a> {
    expected: &'a [ExpectedLayer],
    /// Of each expected layer.
    inputs: Vec<&'a Files>,
    /// Which expected layer a found one stands for.
    partners: HashMap<usize, usize>,
    /// Layer and number of everything that the inputs bring to a path.
    by_path: HashMap<&'a [u8], Vec<(usize, usize)>>,
    epoch: u64,
    counts: BTreeMap<String, (BTreeSet<String>, u64, u64)>,
    /// Paths that were reported already.
    reported: BTreeSet<Vec<u8>>,
    unexplained: Vec<Finding>,
    differing: Vec<Finding>,
    missing: Vec<Finding>,
    other_times: usize,
    files: Vec<(String, Origin)>,
}

static NOTHING: Files = Files { files: Vec::new(), origins: Vec::new() };

impl<'a> Check<'a> {
    fn new(
        expected: &'a [ExpectedLayer],
        of_base: &'a [Option<Files>],
        partners: HashMap<usize, usize>,
        epoch: u64,
    ) -> Self {
        let inputs: Vec<&Files> = expected
            .iter()
            .zip(of_base)
            .map(|(layer, of_base)| layer.files.as_ref().or(of_base.as_ref()).unwrap_or(&NOTHING))
            .collect();
        let mut by_path: HashMap<&[u8], Vec<(usize, usize)>> = HashMap::new();
        for (layer, files) in inputs.iter().enumerate() {
            for (number, file) in files.files.iter().enumerate() {
                by_path.entry(&file.path).or_default().push((layer, number));
            }
        }
        Self {
            expected,
            inputs,
            partners,
            by_path,
            epoch,
            counts: BTreeMap::new(),
            reported: BTreeSet::new(),
            unexplained: Vec::new(),
            differing: Vec::new(),
            missing: Vec::new(),
            other_times: 0,
            files: Vec::new(),
        }
    }

    /// Looks for the input that brings a member of the found layer `at`.
    fn member(&mut self, at: usize, file: &LayerFile) {
        let partner = self.partners.get(&at).copied();
        let brought = self.by_path.get(file.path.as_slice()).map(Vec::as_slice).unwrap_or_default();
        // The layer it should be in first: only there can two versions of one path both be right.
        let own = brought.iter().filter(|(layer, _)| Some(*layer) == partner);
        let others = brought.iter().filter(|(layer, _)| Some(*layer) != partner);
        let mut candidates = own.chain(others).filter_map(|(layer, number)| self.input(*layer, *number));
        let first = candidates.clone().next();
        if let Some((_, origin)) = candidates.find(|(wanted, _)| is_same(wanted, file)) {
            let origin = origin.clone();
            return self.explained(file, origin);
        }
        let finding = Finding {
            path: shown(&file.path),
            layer: Some(at + 1),
            layer_name: partner.and_then(|layer| self.expected.get(layer)).map(|layer| layer.name.clone()),
            expected: first.map(|(wanted, _)| describe(wanted)),
            found: Some(describe(file)),
            origin: first.map(|(_, origin)| origin.clone()),
        };
        self.reported.insert(file.path.clone());
        match finding.expected {
            Some(_) => self.differing.push(finding),
            None => self.unexplained.push(finding),
        }
    }

    fn input(&self, layer: usize, number: usize) -> Option<(&'a LayerFile, &'a Origin)> {
        let files: &'a Files = self.inputs.get(layer)?;
        Some((files.files.get(number)?, files.origins.get(number)?))
    }

    fn explained(&mut self, file: &LayerFile, origin: Origin) {
        // Files of a base have their own times.
        if file.mtime != self.epoch && !matches!(origin, Origin::Base { .. }) {
            self.other_times += 1;
        }
        if file.kind == FileKind::Directory {
            return;
        }
        let (members, files, bytes) = self.counts.entry(origin.group()).or_default();
        members.extend(origin.member());
        *files += 1;
        if let FileKind::File { size, .. } = file.kind {
            *bytes += size;
        }
        self.files.push((shown(&file.path), origin));
    }

    /// Compares what a container would see.
    fn whole(&mut self, listings: &[Result<Listing, String>]) {
        let found = listings.iter().map(|listing| match listing {
            Ok(listing) => listing.files.as_slice(),
            Err(_) => &[],
        });
        let found = merge(found);
        let inputs = self.inputs.clone();
        for (path, (layer, wanted)) in merge(inputs.iter().map(|files| files.files.as_slice())) {
            let there = found.get(path);
            let is_fine = there.is_some_and(|(_, file)| is_same(wanted, file));
            if is_fine || self.reported.contains(path) {
                continue;
            }
            let origin = self.by_path.get(path).and_then(|brought| {
                let (layer, number) = brought.iter().find(|(found, _)| *found == layer)?;
                self.input(*layer, *number)
            });
            let finding = Finding {
                path: shown(path),
                layer: there.map(|(layer, _)| layer + 1),
                layer_name: self.expected.get(layer).map(|layer| layer.name.clone()),
                expected: Some(describe(wanted)),
                found: there.map(|(_, file)| describe(file)),
                origin: origin.map(|(_, origin)| origin.clone()),
            };
            match there {
                Some(_) => self.differing.push(finding),
                None => self.missing.push(finding),
            }
        }
        // A path that only a lower layer should show, where a later one should have replaced or deleted it.
        let wanted = merge(inputs.iter().map(|files| files.files.as_slice()));
        for (path, (layer, file)) in found {
            if !wanted.contains_key(path) && !self.reported.contains(path) {
                self.unexplained.push(Finding {
                    path: shown(path),
                    layer: Some(layer + 1),
                    layer_name: None,
                    expected: None,
                    found: Some(describe(file)),
                    origin: None,
                });
            }
        }
    }

    fn counts(&self) -> Vec<OriginCount> {
        let count = |(origin, (members, files, bytes)): (&String, &(BTreeSet<String>, u64, u64))| {
            OriginCount { origin: origin.clone(), members: members.len(), files: *files, bytes: *bytes }
        };
        self.counts.iter().map(count).collect()
    }
}
