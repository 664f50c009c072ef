//! InterPodAffinity. Sources: "Assigning Pods to Nodes", inter-pod affinity and anti-affinity, KEP-2249 (namespace selector),
//! KEP-3633 (match and mismatch label keys; the conversion's tests have those), and the arithmetic beside each row.

use super::*;
use crate::model::{NamespaceScope, Node, Selector, Weighted};
use crate::plugins::testing::{cluster, node, scores, verdict, web, zoned};

const ATTRACT: &str = "Unresolvable: node(s) didn't match pod affinity rules";
const REPEL: &str = "Unschedulable: node(s) didn't match pod anti-affinity rules";
const EXISTING: &str = "Unschedulable: node(s) didn't satisfy existing pods anti-affinity rules";

fn term(app: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        selector: Selector::labels([("app", app)]),
        namespaces: NamespaceScope::only("default"),
        topology_key: "zone".to_owned(),
    }
}

fn attracted(pod: Pod, app: &str) -> Pod {
    Pod { affinity: vec![term(app)], ..pod }
}

fn repelled(pod: Pod, app: &str) -> Pod {
    Pod { anti_affinity: vec![term(app)], ..pod }
}

fn selecting(labels: &[(&str, &str)]) -> NamespaceScope {
    NamespaceScope { names: vec![], selector: Selector::labels(labels.iter().copied()) }
}

/// Zone x has `a` and `a2`, zone y `b`; `c` has no zone.
fn nodes() -> [Node; 4] {
    [zoned("a", "x"), zoned("a2", "x"), zoned("b", "y"), node("c")]
}

#[track_caller]
fn check(_source: &str, existing: Vec<Pod>, pod: &Pod, expected: &str) {
    let expected = expected.replace("ATTRACT", ATTRACT).replace("REPEL", REPEL).replace("EXISTING", EXISTING);
    let mut state = cluster(nodes(), existing);
    state.set_namespace("team", Labels::new([("kind", "team")]));
    assert_eq!(verdict(&InterPodAffinity::default(), &state, pod), expected);
}

#[test]
fn affinity() {
    let other = attracted(Pod::new("q"), "web");
    check("docs: pods without terms", vec![web("1").on("a")], &Pod::new("q"), "skip");
    check("docs: the zone where a matching pod runs", vec![web("1").on("a")], &other, "a a2 | ATTRACT");
    check("docs: a node without the key is in no domain", vec![web("1").on("c")], &other, "| ATTRACT");
    check("docs: nobody matches", vec![], &other, "| ATTRACT");
    check("docs: the first of a group that attracts itself", vec![], &attracted(web("p"), "web"), "a a2 b | ATTRACT");
    check(
        "docs: but where one is, the others follow",
        vec![web("1").on("b")],
        &attracted(web("p"), "web"),
        "b | ATTRACT",
    );
    check(
        "docs: only the pod's own namespace by default",
        vec![web("1").in_namespace("team").on("b")],
        &other,
        "| ATTRACT",
    );
    let both = Pod { affinity: vec![term("web"), term("db")], ..Pod::new("q") };
    check(
        "filtering.go: a pod counts only where it matches all terms",
        vec![web("1").on("a"), Pod::new("d").label("app", "db").on("a")],
        &both,
        "| ATTRACT",
    );
    let everything = PodAffinityTerm { selector: Selector::All(vec![]), ..term("") };
    let any = Pod { affinity: vec![everything], ..Pod::new("q") };
    check("bad input: a selector of everything matches any pod", vec![Pod::new("x").on("b")], &any, "b | ATTRACT");
    let nothing = PodAffinityTerm { selector: Selector::Nothing, ..term("") };
    check(
        "API: an absent selector matches none",
        vec![web("1").on("a")],
        &Pod { affinity: vec![nothing], ..web("q") },
        "| ATTRACT",
    );
}

#[test]
fn namespaces() {
    let wide = |scope: NamespaceScope, pod: Pod| Pod {
        affinity: vec![PodAffinityTerm { namespaces: scope, ..term("web") }],
        ..pod
    };
    let team = |name: &str| web(name).in_namespace("team");
    let by_label = selecting(&[("kind", "team")]);
    check(
        "KEP-2249: namespaces by label",
        vec![team("1").on("a")],
        &wide(by_label.clone(), Pod::new("q")),
        "a a2 | ATTRACT",
    );
    check(
        "KEP-2249: not those without it",
        vec![web("1").on("a")],
        &wide(by_label.clone(), Pod::new("q")),
        "| ATTRACT",
    );
    let all = NamespaceScope { names: vec![], selector: Selector::All(vec![]) };
    check(
        "KEP-2249: an empty selector means all namespaces",
        vec![team("1").on("b")],
        &wide(all.clone(), Pod::new("q")),
        "b | ATTRACT",
    );
    check(
        "KEP-2249: names are united with the selector",
        vec![web("1").on("b")],
        &wide(NamespaceScope { names: vec!["default".into()], selector: by_label.selector.clone() }, Pod::new("q")),
        "b | ATTRACT",
    );
    check(
        "filtering.go: the first of a group is found through its namespace's labels",
        vec![],
        &wide(by_label, team("p")),
        "a a2 b | ATTRACT",
    );
    check("filtering.go: and through a selector of all", vec![], &wide(all, web("p")), "a a2 b | ATTRACT");
}

#[test]
fn anti_affinity() {
    check("docs: keep away from the zone", vec![web("1").on("a")], &repelled(Pod::new("q"), "web"), "b c | REPEL");
    check(
        "docs: existing pods keep others away (symmetry)",
        vec![repelled(Pod::new("x"), "web").on("a")],
        &web("p"),
        "b c | EXISTING",
    );
    check("docs: not pods that they do not mean", vec![repelled(Pod::new("x"), "web").on("a")], &Pod::new("q"), "skip");
    check(
        "docs: two that repel each other",
        vec![repelled(web("x"), "web").on("b")],
        &repelled(web("p"), "web"),
        "a a2 c | REPEL",
    );
    check(
        "docs: attracted and repelled at once",
        vec![web("1").on("a")],
        &Pod { affinity: vec![term("web")], ..repelled(web("p"), "web") },
        "| ATTRACT; REPEL",
    );
    check("API: a node without the key repels nobody", vec![repelled(Pod::new("x"), "web").on("c")], &web("p"), "skip");
    let host = PodAffinityTerm { topology_key: "kubernetes.io/hostname".into(), ..term("web") };
    check(
        "docs: one per host",
        vec![web("1").on("a")],
        &Pod { anti_affinity: vec![host], ..web("p") },
        "a2 b c | REPEL",
    );
    check(
        "bad input: terms in a circle: each wants the other's zone, none is there",
        vec![],
        &Pod { affinity: vec![term("db")], ..web("p") },
        "| ATTRACT",
    );
}

#[track_caller]
fn check_score(_source: &str, plugin: InterPodAffinity, existing: Vec<Pod>, pod: &Pod, expected: &str) {
    assert_eq!(scores(&plugin, &cluster(nodes(), existing), pod), expected);
}

fn prefers(pod: Pod, weight: i64, app: &str) -> Pod {
    Pod { preferred_pods: vec![Weighted { weight, term: term(app) }], ..pod }
}

#[test]
fn score() {
    let plain = InterPodAffinity::default;
    let three = || vec![web("1").on("a"), web("2").on("a"), web("3").on("b")];
    check_score("scoring.go: no terms anywhere", plain(), three(), &Pod::new("q"), "skip");
    check_score(
        "docs: weights are summed over matching pods: 20, 20, 10, 0",
        plain(),
        three(),
        &prefers(Pod::new("q"), 10, "web"),
        "100 100 50 0",
    );
    check_score(
        "docs: preferred anti-affinity subtracts",
        plain(),
        three(),
        &prefers(Pod::new("q"), -10, "web"),
        "0 0 50 100",
    );
    check_score(
        "scoring.go: preferences of existing pods",
        plain(),
        vec![prefers(Pod::new("x"), 5, "web").on("b")],
        &web("p"),
        "0 0 100 0",
    );
    check_score(
        "scoring.go: their required terms with the hard weight",
        plain(),
        vec![attracted(web("x"), "web").on("b")],
        &web("p"),
        "0 0 100 0",
    );
    let no_hard = InterPodAffinity { hard_pod_affinity_weight: 0, ..plain() };
    check_score(
        "InterPodAffinityArgs: hardPodAffinityWeight 0",
        no_hard,
        vec![attracted(web("x"), "web").on("b")],
        &web("p"),
        "skip",
    );
    let heavy = InterPodAffinity { hard_pod_affinity_weight: 10, ..plain() };
    let two = || vec![attracted(web("x"), "web").on("b"), prefers(Pod::new("y"), 5, "web").on("a")];
    check_score("InterPodAffinityArgs: hard weight 10 against 5", heavy, two(), &web("p"), "50 50 100 0");
    let ignoring = InterPodAffinity { ignore_preferred_terms_of_existing_pods: true, ..plain() };
    check_score("InterPodAffinityArgs: ignorePreferredTermsOfExistingPods", ignoring, two(), &web("p"), "skip");
    check_score(
        "but pods with preferences are scored: x 5, y 1 + 1",
        ignoring,
        two(),
        &prefers(web("p"), 1, "web"),
        "100 100 40 0",
    );
    check_score("scoring.go: the same everywhere is 0", plain(), vec![], &prefers(Pod::new("q"), 10, "web"), "skip");
    // x: 29, y: 100, no zone: 0. 100·(29/100) in doubles is 28.999…, truncated to 28.
    let weighted = vec![prefers(Pod::new("x"), 29, "web").on("a"), prefers(Pod::new("y"), 100, "web").on("b")];
    check_score("scoring.go: normalised in doubles, truncated", plain(), weighted, &web("p"), "28 28 100 0");
}

#[test]
fn preemption_moves_the_counts() {
    let state = cluster(nodes(), [web("1").on("a")]);
    let plugin = InterPodAffinity::default();
    let pod = repelled(Pod::new("q"), "web");
    let PreFilter::Run(mut terms) = plugin.pre_filter(&state, &pod) else { panic!("it has a say") };
    let a = state.node("a").unwrap();
    assert!(plugin.filter(&terms, &pod, a).is_err());
    plugin.remove_pod(&mut terms, &pod, &a.pods()[0], a, &state);
    assert!(plugin.filter(&terms, &pod, a).is_ok());
    plugin.add_pod(&mut terms, &pod, &a.pods()[0], a, &state);
    assert!(plugin.filter(&terms, &pod, a).is_err());
}
