//! Lines out of chunks.

use crate::client::BoxError;
use bytes::{Buf as _, Bytes, BytesMut};
use futures::{Stream, StreamExt as _, stream};

/// The lines of a body, without their ends. A line that lies within a chunk is not copied. A line
/// longer than `line_bytes_max` is an error, after which the stream ends.
pub(crate) fn lines<S>(chunks: S, line_bytes_max: usize) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + use<S>
where
    S: Stream<Item = Result<Bytes, BoxError>> + Send + Unpin,
{
    let splitter = Some(Splitter { chunks, chunk: Bytes::new(), partial: BytesMut::new(), line_bytes_max });
    stream::unfold(splitter, |splitter| async {
        let mut splitter = splitter?;
        match splitter.next().await {
            Some(Ok(line)) => Some((Ok(line), Some(splitter))),
            Some(Err(error)) => Some((Err(error), None)),
            None => None,
        }
    })
}

struct Splitter<S> {
    chunks: S,
    /// What has arrived and was not yet looked at.
    chunk: Bytes,
    /// The beginning of a line whose end has not arrived.
    partial: BytesMut,
    line_bytes_max: usize,
}

impl<S: Stream<Item = Result<Bytes, BoxError>> + Unpin> Splitter<S> {
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        loop {
            let end = self.chunk.iter().position(|&byte| byte == b'\n');
            let piece = end.unwrap_or(self.chunk.len());
            if self.partial.len() + piece > self.line_bytes_max {
                return Some(Err(format!("a line is longer than {} bytes", self.line_bytes_max).into()));
            }
            let line = self.chunk.split_to(piece);
            if end.is_some() {
                self.chunk.advance(1);
                return Some(Ok(if self.partial.is_empty() { line } else { self.complete(&line) }));
            }
            self.partial.extend_from_slice(&line);
            match self.chunks.next().await {
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(error)) => return Some(Err(error)),
                None if self.partial.is_empty() => return None,
                None => return Some(Ok(self.partial.split().freeze())),
            }
        }
    }

    fn complete(&mut self, line: &[u8]) -> Bytes {
        self.partial.extend_from_slice(line);
        self.partial.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    //! Lines that lie across chunks.

    use super::*;

    #[track_caller]
    fn check(chunks: &[&'static str], expected: &[&str]) {
        let chunks = stream::iter(chunks.iter().map(|c| Ok(Bytes::from_static(c.as_bytes()))).collect::<Vec<_>>());
        let lines: Vec<_> = futures::executor::block_on(lines(chunks, 8).collect());
        let texts: Vec<String> = lines
            .into_iter()
            .map(|line| line.map_or_else(|e| e.to_string(), |l| String::from_utf8_lossy(&l).into_owned()))
            .collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn splits() {
        check(&["a\nb\n"], &["a", "b"]);
        check(&["a", "b\n", "c"], &["ab", "c"]);
        check(&["\n\n", "a\n", "\n"], &["", "", "a", ""]);
        check(&[], &[]);
        check(&["123456789\nb\n"], &["a line is longer than 8 bytes"]);
        check(&["12345", "6789", "\nb"], &["a line is longer than 8 bytes"]);
        check(&["12345678\n"], &["12345678"]);
    }
}
