//! Who owns whom, as far as was seen.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kubekit_runtime::{ApiResource, Object as _, PartialObject};

/// The finalizer of a foreground deletion: the object waits for its dependents.
pub const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of an orphaning deletion: the object's dependents must forget it first.
pub const ORPHAN: &str = "orphan";

/// An object's uid.
pub type Uid = Arc<str>;

/// An object.
#[derive(Clone, Debug)]
pub struct Vertex {
    /// Where it is served.
    pub resource: Arc<ApiResource>,
    /// Empty in cluster scope.
    pub namespace: Box<str>,
    /// `metadata.name`.
    pub name: Box<str>,
    /// Its owners.
    pub owners: Vec<OwnerReference>,
    /// Whether it was deleted and waits for something.
    pub deleting: bool,
    /// Whether what it waits for is its dependents' end.
    pub foreground: bool,
    /// Whether what it waits for is to be forgotten by its dependents.
    pub orphaning: bool,
}

/// What must be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// Whether this object must be deleted.
    Delete(Uid),
    /// This object's dependents must forget it.
    Orphan(Uid),
    /// The dependent's reference to the owner names an object of another namespace.
    InvalidNamespace {
        /// The object with the reference.
        dependent: Uid,
        /// The uid in the reference.
        owner: Uid,
    },
}

/// Every object that was seen, and who owns whom.
#[derive(Debug, Default)]
pub struct Graph {
    vertices: HashMap<Uid, Vertex>,
    /// Dependents by the uid in their references, whether that was seen or not.
    dependents: HashMap<Uid, BTreeSet<Uid>>,
}

/// Group and name of a reference's API version: `apps` of `apps/v1`.
pub fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// Whether a reference of an object in `namespace` means this very object, not only its uid.
fn means(reference: &OwnerReference, namespace: &str, owner: &Vertex) -> bool {
    reference.kind == owner.resource.kind
        && group(&reference.api_version) == owner.resource.group
        && reference.name == *owner.name
        && (!owner.resource.namespaced || namespace == &*owner.namespace)
}

impl Graph {
    /// An object, if it was seen.
    pub fn get(&self, uid: &str) -> Option<&Vertex> {
        self.vertices.get(uid)
    }

    /// How many objects were seen.
    pub fn len(&self) -> usize {
        self.vertices.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.vertices.is_empty()
    }

    /// The objects that name this one as an owner.
    pub fn dependents(&self, uid: &str) -> Vec<Uid> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// The dependents that a foreground deletion of this object waits for.
    pub fn blocking(&self, uid: &str) -> Vec<Uid> {
        let blocks = |dependent: &Uid| {
            self.get(dependent).is_some_and(|vertex| {
                vertex.owners.iter().any(|o| o.uid == uid && o.block_owner_deletion == Some(true))
            })
        };
        self.dependents(uid).into_iter().filter(blocks).collect()
    }

    /// The owner that a reference of `dependent` means, if it was seen.
    pub fn owner(&self, dependent: &Vertex, reference: &OwnerReference) -> Option<&Vertex> {
        self.get(&reference.uid).filter(|owner| means(reference, &dependent.namespace, owner))
    }

    /// Whether an object may have to be deleted: an owner of it is not to be seen, or waits for its dependents.
    pub fn is_in_doubt(&self, uid: &str) -> bool {
        let Some(vertex) = self.get(uid) else { return false };
        vertex.foreground
            || vertex.owners.iter().any(|reference| match self.owner(vertex, reference) {
                None => true,
                Some(owner) => owner.foreground,
            })
    }

    /// An object was created or changed.
    pub fn applied(&mut self, resource: &Arc<ApiResource>, object: &PartialObject) -> Vec<Work> {
        let uid: Uid = object.uid().into();
        if uid.is_empty() {
            return Vec::new();
        }
        let vertex = vertex(resource, object);
        let old = self.vertices.insert(Arc::clone(&uid), vertex);
        let vertex = &self.vertices[&uid];
        let (is_new, before) = match &old {
            None => (true, (false, false)),
            Some(old) => (false, (old.foreground, old.orphaning)),
        };
        let after = (vertex.foreground, vertex.orphaning);
        let old_owners = old.map(|old| old.owners).unwrap_or_default();
        let owners_changed = is_new || old_owners != vertex.owners;
        let owners = vertex.owners.clone();
        let mut work = Vec::new();
        if owners_changed {
            work.extend(self.relink(&uid, &old_owners, &owners));
            if self.is_in_doubt(&uid) {
                work.push(Work::Delete(Arc::clone(&uid)));
            }
            work.extend(self.misplaced(&uid));
        }
        if is_new {
            work.extend(self.mismatched(&uid));
        }
        if after.1 && !before.1 {
            work.push(Work::Orphan(Arc::clone(&uid)));
        }
        if after.0 && !before.0 {
            work.extend(self.dependents(&uid).into_iter().map(Work::Delete));
            work.push(Work::Delete(uid));
        }
        work
    }

    /// An object is gone: its dependents may have to go too, and an owner that waited for it waits no longer.
    pub fn deleted(&mut self, uid: &str) -> Vec<Work> {
        let Some((uid, vertex)) = self.vertices.remove_entry(uid) else { return Vec::new() };
        let mut work: Vec<Work> = self.dependents(&uid).into_iter().map(Work::Delete).collect();
        work.extend(self.relink(&uid, &vertex.owners, &[]));
        work
    }

    /// All objects of a kind, after a start or a gap: those that are not among them are gone.
    pub fn restarted(&mut self, resource: &Arc<ApiResource>, objects: &[PartialObject]) -> Vec<Work> {
        let present: HashSet<&str> = objects.iter().map(|object| object.uid()).collect();
        let gone = self.vertices.iter().filter(|(uid, v)| v.resource == *resource && !present.contains(&***uid));
        let gone: Vec<Uid> = gone.map(|(uid, _)| Arc::clone(uid)).collect();
        let mut work: Vec<Work> = gone.iter().flat_map(|uid| self.deleted(uid)).collect();
        work.extend(objects.iter().flat_map(|object| self.applied(resource, object)));
        work
    }

    /// Files a dependent under its owners. An owner that loses a dependent, and waits for its dependents, must be looked at.
    fn relink(&mut self, uid: &Uid, old: &[OwnerReference], new: &[OwnerReference]) -> Vec<Work> {
        for reference in new {
            self.dependents.entry(reference.uid.as_str().into()).or_default().insert(Arc::clone(uid));
        }
        let mut work = Vec::new();
        for reference in old {
            if !new.iter().any(|n| n.uid == reference.uid)
                && let Some(dependents) = self.dependents.get_mut(reference.uid.as_str())
            {
                dependents.remove(uid);
                if dependents.is_empty() {
                    self.dependents.remove(reference.uid.as_str());
                }
            }
            // Also where a reference merely stopped to block.
            if !new.contains(reference)
                && let Some((owner, _)) =
                    self.vertices.get_key_value(reference.uid.as_str()).filter(|(_, v)| v.foreground)
            {
                work.push(Work::Delete(Arc::clone(owner)));
            }
        }
        work
    }

    /// The dependents of an object just seen that name its uid but mean another object.
    fn mismatched(&self, uid: &Uid) -> Vec<Work> {
        let Some(owner) = self.get(uid) else { return Vec::new() };
        let mut work = Vec::new();
        for dependent in self.dependents(uid) {
            let Some(vertex) = self.get(&dependent) else { continue };
            let mut references = vertex.owners.iter().filter(|o| *o.uid == **uid);
            if references.any(|reference| !means(reference, &vertex.namespace, owner)) {
                work.extend(self.misplaced(&dependent));
                work.push(Work::Delete(dependent));
            }
        }
        work
    }

    /// The references of an object to owners that are of another namespace.
    fn misplaced(&self, uid: &Uid) -> Vec<Work> {
        let Some(vertex) = self.get(uid) else { return Vec::new() };
        let mut work = Vec::new();
        for reference in &vertex.owners {
            let owner = self.vertices.get_key_value(reference.uid.as_str());
            if let Some((owner, _)) = owner.filter(|(_, o)| o.resource.namespaced && o.namespace != vertex.namespace) {
                work.push(Work::InvalidNamespace { dependent: Arc::clone(uid), owner: Arc::clone(owner) });
            }
        }
        work
    }
}

fn vertex(resource: &Arc<ApiResource>, object: &PartialObject) -> Vertex {
    let deleting = object.is_being_deleted();
    let waits_for = |finalizer: &str| {
        deleting && object.metadata.finalizers.as_ref().is_some_and(|f| f.iter().any(|f| f == finalizer))
    };
    Vertex {
        resource: Arc::clone(resource),
        namespace: object.namespace().into(),
        name: object.name().into(),
        owners: object.metadata.owner_references.clone().unwrap_or_default(),
        deleting,
        foreground: waits_for(FOREGROUND),
        orphaning: waits_for(ORPHAN),
    }
}
