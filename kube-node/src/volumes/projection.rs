//! The files of ConfigMap, Secret, downward API and projected volumes. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccountTokenProjection, Volume,
};

use crate::pod::downward::{self, Place};
use crate::pod::members::spec_of;
use crate::pod::sources::{Kind, Sources};

/// A file of a volume.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Its bytes.
    pub data: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes, mode {:o}", self.data.len(), self.mode)
    }
}

/// Files by their path below the volume.
pub type Files = BTreeMap<String, File>;

/// Service account tokens by the path of their file.
pub type Tokens = BTreeMap<String, String>;

const MODE: i32 = 0o644;

/// The tokens that a volume wants.
pub fn wanted_tokens(volume: &Volume) -> impl Iterator<Item = &ServiceAccountTokenProjection> {
    let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    sources.filter_map(|source| source.service_account_token.as_ref())
}

/// Whether a volume's files are those that the API says.
#[must_use]
pub fn is_projected(volume: &Volume) -> bool {
    volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.downward_api.is_some()
        || volume.projected.is_some()
}

/// The files of a volume; none when it is of another sort. Without `tokens`, token files are left out.
///
/// # Errors
/// When something that is not optional is missing, in the words of the kubelet's `FailedMount` event.
pub fn files(
    pod: &Pod,
    volume: &Volume,
    place: &Place,
    sources: &Sources,
    tokens: Option<&Tokens>,
) -> Result<Option<Files>, String> {
    let mut files = Files::new();
    let mut target = Target { pod, place, sources, files: &mut files };
    if let Some(source) = &volume.config_map {
        let mode = source.default_mode.unwrap_or(MODE);
        target.object(Kind::ConfigMap, &source.name, source.items.as_deref(), source.optional, mode)?;
    } else if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        let mode = source.default_mode.unwrap_or(MODE);
        target.object(Kind::Secret, name, source.items.as_deref(), source.optional, mode)?;
    } else if let Some(source) = &volume.downward_api {
        target.downward(source.items.as_deref().unwrap_or_default(), source.default_mode.unwrap_or(MODE))?;
    } else if let Some(source) = &volume.projected {
        let mode = source.default_mode.unwrap_or(MODE);
        for part in source.sources.iter().flatten() {
            if let Some(part) = &part.config_map {
                target.object(Kind::ConfigMap, &part.name, part.items.as_deref(), part.optional, mode)?;
            }
            if let Some(part) = &part.secret {
                target.object(Kind::Secret, &part.name, part.items.as_deref(), part.optional, mode)?;
            }
            if let Some(part) = &part.downward_api {
                target.downward(part.items.as_deref().unwrap_or_default(), mode)?;
            }
            if let (Some(part), Some(tokens)) = (&part.service_account_token, tokens) {
                let token = tokens.get(&part.path).ok_or_else(|| format!("no token for {}", part.path))?;
                // Where the volume has a group, the token is that group's to read and nobody else's.
                let grouped = spec_of(pod).security_context.as_ref().is_some_and(|context| context.fs_group.is_some());
                target.add(&part.path, token.clone().into_bytes(), if grouped { 0o600 } else { mode })?;
            }
        }
    } else {
        return Ok(None);
    }
    Ok(Some(files))
}

struct Target<'a> {
    pod: &'a Pod,
    place: &'a Place,
    sources: &'a Sources,
    files: &'a mut Files,
}

impl Target<'_> {
    fn add(&mut self, path: &str, data: Vec<u8>, mode: i32) -> Result<(), String> {
        let escapes = path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..");
        if escapes {
            return Err(format!("invalid path {path:?}: must be relative and must not contain '..'"));
        }
        let mode = u32::try_from(mode).unwrap_or(0o644) & 0o7777;
        self.files.insert(path.to_owned(), File { data, mode });
        Ok(())
    }

    fn object(
        &mut self,
        kind: Kind,
        name: &str,
        items: Option<&[KeyToPath]>,
        optional: Option<bool>,
        mode: i32,
    ) -> Result<(), String> {
        let optional = optional == Some(true);
        let Some(data) = self.sources.get(kind, name) else {
            return if optional { Ok(()) } else { Err(format!("{} {name:?} not found", kind.lowercase())) };
        };
        match items {
            Some(items) if !items.is_empty() => {
                for item in items {
                    match data.get(&item.key) {
                        Some(value) => self.add(&item.path, value.clone(), item.mode.unwrap_or(mode))?,
                        None if optional => {}
                        None => return Err(format!("references non-existent {} key: {}", key_owner(kind), item.key)),
                    }
                }
            }
            _ => {
                for (key, value) in data {
                    self.add(key, value.clone(), mode)?;
                }
            }
        }
        Ok(())
    }

    fn downward(&mut self, items: &[DownwardAPIVolumeFile], default_mode: i32) -> Result<(), String> {
        for item in items {
            let value = if let Some(reference) = &item.field_ref {
                downward::field(self.pod, self.place, &reference.field_path)?
            } else if let Some(selector) = &item.resource_field_ref {
                downward::resource(self.pod, &Container::default(), self.place, selector)?
            } else {
                String::new()
            };
            self.add(&item.path, value.into_bytes(), item.mode.unwrap_or(default_mode))?;
        }
        Ok(())
    }
}

fn key_owner(kind: Kind) -> &'static str {
    match kind {
        Kind::ConfigMap => "config",
        Kind::Secret => "secret",
    }
}

#[cfg(test)]
mod tests {
    //! Volumes and sources in, files out.

    use super::*;
    use crate::pod::fixture::pod;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn sources() -> Sources {
        let mut sources = Sources::default();
        let data = [("a.txt".to_owned(), "A".to_owned()), ("b.txt".to_owned(), "B".to_owned())].into();
        sources.add_config_map("cm", &ConfigMap { data: Some(data), ..ConfigMap::default() });
        sources
    }

    #[track_caller]
    fn check(volume: &str, expected: Result<&[(&str, &str, u32)], &str>) {
        let volume: Volume = serde_json::from_str(volume).expect("a volume");
        let tokens = Tokens::from([("token".to_owned(), "jwt".to_owned())]);
        let files = files(&pod("Always", vec![], vec![]), &volume, &Place::default(), &sources(), Some(&tokens));
        let shown: Result<Vec<(String, String, u32)>, String> = files.map(|files| {
            let files = files.expect("a projected volume").into_iter();
            files.map(|(path, file)| (path, String::from_utf8(file.data).expect("text"), file.mode)).collect()
        });
        let expected = expected
            .map(|rows| rows.iter().map(|(p, d, m)| ((*p).to_owned(), (*d).to_owned(), *m)).collect::<Vec<_>>())
            .map_err(str::to_owned);
        assert_eq!(shown, expected);
    }

    #[test]
    fn config_maps() {
        check(r#"{"name":"v","configMap":{"name":"cm"}}"#, Ok(&[("a.txt", "A", 0o644), ("b.txt", "B", 0o644)]));
        check(
            r#"{"name":"v","configMap":{"name":"cm","defaultMode":256,"items":[{"key":"a.txt","path":"d/x"},{"key":"b.txt","path":"y","mode":511}]}}"#,
            Ok(&[("d/x", "A", 0o400), ("y", "B", 0o777)]),
        );
        check(r#"{"name":"v","configMap":{"name":"gone"}}"#, Err("configmap \"gone\" not found"));
        check(r#"{"name":"v","configMap":{"name":"gone","optional":true}}"#, Ok(&[]));
        check(
            r#"{"name":"v","configMap":{"name":"cm","items":[{"key":"z","path":"z"}]}}"#,
            Err("references non-existent config key: z"),
        );
        check(r#"{"name":"v","secret":{"secretName":"gone"}}"#, Err("secret \"gone\" not found"));
    }

    #[test]
    fn paths_stay_inside() {
        check(
            r#"{"name":"v","configMap":{"name":"cm","items":[{"key":"a.txt","path":"../x"}]}}"#,
            Err("invalid path \"../x\": must be relative and must not contain '..'"),
        );
    }

    #[test]
    fn projections_come_together() {
        check(
            r#"{"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"token"}},
                {"configMap":{"name":"cm","items":[{"key":"a.txt","path":"ca.crt"}]}},
                {"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"fieldPath":"metadata.namespace"}}]}}]}}"#,
            Ok(&[("ca.crt", "A", 0o644), ("namespace", "ns", 0o644), ("token", "jwt", 0o644)]),
        );
    }

    #[test]
    fn a_token_is_for_the_group_of_the_volume() {
        let volume = r#"{"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"token"}},
            {"configMap":{"name":"cm","items":[{"key":"a.txt","path":"ca.crt"}]}}]}}"#;
        let volume: Volume = serde_json::from_str(volume).expect("a volume");
        let tokens = Tokens::from([("token".to_owned(), "jwt".to_owned())]);
        let mut pod = pod("Always", vec![], vec![]);
        let modes = |pod: &Pod| -> Vec<u32> {
            let files = files(pod, &volume, &Place::default(), &sources(), Some(&tokens)).expect("files");
            files.expect("a projected volume").values().map(|file| file.mode).collect()
        };
        assert_eq!(modes(&pod), [0o644, 0o644]);
        pod.spec.as_mut().expect("spec").security_context =
            Some(serde_json::from_str(r#"{"fsGroup":2000}"#).expect("a context"));
        assert_eq!(modes(&pod), [0o644, 0o600], "which the group of the volume may read then");
    }

    #[test]
    fn a_missing_token_is_an_error_and_none_are_left_out() {
        let volume = r#"{"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"own/token"}}]}}"#;
        check(volume, Err("no token for own/token"));
        let volume: Volume = serde_json::from_str(volume).expect("a volume");
        assert_eq!(wanted_tokens(&volume).map(|wanted| wanted.path.as_str()).collect::<Vec<_>>(), ["own/token"]);
        let files = files(&pod("Always", vec![], vec![]), &volume, &Place::default(), &sources(), None);
        assert_eq!(files, Ok(Some(Files::new())), "a runtime that has no files needs none");
    }

    #[test]
    fn the_last_of_several_sources_wins_a_path() {
        check(
            r#"{"name":"v","projected":{"defaultMode":416,"sources":[
                {"configMap":{"name":"cm","items":[{"key":"a.txt","path":"x"}]}},
                {"configMap":{"name":"cm","items":[{"key":"b.txt","path":"x"}]}},
                {"configMap":{"name":"gone","optional":true}},
                {"configMap":{"name":"cm","optional":true,"items":[{"key":"z","path":"z"}]}}]}}"#,
            Ok(&[("x", "B", 0o640)]),
        );
        check(r#"{"name":"v","projected":{"sources":[{"secret":{"name":"gone"}}]}}"#, Err("secret \"gone\" not found"));
    }

    #[test]
    fn downward_files_have_their_own_modes() {
        check(
            r#"{"name":"v","downwardAPI":{"defaultMode":288,"items":[
                {"path":"uid","fieldRef":{"fieldPath":"metadata.uid"},"mode":256},
                {"path":"who/name","fieldRef":{"fieldPath":"metadata.name"}}]}}"#,
            Ok(&[("uid", "uid-1", 0o400), ("who/name", "p", 0o440)]),
        );
        check(
            r#"{"name":"v","downwardAPI":{"items":[{"path":"x","fieldRef":{"fieldPath":"spec.nothing"}}]}}"#,
            Err("unsupported fieldPath: spec.nothing"),
        );
        check(
            r#"{"name":"v","downwardAPI":{"items":[{"path":"/x","fieldRef":{"fieldPath":"metadata.uid"}}]}}"#,
            Err("invalid path \"/x\": must be relative and must not contain '..'"),
        );
    }

    #[test]
    fn other_volumes_have_no_files() {
        for volume in [r#"{"name":"v","emptyDir":{}}"#, r#"{"name":"v","hostPath":{"path":"/srv"}}"#] {
            let volume: Volume = serde_json::from_str(volume).expect("a volume");
            let files = files(&pod("Always", vec![], vec![]), &volume, &Place::default(), &sources(), None);
            assert_eq!((files, is_projected(&volume)), (Ok(None), false));
        }
    }
}
