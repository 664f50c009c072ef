//! The map against a plain one, with a fork that must not see what comes after it.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_map_and_its_fork_are_two_maps(steps in prop::collection::vec((any::<bool>(), 0u16..2000), 0..4000), fork_at in 0usize..4000) {
        let mut map = Shards::<u16, usize>::default();
        let mut model = HashMap::new();
        let mut fork = (map.clone(), model.clone());
        for (i, (insert, key)) in steps.into_iter().enumerate() {
            if i == fork_at {
                fork = (map.clone(), model.clone());
            }
            prop_assert_eq!(map.remove(&key), model.remove(&key));
            if insert {
                prop_assert_eq!(map.insert(&key, &i), None);
                prop_assert_eq!(map.insert(&key, &(i + 1)), Some(i));
                model.insert(key, i);
            }
        }
        for (map, model) in [(map, model), fork] {
            for key in 0..2000 {
                prop_assert_eq!(map.get(&key), model.get(&key));
            }
        }
    }
}
