//! The environment of a container, and what `$(NAME)` stands for.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod, Service};

use super::downward::{self, Place};
use super::sources::{Kind, Sources};

/// Why a container cannot be configured; shown as the waiting reason `CreateContainerConfigError`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// The variables of a container, in the order in which they are defined; each name once.
///
/// # Errors
/// When a ConfigMap, Secret or key that is not optional is missing, or a reference makes no sense.
pub fn environment(
    pod: &Pod,
    container: &Container,
    place: &Place,
    sources: &Sources,
    services: &[(String, String)],
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Variables::default();
    for (name, value) in services {
        variables.set(name.clone(), value.clone());
    }
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        let references = [
            from.config_map_ref.as_ref().map(|source| (Kind::ConfigMap, &source.name, source.optional)),
            from.secret_ref.as_ref().map(|source| (Kind::Secret, &source.name, source.optional)),
        ];
        for (kind, name, optional) in references.into_iter().flatten() {
            match sources.variables(kind, name) {
                Some(data) => {
                    for (key, value) in data {
                        variables.set(format!("{prefix}{key}"), String::from_utf8_lossy(value).into_owned());
                    }
                }
                None if optional == Some(true) => {}
                None => return Err(missing(kind, name)),
            }
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (Some(value), _) if !value.is_empty() => Some(expand(value, |name| variables.get(name))),
            (_, Some(from)) => from_source(pod, container, place, sources, from)?,
            _ => Some(String::new()),
        };
        if let Some(value) = value {
            variables.set(variable.name.clone(), value);
        }
    }
    Ok(variables.0)
}

fn missing(kind: Kind, name: &str) -> ConfigError {
    ConfigError(format!("{} {name:?} not found", kind.lowercase()))
}

/// The value of a reference; none for an optional one that leads nowhere.
fn from_source(
    pod: &Pod,
    container: &Container,
    place: &Place,
    sources: &Sources,
    from: &EnvVarSource,
) -> Result<Option<String>, ConfigError> {
    let keys = [
        from.config_map_key_ref.as_ref().map(|key| (Kind::ConfigMap, &key.name, &key.key, key.optional)),
        from.secret_key_ref.as_ref().map(|key| (Kind::Secret, &key.name, &key.key, key.optional)),
    ];
    if let Some((kind, name, key, optional)) = keys.into_iter().flatten().next() {
        let optional = optional == Some(true);
        let Some(data) = sources.variables(kind, name) else {
            return if optional { Ok(None) } else { Err(missing(kind, name)) };
        };
        return match data.get(key.as_str()) {
            Some(value) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
            None if optional => Ok(None),
            None => {
                let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
                Err(ConfigError(format!("couldn't find key {key} in {} {namespace}/{name}", kind.word())))
            }
        };
    }
    if let Some(reference) = &from.field_ref {
        return downward::field(pod, place, &reference.field_path).map(Some).map_err(ConfigError);
    }
    if let Some(selector) = &from.resource_field_ref {
        return downward::resource(pod, container, place, selector).map(Some).map_err(ConfigError);
    }
    Err(ConfigError("this source of a variable's value is not supported".into()))
}

#[derive(Default)]
struct Variables(Vec<(String, String)>);

impl Variables {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: String, value: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => self.0.push((name, value)),
        }
    }
}

/// Replaces `$(NAME)` where the name is known; `$$` is one `$`, and what is not known stays as it is.
pub fn expand<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('$') {
        out.push_str(&rest[..position]);
        let after = &rest[position + 1..];
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match lookup(name) {
                Some(value) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = after;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// The variables by which a container finds Services, as Docker links had them: those of the pod's own namespace unless
/// it wants none, and those of the API server's Service always.
#[must_use]
pub fn service_variables<'a>(
    namespace: &str,
    links: bool,
    services: impl Iterator<Item = &'a Service>,
) -> Vec<(String, String)> {
    let mut chosen: BTreeMap<&str, &Service> = BTreeMap::new();
    for service in services {
        let own = service.metadata.namespace.as_deref().unwrap_or_default();
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let master = own == "default" && name == "kubernetes";
        if (own == namespace && links) || (master && !chosen.contains_key(name)) {
            chosen.insert(name, service);
        }
    }
    chosen.into_iter().flat_map(|(name, service)| of_service(name, service)).collect()
}

fn of_service(name: &str, service: &Service) -> Vec<(String, String)> {
    let Some(spec) = &service.spec else { return Vec::new() };
    let ip = spec.cluster_ip.as_deref().unwrap_or_default();
    let ports = spec.ports.as_deref().unwrap_or_default();
    if ip.is_empty() || ip == "None" || ports.is_empty() {
        return Vec::new();
    }
    let upper = |text: &str| text.to_uppercase().replace('-', "_");
    let prefix = upper(name);
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let mut out = vec![
        (format!("{prefix}_SERVICE_HOST"), ip.to_owned()),
        (format!("{prefix}_SERVICE_PORT"), ports[0].port.to_string()),
    ];
    for port in ports {
        if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            out.push((format!("{prefix}_SERVICE_PORT_{}", upper(name)), port.port.to_string()));
        }
    }
    for (position, port) in ports.iter().enumerate() {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let url = format!("{}://{host}:{}", protocol.to_lowercase(), port.port);
        if position == 0 {
            out.push((format!("{prefix}_PORT"), url.clone()));
        }
        let each = format!("{prefix}_PORT_{}_{}", port.port, protocol.to_uppercase());
        out.push((each.clone(), url));
        out.push((format!("{each}_PROTO"), protocol.to_lowercase()));
        out.push((format!("{each}_PORT"), port.port.to_string()));
        out.push((format!("{each}_ADDR"), ip.to_owned()));
    }
    out
}

#[cfg(test)]
mod tests;
