//! Clients that act as service accounts, with tokens that are renewed before they expire: how a controller manager in a
//! process of its own lets each controller act under its own name. Source: kube-controller-manager's
//! `--use-service-account-credentials`.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kubekit_runtime::{Api, Client, Error};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a token is asked for.
const LIFETIME: Duration = Duration::from_secs(3600);
/// When to try again after a failure.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Clients that act as service accounts of one namespace.
#[derive(Debug)]
pub struct ServiceAccountClients {
    /// Creates accounts and asks for tokens.
    client: Client,
    /// What the clients are made of: the same server, without credentials.
    anonymous: Client,
    namespace: String,
    tokens: Mutex<BTreeMap<String, watch::Sender<String>>>,
    asked: Notify,
}

impl ServiceAccountClients {
    /// `client` must be allowed to create service accounts and tokens in `namespace`; `anonymous` reaches the same server
    /// without credentials.
    pub fn new(client: Client, anonymous: Client, namespace: impl Into<String>) -> Self {
        Self { client, anonymous, namespace: namespace.into(), tokens: Mutex::default(), asked: Notify::new() }
    }

    /// A client that acts as this account. Its requests wait until [`ServiceAccountClients::run`] has got the token.
    pub fn client(&self, account: &str) -> Client {
        let mut tokens = self.tokens.lock();
        let sender = tokens.entry(account.to_owned()).or_insert_with(|| watch::Sender::new(String::new()));
        let client = self.anonymous.clone().with_rotating_token(sender.subscribe());
        drop(tokens);
        self.asked.notify_one();
        client
    }

    /// Gets tokens and renews them until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut due: BTreeMap<String, Instant> = BTreeMap::new();
        loop {
            for account in self.tokens.lock().keys() {
                due.entry(account.clone()).or_insert_with(Instant::now);
            }
            let next = due.iter().min_by_key(|(_, at)| **at).map(|(account, at)| (account.clone(), *at));
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.asked.notified() => {}
                account = wait(next) => {
                    let Some(renewed) = shutdown.run_until_cancelled(self.renew(&account)).await else { return };
                    let again = match renewed {
                        // After four fifths of the token's life.
                        Ok(life) => life * 4 / 5,
                        Err(error) => {
                            tracing::warn!(account, error = %error.chain(), "cannot get a service account's token");
                            TRY_AGAIN_AFTER
                        }
                    };
                    due.insert(account, Instant::now() + again);
                }
            }
        }
    }

    /// Gets a new token; gives how long it lives, which the server may have shortened.
    async fn renew(&self, account: &str) -> Result<Duration, Error> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), self.namespace.as_str());
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX)),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer: Result<TokenRequest, Error> = api.create_subresource(account, "token", &request).await;
        let answer = match answer {
            Err(error) if error.is_not_found() => {
                self.create(&api, account).await?;
                api.create_subresource(account, "token", &request).await?
            }
            answer => answer?,
        };
        let token = answer.status.and_then(|status| status.token).unwrap_or_default();
        if let Some(sender) = self.tokens.lock().get(account) {
            sender.send_replace(token);
        }
        let seconds =
            answer.spec.and_then(|spec| spec.expiration_seconds).and_then(|seconds| u64::try_from(seconds).ok());
        Ok(seconds.map_or(LIFETIME, Duration::from_secs))
    }

    async fn create(&self, api: &Api<ServiceAccount>, name: &str) -> Result<(), Error> {
        let mut account = ServiceAccount::default();
        account.metadata.name = Some(name.to_owned());
        account.metadata.namespace = Some(self.namespace.clone());
        match api.create(&account).await {
            Err(error) if !error.is_already_exists() => Err(error),
            _ => Ok(()),
        }
    }
}

/// Returns the account whose token is due next, when it is.
async fn wait(next: Option<(String, Instant)>) -> String {
    match next {
        Some((account, at)) => {
            tokio::time::sleep_until(at).await;
            account
        }
        None => std::future::pending().await,
    }
}
