//! Acting as somebody else: the headers by which a client that may do so says whom.

use crate::error::Error;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Whom to act as; nobody else by default. Source: client-go `transport.ImpersonationConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impersonation {
    /// The name of the user; without it, nobody is impersonated and the rest must be empty.
    pub user: String,
    /// Its uid.
    pub uid: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// What else is known of it.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Impersonation {
    /// Whether something is said of nobody: then the server would take the request for the client's own.
    pub(crate) fn lacks_user(&self) -> bool {
        self.user.is_empty() && *self != Self::default()
    }

    pub(super) fn add_to(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        if self.lacks_user() {
            return Err(Error::Request("a uid, groups or extras are impersonated without a user".to_owned()));
        }
        let mut add = |name: HeaderName, text: &str| {
            let value = HeaderValue::from_bytes(text.as_bytes());
            let value = value.map_err(|_| Error::Request(format!("{name}: {text:?} can be in no header")))?;
            headers.append(name, value);
            Ok(())
        };
        for (name, text) in [("impersonate-user", &self.user), ("impersonate-uid", &self.uid)] {
            if !text.is_empty() {
                add(HeaderName::from_static(name), text)?;
            }
        }
        for group in &self.groups {
            add(HeaderName::from_static("impersonate-group"), group)?;
        }
        for (key, values) in &self.extra {
            let name = extra_header(key)?;
            for value in values {
                add(name.clone(), value)?;
            }
        }
        Ok(())
    }
}

/// Names of headers have few characters; the others are percent-encoded.
fn extra_header(key: &str) -> Result<HeaderName, Error> {
    let mut name = "impersonate-extra-".to_owned();
    for &byte in key.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => name.push(char::from(byte)),
            b'!' | b'#' | b'$' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~' => {
                name.push(char::from(byte));
            }
            _ => {
                let _ = write!(name, "%{byte:02X}");
            }
        }
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|error| Error::Request(format!("{name}: {error}")))
}

#[cfg(test)]
mod tests {
    //! Headers as the server reads them.

    use super::*;

    #[track_caller]
    fn check(impersonation: &Impersonation, expected: &[&str]) {
        let mut headers = HeaderMap::new();
        let shown: Vec<String> = match impersonation.add_to(&mut headers) {
            Ok(()) => headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect(),
            Err(error) => vec![error.to_string()],
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn headers() {
        check(&Impersonation::default(), &[]);
        let mut jane = Impersonation { user: "jane".into(), ..Impersonation::default() };
        check(&jane, &["impersonate-user: jane"]);
        jane.groups = vec!["developers".into(), "admins".into()];
        jane.uid = "06f6".into();
        jane.extra.insert("acme.com/Project".into(), vec!["a".into(), "b".into()]);
        check(
            &jane,
            &[
                "impersonate-user: jane",
                "impersonate-uid: 06f6",
                "impersonate-group: developers",
                "impersonate-group: admins",
                "impersonate-extra-acme.com%2fproject: a",
                "impersonate-extra-acme.com%2fproject: b",
            ],
        );
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        let nobody = Impersonation { groups: vec!["system:masters".into()], ..Impersonation::default() };
        check(&nobody, &["cannot make the request: a uid, groups or extras are impersonated without a user"]);
        let split = Impersonation { user: "a\nb".into(), ..Impersonation::default() };
        check(&split, &["cannot make the request: impersonate-user: \"a\\nb\" can be in no header"]);
    }
}
