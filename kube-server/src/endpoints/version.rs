//! `/version`: which Kubernetes this is.

use crate::request::{Request, Response};
use crate::response;
use http::StatusCode;
use kubekit_core::status::ApiError;
use serde_json::json;

/// The Kubernetes whose behaviour is served.
const MAJOR: &str = "1";
const MINOR: &str = "36";

pub(super) fn answer(request: &Request) -> Result<Response, ApiError> {
    let document = json!({
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": "35",
        "gitVersion": format!("v{MAJOR}.{MINOR}.0"),
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, architecture()),
    });
    // Every client reads this as JSON; there is no other form.
    let pretty = crate::negotiate::error_format(request);
    Ok(match pretty {
        crate::negotiate::Format::Json { .. } => {
            response::bytes(StatusCode::OK, "application/json", crate::codec::encode(pretty, &document))
        }
        _ => response::bytes(StatusCode::OK, "application/json", document.to_string()),
    })
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
