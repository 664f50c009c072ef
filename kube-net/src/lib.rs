//! How packets get to Pods: Services and EndpointSlices in, a rule set out.
//!
//! [`ServiceMap`] takes in objects and says, per port of a Service, which endpoints get its traffic (pure). A
//! [`ProxyBackend`] renders that as rules, whole or as the difference to what is applied (pure): [`Nftables`], and
//! [`Simulated`] for tests. An [`Applier`] hands the text to the kernel. [`Proxy`] connects them to an API server, and
//! answers load balancers that ask for endpoints on its node.

pub mod applier;
pub mod backend;
pub mod cni;
mod health;
mod name;
mod port;
mod proxy;
mod state;

pub use applier::Applier;
pub use backend::{Nftables, ProxyBackend, RuleSet, Simulated};
pub use health::HealthCheck;
pub use port::{Affinity, Endpoint, Protocol, ServicePort, ServicePortName, TrafficPolicy};
pub use proxy::{Config, Proxy};
pub use state::ServiceMap;
