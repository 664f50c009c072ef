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
pub struct Sources(BTreeMap<(Kind, String), BTreeMap<String, Vec<u8>>>);

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
        self.0.insert((Kind::ConfigMap, name.to_owned()), text.chain(binary).collect());
    }

    /// Adds a Secret.
    pub fn add_secret(&mut self, name: &str, object: &Secret) {
        let data = object.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
        self.0.insert((Kind::Secret, name.to_owned()), data.collect());
    }

    /// The contents of an object; none when it does not exist.
    #[must_use]
    pub fn get(&self, kind: Kind, name: &str) -> Option<&BTreeMap<String, Vec<u8>>> {
        self.0.get(&(kind, name.to_owned()))
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
