//! A synchronous scheduling engine with plugins, queue and preemption, and a driver that connects it to an API server.
