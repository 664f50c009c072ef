use super::*;

#[test]
fn the_table_is_sorted_and_within_bounds() {
    assert!(types().is_sorted_by(|a, b| a.name < b.name));
    assert!(kinds().is_sorted_by(|a, b| (a.0, a.1, a.2) < (b.0, b.1, b.2)));
    for of in types() {
        assert!(of.fields.is_sorted_by(|a, b| a.name < b.name), "{}", of.name);
        assert!(of.fields.len() <= 128, "the decoder's set of seen fields holds 128: {}", of.name);
        let numbers: Vec<u32> = of.wire.iter().map(|&i| of.fields[usize::from(i)].number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{}", of.name);
        for field in of.fields {
            assert_eq!(of.field(field.name), Some(field));
            if field.number > 0 {
                assert_eq!(of.numbered(field.number), Some(field));
            }
            if let (ListKind::Map(keys), Shape::List(Shape::Object(element))) = (field.list, field.shape) {
                assert!(keys.iter().all(|key| element.field(key).is_some()), "{}.{}", of.name, field.name);
            }
        }
    }
}

#[test]
fn facts_of_a_few_fields() {
    let pod = of_kind("", "v1", "Pod").expect("pods");
    assert_eq!((pod.name, pod.short_name(), pod.go_name()), ("io.k8s.api.core.v1.Pod", "Pod", "v1.Pod"));
    let spec = lookup("io.k8s.api.core.v1.PodSpec").expect("pod specs");
    let containers = spec.field("containers").expect("containers");
    assert_eq!(containers.shape.go_name(), "[]v1.Container");
    assert_eq!((containers.list, containers.merge_key), (ListKind::Map(&["name"]), "name"));
    assert!(containers.required && containers.patch.merge);
    assert!(spec.field("volumes").expect("volumes").patch.retain_keys);
    assert!(spec.field("nodeSelector").expect("nodeSelector").atomic);
    assert_eq!(spec.field("Containers"), None, "names match case");
    assert_eq!(spec.numbered(2).map(|f| f.name), Some("containers"));
    let volume = lookup("io.k8s.api.core.v1.Volume").expect("volumes");
    assert_eq!(volume.inlined.len(), 1);
    assert_eq!(lookup("io.k8s.api.core.v1.Nothing"), None);
    assert_eq!(of_kind("apps", "v1", "Pod"), None);
}
