//! The writes under way and what each is about, so that one that ends without a word is answered for.

use super::extender::{Answer, Said};
use super::state::Binding;
use super::write::Written;
use hashbrown::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};

/// What a write is about.
#[derive(Debug)]
pub(super) enum About {
    /// Bindings of one pod, or of a gang.
    Bindings(Vec<Binding>),
    /// What extenders think of a pod on which the decision began at this time.
    Question(Arc<crate::Pod>, Duration),
    /// Something that nobody waits for.
    Report,
}

impl About {
    /// Whether volumes or devices are made ready first, which may take minutes.
    fn is_patient(&self) -> bool {
        matches!(self, Self::Bindings(bindings) if bindings.iter().any(|binding| !binding.changes.is_empty()))
    }

    /// What is to be said of it where nobody knows what it has done.
    fn failed(self) -> Written {
        match self {
            Self::Bindings(failed) => Written::Gang { bound: Vec::new(), failed },
            Self::Question(pod, began) => {
                let said = Said::Failed("asking extenders ended abnormally".to_owned());
                Written::Consulted(Answer { pod, began, said, refusals: Vec::new() })
            }
            Self::Report => Written::Reported,
        }
    }
}

/// The writes under way.
#[derive(Debug, Default)]
pub(super) struct Writes {
    tasks: JoinSet<Written>,
    about: HashMap<Id, About>,
    /// How many of them are patient.
    patient: usize,
}

impl Writes {
    /// A write begins.
    pub(super) fn begin(&mut self, about: About, write: impl Future<Output = Written> + Send + 'static) {
        self.patient += usize::from(about.is_patient());
        self.about.insert(self.tasks.spawn(write).id(), about);
    }

    /// Whether another may begin, of at most so many. Those that wait for volumes hold nobody up.
    pub(super) fn has_room(&self, max: usize) -> bool {
        self.tasks.len() - self.patient < max
    }

    /// The next that ends; `None` where none is under way. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Written> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.end(ended))
    }

    /// The next that has ended.
    pub(super) fn try_next(&mut self) -> Option<Written> {
        let ended = self.tasks.try_join_next_with_id()?;
        Some(self.end(ended))
    }

    fn end(&mut self, ended: Result<(Id, Written), JoinError>) -> Written {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let about = self.about.remove(&id).unwrap_or(About::Report);
        self.patient -= usize::from(about.is_patient());
        match ended {
            Ok((_, written)) => written,
            Err(error) => {
                tracing::error!(%error, "a write of the scheduler ended abnormally");
                about.failed()
            }
        }
    }
}

#[cfg(test)]
mod tests;
