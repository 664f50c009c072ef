//! gzip for large responses, when the client asks for it.
//!
//! Source: `k8s.io/apiserver/pkg/endpoints/handlers/responsewriters`: level 1, from 128 KiB.

use crate::body::BoxError;
use crate::request::{Request, Response};
use crate::response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{Stream, StreamExt};
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};
use http_body::Frame;
use std::io::Write;

/// Responses below this are sent as they are.
const THRESHOLD_BYTES: usize = 128 * 1024;

/// Whether the client takes gzip.
pub(crate) fn accepts_gzip(request: &Request) -> bool {
    request.header(&ACCEPT_ENCODING).split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && parts.all(|parameter| parameter != "q=0")
    })
}

/// Says that the body is compressed.
pub(crate) fn mark(response: &mut Response) {
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
}

/// A response of these bytes, compressed where that is wanted and worth it.
pub(crate) fn bytes(request: &Request, code: StatusCode, content_type: &'static str, bytes: Bytes) -> Response {
    if bytes.len() < THRESHOLD_BYTES || !accepts_gzip(request) {
        return response::bytes(code, content_type, bytes);
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    match encoder.write_all(&bytes).and_then(|()| encoder.finish()) {
        Ok(compressed) => {
            let mut response = response::bytes(code, content_type, compressed);
            mark(&mut response);
            response
        }
        Err(_) => response::bytes(code, content_type, bytes),
    }
}

/// Compresses a body block by block.
pub(crate) fn gzip<S>(blocks: S) -> impl Stream<Item = Result<Frame<Bytes>, BoxError>> + Send
where
    S: Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + Unpin + 'static,
{
    let encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
    futures::stream::unfold((blocks, encoder), |(mut blocks, encoder)| async move {
        let mut encoder = encoder?;
        loop {
            let block = match blocks.next().await {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Some((Err(error), (blocks, None))),
                None => {
                    let last = encoder.finish().map(|bytes| Frame::data(bytes.into())).map_err(BoxError::from);
                    return Some((last, (blocks, None)));
                }
            };
            if let Err(error) = encoder.write_all(&block) {
                return Some((Err(error.into()), (blocks, None)));
            }
            if !encoder.get_ref().is_empty() {
                let bytes = std::mem::take(encoder.get_mut());
                return Some((Ok(Frame::data(bytes.into())), (blocks, Some(encoder))));
            }
        }
    })
    .boxed()
}
