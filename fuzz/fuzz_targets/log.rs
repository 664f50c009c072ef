//! Feeds arbitrary bytes to a decoder of the store; see `kubekit_store::conformance::decoders`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubekit_store::conformance::decoders::log(bytes));
