//! A cluster that listens: TLS, kubeconfigs, ends of connections.

use crate::map;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kubekit_cluster::{Cluster, Error};
use kubekit_runtime::{Api, Client, Kubeconfig, WatchParams};
use kubekit_server::pki::Subject;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn listening() -> Cluster {
    Cluster::builder().listen(ANY_PORT).start().await.expect("a cluster")
}

fn client(cluster: &Cluster, subject: &Subject) -> Client {
    let text = cluster.kubeconfig(subject).expect("a kubeconfig").to_yaml();
    Client::from_kubeconfig(&Kubeconfig::from_yaml(&text).expect("a kubeconfig")).expect("a client")
}

#[tokio::test]
async fn a_kubeconfig_is_a_way_in_for_its_subject() {
    let cluster = listening().await;
    let admin = client(&cluster, &Subject::administrator());
    let maps: Api<ConfigMap> = Api::namespaced(admin, "default");
    maps.create(&map("a")).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client(&cluster, &Subject::scheduler()), "default");
    assert!(maps.get("a").await.unwrap_err().is_forbidden());
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_of_another_authority_is_not_trusted() {
    let (cluster, other) = (listening().await, listening().await);
    let mut kubeconfig = cluster.kubeconfig(&Subject::administrator()).unwrap();
    kubeconfig.authority = other.pki().authority.certificate().to_owned();
    let stranger = Client::from_kubeconfig(&Kubeconfig::from_yaml(&kubeconfig.to_yaml()).unwrap()).unwrap();
    let error = Api::<ConfigMap>::namespaced(stranger, "default").get("a").await.unwrap_err();
    assert!(matches!(error, kubekit_runtime::Error::Service { .. }), "{error:?}");

    let mut kubeconfig = other.kubeconfig(&Subject::administrator()).unwrap();
    kubeconfig.authority = cluster.pki().authority.certificate().to_owned();
    kubeconfig.server = cluster.url().unwrap();
    let forger = Client::from_kubeconfig(&Kubeconfig::from_yaml(&kubeconfig.to_yaml()).unwrap()).unwrap();
    assert!(Api::<ConfigMap>::namespaced(forger, "default").get("a").await.is_err());
}

#[tokio::test]
async fn it_stops_within_two_seconds_even_with_a_watch_open() {
    let cluster = listening().await;
    let maps: Api<ConfigMap> = Api::all(client(&cluster, &Subject::administrator()));
    let mut frames = Box::pin(maps.watch(&WatchParams::default()).await.unwrap());
    maps.within("default").create(&map("a")).await.unwrap();
    assert!(frames.next().await.unwrap().is_ok());
    let start = Instant::now();
    cluster.stop().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    while let Some(Ok(_)) = frames.next().await {}
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = listening().await;
    let address = first.address().unwrap();
    let error = Cluster::builder().listen(address).start().await.unwrap_err();
    assert!(matches!(error, Error::Listen { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
}

/// And nobody reads them: neither their number nor what they hold back may keep a request waiting.
#[tokio::test]
async fn one_client_has_many_watches_open_and_goes_on() {
    let cluster = listening().await;
    let maps: Api<ConfigMap> = Api::namespaced(client(&cluster, &Subject::administrator()), "default");
    let params = WatchParams::default();
    let mut watches: Vec<_> = (0..150).map(|_| Box::pin(maps.watch(&params))).collect();
    let opening = futures::future::join_all(watches.iter_mut());
    let watches = tokio::time::timeout(Duration::from_secs(60), opening).await.expect("every watch opens");
    assert!(watches.iter().all(Result::is_ok));
    // More for each watch than its connection would hold, were its window not for all of its streams.
    let mut large = map("a");
    large.data = Some([("text".to_owned(), "x".repeat(200_000))].into());
    maps.create(&large).await.unwrap();
    let further = async {
        for name in ["b", "c"] {
            maps.create(&map(name)).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), further).await.expect("requests go on");
    drop(watches);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_on_all_addresses_is_reached_at_the_one_that_it_tells() {
    use k8s_openapi::api::discovery::v1::EndpointSlice;
    let everywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let cluster = Cluster::builder().listen(everywhere).start().await.unwrap();
    let slice = Api::<EndpointSlice>::namespaced(cluster.client(), "default").get("kubernetes").await.unwrap();
    let told = &slice.endpoints.iter().flatten().next().unwrap().addresses[0];
    let mut kubeconfig = cluster.kubeconfig(&Subject::administrator()).unwrap();
    assert_eq!(kubeconfig.server, format!("https://127.0.0.1:{}", cluster.address().unwrap().port()));
    kubeconfig.server = format!("https://{told}:{}", cluster.address().unwrap().port());
    let elsewhere = Client::from_kubeconfig(&Kubeconfig::from_yaml(&kubeconfig.to_yaml()).unwrap()).unwrap();
    Api::<ConfigMap>::namespaced(elsewhere, "default").create(&map("a")).await.unwrap();
    // No pod and no other machine reaches the loopback address of this one; without a network there is no other.
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    if socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).is_ok() {
        assert_eq!(*told, socket.local_addr().unwrap().ip().to_string());
    }
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn the_service_kubernetes_leads_to_the_listener() {
    use k8s_openapi::api::discovery::v1::EndpointSlice;
    let cluster = listening().await;
    let slices: Api<EndpointSlice> = Api::namespaced(cluster.client(), "default");
    let slice = slices.get("kubernetes").await.unwrap();
    let port = slice.ports.unwrap()[0].port;
    assert_eq!(port, Some(i32::from(cluster.address().unwrap().port())));
}
