//! The part of the table that does not depend on Services: hooks, maps, masquerading, refusal.

/// The table's name, as kube-proxy's: two proxies on one node replace each other rather than fight.
pub(super) const TABLE: &str = "kube-proxy";

/// Replaces the whole table. `ip` is `ip` or `ip6`; `address` is `ipv4_addr` or `ipv6_addr`.
///
/// Packets to a Service are redirected in prerouting, or in output where they begin on this node. Those marked with
/// 0x4000 on the way get this node's address in postrouting. New connections to Services without endpoints are refused,
/// so that clients fail at once; after the redirection, because what comes from within may have endpoints where what comes
/// from outside has none.
pub(super) fn table(ip: &str, address: &str) -> String {
    let loopback = if ip == "ip6" { "::1" } else { "127.0.0.0/8" };
    format!(
        "add table {ip} {TABLE}
delete table {ip} {TABLE}
table {ip} {TABLE} {{
  comment \"rules for kube-proxy\"
  set cluster-ips {{ type {address}; }}
  map service-ips {{ type {address} . inet_proto . inet_service : verdict; }}
  map service-nodeports {{ type inet_proto . inet_service : verdict; }}
  map no-endpoint-services {{ type {address} . inet_proto . inet_service : verdict; }}
  map no-endpoint-nodeports {{ type inet_proto . inet_service : verdict; }}
  chain mark-for-masquerade {{
    meta mark set meta mark or 0x4000
  }}
  chain masquerading {{
    meta mark and 0x4000 == 0 return
    meta mark set meta mark xor 0x4000
    masquerade fully-random
  }}
  chain reject-chain {{
    reject
  }}
  chain services {{
    {ip} daddr . meta l4proto . th dport vmap @service-ips
    {ip} daddr != {loopback} fib daddr type local meta l4proto . th dport vmap @service-nodeports
  }}
  chain endpoints-check {{
    {ip} daddr . meta l4proto . th dport vmap @no-endpoint-services
    {ip} daddr != {loopback} fib daddr type local meta l4proto . th dport vmap @no-endpoint-nodeports
  }}
  chain cluster-ips-check {{
    {ip} daddr @cluster-ips reject
  }}
  chain filter-input {{
    type filter hook input priority -110; policy accept;
    ct state new jump endpoints-check
  }}
  chain filter-forward {{
    type filter hook forward priority -110; policy accept;
    ct state new jump endpoints-check
    ct state new jump cluster-ips-check
  }}
  chain filter-output {{
    type filter hook output priority -90; policy accept;
    ct state new jump endpoints-check
    ct state new jump cluster-ips-check
  }}
  chain nat-prerouting {{
    type nat hook prerouting priority -100; policy accept;
    jump services
  }}
  chain nat-output {{
    type nat hook output priority -100; policy accept;
    jump services
  }}
  chain nat-postrouting {{
    type nat hook postrouting priority 100; policy accept;
    jump masquerading
  }}
}}
"
    )
}
