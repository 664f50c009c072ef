use super::*;
use crate::keys;
use crate::pki::TokenKey;
use crate::tokens::{Audience, BoundTo, Claims, Issuer, Kubernetes};
use jiff::Timestamp;
use kubekit_core::environment::WallClock;
use kubekit_store::{Config, Extractor, Memory, Precondition, Store, Value};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const URL: &str = "https://kubernetes.default.svc.cluster.local";
const NOW: i64 = 1_800_000_000;

#[derive(Debug)]
struct Clock(AtomicI64);

impl WallClock for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

struct Fixture {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    issuer: Arc<Issuer>,
    authenticator: Union,
}

async fn fixture() -> Fixture {
    let store: Arc<dyn Store> = Arc::new(Memory::new(Extractor::none(), Config::default()));
    let clock = Arc::new(Clock(AtomicI64::new(NOW)));
    let issuer = Arc::new(Issuer::new(URL, &TokenKey::generate().unwrap()).unwrap());
    let accounts = ServiceAccountTokens::new(Arc::clone(&issuer), Arc::clone(&store), clock.clone());
    let fixed = StaticTokens::new([("s3cret".to_owned(), UserInfo::new("alice", ["dev"]))]);
    let authenticator = Union::new([Arc::new(fixed) as Arc<dyn Authenticator>, Arc::new(accounts)]);
    let fixture = Fixture { store, clock, issuer, authenticator };
    fixture.put("serviceaccounts", "default", "robot", json!({"uid": "su"})).await;
    fixture.put("pods", "default", "p", json!({"uid": "pu"})).await;
    fixture.put("nodes", "", "n", json!({"uid": "nu"})).await;
    fixture
}

impl Fixture {
    async fn put(&self, resource: &str, namespace: &str, name: &str, metadata: serde_json::Value) {
        let value = Value { bytes: json!({"metadata": metadata}).to_string().into(), splice: 1 };
        let key = keys::object_key("", resource, namespace, name);
        self.store.put(&key, Precondition::None, value).await.unwrap();
    }

    fn token(&self, change: impl FnOnce(&mut Claims)) -> String {
        let mut claims = Claims {
            aud: Audience::Many(vec![URL.to_owned()]),
            exp: NOW + 600,
            iat: NOW,
            iss: URL.to_owned(),
            jti: "id".to_owned(),
            kubernetes: Kubernetes {
                namespace: "default".to_owned(),
                serviceaccount: BoundTo { name: "robot".into(), uid: "su".into() },
                ..Kubernetes::default()
            },
            nbf: NOW,
            sub: "system:serviceaccount:default:robot".to_owned(),
        };
        change(&mut claims);
        self.issuer.sign(&claims)
    }

    /// The user's name, or the code of the refusal.
    async fn with(&self, header: &'static str, value: &str) -> Result<String, u16> {
        let parts = http::Request::builder().header(header, value).body(()).unwrap().into_parts().0;
        self.authenticator.user(&parts).await.map(|user| user.name).map_err(|error| error.code())
    }

    async fn bearer(&self, token: &str) -> Result<String, u16> {
        self.with("authorization", &format!("Bearer {token}")).await
    }
}

const ROBOT: &str = "system:serviceaccount:default:robot";

#[tokio::test]
async fn tokens_name_their_user() {
    let f = fixture().await;
    assert_eq!(f.bearer("s3cret").await.as_deref(), Ok("alice"));
    let token = f.token(|_| {});
    assert_eq!(f.bearer(&token).await.as_deref(), Ok(ROBOT));
    assert_eq!(f.bearer(&token).await.as_deref(), Ok(ROBOT), "remembered");
    let encoded = {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode("s3cret")
    };
    let protocols = format!("v4.channel.k8s.io, {WEBSOCKET_TOKEN_PREFIX}{encoded}");
    assert_eq!(f.with("sec-websocket-protocol", &protocols).await.as_deref(), Ok("alice"));
}

#[tokio::test]
async fn bad_tokens_are_401() {
    let f = fixture().await;
    let other = Issuer::new(URL, &TokenKey::generate().unwrap()).unwrap();
    let forged = other.sign(&f.issuer.verify(&f.token(|_| {})).unwrap());
    for token in [
        "wrong",
        "a.b.c",
        &forged,
        &f.token(|c| c.exp = NOW),
        &f.token(|c| c.nbf = NOW + 1),
        &f.token(|c| c.aud = Audience::One("vault".into())),
    ] {
        assert_eq!(f.bearer(token).await, Err(401), "{token}");
    }
    assert_eq!(f.with("x", "y").await, Err(401), "no credentials");
    assert_eq!(f.with("authorization", "Basic YTpi").await, Err(401));
}

#[tokio::test]
async fn a_remembered_token_still_expires() {
    let f = fixture().await;
    let token = f.token(|_| {});
    assert!(f.bearer(&token).await.is_ok());
    f.clock.0.store(NOW + 600, Ordering::SeqCst);
    assert_eq!(f.bearer(&token).await, Err(401));
}

#[tokio::test]
async fn a_token_ends_with_what_it_is_bound_to() {
    let f = fixture().await;
    let bound = |name: &str, uid: &str| Some(BoundTo { name: name.into(), uid: uid.into() });
    let of_pod = f.token(|c| {
        c.kubernetes.pod = bound("p", "pu");
        c.kubernetes.node = bound("n", "another uid: informative only");
    });
    let of_node = f.token(|c| c.kubernetes.node = bound("n", "nu"));
    assert!(f.bearer(&of_pod).await.is_ok() && f.bearer(&of_node).await.is_ok());
    assert_eq!(f.bearer(&f.token(|c| c.kubernetes.pod = bound("p", "other"))).await, Err(401));
    assert_eq!(f.bearer(&f.token(|c| c.kubernetes.secret = bound("gone", "u"))).await, Err(401));
    assert_eq!(f.bearer(&f.token(|c| c.kubernetes.node = bound("n", "other"))).await, Err(401));
    f.put(
        "pods",
        "default",
        "p",
        json!({"uid": "pu", "deletionTimestamp": Timestamp::from_second(NOW - 30).unwrap().to_string()}),
    )
    .await;
    assert!(f.bearer(&of_pod).await.is_ok(), "a pod that is being deleted finishes its work");
    f.clock.0.store(NOW + 31, Ordering::SeqCst);
    assert_eq!(f.bearer(&of_pod).await, Err(401));
    f.put("serviceaccounts", "default", "robot", json!({"uid": "recreated"})).await;
    assert_eq!(f.bearer(&f.token(|_| {})).await, Err(401));
}
