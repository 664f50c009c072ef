//! The network of one node: a bridge with the pods on it.

use std::io;
use std::path::Path;

use ipnet::IpNet;
use serde_json::{Value, json};

/// The version of the specification that the configurations are written to.
pub const CNI_VERSION: &str = "0.4.0";

/// A bridge network for the pods of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The network's name.
    pub network: String,
    /// The bridge's interface, at most 15 bytes.
    pub bridge: String,
    /// The ranges of pods' addresses: one, or one for each family.
    pub ranges: Vec<IpNet>,
    /// The largest packet; none takes the plugin's choice.
    pub mtu: Option<u32>,
    /// Whether what leaves the cluster gets the node's address.
    pub masquerade: bool,
}

impl Bridge {
    /// The usual bridge for a range.
    #[must_use]
    pub fn new(range: IpNet) -> Self {
        Self { network: "kubekit".into(), bridge: "kubekit0".into(), ranges: vec![range], mtu: None, masquerade: true }
    }

    /// The list of plugins: bridge with host-local addresses, then port mappings.
    #[must_use]
    pub fn conflist(&self) -> Value {
        let ranges: Vec<Value> =
            self.ranges.iter().map(|range| json!([{"subnet": range.trunc().to_string()}])).collect();
        let routes: Vec<Value> = self
            .ranges
            .iter()
            .map(|range| json!({"dst": if range.addr().is_ipv4() { "0.0.0.0/0" } else { "::/0" }}))
            .collect();
        let mut bridge = json!({
            "type": "bridge",
            "bridge": self.bridge,
            "isGateway": true,
            // A pod that reaches itself through a Service needs its packets back on the port they came from.
            "hairpinMode": true,
            "ipMasq": self.masquerade,
            "ipam": {"type": "host-local", "ranges": ranges, "routes": routes},
        });
        if let Some(mtu) = self.mtu {
            bridge["mtu"] = json!(mtu);
        }
        json!({
            "cniVersion": CNI_VERSION,
            "name": self.network,
            "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}],
        })
    }
}

/// Writes a configuration where a container runtime looks for it, all at once.
///
/// # Errors
/// When the disk refuses.
pub fn write(directory: &Path, name: &str, conflist: &Value) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let text = serde_json::to_string_pretty(conflist)?;
    // Runtimes watch the directory; a name that they do not look at until it is complete.
    let unfinished = directory.join(format!(".{name}.new"));
    std::fs::write(&unfinished, text)?;
    std::fs::rename(unfinished, directory.join(name))
}

#[cfg(test)]
mod tests {
    //! Ranges in, configurations out.

    use super::*;

    #[test]
    fn a_bridge_for_a_range() {
        let list = Bridge::new("10.244.3.7/24".parse().expect("a range")).conflist();
        assert_eq!(list["cniVersion"], "0.4.0");
        let bridge = &list["plugins"][0];
        assert_eq!(bridge["type"], "bridge");
        assert_eq!(bridge["ipam"]["ranges"], json!([[{"subnet": "10.244.3.0/24"}]]));
        assert_eq!(bridge["ipam"]["routes"], json!([{"dst": "0.0.0.0/0"}]));
        assert_eq!(list["plugins"][1]["capabilities"]["portMappings"], true);
        assert_eq!(bridge.get("mtu"), None);
    }

    #[test]
    fn two_families() {
        let mut bridge = Bridge::new("10.244.3.0/24".parse().expect("a range"));
        bridge.ranges.push("fd00:3::/64".parse().expect("a range"));
        bridge.mtu = Some(1450);
        let made = bridge.conflist();
        assert_eq!(made["plugins"][0]["ipam"]["routes"], json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]));
        assert_eq!(made["plugins"][0]["mtu"], 1450);
    }

    #[test]
    fn writing_leaves_one_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("net.d");
        let list = Bridge::new("10.0.0.0/24".parse().expect("a range")).conflist();
        write(&path, "10-kubekit.conflist", &list).expect("written");
        write(&path, "10-kubekit.conflist", &list).expect("written again");
        let names: Vec<_> =
            std::fs::read_dir(&path).expect("readable").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["10-kubekit.conflist"]);
        let text = std::fs::read_to_string(path.join("10-kubekit.conflist")).expect("readable");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), list);
    }
}
