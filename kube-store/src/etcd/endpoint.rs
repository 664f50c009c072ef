//! One member: its address, and the connection to it.

use super::config::EtcdConfig;
use super::tls;
use crate::grpc::chain;
use crate::{Error, Result};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tonic::transport::Channel;

/// Time between the pings by which a connection whose member is gone is noticed, and how long each may take. etcd ends
/// connections that ping more often than every 5 s.
const PING_INTERVAL: Duration = Duration::from_secs(6);
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes that a member may send ahead, of one answer and of all: enough for a page of a list.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A member.
pub(super) struct Endpoint {
    /// As it is shown to people.
    pub(super) address: String,
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    connect_timeout: Duration,
    slot: tokio::sync::Mutex<Slot>,
}

/// The connection, or when and why the last attempt to make one failed.
#[derive(Default)]
struct Slot {
    channel: Option<Channel>,
    failed: Option<(Instant, String)>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// What bytes go over.
trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

impl Endpoint {
    /// The members of a configuration; nothing is connected yet.
    pub(super) fn all(config: &EtcdConfig) -> Result<Vec<Self>> {
        if config.endpoints.is_empty() {
            return Err(Error::Invalid("no address of etcd was given".to_owned()));
        }
        let mut tls = None;
        config.endpoints.iter().map(|address| Self::new(address.trim(), config, &mut tls)).collect()
    }

    fn new(address: &str, config: &EtcdConfig, tls: &mut Option<Arc<ClientConfig>>) -> Result<Self> {
        let (secure, host, port) = parse(address)?;
        if secure && tls.is_none() {
            *tls = Some(Arc::new(tls::client(&config.tls)?));
        }
        Ok(Self {
            address: format!("{}://{host}:{port}", if secure { "https" } else { "http" }),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            tls: if secure { tls.clone() } else { None },
            connect_timeout: config.connect_timeout,
            slot: tokio::sync::Mutex::default(),
        })
    }

    /// The connection, made if there is none.
    ///
    /// # Errors
    /// Why it could not be made.
    pub(super) async fn channel(&self) -> Result<Channel, String> {
        let asked = Instant::now();
        let mut slot = self.slot.lock().await;
        if let Some(channel) = &slot.channel {
            return Ok(channel.clone());
        }
        // Those who waited for an attempt of somebody else's take its outcome: one after the other would wait for long.
        if let Some((at, text)) = &slot.failed
            && *at >= asked
        {
            return Err(text.clone());
        }
        match self.connect().await {
            Ok(channel) => {
                slot.channel = Some(channel.clone());
                Ok(channel)
            }
            Err(error) => {
                let text = format!("{}: {}", self.address, chain(&error));
                slot.failed = Some((Instant::now(), text.clone()));
                Err(text)
            }
        }
    }

    /// Gives the connection up; the next use makes another.
    pub(super) async fn disconnect(&self) {
        self.slot.lock().await.channel = None;
    }

    async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        let (host, port, tls, patience) = (self.host.clone(), self.port, self.tls.clone(), self.connect_timeout);
        let connector = tower::service_fn(move |_: http::Uri| {
            let (host, tls) = (host.clone(), tls.clone());
            async move {
                let opened = tokio::time::timeout(patience, open(&host, port, tls)).await;
                let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {patience:?}"));
                opened.unwrap_or_else(|_| Err(late())).map(TokioIo::new)
            }
        });
        // TLS is the connector's; what remains of the address is the name of the authority.
        let uri = self.address.replacen("https://", "http://", 1);
        tonic::transport::Endpoint::from_shared(uri)?
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .connect_with_connector(connector)
            .await
    }
}

async fn open(host: &str, port: u16, tls: Option<Arc<ClientConfig>>) -> io::Result<Box<dyn Socket>> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let Some(config) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(config).connect(name, stream).await?))
}

/// Whether an address means TLS, its host and its port.
fn parse(address: &str) -> Result<(bool, String, u16)> {
    let invalid = |why: &str| Error::Invalid(format!("{address:?} is no address of an etcd member: {why}"));
    let (secure, rest) = match address.split_once("://") {
        None => (false, address),
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        Some((scheme, _)) => return Err(invalid(&format!("the scheme {scheme:?} is neither http nor https"))),
    };
    let rest = rest.trim_end_matches('/');
    let (host, port) = rest.rsplit_once(':').ok_or_else(|| invalid("it has no port"))?;
    if host.is_empty() || host.contains('/') || (host.contains(':') && !host.starts_with('[')) {
        return Err(invalid("it has no host"));
    }
    let port = port.parse().map_err(|_| invalid("its port is no number from 0 to 65535"))?;
    Ok((secure, host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[track_caller]
    fn check(address: &str, expected: Result<(bool, &str, u16), &str>) {
        match (parse(address), expected) {
            (Ok((secure, host, port)), Ok(expected)) => assert_eq!((secure, &*host, port), expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (found, _) => panic!("{address}: {found:?}"),
        }
    }

    #[test]
    fn addresses() {
        check("http://10.0.0.1:2379", Ok((false, "10.0.0.1", 2379)));
        check("https://etcd-0.etcd:2379/", Ok((true, "etcd-0.etcd", 2379)));
        check("localhost:2379", Ok((false, "localhost", 2379)));
        check("https://[::1]:2379", Ok((true, "[::1]", 2379)));
        check("unix:///run/etcd", Err("neither http nor https"));
        check("http://etcd", Err("it has no port"));
        check("http://:2379", Err("it has no host"));
        check("http://etcd:port", Err("no number"));
        check("::1:2379", Err("it has no host"));
    }
}
