//! Object metadata: the rules for names, labels and annotations, and what a create or update does to metadata.

mod create;
mod update;
pub mod syntax;
mod validation;

pub use create::{CreateContext, prepare_create};
pub use update::{advance_generation, prepare_update};
pub use validation::{validate, validate_annotations, validate_labels, validate_update};
