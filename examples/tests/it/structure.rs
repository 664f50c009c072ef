//! ARCHITECTURE.md against the code: it names every crate and no other, dependencies point the way it says, and no source
//! file is orphaned.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn packages() -> BTreeMap<String, Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (package["name"].as_str().unwrap().to_owned(), package.clone())).collect()
}

#[test]
fn the_architecture_names_every_crate() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let named: BTreeSet<String> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("kubekit-"))
        .map(str::to_owned)
        .collect();
    let existing: BTreeSet<String> = packages().into_keys().filter(|name| name.starts_with("kubekit-")).collect();
    assert_eq!(named, existing);
    assert!(text.lines().count() < 300);
}

/// What each crate may depend on, within the workspace. Development dependencies count: a cycle through them is a cycle.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("kubekit-core", &[]),
    ("kubekit-store", &[]),
    ("kubekit-server", &["kubekit-core", "kubekit-store"]),
    ("kubekit-runtime", &["kubekit-core", "kubekit-server", "kubekit-store"]),
    ("kubekit-controllers", &["kubekit-core", "kubekit-runtime", "kubekit-server", "kubekit-store"]),
    ("kubekit-sched", &["kubekit-core", "kubekit-runtime", "kubekit-server", "kubekit-store"]),
    ("kubekit-net", &["kubekit-core", "kubekit-runtime", "kubekit-server", "kubekit-store"]),
    ("kubekit-node", &["kubekit-core", "kubekit-net", "kubekit-runtime", "kubekit-server", "kubekit-store"]),
];

/// What only tests may use: a library above the server must not carry it along.
const ONLY_FOR_TESTS: &[&str] = &["kubekit-server", "kubekit-store"];

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    for (name, allowed) in MAY_DEPEND_ON {
        for dependency in packages[*name]["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            if !on.starts_with("kubekit-") || on == *name {
                continue;
            }
            assert!(allowed.contains(&on), "{name} must not depend on {on}");
            let for_tests = dependency["kind"] == "dev";
            assert!(
                for_tests || *name == "kubekit-server" || !ONLY_FOR_TESTS.contains(&on),
                "{name} may use {on} only in tests"
            );
        }
    }
}

#[test]
fn the_engine_is_free_of_async_and_of_kubernetes_types() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "kubekit-sched", "--edges", "normal", "--prefix", "none", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for forbidden in ["tokio ", "k8s-openapi ", "kubekit-core ", "futures ", "http "] {
        assert!(!text.lines().any(|line| line.starts_with(forbidden)), "{forbidden} in\n{text}");
    }
}

#[test]
fn no_source_file_is_orphaned() {
    for package in packages().values() {
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
        let dir = manifest.parent().unwrap().to_owned();
        let mut reached = BTreeSet::new();
        for target in package["targets"].as_array().unwrap() {
            reach(&PathBuf::from(target["src_path"].as_str().unwrap()), true, &mut reached);
        }
        for source in ["src", "tests", "examples", "benches"] {
            for file in sources(&dir.join(source)) {
                assert!(reached.contains(&file), "{} belongs to no module", file.display());
            }
        }
    }
}

/// Follows `mod name;` from a file.
fn reach(file: &Path, is_root: bool, reached: &mut BTreeSet<PathBuf>) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    reached.insert(file.to_owned());
    let stem = file.file_stem().unwrap();
    let dir = file.parent().unwrap();
    let below = if is_root || stem == "mod" { dir.to_owned() } else { dir.join(stem) };
    for line in text.lines() {
        let declaration =
            line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ").trim_start_matches("pub ");
        let Some(name) = declaration.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) else { continue };
        // A module declared inside another in the same file lies one directory further down.
        let candidates = [below.join(format!("{name}.rs")), below.join(name).join("mod.rs")];
        for candidate in candidates.into_iter().filter(|path| path.exists()) {
            reach(&candidate, false, reached);
        }
    }
    // `#[path = "…"]` and `include!("…")` name files themselves.
    for marker in ["#[path = \"", "include!(\""] {
        for rest in text.split(marker).skip(1) {
            let target = dir.join(rest.split('"').next().unwrap_or_default());
            if target.exists() {
                reached.insert(target);
            }
        }
    }
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(dir) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
