//! The wire format: tags, varints, lengths. Source: protobuf's encoding guide.

use super::Error;

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// Reads a message. `at` in its methods names the place for errors.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The number and wire type of the next field; `None` at the end.
    pub(super) fn tag(&mut self, at: &str) -> Result<Option<(u32, u8)>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.raw_varint(at)?;
        let wire = u8::try_from(tag & 7).unwrap_or_default();
        match u32::try_from(tag >> 3) {
            Ok(number) if number > 0 => Ok(Some((number, wire))),
            _ => Err(Error::malformed(at, format!("illegal tag {tag}"))),
        }
    }

    /// A varint without looking at its wire type: an element of a packed list.
    pub(super) fn raw_varint(&mut self, at: &str) -> Result<u64, Error> {
        let mut value = 0_u64;
        for (i, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        let what = if self.rest.len() < 10 { "unexpected EOF" } else { "integer overflow" };
        Err(Error::malformed(at, what))
    }

    pub(super) fn varint(&mut self, wire: u8, at: &str) -> Result<u64, Error> {
        expect(VARINT, wire, at)?;
        self.raw_varint(at)
    }

    pub(super) fn fixed64(&mut self, wire: u8, at: &str) -> Result<u64, Error> {
        expect(FIXED64, wire, at)?;
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(|| Error::malformed(at, "unexpected EOF"))?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*head))
    }

    pub(super) fn bytes(&mut self, wire: u8, at: &str) -> Result<&'a [u8], Error> {
        expect(BYTES, wire, at)?;
        let length = self.raw_varint(at)?;
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (head, rest) = split.ok_or_else(|| Error::malformed(at, "unexpected EOF"))?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn string(&mut self, wire: u8, at: &str) -> Result<&'a str, Error> {
        std::str::from_utf8(self.bytes(wire, at)?).map_err(|_| Error::malformed(at, "not UTF-8"))
    }

    pub(super) fn skip(&mut self, wire: u8, at: &str) -> Result<(), Error> {
        match wire {
            VARINT => self.raw_varint(at).map(drop),
            FIXED64 => self.fixed64(wire, at).map(drop),
            BYTES => self.bytes(wire, at).map(drop),
            FIXED32 => {
                self.rest = self.rest.get(4..).ok_or_else(|| Error::malformed(at, "unexpected EOF"))?;
                Ok(())
            }
            _ => Err(Error::malformed(at, format!("illegal wireType {wire}"))),
        }
    }
}

/// Whether a field came as a length and bytes.
pub(super) fn is_bytes(wire: u8) -> bool {
    wire == BYTES
}

fn expect(wanted: u8, found: u8, at: &str) -> Result<(), Error> {
    if wanted == found { Ok(()) } else { Err(Error::malformed(at, format!("wrong wireType = {found}"))) }
}

/// Writes a message.
#[derive(Debug, Default)]
pub(super) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity) }
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.out.push(value.to_le_bytes()[0]);
    }

    fn tag(&mut self, number: u32, wire: u8) {
        self.raw_varint(u64::from(number) << 3 | u64::from(wire));
    }

    pub(super) fn varint(&mut self, number: u32, value: u64) {
        self.tag(number, VARINT);
        self.raw_varint(value);
    }

    pub(super) fn fixed64(&mut self, number: u32, value: u64) {
        self.tag(number, FIXED64);
        self.raw(&value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.tag(number, BYTES);
        self.raw_varint(bytes.len() as u64);
        self.raw(bytes);
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.out
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        self.out
    }
}
