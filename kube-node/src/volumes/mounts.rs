//! Where containers see volumes. Pure.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod, Volume};

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

/// The mounts of a container's volumes.
///
/// # Errors
/// When a mount names no volume, or its sub-path leaves the volume.
pub fn mounts(
    root: &Path,
    pod: &Pod,
    container: &Container,
    env: &[(String, String)],
) -> Result<Vec<Mount>, ConfigError> {
    let volumes = spec_of(pod).volumes.as_deref().unwrap_or_default();
    let mut out = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let volume = volumes
            .iter()
            .find(|volume| volume.name == mount.name)
            .ok_or_else(|| ConfigError(format!("volume {:?} of the mount is not in the pod", mount.name)))?;
        let mut host_path = volume_directory(root, pod, volume);
        let sub_path = match (&mount.sub_path, &mount.sub_path_expr) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) => {
                expand(path, |name| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()))
            }
            (None, None) => String::new(),
        };
        if sub_path.starts_with('/') || sub_path.split('/').any(|part| part == "..") {
            return Err(ConfigError(format!(
                "failed to prepare subPath for volumeMount {:?} of container {:?}",
                mount.name, container.name
            )));
        }
        if !sub_path.is_empty() {
            host_path.push(sub_path);
        }
        let projected = volume.host_path.is_none() && volume.empty_dir.is_none();
        out.push(Mount {
            container_path: absolute(&mount.mount_path),
            host_path: host_path.to_string_lossy().into_owned(),
            read_only: mount.read_only == Some(true) || projected,
            propagation: match mount.mount_propagation.as_deref() {
                Some("HostToContainer") => Propagation::HostToContainer,
                Some("Bidirectional") => Propagation::Bidirectional,
                _ => Propagation::Private,
            },
        });
    }
    Ok(out)
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
    fn check(mount: &str, expected: Result<(&str, &str, bool), &str>) {
        let mut container = container("a");
        container.volume_mounts = Some(vec![serde_json::from_str(mount).expect("a mount")]);
        let mut pod = pod("Always", vec![], vec![]);
        let volumes = r#"[{"name":"e","emptyDir":{}},{"name":"h","hostPath":{"path":"/srv"}},{"name":"c","configMap":{"name":"cm"}}]"#;
        pod.spec.as_mut().expect("spec").volumes = Some(serde_json::from_str(volumes).expect("volumes"));
        let env = [("X".to_owned(), "sub".to_owned())];
        let made = mounts(Path::new("/r"), &pod, &container, &env).map(|mut mounts| mounts.remove(0));
        let made = made.map(|m| (m.container_path, m.host_path, m.read_only)).map_err(|error| error.to_string());
        assert_eq!(made, expected.map(|(c, h, r)| (c.to_owned(), h.to_owned(), r)).map_err(str::to_owned));
    }

    #[test]
    fn paths() {
        check(
            r#"{"name":"e","mountPath":"/data"}"#,
            Ok(("/data", "/r/pods/uid-1/volumes/kubernetes.io~empty-dir/e", false)),
        );
        check(
            r#"{"name":"e","mountPath":"data","subPath":"x/y","readOnly":true}"#,
            Ok(("/data", "/r/pods/uid-1/volumes/kubernetes.io~empty-dir/e/x/y", true)),
        );
        check(r#"{"name":"h","mountPath":"/h","subPathExpr":"$(X)"}"#, Ok(("/h", "/srv/sub", false)));
        check(r#"{"name":"c","mountPath":"/c"}"#, Ok(("/c", "/r/pods/uid-1/volumes/kubernetes.io~configmap/c", true)));
        check(r#"{"name":"z","mountPath":"/c"}"#, Err("volume \"z\" of the mount is not in the pod"));
        check(
            r#"{"name":"e","mountPath":"/c","subPath":"../x"}"#,
            Err("failed to prepare subPath for volumeMount \"e\" of container \"a\""),
        );
    }
}
