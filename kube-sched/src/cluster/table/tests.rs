//! The table against a sorted map, under additions in any order, removals, changes and forks.

use super::*;
use crate::model::{Node, Resources};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn info(name: usize, cpu: i64) -> NodeInfo {
    NodeInfo::new(Arc::new(Node::new(&format!("n{name:03}"), Resources::new(cpu, 0, 0))))
}

fn seen(table: &NodeTable) -> Vec<(String, i64)> {
    table.iter().map(|info| (info.node().name.to_string(), info.node().allocatable.cpu_milli)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_table_and_its_fork_are_sorted_maps(steps in prop::collection::vec((0u8..4, 0usize..400), 0..900), fork_at in 0usize..900) {
        let (mut table, mut model) = (NodeTable::default(), BTreeMap::<String, i64>::new());
        let mut fork = (table.clone(), model.clone());
        for (i, (step, name)) in (0i64..).zip(steps) {
            if usize::try_from(i).unwrap() == fork_at {
                fork = (table.clone(), model.clone());
            }
            let key = format!("n{name:03}");
            match (step, table.find(&key)) {
                (0, Some(position)) => {
                    let layout = table.layout();
                    table.remove(position);
                    model.remove(&key);
                    prop_assert!(table.layout() != layout || table.row(position).unwrap().is_gone());
                }
                (_, None) => {
                    let position = table.insert(info(name, i), 0, 0);
                    prop_assert_eq!(table.find(&key), Some(position));
                    model.insert(key, i);
                }
                (_, Some(position)) => {
                    table.change(position, |info, _| { info.replace_node(Arc::new(Node::new(&key, Resources::new(i, 0, 0)))); });
                    prop_assert_eq!(table.row(position).unwrap().allocatable_cpu_milli, i);
                    model.insert(key, i);
                }
            }
        }
        for (table, model) in [(table, model), fork] {
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(seen(&table), model.into_iter().collect::<Vec<_>>());
        }
    }
}
