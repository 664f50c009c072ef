//! The shape of the file.

use serde::Deserialize;
use zeroize::Zeroizing;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Configuration {
    pub(super) api_version: String,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) resources: Option<Vec<ResourceConfiguration>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceConfiguration {
    #[serde(default)]
    pub(super) resources: Option<Vec<String>>,
    #[serde(default)]
    pub(super) providers: Option<Vec<ProviderConfiguration>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderConfiguration {
    #[serde(default)]
    pub(super) aesgcm: Option<Keys>,
    #[serde(default)]
    pub(super) aescbc: Option<Keys>,
    #[serde(default)]
    pub(super) secretbox: Option<Keys>,
    #[serde(default)]
    pub(super) identity: Option<Nothing>,
    #[serde(default)]
    pub(super) kms: Option<Kms>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    #[serde(default)]
    pub(super) keys: Option<Vec<KeyText>>,
}

impl Keys {
    pub(super) fn into_keys(self) -> Vec<KeyText> {
        self.keys.unwrap_or_default()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyText {
    #[serde(default)]
    pub(super) name: String,
    /// In base64.
    #[serde(default)]
    pub(super) secret: Zeroizing<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Kms {
    #[serde(default)]
    pub(super) api_version: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) endpoint: String,
    /// As Go writes durations: `3s`.
    #[serde(default)]
    pub(super) timeout: Option<String>,
    #[serde(default)]
    pub(super) cachesize: Option<i32>,
}
