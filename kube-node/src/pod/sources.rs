//! What a pod's environment and volumes are filled from: the ConfigMaps and Secrets that it names.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, PodSpec, Secret};

/// ConfigMaps or Secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl Kind {
    /// The word of error messages about a missing object.
    #[must_use]
    pub fn lowercase(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }

    /// The word of error messages about a missing key.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// The contents of ConfigMaps and Secrets of one namespace. `Debug` shows no contents.
#[derive(Clone, Default)]
pub struct Sources(BTreeMap<(Kind, String), Content>);

#[derive(Clone, Default)]
struct Content {
    data: BTreeMap<String, Vec<u8>>,
    /// Which of them are `binaryData`: files for volumes, and no variables.
    binary: BTreeSet<String>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Sources {
    /// Adds a ConfigMap.
    pub fn add_config_map(&mut self, name: &str, object: &ConfigMap) {
        let text = object.data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
        let binary = object.binary_data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
        let keys = object.binary_data.iter().flatten().map(|(key, _)| key.clone()).collect();
        let content = Content { data: text.chain(binary).collect(), binary: keys };
        self.0.insert((Kind::ConfigMap, name.to_owned()), content);
    }

    /// Adds a Secret.
    pub fn add_secret(&mut self, name: &str, object: &Secret) {
        let data = object.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
        let content = Content { data: data.collect(), ..Content::default() };
        self.0.insert((Kind::Secret, name.to_owned()), content);
    }

    /// The contents of an object; none when it does not exist.
    #[must_use]
    pub fn get(&self, kind: Kind, name: &str) -> Option<&BTreeMap<String, Vec<u8>>> {
        self.0.get(&(kind, name.to_owned())).map(|content| &content.data)
    }

    /// Those of its contents that may be a variable's value; none when it does not exist.
    #[must_use]
    pub fn variables(&self, kind: Kind, name: &str) -> Option<BTreeMap<&str, &[u8]>> {
        let content = self.0.get(&(kind, name.to_owned()))?;
        let text = content.data.iter().filter(|(key, _)| !content.binary.contains(*key));
        Some(text.map(|(key, value)| (key.as_str(), value.as_slice())).collect())
    }
}

/// Every ConfigMap and Secret that the environment of the pod's containers names.
#[must_use]
pub fn of_environment(spec: &PodSpec) -> BTreeSet<(Kind, String)> {
    let mut names = BTreeSet::new();
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        for from in container.env_from.iter().flatten() {
            names.extend(from.config_map_ref.iter().map(|source| (Kind::ConfigMap, source.name.clone())));
            names.extend(from.secret_ref.iter().map(|source| (Kind::Secret, source.name.clone())));
        }
        for from in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
            names.extend(from.config_map_key_ref.iter().map(|key| (Kind::ConfigMap, key.name.clone())));
            names.extend(from.secret_key_ref.iter().map(|key| (Kind::Secret, key.name.clone())));
        }
    }
    names
}

/// Every ConfigMap and Secret that the pod's volumes name.
#[must_use]
pub fn of_volumes(spec: &PodSpec) -> BTreeSet<(Kind, String)> {
    let mut names = BTreeSet::new();
    for volume in spec.volumes.iter().flatten() {
        names.extend(volume.config_map.iter().map(|source| (Kind::ConfigMap, source.name.clone())));
        names.extend(volume.secret.iter().filter_map(|s| s.secret_name.clone()).map(|name| (Kind::Secret, name)));
        for projection in volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
            names.extend(projection.config_map.iter().map(|source| (Kind::ConfigMap, source.name.clone())));
            names.extend(projection.secret.iter().map(|source| (Kind::Secret, source.name.clone())));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    //! Specs in, names out.

    use super::*;

    fn spec() -> PodSpec {
        serde_json::from_str(
            r#"{
            "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "env-init"}}]}],
            "containers": [{"name": "a",
                "envFrom": [{"secretRef": {"name": "env-secret"}}],
                "env": [{"name": "PLAIN", "value": "x"},
                    {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "key-map", "key": "k"}}},
                    {"name": "S", "valueFrom": {"secretKeyRef": {"name": "key-secret", "key": "k"}}}]}],
            "volumes": [
                {"name": "1", "configMap": {"name": "volume-map"}},
                {"name": "2", "secret": {"secretName": "volume-secret"}},
                {"name": "3", "emptyDir": {}},
                {"name": "4", "projected": {"sources": [
                    {"configMap": {"name": "projected-map"}}, {"secret": {"name": "projected-secret"}},
                    {"serviceAccountToken": {"path": "token"}}]}}]
            }"#,
        )
        .expect("a spec")
    }

    fn check(names: BTreeSet<(Kind, String)>, config_maps: &[&str], secrets: &[&str]) {
        let of = |wanted: Kind| -> Vec<&str> {
            names.iter().filter(|(kind, _)| *kind == wanted).map(|(_, name)| name.as_str()).collect()
        };
        assert_eq!((of(Kind::ConfigMap), of(Kind::Secret)), (config_maps.to_vec(), secrets.to_vec()));
    }

    #[test]
    fn everything_that_a_pod_names_is_found() {
        check(of_environment(&spec()), &["env-init", "key-map"], &["env-secret", "key-secret"]);
        check(of_volumes(&spec()), &["projected-map", "volume-map"], &["projected-secret", "volume-secret"]);
        check(of_environment(&PodSpec::default()), &[], &[]);
    }

    #[test]
    fn contents_are_not_shown() {
        let mut sources = Sources::default();
        let data = [("key".to_owned(), k8s_openapi::ByteString(b"hidden".to_vec()))].into();
        sources.add_secret("sec", &Secret { data: Some(data), ..Secret::default() });
        let shown = format!("{sources:?}");
        assert!(shown.contains("sec") && !shown.contains("hidden") && !shown.contains("key"), "{shown}");
    }
}
