//! By which address a server is reached that listens on all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// From this machine.
pub(crate) fn local(listening: IpAddr) -> IpAddr {
    match listening {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

/// From pods and other machines. Source: kube-apiserver's `--advertise-address`, which unless told is that of the default
/// route.
pub(crate) fn advertised(listening: IpAddr) -> IpAddr {
    if listening.is_unspecified() { primary() } else { listening }
}

/// The address by which others reach this machine: the one from which it would talk to the world. Nothing is sent.
pub(crate) fn primary() -> IpAddr {
    let address = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        // An address for documentation (RFC 5737): connecting a datagram socket only looks up the route.
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    address.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

#[cfg(test)]
mod tests {
    //! Addresses that can be told to others.

    use super::*;

    #[track_caller]
    fn check(listening: &str, expected: Option<&str>) {
        let listening: IpAddr = listening.parse().unwrap();
        let expected = expected.map_or_else(primary, |text| text.parse().unwrap());
        assert_eq!(advertised(listening), expected);
        assert!(!advertised(listening).is_unspecified() && !local(listening).is_unspecified());
    }

    #[test]
    fn addresses() {
        check("127.0.0.1", Some("127.0.0.1"));
        check("192.0.2.7", Some("192.0.2.7"));
        check("::1", Some("::1"));
        check("0.0.0.0", None);
        check("::", None);
    }
}
