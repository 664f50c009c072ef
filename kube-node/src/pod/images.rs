//! Images of containers: whether to fetch them, with which credentials, and what to say about it.

use base64::Engine as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, Secret};
use kubekit_runtime::EventType;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

use super::backoff::go_duration;
use super::members::spec_of;
use super::memory::{Failure, Memory};
use crate::agent::shared::Shared;
use crate::runtime::image::Image;
use crate::runtime::{Error, RegistryAuth, SandboxConfig};

/// When what fails without a back-off is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// Why a container cannot start, as its waiting reason and message; `retry_at` is when another try makes sense.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) failure: Failure,
    pub(crate) retry_at: Option<Timestamp>,
}

/// Whether to fetch an image: by the policy, which an image without a tag or with the tag `latest` defaults to `Always`.
#[must_use]
pub fn pulls(container: &Container, present: bool) -> bool {
    match container.image_pull_policy.as_deref() {
        Some("Never") => false,
        Some("Always") => true,
        Some(_) => !present,
        None => !present || is_latest(container.image.as_deref().unwrap_or_default()),
    }
}

/// Whether a name can be one of an image: its repository has no capital letters, spaces or empty parts.
fn is_reference(image: &str) -> bool {
    let name = image.split('@').next().unwrap_or_default();
    let (path, host) = match name.split_once('/') {
        Some((host, path)) if registry(image) == host => (path, Some(host)),
        _ => (name, None),
    };
    let repository = path.split(':').next().unwrap_or_default();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
    !image.contains(char::is_whitespace)
        && !repository.is_empty()
        && repository.split('/').all(|part| !part.is_empty())
        && repository.chars().all(allowed)
        && host.is_none_or(|host| !host.is_empty())
}

fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    match image.rsplit('/').next().and_then(|name| name.split_once(':')) {
        Some((_, tag)) => tag == "latest",
        None => true,
    }
}

/// Makes sure that the container's image is on the node; gives it.
pub(crate) async fn ensure(
    shared: &Shared,
    pod: &Pod,
    container: &Container,
    sandbox: &SandboxConfig,
    memory: &mut Memory,
) -> Result<Image, Refusal> {
    let image = container.image.as_deref().unwrap_or_default();
    let now = shared.now();
    let refuse = |reason: &str, message: String, retry_at| Refusal {
        failure: Failure { reason: reason.into(), message, at: now },
        retry_at,
    };
    let event = |kind, reason, message: String| shared.event(pod, Some(&container.name), kind, reason, message);
    if !is_reference(image) {
        let message = format!(
            "Failed to apply default image tag {image:?}: couldn't parse image name {image:?}: invalid reference format"
        );
        event(EventType::Warning, "InspectFailed", message.clone());
        event(EventType::Warning, "Failed", "Error: InvalidImageName".into());
        return Err(refuse("InvalidImageName", message, Some(now + RETRY)));
    }
    let present = match shared.runtime.image_status(image).await {
        Ok(present) => present,
        Err(error) => return Err(not_inspected(shared, pod, container, &error.to_string())),
    };
    if !pulls(container, present.is_some()) {
        if let Some(present) = present {
            let message =
                format!("Container image {image:?} already present on machine and can be accessed by the pod");
            event(EventType::Normal, "Pulled", message);
            return Ok(present);
        }
        let message = format!("Container image {image:?} is not present with pull policy of Never");
        event(EventType::Warning, "ErrImageNeverPull", message.clone());
        event(EventType::Warning, "Failed", "Error: ErrImageNeverPull".into());
        return Err(refuse("ErrImageNeverPull", message, Some(now + RETRY)));
    }
    if let Some((backoff, failed_at)) = memory.pulls.get(image)
        && let Some((_, until)) = backoff.waiting(*failed_at, now)
    {
        let before = memory.failures.get(&container.name).filter(|failure| failure.reason == "ErrImagePull");
        let why = before.map_or(String::new(), |failure| format!(": ErrImagePull: {}", failure.message));
        event(EventType::Normal, "BackOff", format!("Back-off pulling image {image:?}"));
        event(EventType::Warning, "Failed", "Error: ImagePullBackOff".into());
        return Err(refuse("ImagePullBackOff", format!("Back-off pulling image {image:?}{why}"), Some(until)));
    }
    fetch(shared, pod, container, sandbox, memory).await
}

/// The image that was fetched just now, as the runtime describes it. Where it does not, the image's user is unknown, and may
/// not be taken for root.
fn inspected(id: String, status: Result<Option<Image>, Error>) -> Result<Image, String> {
    match status {
        Ok(Some(image)) => Ok(Image { id, ..image }),
        Ok(None) => Err("the runtime has fetched it, and does not know it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Tells that the runtime does not describe an image.
fn not_inspected(shared: &Shared, pod: &Pod, container: &Container, why: &str) -> Refusal {
    let message = format!("Failed to inspect image {:?}: {why}", container.image.as_deref().unwrap_or_default());
    shared.event(pod, Some(&container.name), EventType::Warning, "InspectFailed", message.clone());
    let at = shared.now();
    Refusal { failure: Failure { reason: "ImageInspectError".into(), message, at }, retry_at: Some(at + RETRY) }
}

/// Fetches an image, and tells of it.
async fn fetch(
    shared: &Shared,
    pod: &Pod,
    container: &Container,
    sandbox: &SandboxConfig,
    memory: &mut Memory,
) -> Result<Image, Refusal> {
    let image = container.image.as_deref().unwrap_or_default();
    let event = |kind, reason, message: String| shared.event(pod, Some(&container.name), kind, reason, message);
    event(EventType::Normal, "Pulling", format!("Pulling image {image:?}"));
    let began = tokio::time::Instant::now();
    match pull(shared, pod, image, sandbox).await {
        Ok(id) => {
            memory.pulls.remove(image);
            let took = go_duration(began.elapsed());
            let found = inspected(id, shared.runtime.image_status(image).await)
                .map_err(|why| not_inspected(shared, pod, container, &why))?;
            let size = found.size_bytes;
            event(
                EventType::Normal,
                "Pulled",
                format!(
                    "Successfully pulled image {image:?} in {took} ({took} including waiting). Image size: {size} bytes."
                ),
            );
            Ok(found)
        }
        Err(error) => {
            let now = shared.now();
            event(EventType::Warning, "Failed", format!("Failed to pull image {image:?}: {error}"));
            event(EventType::Warning, "Failed", "Error: ErrImagePull".into());
            let entry = memory.pulls.entry(image.to_owned()).or_default();
            entry.0.next(now, now);
            entry.1 = now;
            // Shown for a moment, before the back-off is.
            let retry_at = Some(now + Duration::from_secs(1));
            let failure = Failure { reason: "ErrImagePull".into(), message: error.to_string(), at: now };
            Err(Refusal { failure, retry_at })
        }
    }
}

/// Tries each credential of the pod for the image's registry, then none.
async fn pull(shared: &Shared, pod: &Pod, image: &str, sandbox: &SandboxConfig) -> Result<String, Error> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let mut credentials = Vec::new();
    for reference in spec_of(pod).image_pull_secrets.iter().flatten() {
        match shared.objects.secret(namespace, &reference.name).await {
            Ok(Some(secret)) => credentials.extend(auth_for(image, &secret)),
            Ok(None) => {
                let message = format!(
                    "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
                    reference.name
                );
                shared.event(pod, None, EventType::Warning, "FailedToRetrieveImagePullSecret", message);
            }
            Err(error) => {
                tracing::warn!(namespace, secret = reference.name, %error, "cannot read an image pull secret")
            }
        }
    }
    let mut failed = None;
    for auth in &credentials {
        match shared.runtime.pull_image(image, Some(auth), sandbox).await {
            Ok(id) => return Ok(id),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) => Err(error),
        None => shared.runtime.pull_image(image, None, sandbox).await,
    }
}

#[derive(Deserialize)]
struct DockerConfig {
    auths: BTreeMap<String, DockerAuth>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DockerAuth {
    username: String,
    password: String,
    auth: String,
    identitytoken: String,
    registrytoken: String,
}

/// The registry of an image: what stands before its first slash, if that is a host.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

/// The credential that a Secret of type `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg` has for an image.
#[must_use]
pub fn auth_for(image: &str, secret: &Secret) -> Option<RegistryAuth> {
    let data = secret.data.as_ref()?;
    let auths = match (data.get(".dockerconfigjson"), data.get(".dockercfg")) {
        (Some(bytes), _) => serde_json::from_slice::<DockerConfig>(&bytes.0).ok()?.auths,
        (None, Some(bytes)) => serde_json::from_slice::<BTreeMap<String, DockerAuth>>(&bytes.0).ok()?,
        (None, None) => return None,
    };
    let wanted = registry(image);
    auths.into_iter().find_map(|(server, auth)| {
        let host = server.trim_start_matches("https://").trim_start_matches("http://");
        let (host, path) = host.split_once('/').unwrap_or((host, ""));
        let host = if host == "index.docker.io" { "docker.io" } else { host };
        let below = path.is_empty() || path.starts_with('v') || image.starts_with(&format!("{host}/{path}"));
        if host != wanted || !below {
            return None;
        }
        let mut found = RegistryAuth {
            username: auth.username,
            password: auth.password,
            auth: String::new(),
            server_address: server,
            identity_token: auth.identitytoken,
            registry_token: auth.registrytoken,
        };
        if found.username.is_empty() && !auth.auth.is_empty() {
            let decoded = base64::engine::general_purpose::STANDARD.decode(auth.auth.trim()).ok()?;
            let decoded = String::from_utf8(decoded).ok()?;
            let (user, password) = decoded.split_once(':')?;
            found.username = user.to_owned();
            found.password = password.to_owned();
        }
        Some(found)
    })
}

#[cfg(test)]
mod tests {
    //! Policies and credentials.

    use super::*;
    use crate::pod::fixture::container;

    #[track_caller]
    fn check(policy: Option<&str>, image: &str, present: bool, expected: bool) {
        let mut container = container("a");
        container.image = Some(image.into());
        container.image_pull_policy = policy.map(str::to_owned);
        assert_eq!(pulls(&container, present), expected, "{policy:?} {image} {present}");
    }

    #[test]
    fn pull_policies() {
        check(Some("Always"), "a:1", true, true);
        check(Some("IfNotPresent"), "a", true, false);
        check(Some("IfNotPresent"), "a", false, true);
        check(Some("Never"), "a", false, false);
        check(None, "a", true, true);
        check(None, "r.example:5000/a", true, true);
        check(None, "a:latest", true, true);
        check(None, "a:1", true, false);
        check(None, "a@sha256:0", true, false);
    }

    #[test]
    fn names_of_images() {
        for name in ["busybox", "a/b:1", "r.example:5000/x/y:T1", "a@sha256:0", "localhost/x", "docker.io/library/x"] {
            assert!(is_reference(name), "{name}");
        }
        for name in ["", " ", "a b", "Upper", "a//b", ":tag", "r.example/", "a/B:1"] {
            assert!(!is_reference(name), "{name}");
        }
    }

    #[test]
    fn an_image_that_is_not_described_is_not_taken_for_roots() {
        let image = Image { id: "tag".into(), uid: Some(1000), ..Image::default() };
        let found = inspected("digest".into(), Ok(Some(image))).expect("it is described");
        assert_eq!((found.id.as_str(), found.uid), ("digest", Some(1000)));
        assert!(inspected("digest".into(), Ok(None)).is_err());
        let why = inspected("digest".into(), Err(Error::failed("image status", "busy"))).expect_err("it is not");
        assert!(why.contains("busy"), "{why}");
    }

    #[track_caller]
    fn check_auth(config: &str, image: &str, expected: Option<(&str, &str)>) {
        let data = [(".dockerconfigjson".to_owned(), k8s_openapi::ByteString(config.as_bytes().to_vec()))].into();
        let auth = auth_for(image, &Secret { data: Some(data), ..Secret::default() });
        let shown = auth.as_ref().map(|auth| (auth.username.as_str(), auth.password.as_str()));
        assert_eq!(shown, expected);
        assert!(!format!("{auth:?}").contains("pw"), "no secret is shown");
    }

    #[test]
    fn credentials() {
        let config = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpwdw=="},"r.example:5000":{"username":"v","password":"pw"}}}"#;
        check_auth(config, "busybox", Some(("u", "pw")));
        check_auth(config, "library/busybox:1", Some(("u", "pw")));
        check_auth(config, "r.example:5000/x/y", Some(("v", "pw")));
        check_auth(config, "other.example/x", None);
        check_auth("{broken", "busybox", None);
    }
}
