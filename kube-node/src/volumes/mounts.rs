//! Where containers see volumes: pure, but for [`VolumeMount::resolve`].

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod, Volume};

use super::sub_path;
use crate::pod::environment::{ConfigError, expand};
use crate::pod::members::spec_of;
use crate::runtime::container::{Mount, Propagation};

/// The directory of everything of a pod.
#[must_use]
pub fn pod_directory(root: &Path, uid: &str) -> PathBuf {
    root.join("pods").join(uid)
}

/// The directory of a volume on the node.
#[must_use]
pub fn volume_directory(root: &Path, pod: &Pod, volume: &Volume) -> PathBuf {
    if let Some(host_path) = &volume.host_path {
        return PathBuf::from(&host_path.path);
    }
    let plugin = if volume.config_map.is_some() {
        "kubernetes.io~configmap"
    } else if volume.secret.is_some() {
        "kubernetes.io~secret"
    } else if volume.downward_api.is_some() {
        "kubernetes.io~downward-api"
    } else if volume.projected.is_some() {
        "kubernetes.io~projected"
    } else {
        "kubernetes.io~empty-dir"
    };
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    pod_directory(root, uid).join("volumes").join(plugin).join(&volume.name)
}

/// A mount of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// The mount, of the whole volume as yet.
    pub mount: Mount,
    /// The volume's name in the pod.
    pub volume: String,
    /// The part of it that is meant, which [`super::sub_path`] finds; empty is all of it.
    pub sub_path: String,
}

impl VolumeMount {
    /// The mount of the part that is meant.
    ///
    /// # Errors
    /// When that leads out of the volume, or the disk refuses.
    pub fn resolve(self, container: &str) -> io::Result<Mount> {
        let Self { mut mount, volume, sub_path } = self;
        if !sub_path.is_empty() {
            let place = sub_path::resolve(Path::new(&mount.host_path), &sub_path)
                .map_err(|error| io::Error::other(format!("{}: {error}", refused(&volume, container))))?;
            mount.host_path = place.to_string_lossy().into_owned();
        }
        Ok(mount)
    }
}

/// The mounts of a container's volumes.
///
/// # Errors
/// When a mount names no volume, or its sub-path leaves the volume.
pub fn mounts(
    root: &Path,
    pod: &Pod,
    container: &Container,
    env: &[(String, String)],
) -> Result<Vec<VolumeMount>, ConfigError> {
    let volumes = spec_of(pod).volumes.as_deref().unwrap_or_default();
    let mut out = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let volume = volumes
            .iter()
            .find(|volume| volume.name == mount.name)
            .ok_or_else(|| ConfigError(format!("volume {:?} of the mount is not in the pod", mount.name)))?;
        let given = |path: &Option<String>| path.clone().filter(|path| !path.is_empty());
        let sub_path = match (given(&mount.sub_path), given(&mount.sub_path_expr)) {
            (Some(path), _) => path,
            (None, Some(path)) => expanded(&path, env)?,
            (None, None) => String::new(),
        };
        if sub_path.starts_with('/') || sub_path.split('/').any(|part| part == "..") {
            return Err(ConfigError(refused(&mount.name, &container.name)));
        }
        let projected = volume.host_path.is_none() && volume.empty_dir.is_none();
        let whole = Mount {
            container_path: absolute(&mount.mount_path),
            host_path: volume_directory(root, pod, volume).to_string_lossy().into_owned(),
            read_only: mount.read_only == Some(true) || projected,
            propagation: match mount.mount_propagation.as_deref() {
                Some("HostToContainer") => Propagation::HostToContainer,
                Some("Bidirectional") => Propagation::Bidirectional,
                _ => Propagation::Private,
            },
        };
        out.push(VolumeMount { mount: whole, volume: volume.name.clone(), sub_path });
    }
    Ok(out)
}

/// What `subPathExpr` stands for. A variable without a value is an error: containers that were to have a directory each
/// would share one.
fn expanded(path: &str, env: &[(String, String)]) -> Result<String, ConfigError> {
    let missing = RefCell::new(BTreeSet::new());
    let value = expand(path, |name| {
        let value = env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if value.is_none_or(str::is_empty) {
            missing.borrow_mut().insert(name.to_owned());
        }
        value
    });
    let missing: Vec<String> = missing.into_inner().into_iter().collect();
    if missing.is_empty() { Ok(value) } else { Err(ConfigError(format!("missing value for {}", missing.join(", ")))) }
}

/// What is said of a sub-path that cannot be mounted.
fn refused(mount: &str, container: &str) -> String {
    format!("failed to prepare subPath for volumeMount {mount:?} of container {container:?}")
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

#[cfg(test)]
mod tests {
    //! Mounts in, paths out.

    use super::*;
    use crate::pod::fixture::{container, pod};

    #[track_caller]
    fn check(mount: &str, expected: Result<(&str, &str, &str, bool), &str>) {
        let mut container = container("a");
        container.volume_mounts = Some(vec![serde_json::from_str(mount).expect("a mount")]);
        let mut pod = pod("Always", vec![], vec![]);
        let volumes = r#"[{"name":"e","emptyDir":{}},{"name":"h","hostPath":{"path":"/srv"}},{"name":"c","configMap":{"name":"cm"}}]"#;
        pod.spec.as_mut().expect("spec").volumes = Some(serde_json::from_str(volumes).expect("volumes"));
        let env =
            [("X", "sub"), ("Y", "../up"), ("EMPTY", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let made = mounts(Path::new("/r"), &pod, &container, &env).map(|mut mounts| mounts.remove(0));
        let shown = made.as_ref().map(|VolumeMount { mount, sub_path, .. }| {
            (mount.container_path.as_str(), mount.host_path.as_str(), sub_path.as_str(), mount.read_only)
        });
        assert_eq!(shown.map_err(|error| error.0.as_str()), expected);
    }

    #[test]
    fn paths() {
        check(
            r#"{"name":"e","mountPath":"/data"}"#,
            Ok(("/data", "/r/pods/uid-1/volumes/kubernetes.io~empty-dir/e", "", false)),
        );
        check(
            r#"{"name":"e","mountPath":"data","subPath":"x/y","readOnly":true}"#,
            Ok(("/data", "/r/pods/uid-1/volumes/kubernetes.io~empty-dir/e", "x/y", true)),
        );
        check(r#"{"name":"h","mountPath":"/h","subPathExpr":"$(X)"}"#, Ok(("/h", "/srv", "sub", false)));
        let config_map = "/r/pods/uid-1/volumes/kubernetes.io~configmap/c";
        check(r#"{"name":"c","mountPath":"/c"}"#, Ok(("/c", config_map, "", true)));
        check(r#"{"name":"z","mountPath":"/c"}"#, Err("volume \"z\" of the mount is not in the pod"));
    }

    #[test]
    fn sub_paths_from_variables() {
        let check = |expression: &str, expected: Result<&str, &str>| {
            let mount = format!(r#"{{"name":"h","mountPath":"/h","subPath":"","subPathExpr":"{expression}"}}"#);
            check(&mount, expected.map(|sub_path| ("/h", "/srv", sub_path, false)));
        };
        check("$(X)", Ok("sub"));
        check("logs/$(X)/$$(X)", Ok("logs/sub/$(X)"));
        check("plain", Ok("plain"));
        check("$(Z)/$(UNSET)/$(X)", Err("missing value for UNSET, Z"));
        check("a/$(EMPTY)", Err("missing value for EMPTY"));
        let refused = "failed to prepare subPath for volumeMount \"h\" of container \"a\"";
        check("$(Y)", Err(refused));
        check("/$(X)", Err(refused));
    }

    #[test]
    fn a_sub_path_may_not_lead_up() {
        let refused = Err("failed to prepare subPath for volumeMount \"e\" of container \"a\"");
        for path in ["../x", "x/../../y", "..", "/etc"] {
            check(&format!(r#"{{"name":"e","mountPath":"/c","subPath":"{path}"}}"#), refused);
        }
        let directory = "/r/pods/uid-1/volumes/kubernetes.io~empty-dir/e";
        check(r#"{"name":"e","mountPath":"/c","subPath":"..x/y.."}"#, Ok(("/c", directory, "..x/y..", false)));
    }
}
