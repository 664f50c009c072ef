//! Which kinds an API server serves now: the built-in ones, and those that were added while it ran.

use bytes::Bytes;
use http::{Method, Request, header};
use kubekit_runtime::{ApiResource, Client, Error};
use serde::Deserialize;

/// Discovery in one document. Source: KEP-3352.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A kind that is served, and what can be done with its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Where it is served, in the group's preferred version.
    pub resource: ApiResource,
    /// `list`, `deletecollection`, …
    pub verbs: Vec<String>,
}

impl Served {
    /// Whether all of these can be done.
    pub fn supports(&self, verbs: &[&str]) -> bool {
        verbs.iter().all(|verb| self.verbs.iter().any(|v| v == verb))
    }
}

/// What was found, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered {
    /// The kinds, each once, in its group's preferred version.
    pub kinds: Vec<Served>,
    /// Group versions whose server did not answer: their kinds are unknown.
    pub stale: Vec<String>,
}

/// Asks which kinds are served.
///
/// # Errors
///
/// If the API server does not answer.
pub async fn discover(client: &Client) -> Result<Discovered, Error> {
    let mut discovered = Discovered::default();
    for path in ["/api", "/apis"] {
        let request = Request::builder().method(Method::GET).uri(path).header(header::ACCEPT, AGGREGATED);
        let request = request.body(Bytes::new()).map_err(|error| Error::Request(format!("{path}: {error}")))?;
        read(client.request(request).await?, &mut discovered);
    }
    Ok(discovered)
}

#[derive(Debug, Deserialize)]
struct Groups {
    #[serde(default)]
    items: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    #[serde(default)]
    metadata: Name,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Debug, Default, Deserialize)]
struct Name {
    #[serde(default)]
    name: String,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    freshness: String,
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource: String,
    #[serde(default)]
    response_kind: Option<Kind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    #[serde(default)]
    kind: String,
}

/// Takes over a document. Versions stand in the order of preference, so the first that has a kind is the one to use.
fn read(groups: Groups, discovered: &mut Discovered) {
    for group in groups.items {
        let name = group.metadata.name;
        for version in group.versions {
            if version.freshness == "Stale" {
                discovered.stale.push(format!("{name}/{}", version.version));
            }
            for resource in version.resources {
                let Some(kind) = resource.response_kind else { continue };
                let same = |s: &Served| s.resource.group == name && s.resource.plural == resource.resource;
                if discovered.kinds.iter().any(same) {
                    continue;
                }
                discovered.kinds.push(Served {
                    resource: ApiResource {
                        group: name.clone().into(),
                        version: version.version.clone().into(),
                        kind: kind.kind.into(),
                        plural: resource.resource.into(),
                        namespaced: resource.scope == "Namespaced",
                    },
                    verbs: resource.verbs,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! One document, read.

    use serde_json::json;

    use super::*;

    #[test]
    fn the_preferred_version_of_each_kind_is_taken() {
        let resource = |name: &str, kind: &str, scope: &str| {
            json!({"resource": name, "responseKind": {"group": "", "version": "", "kind": kind}, "scope": scope,
                   "verbs": ["list", "delete"]})
        };
        let document = json!({"items": [
            {"metadata": {"name": "example.com"}, "versions": [
                {"version": "v2", "freshness": "Current", "resources": [resource("widgets", "Widget", "Namespaced")]},
                {"version": "v1", "freshness": "Current",
                 "resources": [resource("widgets", "Widget", "Namespaced"), resource("shelves", "Shelf", "Cluster")]},
            ]},
            {"metadata": {"name": "down.example.com"}, "versions": [{"version": "v1", "freshness": "Stale"}]},
        ]});
        let mut discovered = Discovered::default();
        read(serde_json::from_value(document).unwrap(), &mut discovered);
        let kinds: Vec<_> = discovered.kinds.iter().map(|s| (s.resource.path("ns"), s.resource.namespaced)).collect();
        assert_eq!(
            kinds,
            [
                ("/apis/example.com/v2/namespaces/ns/widgets".to_owned(), true),
                ("/apis/example.com/v1/namespaces/ns/shelves".to_owned(), false)
            ]
        );
        assert!(discovered.kinds[0].supports(&["delete"]) && !discovered.kinds[0].supports(&["watch"]));
        assert_eq!(discovered.stale, ["down.example.com/v1"]);
    }
}
