//! Asks extenders, over HTTP.
//!
//! The engine is synchronous, and an extender may take seconds: so the decision is parted. The engine says which nodes could
//! take the pod, and their scores, as data; the extenders are asked by a task of its own ([`Extenders::consult`]); the answer
//! comes back as a ranking, and the first node of it that takes the pod as things are by then is the place.
//! Where no node takes it and others would have to go, extenders have a say in who goes, in the same way
//! ([`Extenders::consult_on_victims`]).
//! One pod is asked about at a time, so that an extender sees placements one after the other, as it does in Kubernetes; pods
//! that no extender is interested in do not wait for it.

mod client;
mod consult;
mod victims;
mod wire;

pub(super) use client::HttpExtender;
pub(super) use consult::{Answer, Extenders, Question, Said};
pub(super) use victims::{SaidOfVictims, VictimsAnswer, VictimsQuestion};

/// The plugin that refusals of extenders are told under. Source: `framework.ExtenderName`.
pub(super) const NAME: &str = "Extender";
