//! How many requests are served at a time. Those above that number wait in line; when the line is full, or the wait too
//! long, a request is told to come back later.
//!
//! Source of the bounds: priority and fairness of kube-apiserver (KEP-1040), whose requests wait for a quarter of the
//! request timeout at most. There is one line, not one for each flow of requests.

use kubekit_core::status::ApiError;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The places for requests of one sort, and the line before them.
#[derive(Debug)]
pub(crate) struct InFlight {
    places: Semaphore,
    line: Semaphore,
    wait_max: Duration,
}

impl InFlight {
    pub(crate) fn new(places: usize, line: usize, wait_max: Duration) -> Self {
        Self { places: Semaphore::new(places), line: Semaphore::new(line), wait_max }
    }

    /// How many places are free.
    pub(crate) fn free(&self) -> usize {
        self.places.available_permits()
    }

    /// A place, in the order of arrival; it is given back when the permit is dropped.
    ///
    /// # Errors
    /// 429 with `Retry-After` where the line is full or did not move in time.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        // While somebody waits, no place is free: a place that is given back goes to the first in line.
        if let Ok(permit) = self.places.try_acquire() {
            return Ok(permit);
        }
        let _in_line = self.line.try_acquire().map_err(|_| come_back_later())?;
        match tokio::time::timeout(self.wait_max, self.places.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(come_back_later()),
        }
    }
}

fn come_back_later() -> ApiError {
    ApiError::too_many_requests("Too many requests, please try again later.", 1)
}

#[cfg(test)]
mod tests {
    //! One place, one in line, and no room for a third.

    use super::*;
    use futures::FutureExt as _;
    use tokio::time::Instant;

    fn one_and_one() -> InFlight {
        InFlight::new(1, 1, Duration::from_secs(15))
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_served_when_a_place_is_free() {
        let in_flight = one_and_one();
        let first = in_flight.enter().await.unwrap();
        let mut second = Box::pin(in_flight.enter());
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        drop(first);
        assert!(in_flight.enter().now_or_never().is_none_or(|entered| entered.is_err()), "nobody overtakes");
        drop(second.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_line_refuses_at_once_and_a_long_wait_in_the_end() {
        let in_flight = one_and_one();
        let began = Instant::now();
        let _first = in_flight.enter().await.unwrap();
        let mut second = Box::pin(in_flight.enter());
        assert!(second.as_mut().now_or_never().is_none());
        let refused = in_flight.enter().await.unwrap_err();
        assert_eq!((refused.code(), refused.details.retry_after_seconds), (429, 1));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(second.await.unwrap_err().code(), 429);
        assert_eq!(began.elapsed(), Duration::from_secs(15));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_the_line() {
        let in_flight = one_and_one();
        let first = in_flight.enter().await.unwrap();
        let mut second = Box::pin(in_flight.enter());
        assert!(second.as_mut().now_or_never().is_none());
        drop(second);
        drop(first);
        drop(in_flight.enter().await.unwrap());
    }
}
