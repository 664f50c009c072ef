//! What containers see of the node's disk: volumes, the hosts file, the place of their last words; and what is left of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::ConfigMap;
use kubekit_node::runtime::container::Mount;
use kubekit_node::runtime::{ContainerRuntime as _, Filter};
use kubekit_runtime::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{World, container, last_end, phase, shell, short};

/// A world whose containers see files, with the ConfigMap `cm`.
async fn world() -> World {
    let world = World::on_disk().await;
    config_map(&world, "cm", json!({"a": "1", "b": "2"})).await;
    world
}

async fn config_map(world: &World, name: &str, data: Value) {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
    let api = Api::<ConfigMap>::namespaced(world.client.clone(), "default");
    let params = PatchParams { field_manager: "test".into(), ..PatchParams::default() };
    api.patch(name, &params, &Patch::Apply(object)).await.expect("applied");
}

/// The mounts of the newest container.
async fn mounts(world: &World) -> Vec<Mount> {
    let all = world.runtime.list_containers(&Filter::default()).await.expect("a list");
    world.runtime.container_status(&all[0].id).await.expect("a status").mounts
}

/// Where on the node a path of the newest container is.
async fn place(world: &World, path: &str) -> PathBuf {
    let mounts = mounts(world).await;
    let mount = mounts.iter().find(|mount| mount.container_path == path);
    PathBuf::from(&mount.unwrap_or_else(|| panic!("{path} is not among {mounts:?}")).host_path)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

#[tokio::test(start_paused = true)]
async fn files_come_from_the_api_and_follow_it() {
    let world = world().await;
    let items = json!([{"key": "a", "path": "dir/a"}]);
    let fields = json!([{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]);
    let volumes = json!([
        {"name": "all", "configMap": {"name": "cm", "defaultMode": 0o400}},
        {"name": "some", "projected": {"sources": [{"configMap": {"name": "cm", "items": items}}, {"downwardAPI": {"items": fields}}]}},
        {"name": "scratch", "emptyDir": {}},
    ]);
    let mounts_ = json!([
        {"name": "all", "mountPath": "/all"},
        {"name": "some", "mountPath": "/some"},
        {"name": "scratch", "mountPath": "/scratch"},
    ]);
    world.pod(json!({}), json!({"volumes": volumes}), json!({"volumeMounts": mounts_})).await;
    world.after(2.0).await;
    let (all, some, scratch) =
        (place(&world, "/all").await, place(&world, "/some").await, place(&world, "/scratch").await);
    assert_eq!((text(&all.join("a")), text(&all.join("b")), mode(&all.join("a"))), ("1".into(), "2".into(), 0o400));
    assert_eq!((text(&some.join("dir/a")), text(&some.join("name"))), ("1".into(), "p".into()));
    let seen = mounts(&world).await;
    let read_only = |path: &str| seen.iter().find(|mount| mount.container_path == path).expect("a mount").read_only;
    assert_eq!(["/all", "/some", "/scratch"].map(read_only), [true, true, false]);

    fs::write(scratch.join("own"), "x").expect("written");
    fs::set_permissions(&scratch, fs::Permissions::from_mode(0o700)).expect("changed");
    config_map(&world, "cm", json!({"a": "3", "c": "4"})).await;
    world.after(65.0).await;
    assert_eq!(
        (text(&all.join("a")), text(&all.join("c")), text(&some.join("dir/a"))),
        ("3".into(), "4".into(), "3".into())
    );
    assert!(!all.join("b").exists());
    assert_eq!((text(&scratch.join("own")), mode(&scratch)), ("x".into(), 0o700), "that is the container's own");
    assert_eq!(short(&world.now().await, "a"), "+! 0");

    world.delete().await;
    world.after(3.0).await;
    assert!(world.found().await.is_none());
    assert_eq!(fs::read_dir(world.root().join("pods")).expect("readable").count(), 0, "nothing is left");
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_for_what_its_volumes_name() {
    let world = world().await;
    let volumes = json!([
        {"name": "maybe", "configMap": {"name": "never", "optional": true}},
        {"name": "late", "configMap": {"name": "late"}},
    ]);
    world.pod(json!({}), json!({"volumes": volumes}), json!({})).await;
    world.after(3.0).await;
    let pod = world.now().await;
    assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), ("Pending", "ContainerCreating 0"));
    let message = "MountVolume.SetUp failed for volume \"late\" : configmap \"late\" not found";
    World::told(&world.events().await, "FailedMount", message);
    config_map(&world, "late", json!({"k": "v"})).await;
    world.after(10.0).await;
    assert_eq!(short(&world.now().await, "a"), "+! 0");
}

#[tokio::test(start_paused = true)]
async fn last_words_are_read_where_the_container_leaves_them() {
    let world = world().await;
    world.pod(json!({}), json!({}), shell("sleep 10; exit 5")).await;
    world.after(2.0).await;
    let first = place(&world, "/dev/termination-log").await;
    assert_eq!((text(&first), mode(&first)), (String::new(), 0o666), "any user may write there");
    fs::write(&first, format!("{}the end", "x".repeat(5_000))).expect("written");
    world.after(10.0).await;
    let pod = world.now().await;
    assert_eq!(short(&pod, "a"), "+! 1");
    let message = last_end(&pod, "a").message.expect("a message");
    assert!(message.len() == 4_096 && message.ends_with("xthe end"), "{message}");
    // The next one has a place of its own, and nothing to say yet.
    let second = place(&world, "/dev/termination-log").await;
    assert_ne!(first, second);
    assert_eq!(text(&second), "");
}

#[tokio::test(start_paused = true)]
async fn last_words_of_a_file_come_before_those_of_the_log() {
    for (written, expected) in [("from the file", "from the file"), ("", "from the log\n")] {
        let world = world().await;
        let mut own = shell("sleep 10; echo from the log; exit 5");
        own["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
        own["terminationMessagePath"] = json!("/tmp/last");
        world.pod(json!({}), json!({"restartPolicy": "Never"}), own).await;
        world.after(2.0).await;
        fs::write(place(&world, "/tmp/last").await, written).expect("written");
        world.after(10.0).await;
        let end = container(&world.now().await, "a").state.and_then(|state| state.terminated).expect("an end");
        assert_eq!(end.message.as_deref(), Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn every_container_has_the_pods_hosts_unless_it_brings_its_own() {
    let world = world().await;
    world.pod(json!({}), json!({"hostname": "web-0", "subdomain": "web"}), json!({})).await;
    world.after(2.0).await;
    let hosts = text(&place(&world, "/etc/hosts").await);
    assert!(hosts.ends_with("10.7.0.2\tweb-0.web.default.svc.cluster.local\tweb-0\n"), "{hosts}");

    let world = self::world().await;
    let own = json!([{"name": "cm", "mountPath": "/etc/hosts", "subPath": "a"}]);
    let volumes = json!([{"name": "cm", "configMap": {"name": "cm"}}]);
    world.pod(json!({}), json!({"volumes": volumes}), json!({"volumeMounts": own})).await;
    world.after(2.0).await;
    assert_eq!(text(&place(&world, "/etc/hosts").await), "1");
    assert_eq!(mounts(&world).await.iter().filter(|mount| mount.container_path == "/etc/hosts").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sub_path_is_made_within_its_volume_and_nowhere_else() {
    let world = world().await;
    let mounts_ = json!([
        {"name": "scratch", "mountPath": "/own", "subPathExpr": "pods/$(NAME)"},
        {"name": "scratch", "mountPath": "/whole"},
    ]);
    let env = json!([{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]);
    let spec = json!({"volumes": [{"name": "scratch", "emptyDir": {}}]});
    let mut own = shell("sleep 10; exit 1");
    (own["env"], own["volumeMounts"]) = (env, mounts_);
    world.pod(json!({}), spec, own).await;
    world.after(2.0).await;
    let whole = place(&world, "/whole").await;
    assert_eq!(place(&world, "/own").await, whole.canonicalize().expect("there").join("pods/p"));
    // The container replaces its part by a link to the node's files, and crashes.
    fs::remove_dir(whole.join("pods/p")).expect("removed");
    std::os::unix::fs::symlink("/etc", whole.join("pods/p")).expect("linked");
    world.after(12.0).await;
    assert_eq!(short(&world.now().await, "a"), "CrashLoopBackOff 0", "it is not started again");
    let events = world.events().await;
    let refused = "Error: failed to prepare subPath for volumeMount \"scratch\" of container \"a\": ";
    assert!(events.iter().any(|(_, message)| message.starts_with(refused)), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_agent_clears_away_what_belongs_to_nobody() {
    let world = world().await;
    world.pod(json!({}), json!({"volumes": [{"name": "scratch", "emptyDir": {}}]}), json!({})).await;
    world.after(2.0).await;
    let uid = world.now().await.metadata.uid.expect("a uid");
    let (pods, logs) = (world.root().join("pods"), world.root().join("logs"));
    let old = ["default_old_gone-uid", &format!("default_p_{uid}"), "not-a-pods"];
    for directory in old.map(|name| logs.join(name)).iter().chain([&pods.join("gone-uid/volumes")]) {
        fs::create_dir_all(directory).expect("made");
    }
    let world = world.restart_agent().await;
    world.after(2.0).await;
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).expect("readable").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&pods), [uid.as_str()]);
    assert_eq!(names(&logs), [format!("default_p_{uid}"), "not-a-pods".into()], "others' directories are left alone");
    assert_eq!(short(&world.now().await, "a"), "+! 0");
}
