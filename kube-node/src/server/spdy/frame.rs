//! Frames: what a header of eight bytes says, and the bytes of the frames that are sent. Pure.
//!
//! Source: SPDY protocol draft 3.1, 2.2 and 2.6.

use bytes::{BufMut, Bytes, BytesMut};

/// The length of a frame's header.
pub(super) const HEADER: usize = 8;
/// The longest control frame that is taken, without its header.
pub(super) const CONTROL_BYTES_MAX: usize = 16 * 1_024;
const VERSION: u16 = 3;
const CONTROL: u8 = 0x80;
const FIN: u8 = 1;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;

/// What follows a header, `length` bytes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// Bytes of a stream.
    Data { stream: u32, fin: bool, length: usize },
    /// Something about the connection or a stream.
    Control { kind: Kind, fin: bool, length: usize },
}

/// The control frames that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A new stream.
    SynStream,
    /// Headers of a stream that is open: they belong to the window of all headers.
    Headers,
    /// A stream has failed.
    RstStream,
    /// A sign of life is asked for.
    Ping,
    /// Settings, windows, farewells: nothing follows from them here.
    Other,
}

impl Head {
    /// None where the version is another: such a connection cannot be understood.
    pub(super) fn parse(bytes: [u8; HEADER]) -> Option<Self> {
        let [a, b, c, d, flags, rest @ ..] = bytes;
        let length = rest.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let fin = flags & FIN != 0;
        if a & CONTROL == 0 {
            return Some(Self::Data { stream: u32::from_be_bytes([a, b, c, d]), fin, length });
        }
        if u16::from_be_bytes([a & !CONTROL, b]) != VERSION {
            return None;
        }
        let kind = match u16::from_be_bytes([c, d]) {
            SYN_STREAM => Kind::SynStream,
            SYN_REPLY | HEADERS => Kind::Headers,
            RST_STREAM => Kind::RstStream,
            PING => Kind::Ping,
            _ => Kind::Other,
        };
        Some(Self::Control { kind, fin, length })
    }
}

/// The number with which a control frame begins, without the bit that is reserved: a stream, or a ping.
pub(super) fn number(payload: &[u8]) -> Option<u32> {
    payload.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes) & 0x7fff_ffff)
}

/// Where the headers of a new stream begin: after its number, that of another stream, priority and slot.
pub(super) const SYN_STREAM_HEADERS: usize = 10;
/// Where other headers begin: after the number of their stream.
pub(super) const OTHER_HEADERS: usize = 4;

/// Bytes of a stream, the last ones with `fin`.
pub(super) fn data(stream: u32, payload: &[u8], fin: bool) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEADER + payload.len());
    frame.put_u32(stream);
    head_end(&mut frame, u8::from(fin), payload.len());
    frame.put_slice(payload);
    frame.freeze()
}

/// The answer to a new stream: it is welcome.
pub(super) fn syn_reply(stream: u32, headers: &[u8]) -> Bytes {
    let mut frame = control(SYN_REPLY, 4 + headers.len());
    frame.put_u32(stream);
    frame.put_slice(headers);
    frame.freeze()
}

/// The end of a stream that is not welcome.
pub(super) fn refuse(stream: u32) -> Bytes {
    const REFUSED_STREAM: u32 = 3;
    let mut frame = control(RST_STREAM, 8);
    frame.put_u32(stream);
    frame.put_u32(REFUSED_STREAM);
    frame.freeze()
}

/// A ping of this number, which is also the answer to one.
pub(super) fn ping(number: u32) -> Bytes {
    let mut frame = control(PING, 4);
    frame.put_u32(number);
    frame.freeze()
}

/// The end of the connection, in peace, after this stream of the client.
pub(super) fn go_away(last: u32) -> Bytes {
    let mut frame = control(GOAWAY, 8);
    frame.put_u32(last);
    frame.put_u32(0);
    frame.freeze()
}

fn control(kind: u16, length: usize) -> BytesMut {
    let mut frame = BytesMut::with_capacity(HEADER + length);
    frame.put_u16(u16::from(CONTROL) << 8 | VERSION);
    frame.put_u16(kind);
    head_end(&mut frame, 0, length);
    frame
}

fn head_end(frame: &mut BytesMut, flags: u8, length: usize) {
    let length = u32::try_from(length).ok().filter(|length| *length < 1 << 24).expect("frames are cut to chunks");
    frame.put_u32(u32::from(flags) << 24 | length);
}

#[cfg(test)]
mod tests {
    //! Headers in, meanings out; and the other way round.

    use super::*;

    #[track_caller]
    fn check(header: [u8; HEADER], expected: Option<Head>) {
        assert_eq!(Head::parse(header), expected);
    }

    #[test]
    fn headers() {
        check([0, 0, 0, 3, 0, 0, 1, 2], Some(Head::Data { stream: 3, fin: false, length: 258 }));
        check([0, 0, 0, 3, 1, 0, 0, 0], Some(Head::Data { stream: 3, fin: true, length: 0 }));
        check([0x80, 3, 0, 1, 0, 0, 0, 20], Some(Head::Control { kind: Kind::SynStream, fin: false, length: 20 }));
        check([0x80, 3, 0, 6, 0, 0, 0, 4], Some(Head::Control { kind: Kind::Ping, fin: false, length: 4 }));
        check([0x80, 3, 0, 4, 0, 0, 0, 4], Some(Head::Control { kind: Kind::Other, fin: false, length: 4 }));
        check([0x80, 2, 0, 1, 0, 0, 0, 20], None);
    }

    #[test]
    fn frames() {
        assert_eq!(&data(5, b"hi", true)[..], b"\x00\x00\x00\x05\x01\x00\x00\x02hi");
        assert_eq!(&syn_reply(7, b"h")[..], b"\x80\x03\x00\x02\x00\x00\x00\x05\x00\x00\x00\x07h");
        assert_eq!(&ping(9)[..], b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x09");
        assert_eq!(&refuse(1)[..], b"\x80\x03\x00\x03\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x03");
        assert_eq!(&go_away(3)[..], b"\x80\x03\x00\x07\x00\x00\x00\x08\x00\x00\x00\x03\x00\x00\x00\x00");
        assert_eq!(number(b"\x80\x00\x00\x09rest"), Some(9), "the first bit is reserved");
        assert_eq!(number(b"\x00"), None);
    }
}
