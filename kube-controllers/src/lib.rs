//! The built-in Kubernetes controllers, one module each.
