//! How packets get to Pods: rule sets for Services, their appliers, and CNI.
