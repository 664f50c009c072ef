//! Why a body could not be decoded, and the answer to its sender.

use crate::status::{ApiError, Reason};
use std::fmt::Write;

/// Why a body could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is longer than allowed.
    #[error("Request entity too large: limit is {limit}")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// It is no JSON or YAML, or nested too deep.
    #[error("{what}")]
    Syntax {
        /// What is wrong, and where.
        what: String,
        /// The head of the body, as text or as hexadecimal digits.
        body: String,
    },
    /// A field has a value of a wrong type; in the words of Go's decoder.
    #[error("{0}")]
    Type(String),
}

impl Error {
    /// The answer to the client: 400, or 413 for a body that is too long. `kind` and `version` (without the group) are
    /// those of the object that was expected.
    pub fn to_api_error(&self, kind: &str, version: &str) -> ApiError {
        match self {
            Self::TooLarge { .. } => ApiError::new(Reason::RequestEntityTooLarge, self.to_string()),
            Self::Syntax { what, body } => ApiError::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {what} ({body})"
            )),
            Self::Type(what) => {
                ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {what}"))
            }
        }
    }
}

/// The answer to a client that asked for strict field validation: 400 with every problem.
pub fn strict_error(kind: &str, version: &str, problems: &[String]) -> ApiError {
    ApiError::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {}",
        problems.join(", ")
    ))
}

/// Go's words where the end came too early, which clients know; serde's, which say where, for all else.
pub(super) fn json(error: &serde_json::Error, body: &[u8]) -> Error {
    let what = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
    Error::Syntax { what, body: summary(body) }
}

pub(super) fn yaml(error: &serde_saphyr::Error, body: &[u8]) -> Error {
    Error::Syntax { what: format!("error converting YAML to JSON: yaml: {error}"), body: summary(body) }
}

/// The first 30 bytes.
fn summary(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let head = &body[..body.len().min(SHOWN)];
    let more = if body.len() > SHOWN { " ..." } else { "" };
    match head.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(head)),
        Some(_) => {
            let mut text = String::with_capacity(2 * SHOWN + more.len());
            for byte in head {
                let _ = write!(text, "{byte:02x}");
            }
            text + more
        }
    }
}
