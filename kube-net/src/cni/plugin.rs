//! Calling CNI plugins: a program for each, its instructions in the environment, its configuration on standard input.
//!
//! Source: the CNI specification 0.4.0. A list of plugins is added in order, each seeing the result of the one before, and
//! deleted in the reverse order.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The longest that a plugin may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a network could not be set up or torn down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is not one.
    #[error("the CNI configuration of network {network:?} is not valid: {problem}")]
    Config {
        /// The network.
        network: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The plugin's program cannot be run.
    #[error("cannot run the CNI plugin {plugin:?}; is it installed in one of {directories:?}?")]
    Start {
        /// The plugin.
        plugin: String,
        /// Where it was looked for.
        directories: Vec<PathBuf>,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The plugin took too long and was ended.
    #[error("the CNI plugin {plugin:?} did not {command} within {PATIENCE:?}")]
    Timeout {
        /// The plugin.
        plugin: String,
        /// The command.
        command: &'static str,
    },
    /// The plugin has failed, in its own words.
    #[error("the CNI plugin {plugin:?} failed to {command}: {message}")]
    Failed {
        /// The plugin.
        plugin: String,
        /// The command.
        command: &'static str,
        /// The plugin's code; 11 asks to try again later.
        code: u64,
        /// Its message and details.
        message: String,
    },
}

/// What is attached to a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The sandbox's identifier.
    pub container_id: String,
    /// The path of its network namespace.
    pub namespace: String,
    /// The interface inside, as `eth0`.
    pub interface: String,
    /// Arguments for plugins, as `K8S_POD_NAME`.
    pub arguments: Vec<(String, String)>,
    /// What plugins with that capability are given, as `portMappings`.
    pub capabilities: Value,
}

/// The plugins of this machine.
#[derive(Clone, Debug)]
pub struct Plugins {
    directories: Vec<PathBuf>,
}

impl Plugins {
    /// Plugins in these directories, the first match wins.
    #[must_use]
    pub fn new(directories: Vec<PathBuf>) -> Self {
        Self { directories }
    }

    /// Attaches to the network of a configuration list; gives the last plugin's result, with the addresses.
    ///
    /// # Errors
    /// When a plugin fails. What was done before is left: [`Plugins::delete`] undoes it.
    pub async fn add(&self, conflist: &Value, attachment: &Attachment) -> Result<Value, Error> {
        let mut result = Value::Null;
        for plugin in plugins(conflist)? {
            let config = plugin_config(conflist, plugin, attachment, &result);
            result = self.call("ADD", plugin, &config, attachment).await?;
        }
        Ok(result)
    }

    /// Detaches from the network; `result` is what [`Plugins::add`] gave, if it is known. Idempotent.
    ///
    /// # Errors
    /// The first failure; the other plugins are called all the same.
    pub async fn delete(&self, conflist: &Value, attachment: &Attachment, result: &Value) -> Result<(), Error> {
        let mut failed = None;
        for plugin in plugins(conflist)?.iter().rev() {
            let config = plugin_config(conflist, plugin, attachment, result);
            if let Err(error) = self.call("DEL", plugin, &config, attachment).await {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Asks whether the attachment is as `result` says; of a list with `disableCheck` nothing is asked.
    ///
    /// # Errors
    /// When it is not.
    pub async fn check(&self, conflist: &Value, attachment: &Attachment, result: &Value) -> Result<(), Error> {
        let plugins = plugins(conflist)?;
        if conflist["disableCheck"] == json!(true) {
            return Ok(());
        }
        for plugin in plugins {
            let config = plugin_config(conflist, plugin, attachment, result);
            self.call("CHECK", plugin, &config, attachment).await?;
        }
        Ok(())
    }

    async fn call(
        &self,
        command: &'static str,
        plugin: &Value,
        config: &Value,
        attachment: &Attachment,
    ) -> Result<Value, Error> {
        let name = plugin["type"].as_str().unwrap_or_default().to_owned();
        let start = |source| Error::Start { plugin: name.clone(), directories: self.directories.clone(), source };
        let program = self
            .directories
            .iter()
            .map(|directory| directory.join(&name))
            .find(|path| path.is_file())
            .ok_or_else(|| start(std::io::ErrorKind::NotFound.into()))?;
        let arguments: Vec<String> = attachment.arguments.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let path = std::env::join_paths(&self.directories).map_err(|error| start(std::io::Error::other(error)))?;
        let mut child = Command::new(program)
            .env("CNI_COMMAND", command)
            .env("CNI_CONTAINERID", &attachment.container_id)
            .env("CNI_NETNS", &attachment.namespace)
            .env("CNI_IFNAME", &attachment.interface)
            .env("CNI_ARGS", arguments.join(";"))
            .env("CNI_PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(start)?;
        let mut stdin = child.stdin.take();
        let work = async {
            if let Some(stdin) = &mut stdin {
                // A plugin that does not read its configuration says why itself.
                let _ = stdin.write_all(config.to_string().as_bytes()).await;
            }
            drop(stdin);
            child.wait_with_output().await
        };
        let output = tokio::time::timeout(PATIENCE, work)
            .await
            .map_err(|_| Error::Timeout { plugin: name.clone(), command })?
            .map_err(start)?;
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if output.status.success() {
            return Ok(answer);
        }
        let mut message = answer["msg"].as_str().unwrap_or_default().to_owned();
        if let Some(details) = answer["details"].as_str().filter(|details| !details.is_empty()) {
            message = format!("{message}: {details}");
        }
        if message.is_empty() {
            message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        }
        Err(Error::Failed { plugin: name, command, code: answer["code"].as_u64().unwrap_or(0), message })
    }
}

fn plugins(conflist: &Value) -> Result<&Vec<Value>, Error> {
    let problem =
        |problem| Error::Config { network: conflist["name"].as_str().unwrap_or_default().to_owned(), problem };
    let plugins = conflist["plugins"].as_array().ok_or_else(|| problem("it has no list of plugins"))?;
    let safe = |name: &str| !name.is_empty() && !name.contains(['/', '\\']) && name != "..";
    if !plugins.iter().all(|plugin| plugin["type"].as_str().is_some_and(safe)) {
        return Err(problem("a plugin has no type, or one that is a path"));
    }
    Ok(plugins)
}

/// What a plugin is told: its part of the list, the list's name and version, the result before it, and the values of the
/// capabilities that it has.
fn plugin_config(conflist: &Value, plugin: &Value, attachment: &Attachment, result: &Value) -> Value {
    let mut config = plugin.clone();
    config["name"] = conflist["name"].clone();
    config["cniVersion"] = conflist["cniVersion"].clone();
    if !result.is_null() {
        config["prevResult"] = result.clone();
    }
    let wanted = plugin["capabilities"].as_object().into_iter().flatten().filter(|(_, on)| **on == json!(true));
    let given: serde_json::Map<String, Value> =
        wanted.filter_map(|(name, _)| Some((name.clone(), attachment.capabilities.get(name)?.clone()))).collect();
    if let Some(config) = config.as_object_mut() {
        config.remove("capabilities");
        if !given.is_empty() {
            config.insert("runtimeConfig".into(), Value::Object(given));
        }
    }
    config
}

#[cfg(all(test, unix))]
mod tests {
    //! With plugins that are shell scripts.

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn attachment() -> Attachment {
        Attachment {
            container_id: "c1".into(),
            namespace: "/run/netns/x".into(),
            interface: "eth0".into(),
            arguments: vec![("K8S_POD_NAME".into(), "p".into()), ("IgnoreUnknown".into(), "1".into())],
            capabilities: json!({"portMappings": [{"hostPort": 80}], "bandwidth": {}}),
        }
    }

    /// A directory with plugins that note how they were called.
    fn directory(scripts: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, script) in scripts {
            let path = directory.path().join(name);
            let log = directory.path().join("log");
            let text = format!(
                "#!/bin/sh\nin=$(cat)\necho \"{name} $CNI_COMMAND $CNI_IFNAME $CNI_ARGS $in\" >> {}\n{script}\n",
                log.display()
            );
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        }
        directory
    }

    fn list() -> Value {
        json!({"cniVersion": "0.4.0", "name": "net", "plugins": [{"type": "one"}, {"type": "two", "capabilities": {"portMappings": true}}]})
    }

    fn log(directory: &tempfile::TempDir) -> Vec<String> {
        let text = std::fs::read_to_string(directory.path().join("log")).expect("a log");
        text.lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn results_are_handed_on_and_undone_in_reverse() {
        let directory = directory(&[("one", "echo '{\"ips\":[1]}'"), ("two", "echo '{\"ips\":[2]}'")]);
        let plugins = Plugins::new(vec![directory.path().into()]);
        let result = plugins.add(&list(), &attachment()).await.expect("attached");
        assert_eq!(result, json!({"ips": [2]}));
        plugins.delete(&list(), &attachment(), &result).await.expect("detached");
        let log = log(&directory);
        assert!(log[0].starts_with("one ADD eth0 K8S_POD_NAME=p;IgnoreUnknown=1 "), "{}", log[0]);
        assert!(log[1].contains(r#""prevResult":{"ips":[1]}"#), "{}", log[1]);
        assert!(log[1].contains(r#""runtimeConfig":{"portMappings":[{"hostPort":80}]}"#), "{}", log[1]);
        assert!(!log[1].contains("bandwidth") && !log[1].contains("capabilities"));
        assert_eq!(log[2..].iter().map(|line| &line[..7]).collect::<Vec<_>>(), ["two DEL", "one DEL"]);
    }

    #[tokio::test]
    async fn failures_speak_the_plugins_words() {
        let directory = directory(&[("one", "echo '{\"code\":11,\"msg\":\"busy\",\"details\":\"later\"}'; exit 1")]);
        let plugins = Plugins::new(vec![directory.path().into()]);
        let error = plugins.add(&list(), &attachment()).await.expect_err("it fails");
        assert_eq!(error.to_string(), "the CNI plugin \"one\" failed to ADD: busy: later");
        assert!(matches!(error, Error::Failed { code: 11, .. }));
        // The other plugin is not there; both are told to let go nevertheless.
        assert!(plugins.delete(&list(), &attachment(), &Value::Null).await.is_err());
        assert_eq!(log(&directory).len(), 2);
    }

    #[tokio::test]
    async fn a_check_asks_each_plugin_unless_the_list_says_not_to() {
        let directory = directory(&[("one", ""), ("two", "echo '{\"code\":7,\"msg\":\"gone\"}'; exit 1")]);
        let plugins = Plugins::new(vec![directory.path().into()]);
        let result = json!({"ips": [2]});
        let mut list = list();
        let error = plugins.check(&list, &attachment(), &result).await.expect_err("the second says no");
        assert_eq!(error.to_string(), "the CNI plugin \"two\" failed to CHECK: gone");
        let asked = log(&directory);
        assert!(asked[0].starts_with("one CHECK") && asked[1].starts_with("two CHECK"), "{asked:?}");
        assert!(asked[1].contains(r#""prevResult":{"ips":[2]}"#), "{}", asked[1]);
        list["disableCheck"] = json!(true);
        plugins.check(&list, &attachment(), &result).await.expect("nothing is asked");
        assert_eq!(log(&directory).len(), 2);
    }

    /// What a failing plugin's output is told as.
    async fn failure(script: &str) -> (u64, String) {
        let directory = directory(&[("one", script)]);
        let plugins = Plugins::new(vec![directory.path().into()]);
        match plugins.add(&list(), &attachment()).await.expect_err("it fails") {
            Error::Failed { code, message, .. } => (code, message),
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn a_plugin_that_breaks_is_quoted_as_well_as_possible() {
        assert_eq!(
            failure("echo '{\"code\":4,\"msg\":\"no such bridge\"}'; exit 1").await,
            (4, "no such bridge".into())
        );
        assert_eq!(failure("echo panic >&2; exit 2").await, (0, "panic".into()));
        assert_eq!(failure("echo not json; echo panic >&2; exit 2").await, (0, "panic".into()));
        assert_eq!(failure("exit 3").await, (0, String::new()));
    }

    #[tokio::test]
    async fn what_fails_midway_leaves_the_rest_uncalled_and_can_be_undone() {
        let directory = directory(&[("one", "[ $CNI_COMMAND = DEL ] || exit 1"), ("two", "")]);
        let plugins = Plugins::new(vec![directory.path().into()]);
        plugins.add(&list(), &attachment()).await.expect_err("the first fails");
        plugins.delete(&list(), &attachment(), &Value::Null).await.expect("undone");
        let called: Vec<String> = log(&directory).iter().map(|line| line[..7].to_owned()).collect();
        assert_eq!(called, ["one ADD", "two DEL", "one DEL"]);
        assert!(!log(&directory)[1].contains("prevResult"), "there was no result");
    }

    #[tokio::test]
    async fn the_first_directory_wins_and_plugins_are_told_of_all() {
        let (first, second) =
            (directory(&[("one", "echo \"$CNI_PATH\" >&2; exit 1")]), directory(&[("one", ""), ("two", "")]));
        let paths = vec![first.path().to_owned(), second.path().to_owned()];
        let joined = std::env::join_paths(&paths).expect("paths").into_string().expect("text");
        match Plugins::new(paths).add(&list(), &attachment()).await.expect_err("it fails") {
            Error::Failed { message, .. } => assert_eq!(message, joined),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_plugin_is_told_its_own_part_of_the_list() {
        let list = json!({"cniVersion": "0.4.0", "name": "net", "plugins": [{"type": "one", "mtu": 9}]});
        let mut wanting = list["plugins"][0].clone();
        wanting["capabilities"] = json!({"portMappings": false, "bandwidth": true, "dns": true});
        let config = plugin_config(&list, &wanting, &attachment(), &Value::Null);
        let expected =
            json!({"cniVersion": "0.4.0", "name": "net", "type": "one", "mtu": 9, "runtimeConfig": {"bandwidth": {}}});
        assert_eq!(config, expected, "what is switched off or not there is not given");
    }

    #[tokio::test]
    async fn bad_configurations_are_refused() {
        let plugins = Plugins::new(vec!["/nonexistent".into()]);
        for conflist in [json!({}), json!({"plugins": [{}]}), json!({"plugins": [{"type": "../sh"}]})] {
            let error = plugins.add(&conflist, &attachment()).await.expect_err("refused");
            assert!(matches!(error, Error::Config { .. }), "{error}");
        }
        let error = plugins.add(&list(), &attachment()).await.expect_err("not installed");
        assert!(matches!(error, Error::Start { .. }), "{error}");
    }
}
