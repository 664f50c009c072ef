//! Requests for the objects of one kind.

use crate::client::{Client, empty_request, json_request};
use crate::error::Error;
use crate::object::{ApiResource, Object, ObjectKey, TypedObject};
use crate::params::{DeleteParams, ListParams, PatchParams, Query, WatchParams, WriteParams, percent_encode};
use crate::patch::Patch;
use crate::watch::WatchEvent;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{Method, Request};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ListMeta, Status};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// The content type of everything but patches.
const JSON: &str = "application/json";

/// The longest line of a watch: an object of the largest size that a server stores, several times over.
const LINE_BYTES_MAX: usize = 32 << 20;

/// Requests for the objects of one kind, in one namespace or in all.
#[derive(Clone, Debug)]
pub struct Api<K> {
    client: Client,
    resource: ApiResource,
    namespace: String,
    kind: PhantomData<fn() -> K>,
}

/// What a list gives.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound = "K: Object")]
pub struct ObjectList<K> {
    /// The revision of the list, and where it continues.
    #[serde(default)]
    pub metadata: ListMeta,
    /// The objects, in the order of their keys.
    #[serde(default = "Vec::new", deserialize_with = "null_is_empty")]
    pub items: Vec<K>,
}

/// Go writes an empty list as null.
fn null_is_empty<'de, D: serde::Deserializer<'de>, K: Object>(deserializer: D) -> Result<Vec<K>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What a delete gives.
#[derive(Clone, Debug)]
pub enum Deletion<K> {
    /// The object as it is now, or as it was: a kind with a grace period or a finalizer is still there.
    Object(Box<K>),
    /// It is gone.
    Done(Box<Status>),
}

impl<K: TypedObject> Api<K> {
    /// Objects in all namespaces, or of cluster scope. Creating or replacing takes the namespace from the object.
    pub fn all(client: Client) -> Self {
        Self::of(client, K::api_resource())
    }

    /// Objects in one namespace.
    pub fn namespaced(client: Client, namespace: impl Into<String>) -> Self {
        Self::all(client).within(namespace)
    }
}

impl<K: Object> Api<K> {
    /// Objects of a kind that is known only at run time, in all namespaces.
    pub fn of(client: Client, resource: ApiResource) -> Self {
        Self { client, resource, namespace: String::new(), kind: PhantomData }
    }

    /// The same kind in one namespace; ignored for kinds of cluster scope.
    #[must_use]
    pub fn within(&self, namespace: impl Into<String>) -> Self {
        let namespace = if self.resource.namespaced { namespace.into() } else { String::new() };
        Self { client: self.client.clone(), resource: self.resource.clone(), namespace, kind: PhantomData }
    }

    /// The client that sends the requests.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where the kind is served.
    pub fn resource(&self) -> &ApiResource {
        &self.resource
    }

    /// One object.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`] if there is none; see [`Error`].
    pub async fn get(&self, name: &str) -> Result<K, Error> {
        let path = self.path(&self.namespace, name, "")?;
        self.object(empty_request(Method::GET, &path, K::ACCEPT)?).await
    }

    /// One object, or none.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn get_opt(&self, name: &str) -> Result<Option<K>, Error> {
        match self.get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The object of a key, whatever namespace this is for.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn get_key(&self, key: &ObjectKey) -> Result<Option<K>, Error> {
        self.within(key.namespace.as_str()).get_opt(&key.name).await
    }

    /// A page of objects, or all.
    ///
    /// # Errors
    ///
    /// [`Error::is_gone`] if the continue token is too old; see [`Error`].
    pub async fn list(&self, params: &ListParams) -> Result<ObjectList<K>, Error> {
        let mut query = Query::default();
        params.query(&mut query);
        let path = query.append_to(self.collection(&self.namespace)?);
        let mut list: ObjectList<K> = self.client.request(empty_request(Method::GET, &path, K::ACCEPT_LIST)?).await?;
        for object in &mut list.items {
            object.served_as(&self.resource);
        }
        Ok(list)
    }

    /// Creates an object and gives it as it was stored.
    ///
    /// # Errors
    ///
    /// [`Error::is_already_exists`], [`Error::is_invalid`]; see [`Error`].
    pub async fn create(&self, object: &K) -> Result<K, Error> {
        self.create_with(&WriteParams::default(), object).await
    }

    /// As [`Api::create`], with parameters.
    ///
    /// # Errors
    ///
    /// As [`Api::create`].
    pub async fn create_with(&self, params: &WriteParams, object: &K) -> Result<K, Error> {
        let mut query = Query::default();
        params.query(&mut query);
        let path = query.append_to(self.place_of_new(object)?);
        self.object(body_request(Method::POST, &path, K::ACCEPT, object)?).await
    }

    /// As [`Api::create`], but reads from the answer only what `O` has: [`PartialObject`](crate::PartialObject) for the
    /// metadata, `serde::de::IgnoredAny` for nothing.
    ///
    /// # Errors
    ///
    /// As [`Api::create`].
    pub async fn create_as<O: DeserializeOwned>(&self, object: &K) -> Result<O, Error> {
        let path = self.place_of_new(object)?;
        self.client.request(body_request(Method::POST, &path, JSON, object)?).await
    }

    /// Replaces an object. If it has a resourceVersion, only the object of that version.
    ///
    /// # Errors
    ///
    /// [`Error::is_conflict`] if it has changed since; see [`Error`].
    pub async fn replace(&self, object: &K) -> Result<K, Error> {
        self.replace_with(&WriteParams::default(), object).await
    }

    /// As [`Api::replace`], with parameters.
    ///
    /// # Errors
    ///
    /// As [`Api::replace`].
    pub async fn replace_with(&self, params: &WriteParams, object: &K) -> Result<K, Error> {
        let mut query = Query::default();
        params.query(&mut query);
        let path = query.append_to(self.path(self.namespace_of(object), object.name(), "")?);
        self.object(body_request(Method::PUT, &path, K::ACCEPT, object)?).await
    }

    /// Replaces the status of an object, and nothing else.
    ///
    /// # Errors
    ///
    /// As [`Api::replace`].
    pub async fn replace_status(&self, object: &K) -> Result<K, Error> {
        let path = self.path(self.namespace_of(object), object.name(), "status")?;
        self.object(body_request(Method::PUT, &path, K::ACCEPT, object)?).await
    }

    /// Changes a part of an object; server-side apply also creates it.
    ///
    /// # Errors
    ///
    /// [`Error::is_conflict`] if another field manager owns a field; see [`Error`].
    pub async fn patch<T: Serialize>(&self, name: &str, params: &PatchParams, patch: &Patch<T>) -> Result<K, Error> {
        self.object(self.patch_request(name, "", params, patch, K::ACCEPT)?).await
    }

    /// Changes a part of an object's status.
    ///
    /// # Errors
    ///
    /// As [`Api::patch`].
    pub async fn patch_status<T: Serialize>(
        &self,
        name: &str,
        params: &PatchParams,
        patch: &Patch<T>,
    ) -> Result<K, Error> {
        self.object(self.patch_request(name, "status", params, patch, K::ACCEPT)?).await
    }

    /// Deletes an object.
    ///
    /// # Errors
    ///
    /// [`Error::is_conflict`] if a precondition does not hold; see [`Error`].
    pub async fn delete(&self, name: &str, params: &DeleteParams) -> Result<Deletion<K>, Error> {
        let path = self.path(&self.namespace, name, "")?;
        let request = json_request(Method::DELETE, &path, JSON, K::ACCEPT, params.body().to_string().into_bytes())?;
        let operation = format!("{} {path}", Method::DELETE);
        let bytes = self.client.request_bytes(request).await?;
        decode_deletion(&bytes, &self.resource).map_err(|source| Error::Decode { operation, source })
    }

    /// Deletes every object that `list` selects, one by one, in the order of their keys.
    ///
    /// # Errors
    ///
    /// See [`Error`]; some objects may have been deleted then.
    pub async fn delete_collection(&self, params: &DeleteParams, list: &ListParams) -> Result<(), Error> {
        let mut query = Query::default();
        list.query(&mut query);
        let path = query.append_to(self.collection(&self.namespace)?);
        let request = json_request(Method::DELETE, &path, JSON, JSON, params.body().to_string().into_bytes())?;
        self.client.request_bytes(request).await.map(drop)
    }

    /// The events of one watch, as they come; see [`watcher`](crate::watcher) for one that goes on for ever.
    ///
    /// # Errors
    ///
    /// [`Error::is_gone`] if the revision is too old; see [`Error`]. The stream ends after an error of the connection; after
    /// an event that cannot be decoded ([`Error::Decode`]) it goes on.
    pub async fn watch(
        &self,
        params: &WatchParams,
    ) -> Result<impl Stream<Item = Result<WatchEvent<K>, Error>> + Send + use<K>, Error> {
        let mut query = Query::default();
        params.query(&mut query);
        let path = self.collection(&self.namespace)?;
        let operation = format!("watch {path}");
        let request = empty_request(Method::GET, &query.append_to(path), K::ACCEPT)?;
        let lines = self.client.request_lines(request, LINE_BYTES_MAX).await?;
        let resource = self.resource.clone();
        let frames = lines.filter(|line| std::future::ready(line.as_ref().map_or(true, |line| !line.is_empty())));
        Ok(frames.map(move |line| {
            WatchEvent::decode(&line?, &resource)
                .map_err(|source| Error::Decode { operation: operation.clone(), source })
        }))
    }

    /// Reads a subresource.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn get_subresource<O: DeserializeOwned>(&self, name: &str, subresource: &str) -> Result<O, Error> {
        let path = self.path(&self.namespace, name, subresource)?;
        self.client.request(empty_request(Method::GET, &path, JSON)?).await
    }

    /// Creates a subresource: a `binding`, an `eviction`, a `token`.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn create_subresource<I: Serialize, O: DeserializeOwned>(
        &self,
        name: &str,
        subresource: &str,
        input: &I,
    ) -> Result<O, Error> {
        let path = self.path(&self.namespace, name, subresource)?;
        self.client.request(body_request(Method::POST, &path, JSON, input)?).await
    }

    /// Replaces a subresource: a `scale`.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn replace_subresource<I: Serialize, O: DeserializeOwned>(
        &self,
        name: &str,
        subresource: &str,
        input: &I,
    ) -> Result<O, Error> {
        let path = self.path(&self.namespace, name, subresource)?;
        self.client.request(body_request(Method::PUT, &path, JSON, input)?).await
    }

    /// Changes a part of a subresource; empty is the object itself.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn patch_subresource<T: Serialize, O: DeserializeOwned>(
        &self,
        name: &str,
        subresource: &str,
        params: &PatchParams,
        patch: &Patch<T>,
    ) -> Result<O, Error> {
        self.client.request(self.patch_request(name, subresource, params, patch, JSON)?).await
    }

    fn patch_request<T: Serialize>(
        &self,
        name: &str,
        subresource: &str,
        params: &PatchParams,
        patch: &Patch<T>,
        accept: &'static str,
    ) -> Result<Request<Bytes>, Error> {
        let mut query = Query::default();
        params.query(&mut query);
        let path = query.append_to(self.path(&self.namespace, name, subresource)?);
        let body = patch
            .encode()
            .map_err(|source| Error::Encode { operation: format!("{} {path}", Method::PATCH), source })?;
        json_request(Method::PATCH, &path, patch.content_type(), accept, body)
    }

    /// Sends a request whose answer is an object of the kind.
    async fn object(&self, request: Request<Bytes>) -> Result<K, Error> {
        let mut object: K = self.client.request(request).await?;
        object.served_as(&self.resource);
        Ok(object)
    }

    /// Where to create or replace an object: in its namespace, unless this is for one.
    fn namespace_of<'a>(&'a self, object: &'a K) -> &'a str {
        if self.namespace.is_empty() && self.resource.namespaced { object.namespace() } else { &self.namespace }
    }

    /// Where a new object goes, whose name may be left to the server.
    fn place_of_new(&self, object: &K) -> Result<String, Error> {
        let namespace = self.namespace_of(object);
        self.needs_namespace(namespace, object.name())?;
        self.collection(namespace)
    }

    /// The path of the objects of a namespace.
    fn collection(&self, namespace: &str) -> Result<String, Error> {
        self.check_segment("namespace", namespace)?;
        Ok(self.resource.path(namespace))
    }

    fn needs_namespace(&self, namespace: &str, name: &str) -> Result<(), Error> {
        if namespace.is_empty() && self.resource.namespaced {
            return Err(Error::Request(format!("{} {name:?}: no namespace is given", self.resource.plural)));
        }
        Ok(())
    }

    /// Whatever stands between client and server may take these for steps in a path, and make it another.
    fn check_segment(&self, what: &str, text: &str) -> Result<(), Error> {
        if matches!(text, "." | "..") {
            return Err(Error::Request(format!("{}: the {what} may not be '{text}'", self.resource.plural)));
        }
        Ok(())
    }

    /// The path of an object or of its subresource.
    fn path(&self, namespace: &str, name: &str, subresource: &str) -> Result<String, Error> {
        if name.is_empty() {
            return Err(Error::Request(format!("{}: the name is empty", self.resource.plural)));
        }
        self.check_segment("name", name)?;
        self.needs_namespace(namespace, name)?;
        let mut path = self.collection(namespace)?;
        path.push('/');
        percent_encode(name, &mut path);
        if !subresource.is_empty() {
            path.push('/');
            path.push_str(subresource);
        }
        Ok(path)
    }
}

fn body_request<I: Serialize>(
    method: Method,
    path: &str,
    accept: &'static str,
    input: &I,
) -> Result<Request<Bytes>, Error> {
    let body =
        serde_json::to_vec(input).map_err(|source| Error::Encode { operation: format!("{method} {path}"), source })?;
    json_request(method, path, JSON, accept, body)
}

/// A `Status` where the object is gone, else the object.
fn decode_deletion<K: Object>(bytes: &Bytes, resource: &ApiResource) -> serde_json::Result<Deletion<K>> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(default)]
        kind: String,
    }
    if serde_json::from_slice::<Kind>(bytes)?.kind == "Status" {
        return Ok(Deletion::Done(Box::new(serde_json::from_slice(bytes)?)));
    }
    let mut object: K = serde_json::from_slice(bytes)?;
    object.served_as(resource);
    Ok(Deletion::Object(Box::new(object)))
}
