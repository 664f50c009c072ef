//! A whole Kubernetes cluster in one process, assembled from the crates of kubekit.
