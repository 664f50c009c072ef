//! When to list, when to watch, from where, and after which wait.

use super::{Config, Event};
use crate::api::ObjectList;
use crate::backoff::Backoff;
use crate::error::Error;
use crate::object::Object;
use crate::watch::WatchEvent;
use kubekit_core::environment::Random;
use kubekit_core::status::{ApiError, Reason};
use std::time::Duration;

/// A watch that ends sooner than this without an event has failed.
const SHORT_WATCH: Duration = Duration::from_secs(1);

/// What to ask the server now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// A page of the list.
    List {
        /// 0 is everything at once.
        limit: u32,
        /// Empty for the first page.
        continue_token: String,
    },
    /// A watch of everything after a revision.
    Watch {
        /// The revision.
        resource_version: String,
    },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Happening<K> {
    Page(ObjectList<K>),
    ListFailed(Error),
    WatchOpened,
    Frame(WatchEvent<K>),
    /// One event of the watch cannot be read; those after it can.
    Undecodable(Error),
    WatchFailed(Error),
    WatchEnded {
        lasted: Duration,
    },
}

/// What follows from it.
#[derive(Debug)]
pub(super) struct Step<K> {
    pub(super) item: Option<Result<Event<K>, Error>>,
    pub(super) then: Then,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Read on in the open watch.
    Read,
    /// Close the watch, if one is open, and make the next call.
    Call { after: Duration },
}

/// Where the watcher stands.
#[derive(Debug)]
enum State<K> {
    /// The revision is none before the first page.
    Listing {
        limit: u32,
        continue_token: String,
        objects: Vec<K>,
        resource_version: Option<String>,
    },
    Watching {
        resource_version: String,
        frames: bool,
    },
}

impl<K> State<K> {
    /// Before the first page.
    fn listing(limit: u32) -> Self {
        Self::Listing { limit, continue_token: String::new(), objects: Vec::new(), resource_version: None }
    }
}

#[derive(Debug)]
pub(super) struct Machine<K> {
    state: State<K>,
    backoff: Backoff,
    page_size: u32,
}

impl<K: Object> Machine<K> {
    pub(super) fn new(config: &Config) -> Self {
        let state = State::listing(config.page_size);
        Self { state, backoff: Backoff::new(config.backoff), page_size: config.page_size }
    }

    pub(super) fn call(&self) -> Call {
        match &self.state {
            State::Listing { limit, continue_token, .. } => {
                Call::List { limit: *limit, continue_token: continue_token.clone() }
            }
            State::Watching { resource_version, .. } => Call::Watch { resource_version: resource_version.clone() },
        }
    }

    pub(super) fn step(&mut self, happening: Happening<K>, random: &dyn Random) -> Step<K> {
        match happening {
            Happening::Page(page) => self.page(page),
            Happening::ListFailed(error) => self.list_failed(error, random),
            Happening::WatchOpened => Step { item: Some(Ok(Event::Watching)), then: Then::Read },
            Happening::Frame(frame) => self.frame(frame, random),
            // To watch on from before this event would bring it again, and nothing else, for ever.
            Happening::Undecodable(error) => Step { item: Some(Err(error)), then: Then::Read },
            Happening::WatchFailed(error) if error.is_gone() => self.relist(random),
            Happening::WatchFailed(error) if error.status().is_some_and(is_refused) => self.begin_anew(error, random),
            Happening::WatchFailed(error) => self.failed(error, random),
            Happening::WatchEnded { lasted } => self.watch_ended(lasted, random),
        }
    }

    fn page(&mut self, page: ObjectList<K>) -> Step<K> {
        let State::Listing { continue_token, objects, resource_version, .. } = &mut self.state else {
            unreachable!("a page comes only while listing")
        };
        objects.extend(page.items);
        // Of the first page: a server whose later pages are of later revisions says nothing of what happened to the objects
        // of the first one meanwhile.
        let of_page = page.metadata.resource_version.unwrap_or_default();
        let resource_version = resource_version.get_or_insert(of_page);
        if let Some(next) = page.metadata.continue_.filter(|token| !token.is_empty()) {
            *continue_token = next;
            return Step { item: None, then: Then::Call { after: Duration::ZERO } };
        }
        let (objects, resource_version) = (std::mem::take(objects), std::mem::take(resource_version));
        self.state = State::Watching { resource_version, frames: false };
        Step { item: Some(Ok(Event::Restarted(objects))), then: Then::Call { after: Duration::ZERO } }
    }

    /// A list that took so long that its revision was compacted is begun again, in one piece.
    fn list_failed(&mut self, error: Error, random: &dyn Random) -> Step<K> {
        match &mut self.state {
            State::Listing { continue_token, .. } if error.is_gone() && !continue_token.is_empty() => {
                self.state = State::listing(0);
                Step { item: None, then: Then::Call { after: Duration::ZERO } }
            }
            _ => self.failed(error, random),
        }
    }

    fn frame(&mut self, frame: WatchEvent<K>, random: &dyn Random) -> Step<K> {
        let event = match frame {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                self.progress(object.resource_version().to_owned());
                Some(Ok(Event::Applied(object)))
            }
            WatchEvent::Deleted(object) => {
                self.progress(object.resource_version().to_owned());
                Some(Ok(Event::Deleted(object)))
            }
            WatchEvent::Bookmark { resource_version } => {
                self.progress(resource_version);
                None
            }
            WatchEvent::Error(status) if is_gone(&status) => return self.relist(random),
            WatchEvent::Error(status) if is_refused(&status) => {
                return self.begin_anew(Error::Api(Box::new(status)), random);
            }
            WatchEvent::Error(status) => return self.failed(Error::Api(Box::new(status)), random),
        };
        Step { item: event, then: Then::Read }
    }

    /// The watch works: it has told everything up to this revision.
    fn progress(&mut self, reached: String) {
        let State::Watching { resource_version, frames } = &mut self.state else {
            unreachable!("a frame comes only while watching")
        };
        *frames = true;
        if !reached.is_empty() {
            *resource_version = reached;
        }
        self.backoff.reset();
    }

    fn watch_ended(&mut self, lasted: Duration, random: &dyn Random) -> Step<K> {
        let State::Watching { frames, .. } = &mut self.state else { unreachable!("a watch ends only while watching") };
        let after = if std::mem::take(frames) || lasted >= SHORT_WATCH {
            self.backoff.reset();
            Duration::ZERO
        } else {
            self.backoff.next(random)
        };
        Step { item: None, then: Then::Call { after } }
    }

    /// The revision is gone. The first time that is the ordinary fate of a watch that was away too long, and nothing to wait
    /// for; when it happens again without progress, it is a failure of the server.
    fn relist(&mut self, random: &dyn Random) -> Step<K> {
        let first = self.backoff.failures() == 0;
        let wait = self.backoff.next(random);
        self.state = State::listing(self.page_size);
        Step { item: None, then: Then::Call { after: if first { Duration::ZERO } else { wait } } }
    }

    /// The server does not take the request as it is, and what is in it is a revision: perhaps it is of another server, of
    /// another life of the kind, or of what was lost when the store was restored from a backup.
    fn begin_anew(&mut self, error: Error, random: &dyn Random) -> Step<K> {
        self.state = State::listing(self.page_size);
        self.failed(error, random)
    }

    fn failed(&mut self, error: Error, random: &dyn Random) -> Step<K> {
        if let State::Watching { frames, .. } = &mut self.state {
            *frames = false;
        }
        Step { item: Some(Err(error)), then: Then::Call { after: self.backoff.next(random) } }
    }
}

/// client-go lists again after every failure but those of the connection and of an overloaded server.
fn is_refused(status: &ApiError) -> bool {
    matches!(status.reason, Reason::BadRequest | Reason::NotFound | Reason::Invalid)
        || status.details.causes.iter().any(|cause| cause.reason == "ResourceVersionTooLarge")
}

fn is_gone(status: &ApiError) -> bool {
    matches!(status.reason, Reason::Gone | Reason::Expired)
}

#[cfg(test)]
mod tests;
