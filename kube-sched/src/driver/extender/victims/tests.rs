//! What extenders are sent.

use super::*;

#[test]
fn nodes_from_which_all_victims_are_gone_by_now_are_not_sent() {
    let candidate = |node: &str, pods: &[&str]| {
        let pods = pods.iter().map(|name| Arc::new(crate::Pod::new(name))).collect();
        (Arc::from(node), Arc::new(Victims::new(pods, 0)))
    };
    let candidates = vec![candidate("a", &["gone"]), candidate("b", &["gone", "there"])];
    let object = |pod: &crate::Pod| (&*pod.name == "there").then(Arc::default);
    let sent: Vec<_> = whole(&candidates, object).into_iter().map(|(node, all)| (node, all.pods.len())).collect();
    assert_eq!(sent, [("b", 1)]);
}
