//! The one body type inside the server; the edge erases whatever body a client brings, so that the server is compiled once.

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

/// Any error of a body or a service.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request or response body.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Erases a body.
pub(crate) fn erase<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// A body of these bytes.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    erase(http_body_util::Full::new(bytes.into()))
}

/// The answer to HEAD: the headers of a response without its body, which HTTP/2 clients take for a broken connection.
pub(crate) fn without(response: http::Response<Body>) -> http::Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = http_body::Body::size_hint(&body).exact()
        && !head.headers.contains_key(http::header::TRANSFER_ENCODING)
    {
        head.headers.insert(http::header::CONTENT_LENGTH, length.into());
    }
    http::Response::from_parts(head, full(Bytes::new()))
}
