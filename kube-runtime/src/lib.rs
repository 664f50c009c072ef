//! How objects are reconciled: client, watcher, reflector, work queue, controller, leader election, events.
