//! How a simulated container behaves, by annotations of its pod and by its command. Pure.
//!
//! Annotations begin with [`PREFIX`]; one with a suffix `.NAME` is about the container of that name alone:
//!
//! | annotation | value | effect |
//! |---|---|---|
//! | `start-time` | duration | starting a container takes so long |
//! | `run-time` | duration | the container ends by itself after so long |
//! | `exit-code` | number | … with this code (0) |
//! | `stop-time` | duration, or `never` | it takes so long to end when asked; `never` waits to be killed |
//! | `stop-exit-code` | number | … with this code: 0 for what serves, 143 for commands that SIGTERM ends, such as `sleep` |
//! | `log` | text | what it prints at its start, line by line |
//! | `log-interval` | duration | … again and again |
//! | `pull`, `start` | text | pulling its image, or starting it, fails with this text |
//! | `startup`, `liveness`, `readiness` | `fail`, `ok-after=5s`, `fail-after=5s` | what network probes find |

use std::collections::BTreeMap;
use std::time::Duration;

use super::Config;
use super::script::{Ending, Script, Step};
use crate::runtime::container::ContainerConfig;
use crate::runtime::sandbox::SandboxConfig;
use crate::runtime::stream::LogSource;

/// What the annotations that steer a simulated container begin with.
pub const PREFIX: &str = "simulated.kubekit.io/";

/// Label by which the pods of a Job are known.
const JOB_LABEL: &str = "batch.kubernetes.io/job-name";

/// The code of a process that SIGTERM has ended.
const TERMINATED: i32 = 143;

/// How a container answers to being asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// It ends so long after it was asked.
    After(Duration),
    /// It must be killed.
    Never,
}

/// How one simulated container behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// How long starting it takes.
    pub start_time: Duration,
    /// What it does.
    pub script: Script,
    /// How it ends when asked.
    pub stopping: Stopping,
    /// With which code, unless it must be killed.
    pub stop_exit_code: i32,
    /// Why it cannot start.
    pub start_failure: Option<String>,
}

impl Behaviour {
    /// The behaviour of the container `config` in `sandbox`.
    #[must_use]
    pub fn of(config: &ContainerConfig, sandbox: &SandboxConfig, defaults: &Config) -> Self {
        let annotation = |key| annotation(&sandbox.annotations, key, &config.name);
        let duration = |key| annotation(key).and_then(parse_duration);
        let (mut script, terminated) = script_of(config, sandbox, defaults);
        if let Some(text) = annotation("log") {
            let lines = text.lines().map(|line| Step::Print(LogSource::Stdout, format!("{line}\n")));
            if let Some(interval) = duration("log-interval").filter(|interval| !interval.is_zero()) {
                let mut body: Vec<Step> = lines.collect();
                body.push(Step::Sleep(interval));
                script = Script { steps: Vec::new(), ending: Ending::Loop(body) };
            } else {
                script.steps.splice(0..0, lines);
            }
        }
        if let Some(run_time) = duration("run-time") {
            let code = annotation("exit-code").and_then(|code| code.parse().ok()).unwrap_or(0);
            script = limited(script, run_time, code);
        }
        Self {
            start_time: duration("start-time").unwrap_or(defaults.start_time),
            script,
            stopping: match annotation("stop-time") {
                Some("never") => Stopping::Never,
                other => Stopping::After(other.and_then(parse_duration).unwrap_or(defaults.stop_time)),
            },
            stop_exit_code: annotation("stop-exit-code").and_then(|code| code.parse().ok()).unwrap_or(terminated),
            start_failure: annotation("start").map(str::to_owned),
        }
    }
}

/// What a probe over the network finds, so long after the container's start; `Err` is the failure in words.
///
/// # Errors
/// When the annotation says that the probe fails now.
pub fn probe_answer(setting: Option<&str>, elapsed: Duration) -> Result<String, String> {
    let failed = match setting.map(|text| text.split_once('=').unwrap_or((text, ""))) {
        Some(("fail", _)) => true,
        Some(("ok-after", time)) => parse_duration(time).is_some_and(|time| elapsed < time),
        Some(("fail-after", time)) => parse_duration(time).is_some_and(|time| elapsed >= time),
        _ => false,
    };
    if failed { Err("HTTP probe failed with statuscode: 503".into()) } else { Ok(String::new()) }
}

/// The value of an annotation for a container, the special one before the general one.
#[must_use]
pub fn annotation<'a>(annotations: &'a BTreeMap<String, String>, key: &str, container: &str) -> Option<&'a str> {
    annotations
        .get(&format!("{PREFIX}{key}.{container}"))
        .or_else(|| annotations.get(&format!("{PREFIX}{key}")))
        .map(String::as_str)
}

/// A duration as people write it: `250ms`, `1.5s`, `2m`, `1h`, or seconds without a unit.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..split].parse().ok()?;
    let factor = match &text[split..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * factor).ok()
}

/// The command's script, and the code with which it ends when asked to. What is not understood serves forever and ends in
/// peace, as servers do, or completes where the pod is a Job's.
fn script_of(config: &ContainerConfig, sandbox: &SandboxConfig, defaults: &Config) -> (Script, i32) {
    let command: Vec<String> = config.command.iter().chain(&config.args).cloned().collect();
    match Script::parse(&command, &config.env) {
        Some(script) => (script, TERMINATED),
        None if sandbox.labels.contains_key(JOB_LABEL) => {
            (Script { steps: vec![Step::Sleep(defaults.job_time)], ending: Ending::Exit(0) }, TERMINATED)
        }
        None => (Script::forever(), 0),
    }
}

/// The script, cut off after `run_time`.
fn limited(script: Script, run_time: Duration, code: i32) -> Script {
    let mut steps = Vec::new();
    let mut at = Duration::ZERO;
    let said: Vec<(Duration, LogSource, String)> =
        script.lines(run_time).into_iter().map(|(time, source, text)| (time, source, text.to_owned())).collect();
    for (time, source, text) in said {
        if time > at {
            steps.push(Step::Sleep(time - at));
            at = time;
        }
        steps.push(Step::Print(source, text));
    }
    steps.push(Step::Sleep(run_time.saturating_sub(at)));
    steps.push(Step::Exit(code));
    Script { steps, ending: Ending::Exit(code) }
}

#[cfg(test)]
mod tests {
    //! Annotations and commands in, behaviour out.

    use super::*;

    fn behaviour(annotations: &[(&str, &str)], labels: &[&str], command: &[&str]) -> Behaviour {
        let sandbox = SandboxConfig {
            annotations: annotations.iter().map(|(k, v)| (format!("{PREFIX}{k}"), (*v).to_owned())).collect(),
            labels: labels.iter().map(|label| ((*label).to_owned(), "x".to_owned())).collect(),
            ..SandboxConfig::default()
        };
        let config = ContainerConfig {
            name: "app".into(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            ..ContainerConfig::default()
        };
        Behaviour::of(&config, &sandbox, &Config::default())
    }

    #[track_caller]
    fn check(annotations: &[(&str, &str)], labels: &[&str], command: &[&str], exit: Option<(u64, i32)>) {
        let behaviour = behaviour(annotations, labels, command);
        assert_eq!(behaviour.script.exit(), exit.map(|(time, code)| (Duration::from_millis(time), code)));
    }

    #[test]
    fn when_and_how_containers_end() {
        check(&[], &[], &[], None);
        check(&[], &[], &["nginx", "-g", "daemon off;"], None);
        check(&[], &[], &["sh", "-c", "sleep 2; exit 1"], Some((2000, 1)));
        check(&[], &[JOB_LABEL], &["perl", "-wle", "print 1"], Some((1000, 0)));
        check(&[("run-time", "250ms"), ("exit-code", "3")], &[], &[], Some((250, 3)));
        check(&[("run-time.app", "5"), ("run-time", "1s")], &[], &[], Some((5000, 0)));
        check(&[("run-time.other", "5")], &[], &[], None);
        check(&[("run-time", "soon")], &[], &[], None);
    }

    #[track_caller]
    fn check_stop(annotations: &[(&str, &str)], command: &[&str], code: i32) {
        assert_eq!(behaviour(annotations, &[], command).stop_exit_code, code);
    }

    #[test]
    fn with_which_code_a_container_stops() {
        check_stop(&[], &[], 0);
        check_stop(&[], &["nginx", "-g", "daemon off;"], 0);
        check_stop(&[], &["sleep", "3600"], 143);
        check_stop(&[("stop-exit-code", "7")], &["sleep", "3600"], 7);
        check_stop(&[("stop-exit-code.app", "1"), ("stop-exit-code", "7")], &[], 1);
    }

    #[test]
    fn probes_follow_their_annotation() {
        let at = Duration::from_secs;
        assert!(probe_answer(None, at(0)).is_ok());
        assert!(probe_answer(Some("fail"), at(100)).is_err());
        assert!(probe_answer(Some("ok-after=5s"), at(4)).is_err());
        assert!(probe_answer(Some("ok-after=5s"), at(5)).is_ok());
        assert!(probe_answer(Some("fail-after=5s"), at(4)).is_ok());
        assert!(probe_answer(Some("fail-after=5s"), at(5)).is_err());
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(parse_duration("7"), Some(Duration::from_secs(7)));
        assert_eq!(parse_duration("-1s"), None);
        assert_eq!(parse_duration("1 day"), None);
    }

    #[test]
    fn logs_come_from_annotations() {
        let sandbox = SandboxConfig {
            annotations: BTreeMap::from([
                (format!("{PREFIX}log"), "a\nb".to_owned()),
                (format!("{PREFIX}log-interval"), "1s".to_owned()),
            ]),
            ..SandboxConfig::default()
        };
        let behaviour = Behaviour::of(&ContainerConfig::default(), &sandbox, &Config::default());
        let lines = behaviour.script.lines(Duration::from_secs(1));
        assert_eq!(lines.iter().map(|line| line.2).collect::<Vec<_>>(), ["a\n", "b\n", "a\n", "b\n"]);
    }
}
