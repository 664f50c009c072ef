//! A key management service in this process, for tests: its keys rotate, and it fails, when it is told to.

use super::super::aesgcm::AesGcm;
use super::super::key::Key;
use super::super::{Opened, Provider};
use super::service::{KeyService, Status, Wrapped};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use zeroize::Zeroizing;

/// The name of its annotation, without which it unwraps nothing.
const ANNOTATION: &str = "simulated.kms.kubekit.dev";

/// The service. It keeps every key that it ever had, until [`Simulated::forget`].
#[derive(Debug, Default)]
pub struct Simulated(Mutex<State>);

#[derive(Debug)]
struct State {
    keys: HashMap<String, AesGcm>,
    present: String,
    healthz: String,
    down: bool,
    unwrapped: usize,
}

impl Default for State {
    fn default() -> Self {
        let (keys, present) = (HashMap::from([key("key-1")]), "key-1".to_owned());
        Self { keys, present, healthz: "ok".to_owned(), down: false, unwrapped: 0 }
    }
}

fn key(name: &str) -> (String, AesGcm) {
    let secret = name.bytes().cycle().take(32).collect();
    (name.to_owned(), AesGcm::new(&Key::new(name, secret)).expect("a key of 32 bytes"))
}

impl Simulated {
    /// Goes on to another key.
    pub fn rotate(&self, to: &str) {
        let mut state = self.0.lock();
        state.keys.extend([key(to)]);
        to.clone_into(&mut state.present);
    }

    /// Forgets a key.
    pub fn forget(&self, name: &str) {
        self.0.lock().keys.remove(name);
    }

    /// Answers nothing, or answers again.
    pub fn set_down(&self, down: bool) {
        self.0.lock().down = down;
    }

    /// Says of itself that it is so.
    pub fn set_healthz(&self, healthz: &str) {
        healthz.clone_into(&mut self.0.lock().healthz);
    }

    /// How many data keys it has unwrapped.
    pub fn unwrapped(&self) -> usize {
        self.0.lock().unwrapped
    }

    /// Does something while it is up.
    fn up<T>(&self, work: impl FnOnce(&mut State) -> Result<T, String>) -> Result<T, String> {
        let mut state = self.0.lock();
        if state.down { Err("it is down".to_owned()) } else { work(&mut state) }
    }
}

#[async_trait]
impl KeyService for Simulated {
    async fn status(&self) -> Result<Status, String> {
        self.up(|state| {
            let (healthz, key_id) = (state.healthz.clone(), state.present.clone());
            Ok(Status { version: "v2".to_owned(), healthz, key_id })
        })
    }

    async fn encrypt(&self, _uid: &str, plain: &[u8]) -> Result<Wrapped, String> {
        self.up(|state| {
            let key_id = state.present.clone();
            let ciphertext = state.keys.get(&key_id).ok_or("the present key is gone")?.seal(plain, ANNOTATION)?;
            let annotations = BTreeMap::from([(ANNOTATION.to_owned(), key_id.clone().into_bytes())]);
            Ok(Wrapped { ciphertext, key_id, annotations })
        })
    }

    async fn decrypt(&self, _uid: &str, wrapped: &Wrapped) -> Result<Zeroizing<Vec<u8>>, String> {
        self.up(|state| {
            if wrapped.annotations.get(ANNOTATION).map(Vec::as_slice) != Some(wrapped.key_id.as_bytes()) {
                return Err("the annotation is not the one that was given".to_owned());
            }
            let key = state.keys.get(&wrapped.key_id).ok_or_else(|| format!("there is no key {:?}", wrapped.key_id))?;
            let Opened { plain, .. } = key.open(&wrapped.ciphertext, ANNOTATION)?;
            state.unwrapped += 1;
            Ok(Zeroizing::new(plain))
        })
    }
}
