//! A declaration that is too bold is found, one that is right is not, and a plugin that panics costs no more than its say.

use super::*;
use crate::framework::{Code, Depends, Filter, PreFilter, Refusal, Score};
use crate::{Node, NodeInfo, Resources};

/// Takes at most two pods a node, and declares what it is told to.
#[derive(Debug)]
struct AtMostTwo(Depends);

impl Filter for AtMostTwo {
    type State = ();
    fn name(&self) -> &'static str {
        "AtMostTwo"
    }
    fn pre_filter(&self, _: &Cluster, _: &Pod) -> PreFilter<()> {
        PreFilter::Run(())
    }
    fn filter(&self, (): &(), pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        assert!(!pod.name.starts_with("explosive"), "boom");
        if node.pods().len() < 2 { Ok(()) } else { Err(Refusal::unschedulable("AtMostTwo", "node(s) had two")) }
    }
    fn depends(&self, _: &Pod) -> Depends {
        self.0.clone()
    }
}

/// Prefers the node with the most pods.
#[derive(Debug)]
struct Crowd(Depends);

impl Score for Crowd {
    type State = ();
    fn name(&self) -> &'static str {
        "Crowd"
    }
    fn pre_score(&self, _: &Cluster, _: &Pod, _: &[&NodeInfo]) -> Option<()> {
        Some(())
    }
    fn score(&self, (): &(), _: &Pod, node: &NodeInfo) -> i64 {
        i64::try_from(node.pods().len()).unwrap() * 1_000
    }
    fn depends(&self, _: &Pod) -> Depends {
        self.0.clone()
    }
}

fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    ["a", "b", "c"].iter().for_each(|name| cluster.add_node(Node::new(name, Resources::new(10_000, 1 << 40, 110))));
    cluster
}

/// Places pods until a difference is found; gives how many were placed.
fn place(profile: Profile) -> Result<usize, Difference> {
    let (mut cluster, checked) = (cluster(), Checked::new(profile, 3));
    let mut placed = 0;
    for i in 0..9 {
        let pod = Pod::new(&format!("p{i}"));
        if let Ok(placement) = checked.schedule(&cluster, &pod)? {
            cluster.add_pod(pod.on(placement.node)).unwrap();
            placed += 1;
        }
    }
    Ok(placed)
}

#[test]
fn a_right_declaration_of_a_filter_passes_and_a_bold_one_is_found() {
    let filter = |depends| place(Profile::default_builder().filter(AtMostTwo(depends)).build());
    for right in [Depends::Node, Depends::Anything] {
        assert_eq!(filter(right).unwrap(), 6);
    }
    let difference = filter(Depends::Profile).unwrap_err();
    assert!(difference.to_string().contains("too bold"), "{difference}");
    assert!(difference.plain.is_err() || difference.kept != difference.plain);
}

#[test]
fn a_right_declaration_of_a_score_passes_and_a_bold_one_is_found() {
    let score = |depends| place(Profile::builder("x").score(Crowd(depends), 5).build());
    for right in [Depends::Node, Depends::Anything] {
        assert_eq!(score(right).unwrap(), 9);
    }
    assert!(score(Depends::Profile).is_err());
}

#[test]
fn a_plugin_that_panics_refuses_and_no_placement_is_lost() {
    let checked = Checked::new(Profile::default_builder().filter(AtMostTwo(Depends::Node)).build(), 1);
    let cluster = cluster();
    let decide = |name: &str| checked.schedule(&cluster, &Pod::new(name)).unwrap();
    let error = decide("explosive").unwrap_err();
    assert!(error.is_error());
    assert!(error.refusals.iter().all(|(_, refusal)| refusal.code == Code::Error && refusal.plugin == "AtMostTwo"));
    assert!(error.to_string().contains("plugin AtMostTwo panicked: boom"), "{error}");
    assert!(decide("harmless").is_ok());
}
