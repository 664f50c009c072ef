//! Images.

/// An image on the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The runtime's identifier.
    pub id: String,
    /// Names with tags.
    pub repo_tags: Vec<String>,
    /// Names with digests.
    pub repo_digests: Vec<String>,
    /// Size on disk in bytes.
    pub size_bytes: u64,
    /// The user it runs as, by number.
    pub uid: Option<i64>,
    /// The user it runs as, by name.
    pub username: String,
    /// Whether image garbage collection should leave it alone.
    pub pinned: bool,
}

/// What a registry asks for. `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RegistryAuth {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
    /// `user:password` in base64, where given in that form.
    pub auth: String,
    /// The registry's address.
    pub server_address: String,
    /// Token that is exchanged for another.
    pub identity_token: String,
    /// Bearer token.
    pub registry_token: String,
}

impl std::fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryAuth")
            .field("username", &self.username)
            .field("server_address", &self.server_address)
            .finish_non_exhaustive()
    }
}
