//! Integration tests of the engine through its public face.

mod embed;
