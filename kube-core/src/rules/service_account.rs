//! ServiceAccount. Source: `pkg/apis/core/validation`, `pkg/registry/core/serviceaccount`.

use super::Rules;

/// Rules of ServiceAccounts: nothing beyond those of metadata.
#[derive(Debug)]
pub struct ServiceAccount;

impl Rules for ServiceAccount {}
