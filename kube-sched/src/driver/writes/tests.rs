//! Writes that panic, and how many may be under way.

use super::*;
use crate::driver::metrics::Tried;
use crate::inventory::Change;
use std::future::pending;

fn binding(name: &str, changes: Vec<Change>) -> Binding {
    let pod = Arc::new(crate::Pod::new(name));
    Binding { pod, node: "n".into(), changes, profile: 0, tried: Tried::default() }
}

#[tokio::test]
async fn a_write_that_panics_is_answered_for() {
    let mut writes = Writes::default();
    writes.begin(About::Bindings(vec![binding("a", Vec::new())]), async { panic!("boom") });
    match writes.next().await {
        Some(Written::Gang { bound, failed }) => {
            assert!(bound.is_empty());
            assert_eq!(failed.iter().map(|binding| &*binding.pod.name).collect::<Vec<_>>(), ["a"]);
        }
        other => panic!("{other:?}"),
    }
    writes.begin(About::Question(Arc::new(crate::Pod::new("b")), Duration::ZERO), async { panic!("boom") });
    match writes.next().await {
        Some(Written::Consulted(Answer { pod, said: Said::Failed(_), .. })) => assert_eq!(&*pod.name, "b"),
        other => panic!("{other:?}"),
    }
    writes.begin(About::Report, async { panic!("boom") });
    assert!(matches!(writes.next().await, Some(Written::Reported)));
    assert!(writes.next().await.is_none() && writes.about.is_empty());
}

#[tokio::test]
async fn what_waits_for_volumes_takes_no_room_and_gives_none() {
    let mut writes = Writes::default();
    let change = Change::BindVolume { volume: "v".into(), namespace: "default".into(), claim: "c".into() };
    let gang = ["a", "b", "c"].map(|name| binding(name, vec![change.clone()]));
    writes.begin(About::Bindings(gang.to_vec()), pending());
    assert!(writes.has_room(1));
    writes.begin(About::Report, pending());
    assert!(!writes.has_room(1) && writes.has_room(2));
    writes.begin(About::Bindings(gang.to_vec()), async { Written::Reported });
    assert!(matches!(writes.next().await, Some(Written::Reported)));
    assert!(!writes.has_room(1) && writes.has_room(2));
}
