//! The node agent: pod workers, the container runtime seam, status, leases and streaming.
