//! The health service of gRPC servers (`grpc.health.v1.Health/Check`), asked by a probe. Source: `pkg/probe/grpc/grpc.go`; the
//! wire format is that of `PROTOCOL-HTTP2.md` of gRPC: one message a frame, its outcome in the trailers.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{ANSWER_BYTES_MAX, dial_error, join};
use crate::pod::backoff::go_duration;

/// `SERVING` of `HealthCheckResponse.ServingStatus`, and its names by number.
const SERVING: u8 = 1;
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// Where the outcome stands.
const STATUS: &str = "grpc-status";

/// The codes of gRPC by number, as Go names them.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// Asks whether `service` is served; empty is the server as a whole.
///
/// # Errors
/// Why it is not, in the kubelet's words.
pub(super) async fn check(host: &str, port: u16, service: &str, timeout: Duration, agent: &str) -> Result<(), String> {
    let (deadline, address) = (Instant::now() + timeout, join(host, port));
    let connecting = async {
        let stream = TcpStream::connect((host, port)).await.map_err(|error| dial_error(host, port, &error))?;
        let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        shaken.map_err(|error| error.to_string())
    };
    let within = go_duration(timeout);
    let (mut sender, connection) = match tokio::time::timeout_at(deadline, connecting).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(problem)) => return Err(format!("error: failed to connect service at {address:?}: {problem}")),
        Err(_) => {
            let late = "context deadline exceeded";
            return Err(format!("timeout: failed to connect service {address:?} within {within}: {late}"));
        }
    };
    let asking = async {
        let failed = |error: hyper::Error| format!("error: health rpc probe failed: {error}");
        let answer = sender.send_request(request(&address, service, agent)?).await.map_err(failed)?;
        judge(answer, &within).await
    };
    tokio::pin!(asking);
    // The dispatcher is driven here; dropped, it lets the connection's own task end.
    let asked = async {
        tokio::select! {
            biased;
            asked = &mut asking => asked,
            _ = connection => asking.await,
        }
    };
    tokio::time::timeout_at(deadline, asked).await.unwrap_or_else(|_| Err(late(&within)))
}

fn late(within: &str) -> String {
    format!("timeout: health rpc did not complete within {within}")
}

fn request(address: &str, service: &str, agent: &str) -> Result<Request<Full<Bytes>>, String> {
    Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", agent)
        .body(Full::new(frame(service)))
        .map_err(|error| format!("error: health rpc probe failed: {error}"))
}

/// A `HealthCheckRequest`: the service is its field 1.
fn frame(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.put_u8(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
            length >>= 7;
        }
        message.put_u8(u8::try_from(length).expect("seven bits"));
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a name fits a frame"));
    frame.put_slice(&message);
    frame.freeze()
}

async fn judge(answer: Response<hyper::body::Incoming>, within: &str) -> Result<(), String> {
    let status = answer.status();
    if status != http::StatusCode::OK {
        return Err(failed("Unknown", &format!("unexpected HTTP status code received from server: {status}")));
    }
    // A server that has nothing to say puts the outcome in place of the headers.
    let early = answer.headers().contains_key(STATUS);
    if early {
        outcome(answer.headers(), within)?;
    }
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| format!("error: health rpc probe failed: {error}"))?;
    match body.trailers() {
        _ if early => {}
        Some(trailers) => outcome(trailers, within)?,
        None => return Err(failed("Internal", "server closed the stream without sending trailers")),
    }
    match serving(&body.to_bytes()) {
        SERVING => Ok(()),
        other => {
            let name = STATUSES.get(usize::from(other)).map_or_else(|| other.to_string(), |name| (*name).to_owned());
            Err(format!("service unhealthy (responded with {name:?})"))
        }
    }
}

fn failed(code: &str, text: &str) -> String {
    format!("error: health rpc probe failed: rpc error: code = {code} desc = {text}")
}

/// What `grpc-status` says; without it, nobody knows.
fn outcome(headers: &HeaderMap, within: &str) -> Result<(), String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (code, message) = (text(STATUS), percent_decoded(text("grpc-message")));
    match code.parse::<usize>().ok().and_then(|code| CODES.get(code)).copied() {
        Some("OK") => Ok(()),
        Some("DeadlineExceeded") => Err(late(within)),
        Some("Unimplemented") => Err(format!(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}"
        )),
        name => Err(failed(name.unwrap_or("Unknown"), &message)),
    }
}

/// A text with `%` and two hexadecimal digits for every byte that a header may not have; what is malformed stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `HealthCheckResponse.status`, its only field, behind the five bytes of the frame's head; absent is `UNKNOWN`.
fn serving(frame: &[u8]) -> u8 {
    match frame.get(5..) {
        Some([0x08, status, ..]) => *status,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    //! Servers of every kind.

    use std::convert::Infallible;

    use http_body_util::StreamBody;
    use hyper::body::{Frame, Incoming};
    use hyper::service::service_fn;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// What a server answers: a code of HTTP, what stands in place of headers, a message, what stands in the trailers.
    #[derive(Clone, Copy)]
    struct Answer(u16, &'static [(&'static str, &'static str)], &'static [u8], &'static [(&'static str, &'static str)]);

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    async fn serve(listener: TcpListener, answer: Answer) {
        let (stream, _) = listener.accept().await.expect("a client");
        let service = service_fn(move |request: Request<Incoming>| async move {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            assert_eq!(request.headers()["user-agent"], "kube-probe/1.36");
            let asked = request.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(asked, b"\0\0\0\0\x05\x0a\x03web".as_slice());
            let Answer(code, head, message, trailers) = answer;
            let mut frames = vec![Ok::<_, Infallible>(Frame::data(Bytes::from_static(message)))];
            frames.extend((!trailers.is_empty()).then(|| Ok(Frame::trailers(headers(trailers)))));
            let body = StreamBody::new(futures::stream::iter(frames));
            let mut response = Response::builder().status(code).body(body).expect("an answer");
            response.headers_mut().extend(headers(head));
            Ok::<_, Infallible>(response)
        });
        let io = TokioIo::new(stream);
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
    }

    async fn check_answer(answer: Answer, expected: Result<(), &str>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = tokio::spawn(serve(listener, answer));
        let outcome = check("127.0.0.1", port, "web", Duration::from_secs(30), "kube-probe/1.36").await;
        assert_eq!(outcome, expected.map_err(str::to_owned));
        server.abort();
    }

    #[tokio::test]
    async fn what_a_server_says_of_itself() {
        let ok: &[_] = &[("grpc-status", "0")];
        check_answer(Answer(200, &[], b"\0\0\0\0\x02\x08\x01", ok), Ok(())).await;
        let unhealthy = Err("service unhealthy (responded with \"NOT_SERVING\")");
        check_answer(Answer(200, &[], b"\0\0\0\0\x02\x08\x02", ok), unhealthy).await;
        check_answer(Answer(200, &[], b"\0\0\0\0\0", ok), Err("service unhealthy (responded with \"UNKNOWN\")")).await;
        check_answer(
            Answer(200, &[("grpc-status", "12"), ("grpc-message", "no such method")], b"", &[]),
            Err("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): no such method"),
        )
        .await;
        check_answer(
            Answer(200, &[], b"", &[("grpc-status", "5"), ("grpc-message", "100%25 unknown%2c %zz %C3%A9%")]),
            Err("error: health rpc probe failed: rpc error: code = NotFound desc = 100% unknown, %zz é%"),
        )
        .await;
        let late = Err("timeout: health rpc did not complete within 30s");
        check_answer(Answer(200, &[], b"", &[("grpc-status", "4")]), late).await;
        check_answer(
            Answer(200, &[], b"\0\0\0\0\x02\x08\x01", &[]),
            Err("error: health rpc probe failed: rpc error: code = Internal desc = server closed the stream without sending trailers"),
        )
        .await;
        check_answer(
            Answer(200, &[], b"\0\0\0\0\x02\x08\x01", &[("other", "0")]),
            Err("error: health rpc probe failed: rpc error: code = Unknown desc = "),
        )
        .await;
        check_answer(
            Answer(404, &[], b"", &[]),
            Err("error: health rpc probe failed: rpc error: code = Unknown desc = unexpected HTTP status code received from server: 404 Not Found"),
        )
        .await;
    }

    #[tokio::test]
    async fn who_says_nothing_is_not_well() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let timeout = Duration::from_secs(30);
        let asking = tokio::spawn(async move { check("127.0.0.1", address.port(), "web", timeout, "a").await });
        let (mut stream, _) = listener.accept().await.expect("a client");
        stream.read_exact(&mut [0; 24]).await.expect("the preface of HTTP/2");
        tokio::time::pause();
        let silent = asking.await.expect("an outcome");
        assert_eq!(silent, Err("timeout: health rpc did not complete within 30s".to_owned()));
        tokio::time::resume();
        drop(listener);
        let refused = format!(
            "error: failed to connect service at \"{address}\": dial tcp {address}: connect: connection refused"
        );
        assert_eq!(check("127.0.0.1", address.port(), "", timeout, "a").await, Err(refused));
    }

    #[test]
    fn long_names_have_long_lengths() {
        let name = "a".repeat(300);
        assert_eq!(frame(&name)[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02]);
        assert_eq!(frame(""), [0; 5].as_slice());
    }
}
