//! Several stores over one etcd.
