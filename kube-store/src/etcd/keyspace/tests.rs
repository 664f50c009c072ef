//! Ranges of keys.

use super::Keyspace;

#[track_caller]
fn check(space: (&str, &str), prefix: &str, after: Option<&str>, expected: (&str, &str)) {
    let (start, end) = Keyspace::new(space.0, space.1).range(prefix, after);
    assert_eq!((&start[..], &end[..]), (expected.0.as_bytes(), expected.1.as_bytes()), "{prefix:?} after {after:?}");
}

#[test]
fn ranges_are_those_of_prefixes() {
    check(("/registry", "/"), "/core/pods/", None, ("/registry/core/pods/", "/registry/core/pods0"));
    check(("/registry", "/"), "", None, ("/registry/", "/registry0"));
    check(("/registry", "/"), "/", None, ("/registry/", "/registry0"));
    check(("/registry", "/"), "/a/", Some("/a/b"), ("/registry/a/b\0", "/registry/a0"));
    check(("/registry", "/"), "/b/", Some("/a/z"), ("/registry/b/", "/registry/b0"));
    check(("", ""), "", None, ("\0", "\0"));
    check(("", ""), "a", None, ("a", "b"));
    check(("", ""), "", Some("a"), ("a\0", "\0"));
    check(("p", ""), "", None, ("p", "q"));
}

#[test]
fn the_end_of_a_prefix_skips_what_cannot_rise() {
    assert_eq!(&super::end_of(b"a\xff\xff")[..], b"b");
    assert_eq!(&super::end_of(b"\xff")[..], b"\0");
}

#[test]
fn keys_of_others_and_of_ourselves_are_none_of_the_store() {
    let space = Keyspace::new("/registry", "/");
    let own = space.compaction_key();
    for (stored, expected) in [
        (&b"/registry/core/pods/a"[..], Some("/core/pods/a")),
        (b"/registry2/core/pods/a", None),
        (b"/other", None),
        (b"/registry/\xff", None),
        (&own, None),
    ] {
        assert_eq!(space.key(stored), expected, "{stored:?}");
    }
    assert!(space.check("/core/pods/a").is_ok());
    assert!(space.check("core").unwrap_err().to_string().contains("does not begin with \"/\""));
}
