//! `/version`: which Kubernetes this is.

use crate::request::Response;
use serde_json::json;

/// The Kubernetes whose behaviour is served.
pub(crate) const MAJOR: &str = "1";
pub(crate) const MINOR: &str = "36";
pub(crate) const GIT_VERSION: &str = "v1.36.0";

pub(super) fn answer() -> Response {
    let document = json!({
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": "35",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, architecture()),
    });
    super::indented(&document)
}

/// The architecture under Go's name.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}
