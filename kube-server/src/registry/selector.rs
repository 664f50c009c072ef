//! Selectors of a request as the store answers them: from attributes.

use super::attributes::{FIELD, LABEL};
use super::kind::Kind;
use kubekit_core::selector::{FieldSelector, LabelSelector, Operator as LabelOperator};
use kubekit_core::status::ApiError;
use kubekit_store::{Operator, Requirement, Selector};

/// The selector of these texts.
///
/// # Errors
/// 400 where a text cannot be read, or names a field that the kind does not offer.
pub(crate) fn of(kind: Kind, labels: &str, fields: &str) -> Result<Selector, ApiError> {
    let mut selector = Selector::default();
    if !labels.is_empty() {
        let parsed = LabelSelector::parse(labels).map_err(|error| ApiError::bad_request(error.to_string()))?;
        for requirement in parsed.requirements() {
            selector.requirements.push(of_label(requirement)?);
        }
    }
    if !fields.is_empty() {
        let parsed = FieldSelector::parse(fields).map_err(|error| ApiError::bad_request(error.to_string()))?;
        for requirement in parsed.requirements() {
            let field = stored_field(kind, &requirement.field)?;
            // Rules give every selectable field, absent ones with the empty text, so that NotIn is the opposite of In.
            let operator = if requirement.equal { Operator::In } else { Operator::NotIn };
            let (name, values) = (format!("{FIELD}{field}"), vec![requirement.value.clone()]);
            selector.requirements.push(Requirement { name, operator, values });
        }
    }
    Ok(selector)
}

fn of_label(requirement: &kubekit_core::selector::Requirement) -> Result<Requirement, ApiError> {
    let operator = match requirement.operator {
        LabelOperator::In => Operator::In,
        LabelOperator::NotIn => Operator::NotIn,
        LabelOperator::Exists => Operator::Exists,
        LabelOperator::DoesNotExist => Operator::DoesNotExist,
        LabelOperator::GreaterThan | LabelOperator::LessThan => {
            return Err(ApiError::bad_request("the operators > and < are not served for label selectors"));
        }
    };
    Ok(Requirement { name: format!("{LABEL}{}", requirement.key), operator, values: requirement.values.clone() })
}

/// The field in the storage version, which names some fields of Events otherwise.
fn stored_field(kind: Kind, field: &str) -> Result<String, ApiError> {
    let known = |name: &str| {
        matches!(name, "metadata.name" | "metadata.namespace")
            || kind.storage.rules.selectable_field_names().contains(&name)
    };
    let stored = if kind.served.group == "events.k8s.io" {
        match field.strip_prefix("regarding.") {
            Some(rest) => format!("involvedObject.{rest}"),
            None if field == "reportingController" => "reportingComponent".to_owned(),
            None => field.to_owned(),
        }
    } else {
        field.to_owned()
    };
    if known(&stored) {
        return Ok(stored);
    }
    Err(ApiError::bad_request(if kind.storage.rules.selectable_field_names().is_empty() {
        format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    } else {
        format!("field label not supported: {field}")
    }))
}
