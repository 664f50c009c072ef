//! Header blocks: names and values, deflated with a dictionary that both sides know, in one window for the whole
//! connection. Pure.
//!
//! Source: SPDY protocol draft 3.1, 2.6.10. What is written here is valid zlib without compression: blocks are small and few.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// How far back a deflated block may refer: a power of two.
const WINDOW: usize = 32 * 1_024;
/// The longest block, inflated. A block of 16 KiB could otherwise become 16 MiB.
const BLOCK_BYTES_MAX: usize = 64 * 1_024;
/// Of [`dictionary`]: what the sender says that it has used.
const DICTIONARY_ID: u32 = 0xe3c6_a7c2;
/// Flag in a zlib header: a dictionary is named.
const HAS_DICTIONARY: u8 = 0x20;

/// The strings of the dictionary that have their length, four bytes, before them.
const NAMES: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges \
    age allow authorization cache-control connection content-base content-encoding content-language content-length \
    content-location content-md5 content-range content-type date etag expect expires from host if-match \
    if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma \
    proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade \
    user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie \
    keep-alive origin";

/// The rest of it.
const REST: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 \
    Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not \
    Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov \
    Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,\
    application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8\
    charset=iso-8859-1,utf-,*,enq=0.";

fn dictionary() -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in NAMES.split_whitespace() {
        let name = name.replace('_', " ");
        push(&mut bytes, name.as_bytes());
    }
    bytes.extend_from_slice(REST.as_bytes());
    bytes
}

/// A text with its length before it.
fn push(to: &mut Vec<u8>, text: &[u8]) {
    to.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(text);
}

/// Names and values of one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    /// The value of a header, whose name is given in lower case; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// Why a block cannot be read: the connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a block of headers cannot be read")]
pub(super) struct Malformed;

/// Reads the blocks of one direction of a connection, in their order.
pub(super) struct Reader {
    inflater: Box<DecompressorOxide>,
    window: Box<[u8]>,
    position: usize,
    begun: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { inflater: Box::default(), window: vec![0; WINDOW].into_boxed_slice(), position: 0, begun: false }
    }

    /// The headers of the next block.
    pub(super) fn read(&mut self, mut block: &[u8]) -> Result<Headers, Malformed> {
        if !self.begun {
            block = self.begin(block)?;
            self.begun = true;
        }
        parse(&self.inflate(block)?)
    }

    /// Reads the header of the zlib stream, with which the first block begins.
    fn begin<'a>(&mut self, block: &'a [u8]) -> Result<&'a [u8], Malformed> {
        const DEFLATE: u8 = 8;
        let (head, rest) = block.split_first_chunk::<2>().ok_or(Malformed)?;
        if head[0] & 0xf != DEFLATE || u16::from_be_bytes(*head) % 31 != 0 {
            return Err(Malformed);
        }
        if head[1] & HAS_DICTIONARY == 0 {
            return Ok(rest);
        }
        let (id, rest) = rest.split_first_chunk::<4>().ok_or(Malformed)?;
        if u32::from_be_bytes(*id) != DICTIONARY_ID {
            return Err(Malformed);
        }
        let known = dictionary();
        self.window[WINDOW - known.len()..].copy_from_slice(&known);
        Ok(rest)
    }

    fn inflate(&mut self, mut block: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut inflated = Vec::new();
        loop {
            let flags = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
            let (status, read, written) = decompress(&mut self.inflater, block, &mut self.window, self.position, flags);
            inflated.extend_from_slice(&self.window[self.position..self.position + written]);
            self.position = (self.position + written) % WINDOW;
            block = &block[read..];
            match status {
                TINFLStatus::HasMoreOutput if inflated.len() <= BLOCK_BYTES_MAX => {}
                TINFLStatus::NeedsMoreInput if block.is_empty() => return Ok(inflated),
                _ => return Err(Malformed),
            }
        }
    }
}

/// The headers of an inflated block.
fn parse(mut block: &[u8]) -> Result<Headers, Malformed> {
    let number = |block: &mut &[u8]| -> Result<usize, Malformed> {
        let (bytes, rest) = block.split_first_chunk::<4>().ok_or(Malformed)?;
        *block = rest;
        usize::try_from(u32::from_be_bytes(*bytes)).map_err(|_| Malformed)
    };
    let text = |block: &mut &[u8]| -> Result<String, Malformed> {
        let length = number(block)?;
        let (text, rest) = block.split_at_checked(length).ok_or(Malformed)?;
        *block = rest;
        String::from_utf8(text.to_vec()).map_err(|_| Malformed)
    };
    let (count, rest) = block.split_first_chunk::<4>().ok_or(Malformed)?;
    block = rest;
    let mut headers = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        headers.push((text(&mut block)?.to_ascii_lowercase(), text(&mut block)?));
    }
    if block.is_empty() { Ok(Headers(headers)) } else { Err(Malformed) }
}

/// An empty stored block, with which a part of a stream ends that can be read without what follows.
const FLUSH: &[u8] = &[0, 0, 0, 0xff, 0xff];

/// Writes the blocks of one direction of a connection, in their order.
#[derive(Debug, Default)]
pub(super) struct Writer {
    begun: bool,
}

impl Writer {
    /// A block without headers: answers to streams need none.
    pub(super) fn empty(&mut self) -> Vec<u8> {
        // zlib, no dictionary; then a stored block: its kind, its length, the length's complement, four bytes; then the
        // empty block that marks a flush, without which Go's reader looks for more before it gives what it has.
        let head: &[u8] = if std::mem::replace(&mut self.begun, true) { &[] } else { &[0x78, 0x01] };
        [head, &[0, 4, 0, 0xfb, 0xff], &[0; 4], FLUSH].concat()
    }
}

#[cfg(test)]
mod tests {
    //! Blocks in, headers out.

    use super::*;

    /// What client-go sends for the two streams of a forwarded port: the first block names the dictionary, the second
    /// refers to the first.
    const ERROR_STREAM: &str = "78bbe3c6a7c2";

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        (0..hexadecimal.len()).step_by(2).map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap()).collect()
    }

    /// A block as a client writes it that does not compress.
    fn stored(headers: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = u32::try_from(headers.len()).unwrap().to_be_bytes().to_vec();
        for (name, value) in headers {
            push(&mut plain, name.as_bytes());
            push(&mut plain, value.as_bytes());
        }
        let length = u16::try_from(plain.len()).unwrap();
        [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &plain].concat()
    }

    #[test]
    fn the_dictionary_is_the_one_that_all_know() {
        let known = dictionary();
        assert_eq!(known.len(), 1_423);
        let (low, high) = known.iter().fold((1_u32, 0_u32), |(low, high), byte| {
            let low = (low + u32::from(*byte)) % 65_521;
            (low, (high + low) % 65_521)
        });
        assert_eq!(high << 16 | low, DICTIONARY_ID);
    }

    #[test]
    fn blocks_share_one_window() {
        let mut reader = Reader::new();
        let first = [bytes(ERROR_STREAM), stored(&[("Streamtype", "error"), ("port", "80")])].concat();
        let headers = reader.read(&first).unwrap();
        assert_eq!((headers.get("streamtype"), headers.get("port"), headers.get("absent")), ("error", "80", ""));
        let second = reader.read(&stored(&[("streamtype", "data")])).unwrap();
        assert_eq!(second.get("streamtype"), "data");
        for _ in 0..2_000 {
            reader.read(&stored(&[("name", "value")])).expect("the window wraps");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let (mut writer, mut reader) = (Writer::default(), Reader::new());
        for _ in 0..3 {
            let block = writer.empty();
            assert!(block.ends_with(FLUSH), "Go's reader waits for it");
            assert_eq!(reader.read(&block), Ok(Headers::default()));
        }
    }

    #[track_caller]
    fn check_malformed(block: &[u8]) {
        assert_eq!(Reader::new().read(block), Err(Malformed));
    }

    #[test]
    fn garbage_is_refused() {
        check_malformed(b"");
        check_malformed(b"\x78");
        check_malformed(b"garbage");
        check_malformed(&bytes("78bb00000000"));
        check_malformed(&[&bytes(ERROR_STREAM)[..], &[7, 7, 7]].concat());
        let truncated = [&[0x78, 0x01][..], &stored(&[("a", "b")])[..]].concat();
        check_malformed(&truncated[..truncated.len() - 1]);
        let mut long = stored(&[("a", "b")]);
        long[9] = 0xff;
        check_malformed(&[&[0x78, 0x01][..], &long].concat());
    }
}
