//! Carrying out steps: what a worker does to the runtime, the disk and the API server.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, ServiceAccountTokenProjection, Volume};
use kubekit_runtime::{DeleteParams, EventType};

use super::backoff::go_duration;
use super::calls::Target;
use super::configuration::{self, ContainerInputs};
use super::environment::{environment, service_variables};
use super::images::{self, Refusal};
use super::members::{self, spec_of};
use super::memory::{Failure, Memory};
use super::observed::Observed;
use super::sources;
use crate::agent::shared::Shared;
use crate::runtime::container::Mount;
use crate::runtime::{Error, SandboxConfig};
use crate::volumes::mounts;
use crate::volumes::projection::{self, Tokens};

/// How long after a failure the same is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How long the first list of Services may take before a container's start is put off.
const SERVICES_WITHIN: Duration = Duration::from_secs(2);
/// The names that a node knows.
const HOSTS: &str = "/etc/hosts";
/// The longest that a postStart hook may take.
const HOOK_MAX: Duration = Duration::from_secs(10 * 60);

/// Which volumes of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// All, before anything runs.
    All,
    /// Those whose files the API says, while containers use them.
    Projected,
}

/// One pod's hands.
#[derive(Debug)]
pub(crate) struct Actions<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) pod: &'a Pod,
    pub(crate) observed: &'a Observed,
}

impl Actions<'_> {
    fn name(&self) -> (&str, &str) {
        let meta = &self.pod.metadata;
        (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
    }

    fn warn(&self, container: Option<&str>, reason: &str, message: String) {
        self.shared.event(self.pod, container, EventType::Warning, reason, message);
    }

    fn info(&self, container: Option<&str>, reason: &str, message: String) {
        self.shared.event(self.pod, container, EventType::Normal, reason, message);
    }

    fn retry(&self) -> Timestamp {
        self.shared.now() + RETRY
    }

    /// Prepares the volumes and makes a sandbox.
    pub(crate) async fn run_sandbox(&self, attempt: u32, memory: &mut Memory) {
        if let Err((volume, problem)) = self.volumes(Which::All).await {
            let message = format!("MountVolume.SetUp failed for volume {volume:?} : {problem}");
            self.warn(None, "FailedMount", message);
            memory.retries.insert(String::new(), self.retry());
            return;
        }
        let config = configuration::sandbox(self.pod, attempt, &self.shared.defaults);
        let made = match configuration::kernel_hostname(self.pod, &self.shared.defaults) {
            Ok(_) => self.shared.runtime.run_sandbox(&config).await.map_err(|error| error.to_string()),
            Err(problem) => Err(problem),
        };
        match made {
            Ok(_) => {
                memory.retries.remove("");
            }
            Err(problem) => {
                self.warn(None, "FailedCreatePodSandBox", format!("Failed to create pod sandbox: {problem}"));
                memory.retries.insert(String::new(), self.shared.now() + Duration::from_secs(2));
            }
        }
    }

    /// Brings the pod's volumes to the state that the API says.
    ///
    /// # Errors
    /// The volume and the problem.
    pub(crate) async fn volumes(&self, which: Which) -> Result<(), (String, String)> {
        let spec = spec_of(self.pod);
        let wanted = sources::of_volumes(spec);
        let volumes = spec.volumes.as_deref().unwrap_or_default();
        let volumes = || volumes.iter().filter(|volume| which == Which::All || projection::is_projected(volume));
        let first = || volumes().next().map_or_else(String::new, |volume| volume.name.clone());
        let (namespace, _) = self.name();
        let sources =
            self.shared.objects.sources(namespace, &wanted).await.map_err(|error| (first(), error.chain()))?;
        let ips = self.observed.sandbox().map(|sandbox| sandbox.ips.clone()).unwrap_or_default();
        let place = self.shared.place(ips);
        for volume in volumes() {
            let failed = |problem: String| (volume.name.clone(), problem);
            let tokens = if self.shared.runtime.uses_host_files() {
                Some(self.tokens(volume).await.map_err(failed)?)
            } else {
                None
            };
            let files = projection::files(self.pod, volume, &place, &sources, tokens.as_ref()).map_err(failed)?;
            if self.shared.runtime.uses_host_files() {
                self.store(volume, files).await.map_err(failed)?;
            }
        }
        Ok(())
    }

    async fn tokens(&self, volume: &Volume) -> Result<Tokens, String> {
        let mut tokens = Tokens::new();
        let wanted: Vec<&ServiceAccountTokenProjection> = projection::wanted_tokens(volume).collect();
        for projection in wanted {
            let token = self
                .shared
                .objects
                .token(self.pod, projection)
                .await
                .map_err(|error| format!("failed to fetch token: {}", error.chain()))?;
            tokens.insert(projection.path.clone(), token);
        }
        Ok(tokens)
    }

    #[cfg(unix)]
    async fn store(&self, volume: &Volume, files: Option<projection::Files>) -> Result<(), String> {
        use crate::volumes::disk;
        let directory = mounts::volume_directory(&self.shared.config.root_directory, self.pod, volume);
        let group = spec_of(self.pod).security_context.as_ref().and_then(|security| security.fs_group);
        let volume = volume.clone();
        let work = move || -> std::io::Result<()> {
            if let Some(files) = files {
                disk::project(&directory, &files, group).map(|_| ())
            } else if let Some(source) = &volume.empty_dir {
                disk::empty_dir(&directory, source, group)
            } else if let Some(source) = &volume.host_path {
                disk::host_path(source)
            } else {
                Err(std::io::Error::other("this kind of volume is not supported by this node"))
            }
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
        done.map_err(|error| error.to_string())
    }

    #[cfg(not(unix))]
    async fn store(&self, _volume: &Volume, _files: Option<projection::Files>) -> Result<(), String> {
        Err("volumes need a Unix node".into())
    }

    /// Makes and starts a container; what goes wrong is remembered as its failure.
    pub(crate) async fn start(&self, name: &str, attempt: u32, memory: &mut Memory) {
        let Some(member) = members::find(spec_of(self.pod), name) else { return };
        let Some(sandbox) = self.observed.sandbox() else { return };
        if let Some(seen) = self.observed.ended(name) {
            memory.crashes.entry(name.to_owned()).or_default().next(seen.status.ended_at(), self.shared.now());
        }
        let config = configuration::sandbox(self.pod, sandbox.attempt, &self.shared.defaults);
        let made = self.create(&member, &sandbox.id, &config, &sandbox.ips, attempt, memory).await;
        let id = match made {
            Ok(id) => id,
            Err(refusal) => {
                if let Some(at) = refusal.retry_at {
                    memory.retries.insert(name.to_owned(), at);
                }
                memory.failures.insert(name.to_owned(), refusal.failure);
                return;
            }
        };
        self.info(Some(name), "Created", "Container created".into());
        if let Err(error) = self.shared.runtime.start_container(&id).await {
            self.warn(Some(name), "Failed", format!("Error: {error}"));
            let failure =
                Failure { reason: "RunContainerError".into(), message: error.to_string(), at: self.shared.now() };
            memory.failures.insert(name.to_owned(), failure);
            memory.retries.insert(name.to_owned(), self.retry());
            return;
        }
        memory.failures.remove(name);
        memory.retries.remove(name);
        self.info(Some(name), "Started", "Container started".into());
        let hook = member.spec.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
        if let Some(hook) = hook {
            let target = self.target(member.spec, &id);
            if let Err(problem) = target.hook(hook, HOOK_MAX).await {
                self.warn(Some(name), "FailedPostStartHook", format!("PostStartHook failed: {problem}"));
                self.stop(&id, name, members::grace(self.pod), "FailedPostStartHook".into(), true).await;
            }
        }
    }

    fn target<'t>(&'t self, container: &'t k8s_openapi::api::core::v1::Container, id: &'t str) -> Target<'t> {
        let ip = self.observed.sandbox().and_then(|sandbox| sandbox.ips.first()).map(String::as_str);
        let host = self.shared.config.addresses.first().map(String::as_str);
        Target::new(&*self.shared.runtime, self.pod, container, id, ip, host)
    }

    async fn create(
        &self,
        member: &members::Member<'_>,
        sandbox_id: &str,
        sandbox: &SandboxConfig,
        ips: &[String],
        attempt: u32,
        memory: &mut Memory,
    ) -> Result<String, Refusal> {
        let container = member.spec;
        let image = images::ensure(self.shared, self.pod, container, sandbox, memory).await?;
        let refuse = |reason: &str, message: String| {
            self.warn(Some(&container.name), "Failed", format!("Error: {message}"));
            let failure = Failure { reason: reason.into(), message, at: self.shared.now() };
            Refusal { failure, retry_at: Some(self.retry()) }
        };
        let (namespace, _) = self.name();
        let wanted: BTreeSet<_> = sources::of_environment(spec_of(self.pod));
        let sources = self
            .shared
            .objects
            .sources(namespace, &wanted)
            .await
            .map_err(|error| refuse("CreateContainerConfigError", error.chain()))?;
        let services =
            self.services(namespace).await.map_err(|problem| refuse("CreateContainerConfigError", problem))?;
        let host = members::host_network(spec_of(self.pod));
        let ips = if host { self.shared.config.addresses.clone() } else { ips.to_vec() };
        let place = self.shared.place(ips.clone());
        let env = environment(self.pod, container, &place, &sources, &services)
            .map_err(|error| refuse("CreateContainerConfigError", error.0))?;
        let mounts = self
            .mounts(container, &env, ips, attempt)
            .await
            .map_err(|problem| refuse("CreateContainerConfigError", problem))?;
        let inputs = ContainerInputs { attempt, image, env, mounts };
        let config = configuration::container(self.pod, container, inputs, &self.shared.defaults)
            .map_err(|error| refuse("CreateContainerConfigError", error.0))?;
        self.shared
            .runtime
            .create_container(sandbox_id, &config, sandbox)
            .await
            .map_err(|error| refuse("CreateContainerError", error.to_string()))
    }

    /// The variables by which the pod's containers find Services. They are settled when a container is made, so that one
    /// that was made before the first list of Services has arrived would never find any.
    async fn services(&self, namespace: &str) -> Result<Vec<(String, String)>, String> {
        let Some(informer) = &self.shared.services else { return Ok(Vec::new()) };
        if !matches!(tokio::time::timeout(SERVICES_WITHIN, informer.wait_synced()).await, Ok(true)) {
            return Err("services have not yet been read at least once, cannot construct envvars".into());
        }
        let all = informer.reader().list();
        let links = spec_of(self.pod).enable_service_links.unwrap_or(true);
        Ok(service_variables(namespace, links, all.iter().map(|service| &**service)))
    }

    /// The mounts of a container: volumes, `/etc/hosts` and the termination message.
    async fn mounts(
        &self,
        container: &k8s_openapi::api::core::v1::Container,
        env: &[(String, String)],
        ips: Vec<String>,
        attempt: u32,
    ) -> Result<Vec<Mount>, String> {
        if !self.shared.runtime.uses_host_files() {
            return Ok(Vec::new());
        }
        let root = &self.shared.config.root_directory;
        let volumes = mounts::mounts(root, self.pod, container, env).map_err(|error| error.to_string())?;
        let directory = mounts::pod_directory(root, self.pod.metadata.uid.as_deref().unwrap_or_default());
        let (pod, domain) = (self.pod.clone(), configuration::domain(self.pod, &self.shared.defaults));
        let termination = directory.join("containers").join(&container.name).join(attempt.to_string());
        let files = (directory.join("etc-hosts"), termination.clone());
        let name = container.name.clone();
        let work = move || -> std::io::Result<Vec<Mount>> {
            let (hosts_path, termination) = files;
            std::fs::create_dir_all(termination.parent().unwrap_or(&directory))?;
            // A pod on the node's network has the node's names.
            let node = if members::host_network(spec_of(&pod)) { std::fs::read(HOSTS).ok() } else { None };
            let node = node.as_deref().map(String::from_utf8_lossy);
            std::fs::write(&hosts_path, hosts_file(&pod, &ips, domain.as_deref(), node.as_deref()))?;
            std::fs::write(&termination, b"")?;
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                std::fs::set_permissions(&termination, std::fs::Permissions::from_mode(0o666))?;
            }
            volumes.into_iter().map(|volume| volume.resolve(&name)).collect()
        };
        let mut mounts = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let own = |path: &str| mounts.iter().any(|mount| mount.container_path == path);
        let uid = self.pod.metadata.uid.as_deref().unwrap_or_default();
        let mut extra = Vec::new();
        if !own("/etc/hosts") {
            let path = mounts::pod_directory(root, uid).join("etc-hosts");
            extra.push(("/etc/hosts".to_owned(), path));
        }
        let message = container.termination_message_path.as_deref().unwrap_or("/dev/termination-log");
        if !message.is_empty() {
            extra.push((message.to_owned(), termination));
        }
        mounts.extend(extra.into_iter().map(|(container_path, path)| Mount {
            container_path,
            host_path: path.to_string_lossy().into_owned(),
            ..Mount::default()
        }));
        Ok(mounts)
    }

    /// Ends a container: its preStop hook, then its signal, within the grace.
    pub(crate) async fn stop(&self, id: &str, name: &str, grace: Duration, message: String, hook: bool) -> bool {
        let began = tokio::time::Instant::now();
        if !message.is_empty() {
            self.info(Some(name), "Killing", message);
        }
        let member = members::find(spec_of(self.pod), name);
        let pre_stop = member.and_then(|member| {
            let hook = member.spec.lifecycle.as_ref()?.pre_stop.as_ref()?;
            Some((member.spec, hook))
        });
        if let Some((container, handler)) = pre_stop.filter(|_| hook) {
            let target = self.target(container, id);
            match tokio::time::timeout(grace, target.hook(handler, grace)).await {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => {
                    self.warn(Some(name), "FailedPreStopHook", format!("PreStopHook failed: {problem}"))
                }
                Err(_) => self.warn(
                    Some(name),
                    "FailedPreStopHook",
                    format!("PreStopHook did not complete within {}", go_duration(grace)),
                ),
            }
        }
        let left = grace.saturating_sub(began.elapsed()).max(Duration::from_secs(2));
        self.done("stop a container", self.shared.runtime.stop_container(id, left).await)
    }

    /// Logs a failure of a step that will be tried again; whether there was none.
    pub(crate) fn done(&self, what: &str, result: Result<(), Error>) -> bool {
        if let Err(error) = &result {
            let (namespace, name) = self.name();
            tracing::warn!(namespace, name, what, %error, "a step for a pod has failed and will be tried again");
        }
        result.is_ok()
    }

    /// Removes what the node's disk holds of the pod, and its object; whether nothing is left.
    pub(crate) async fn finish(&self, gone: bool) -> bool {
        let (namespace, name) = self.name();
        let uid = self.pod.metadata.uid.clone().unwrap_or_default();
        if self.shared.runtime.uses_host_files() {
            let directory = mounts::pod_directory(&self.shared.config.root_directory, &uid);
            let logs =
                std::path::Path::new(&self.shared.defaults.log_root).join(configuration::log_directory(self.pod));
            let work = move || -> std::io::Result<()> {
                #[cfg(unix)]
                crate::volumes::disk::remove_pod(&directory)?;
                match std::fs::remove_dir_all(&logs) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            };
            let removed = tokio::task::spawn_blocking(work).await;
            if let Ok(Err(error)) = removed {
                tracing::warn!(namespace, name, %error, "cannot remove the directories of a pod");
                return false;
            }
        }
        self.shared.objects.forget(&uid);
        if gone {
            return true;
        }
        let params = DeleteParams::default().grace_period_seconds(0).uid(uid);
        match self.shared.pod_api(namespace).delete(name, &params).await {
            Ok(_) => true,
            Err(error) if error.is_not_found() || error.is_conflict() => true,
            Err(error) => {
                tracing::warn!(
                    namespace,
                    name,
                    error = error.chain(),
                    "cannot delete the object of a pod that has ended"
                );
                false
            }
        }
    }
}

/// What `/etc/hosts` of a pod says: its addresses with its name, below its domain too where it has one; or what the file
/// of the `node` says; and the pod's aliases.
fn hosts_file(pod: &Pod, ips: &[String], domain: Option<&str>, node: Option<&str>) -> String {
    use std::fmt::Write as _;
    let mut text = match node {
        Some(node) => format!("# Kubernetes-managed hosts file (host network).\n{node}"),
        None => String::from(
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
        ),
    };
    let name = configuration::hostname(pod);
    for ip in ips.iter().filter(|_| node.is_none()) {
        let _ = match domain {
            Some(domain) => writeln!(text, "{ip}\t{name}.{domain}\t{name}"),
            None => writeln!(text, "{ip}\t{name}"),
        };
    }
    let aliases = spec_of(pod).host_aliases.as_deref().unwrap_or_default();
    if !aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
    }
    for alias in aliases {
        let _ = writeln!(text, "{}\t{}", alias.ip, alias.hostnames.as_deref().unwrap_or_default().join("\t"));
    }
    text
}

#[cfg(test)]
mod tests {
    //! Pure parts.

    use super::*;
    use crate::pod::fixture::pod;

    const MANAGED: &str = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n";

    /// The beginning and the end of the file of a pod with this spec.
    #[track_caller]
    fn check(spec: &str, ips: &[&str], node: Option<&str>, begins: &str, ends: &str) {
        let mut pod = pod("Always", vec![], vec![]);
        pod.spec = Some(serde_json::from_str(spec).expect("a spec"));
        let defaults = configuration::NodeDefaults { cluster_domain: "cluster.local".into(), ..Default::default() };
        let ips: Vec<String> = ips.iter().map(|&ip| ip.to_owned()).collect();
        let text = hosts_file(&pod, &ips, configuration::domain(&pod, &defaults).as_deref(), node);
        assert!(text.starts_with(begins) && text.ends_with(ends), "{text}");
    }

    #[test]
    fn hosts_have_the_pods_name() {
        let routers = "fe00::2\tip6-allrouters\n";
        check(r#"{"containers":[]}"#, &["10.0.0.2"], None, MANAGED, &format!("{routers}10.0.0.2\tp\n"));
        check(r#"{"containers":[]}"#, &["10.0.0.2", "fd00::2"], None, MANAGED, "10.0.0.2\tp\nfd00::2\tp\n");
        check(r#"{"containers":[]}"#, &[], None, MANAGED, routers);
        // As StatefulSets give to their pods, so that `hostname -f` knows.
        let named = r#"{"containers":[],"hostname":"web-0","subdomain":"web"}"#;
        check(named, &["10.0.0.2"], None, MANAGED, "10.0.0.2\tweb-0.web.ns.svc.cluster.local\tweb-0\n");
        let bare = r#"{"containers":[],"subdomain":"web"}"#;
        check(bare, &["10.0.0.2"], None, MANAGED, "10.0.0.2\tp.web.ns.svc.cluster.local\tp\n");
    }

    #[test]
    fn hosts_have_the_pods_aliases() {
        let spec = r#"{"containers":[],"hostAliases":[{"ip":"1.2.3.4","hostnames":["x","y"]},{"ip":"::5","hostnames":["z"]}]}"#;
        let aliases = "\n# Entries added by HostAliases.\n1.2.3.4\tx\ty\n::5\tz\n";
        check(spec, &["10.0.0.2"], None, MANAGED, &format!("10.0.0.2\tp\n{aliases}"));
    }

    #[test]
    fn on_the_nodes_network_hosts_are_the_nodes() {
        let spec = r#"{"containers":[],"hostNetwork":true,"hostAliases":[{"ip":"1.2.3.4","hostnames":["x"]}]}"#;
        let begins = "# Kubernetes-managed hosts file (host network).\n127.0.0.1\tlocalhost own\n";
        let aliases = "localhost own\n\n# Entries added by HostAliases.\n1.2.3.4\tx\n";
        check(spec, &["192.0.2.1"], Some("127.0.0.1\tlocalhost own\n"), begins, aliases);
    }
}
