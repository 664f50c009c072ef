//! What is written of failures.

use super::note;

#[test]
fn long_messages_are_cut_at_a_character() {
    assert_eq!(note("short"), "short");
    let (fits, long) = ("x".repeat(1024), "x".repeat(1025));
    assert_eq!((note(&fits), note(&long)), (fits.clone(), format!("{} ...", "x".repeat(1020))));
    let wide = note(&"é".repeat(600));
    assert!(wide.len() <= 1024 && wide.ends_with("é ..."));
}
