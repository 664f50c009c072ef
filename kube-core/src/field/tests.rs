use super::*;

#[track_caller]
fn check(path: &Path, expected: &str) {
    assert_eq!(path.as_str(), expected);
    assert_eq!(path.to_string(), if expected.is_empty() { "<nil>" } else { expected });
    assert_eq!(path, &Path::new(expected), "how a path was made does not matter");
}

#[test]
fn paths_grow_by_fields_indices_and_keys() {
    let spec = Path::new("spec");
    check(&spec, "spec");
    check(&spec.child("containers").index(0).child("image"), "spec.containers[0].image");
    check(&spec.child("nodeSelector").key("example.com/a"), "spec.nodeSelector[example.com/a]");
    check(&Path::new("").child("type"), "type");
    check(&Path::new("").index(12), "[12]");
    check(&Path::default(), "");
}

#[test]
fn a_path_leaves_the_one_it_came_from_as_it_was() {
    let spec = Path::new("spec");
    let (first, second) = (spec.child("a"), spec.child("b"));
    check(&first, "spec.a");
    check(&second, "spec.b");
    check(&spec, "spec");
}

#[test]
fn paths_may_be_of_any_length() {
    let (mut path, mut expected) = (Path::new("ö"), "ö".to_owned());
    for i in 0..100 {
        path = path.child("Größe").index(i * 1000);
        expected.push_str(&format!(".Größe[{}]", i * 1000));
        check(&path, &expected);
    }
    assert!(expected.len() > 10 * INLINE_BYTES);
}

#[test]
fn errors_show_path_value_and_detail() {
    let path = Path::new("spec").child("replicas");
    let rows = [
        (Error::required(&path, ""), "spec.replicas: Required value"),
        (Error::required(&path, "must be set"), "spec.replicas: Required value: must be set"),
        (Error::invalid(&path, &"x".into(), "no"), "spec.replicas: Invalid value: \"x\": no"),
        (Error::invalid(&path, &(-1).into(), "no"), "spec.replicas: Invalid value: -1: no"),
        (
            Error::not_supported(&path, &"c".into(), &["b", "a"]),
            "spec.replicas: Unsupported value: \"c\": supported values: \"a\", \"b\"",
        ),
        (Error::duplicate(&path, &1.into()), "spec.replicas: Duplicate value: 1"),
        (Error::forbidden(&path, "not now"), "spec.replicas: Forbidden: not now"),
        (Error::not_found(&path, &"v".into()), "spec.replicas: Not found: \"v\""),
        (Error::too_long(&path, 3), "spec.replicas: Too long: may not be more than 3 bytes"),
        (Error::too_many(&path, 4, 3), "spec.replicas: Too many: 4: must have at most 3 items"),
        (Error::forbidden(&Path::new(""), "no"), "<nil>: Forbidden: no"),
    ];
    for (error, expected) in rows {
        assert_eq!(error.to_string(), expected);
    }
}
