//! What one write has claimed, and how that ends.

use super::claims::{Claim, Claimable, Owner};
use crate::registry::Registry;
use kubekit_core::status::ApiError;
use kubekit_store::{Precondition, ReadAt};
use std::net::IpAddr;

/// What a write has claimed, and what it gives up once it is stored. Whoever writes says how it ended; where nobody can
/// say, because the server stopped or the store did not answer, the claims stay until the repair looks at them.
#[derive(Debug)]
#[must_use]
pub(crate) struct Allocation<'a> {
    pub(super) registry: &'a Registry,
    /// The Service.
    pub(super) owner: Owner,
    pub(super) dry_run: bool,
    made: Vec<Claim>,
    pub(super) given_up: Vec<Claim>,
}

impl<'a> Allocation<'a> {
    /// Nothing claimed, nothing given up.
    pub(crate) fn none(registry: &'a Registry) -> Self {
        Self { registry, owner: Owner::default(), dry_run: false, made: Vec::new(), given_up: Vec::new() }
    }

    /// Claims something; whether it was free. A dry run looks only.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn take(&mut self, what: Claimable) -> Result<bool, ApiError> {
        if self.made.iter().any(|made| made.what == what) {
            return Ok(false);
        }
        let claim = if self.dry_run {
            let free = self.registry.claim_of(what, ReadAt::Latest).await?.is_none();
            free.then_some(Claim { what, revision: 0 })
        } else {
            self.registry.claim(what, &self.owner, Precondition::Absent).await?
        };
        self.made.extend(claim);
        Ok(claim.is_some())
    }

    /// The addresses among what was claimed.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.made.iter().filter_map(|claim| match claim.what {
            Claimable::Address(ip) => Some(ip),
            Claimable::Port(_) => None,
        })
    }

    /// The ports among what was claimed.
    pub(super) fn ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.made.iter().filter_map(|claim| match claim.what {
            Claimable::Port(port) => Some(port),
            Claimable::Address(_) => None,
        })
    }

    /// The Service gets another name after all: one that was generated was taken.
    ///
    /// # Errors
    /// When the store fails, or somebody has taken a claim away.
    pub(crate) async fn rename(&mut self, name: &str) -> Result<(), ApiError> {
        name.clone_into(&mut self.owner.name);
        if self.dry_run {
            return Ok(());
        }
        for made in &mut self.made {
            let precondition = Precondition::Revision(made.revision);
            let renamed = self.registry.claim(made.what, &self.owner, precondition).await?;
            *made = renamed.ok_or_else(|| ApiError::internal(format!("the claim of {:?} is gone", made.what)))?;
        }
        Ok(())
    }

    /// The write has been stored.
    pub(crate) async fn keep(self) {
        self.disclaim(&self.given_up).await;
    }

    /// The write will not be stored.
    pub(crate) async fn give_back(self) {
        self.disclaim(&self.made).await;
    }

    /// The object has been removed instead.
    pub(crate) async fn forget(self) {
        self.disclaim(&self.made).await;
        self.disclaim(&self.given_up).await;
    }

    /// The write has ended like this. After an error of the server's own nobody knows whether it is stored.
    pub(crate) async fn settle<T>(self, outcome: &Result<T, ApiError>) {
        match outcome {
            Ok(_) => self.keep().await,
            Err(error) if error.code() < 500 => self.give_back().await,
            Err(_) => {}
        }
    }

    async fn disclaim(&self, claims: &[Claim]) {
        if !self.dry_run && !claims.is_empty() {
            Box::pin(self.registry.disclaim(claims)).await;
        }
    }
}
