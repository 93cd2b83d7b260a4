//! A chart for Helm: templates that never change, and values made of the release.

mod values;

use crate::kubernetes::check;
use crate::labels::{semver, slug};
use crate::workload::workloads;
use crate::yaml::{Map, Node, map, write};
use crate::{Error, File, Files, Options, Release, head};

/// What is the same in every chart.
const CONSTANT: &[(&str, &str)] = &[
    (".helmignore", include_str!("chart/helmignore")),
    ("templates/NOTES.txt", include_str!("chart/templates/NOTES.txt")),
    ("templates/_helpers.tpl", include_str!("chart/templates/_helpers.tpl")),
    ("templates/autoscalers.yaml", include_str!("chart/templates/autoscalers.yaml")),
    ("templates/configmaps.yaml", include_str!("chart/templates/configmaps.yaml")),
    ("templates/disruptionbudgets.yaml", include_str!("chart/templates/disruptionbudgets.yaml")),
    ("templates/networkpolicies.yaml", include_str!("chart/templates/networkpolicies.yaml")),
    ("templates/serviceaccount.yaml", include_str!("chart/templates/serviceaccount.yaml")),
    ("templates/services.yaml", include_str!("chart/templates/services.yaml")),
    ("templates/workloads.yaml", include_str!("chart/templates/workloads.yaml")),
    ("values.schema.json", include_str!("chart/values.schema.json")),
];

/// Makes a chart for Helm 3 and 4.
///
/// Installed as a release of the project's name it gives the objects that [`kubernetes`](crate::kubernetes()) gives. Nothing of
/// the release stands in a template: whatever a value holds, it is data. The schema refuses images without a digest.
///
/// # Errors
/// When the release cannot be deployed, an image is in files alone, or would run as root.
pub fn helm(release: &Release, options: &Options) -> Result<Files, Error> {
    let workloads = workloads(release)?;
    check(&workloads)?;
    let mut files: Files = CONSTANT
        .iter()
        .map(|(path, text)| File { path: (*path).into(), bytes: text.as_bytes().to_vec() })
        .collect();
    let mut add = |path: &str, document: &Map| {
        let text = format!("{}{}", head(release, "helm"), write(document));
        files.push(File { path: path.into(), bytes: text.into_bytes() });
    };
    add("Chart.yaml", &chart(release));
    add("values.yaml", &values::values(&workloads, release, options));
    files.sort();
    Ok(files)
}

fn chart(release: &Release) -> Map {
    let text = |text: String| Node::Text(text);
    map([
        ("apiVersion", "v2".into()),
        ("name", text(slug(&release.project))),
        ("description", text(format!("{}, component by component", release.project))),
        ("type", "application".into()),
        ("version", text(semver(&release.version))),
        ("appVersion", text(release.version.clone())),
        ("kubeVersion", ">=1.25.0-0".into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{sample, shop, shown};

    #[test]
    fn the_sample_release() {
        let mut files = helm(&sample(), &Options::default()).unwrap();
        files.retain(|file| ["Chart.yaml", "values.yaml"].contains(&file.path.as_str()));
        insta::assert_snapshot!(shown(&files));
    }

    #[test]
    fn project_with_postgres_and_redis() {
        let mut files = helm(&shop(), &Options::default()).unwrap();
        files.retain(|file| file.path == "values.yaml");
        let text = shown(&files);
        // What comes before it says the same for every release.
        insta::assert_snapshot!(text.split_once("\ncomponents:").unwrap().1);
    }

    #[test]
    fn templates_and_schema_are_the_same_for_every_release() {
        let mut other = sample();
        other.project = "other".into();
        other.components.truncate(1);
        other.components[0].needs.clear();
        let constant = |release: &Release| -> Files {
            let mut files = helm(release, &Options::default()).unwrap();
            files.retain(|file| !["Chart.yaml", "values.yaml"].contains(&file.path.as_str()));
            files
        };
        assert_eq!(constant(&other), constant(&sample()));
        assert_eq!(constant(&other).len(), CONSTANT.len());
    }
}
