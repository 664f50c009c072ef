//! A bearer token from a program, as cloud providers and single sign-on give it.
//!
//! The program gets an `ExecCredential` in its environment and writes another to its output. Source: KEP-541 and client-go
//! `plugin/pkg/client/auth/exec`.

use crate::error::Error;
use crate::kubeconfig::{Cluster, Exec};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::json;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// The versions of the protocol that are spoken; they are alike but for their names.
const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// How much of what a program says is repeated.
const COMPLAINT_BYTES_MAX: usize = 1024;

/// A program, and the token that it gave last.
pub(crate) struct TokenProgram {
    plugin: Arc<Plugin>,
    known: Arc<tokio::sync::Mutex<Option<Token>>>,
}

/// What is run.
struct Plugin {
    exec: Exec,
    /// With its folder, unless it is looked up in `PATH`.
    command: std::path::PathBuf,
    /// `KUBERNETES_EXEC_INFO`.
    info: String,
}

struct Token {
    text: String,
    /// Without one it is good until the server refuses it.
    expires: Option<jiff::Timestamp>,
}

/// What a program writes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    #[serde(default)]
    api_version: String,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    expiration_timestamp: Option<jiff::Timestamp>,
    client_certificate_data: Option<serde::de::IgnoredAny>,
}

impl TokenProgram {
    /// `folder` is that of the kubeconfig, `authority` the PEM of who signed the certificate of `cluster`.
    pub(crate) fn new(exec: &Exec, folder: &Path, cluster: &Cluster, authority: Option<&[u8]>) -> Result<Self, Error> {
        if !VERSIONS.contains(&exec.api_version.as_str()) {
            let text = format!("has the apiVersion {:?}; known are {}", exec.api_version, VERSIONS.join(" and "));
            return Err(failed(exec, &text));
        }
        if exec.command.is_empty() {
            return Err(failed(exec, "has no command"));
        }
        if exec.interactive_mode == "Always" {
            return Err(failed(
                exec,
                "wants to ask somebody at a terminal (interactiveMode: Always), and there is none",
            ));
        }
        let mut spec = json!({"interactive": false});
        if exec.provide_cluster_info {
            spec["cluster"] = cluster_info(cluster, authority);
        }
        let info = json!({"kind": "ExecCredential", "apiVersion": exec.api_version, "spec": spec}).to_string();
        let command = if exec.command.contains('/') { folder.join(&exec.command) } else { exec.command.clone().into() };
        let plugin = Arc::new(Plugin { exec: exec.clone(), command, info });
        Ok(Self { plugin, known: Arc::default() })
    }

    /// The token. The program is run where there is none yet, or the last one has expired; once, however many ask. It
    /// runs to its end, and what it gave is kept, even if nobody waits for it any more.
    pub(crate) async fn token(&self) -> Result<String, Error> {
        let mut known = Arc::clone(&self.known).lock_owned().await;
        if let Some(token) = known.as_ref().filter(|token| token.expires.is_none_or(|at| at > jiff::Timestamp::now())) {
            return Ok(token.text.clone());
        }
        let plugin = Arc::clone(&self.plugin);
        let run = move || -> Result<String, Error> { Ok(known.insert(plugin.run()?).text.clone()) };
        let ran = tokio::task::spawn_blocking(run).await;
        ran.map_err(|error| failed(&self.plugin.exec, &error.to_string()))?
    }

    /// The server does not take this token any more.
    pub(crate) async fn refused(&self, token: &str) {
        let mut known = self.known.lock().await;
        if known.as_ref().is_some_and(|known| known.text == token) {
            *known = None;
        }
    }
}

impl Plugin {
    fn run(&self) -> Result<Token, Error> {
        let mut command = Command::new(&self.command);
        command.args(&self.exec.args).envs(self.exec.env.iter().map(|variable| (&variable.name, &variable.value)));
        command.env("KUBERNETES_EXEC_INFO", &self.info).stdin(Stdio::null());
        let output = command.output().map_err(|error| match error.kind() {
            ErrorKind::NotFound => failed(&self.exec, format!("is not there. {}", self.exec.install_hint).trim_end()),
            _ => failed(&self.exec, &format!("cannot be run: {error}")),
        })?;
        if !output.status.success() {
            let said = &output.stderr[..output.stderr.len().min(COMPLAINT_BYTES_MAX)];
            let text = format!("failed ({}): {}", output.status, String::from_utf8_lossy(said).trim());
            return Err(failed(&self.exec, &text));
        }
        self.read(&output.stdout)
    }

    /// The output is a secret: nothing of it is repeated.
    fn read(&self, output: &[u8]) -> Result<Token, Error> {
        let failed = |text: &str| failed(&self.exec, text);
        let credential: ExecCredential =
            serde_json::from_slice(output).map_err(|_| failed("wrote something that is no ExecCredential"))?;
        if credential.api_version != self.exec.api_version {
            let text = format!("wrote an ExecCredential of {:?}", credential.api_version);
            return Err(failed(&format!("{text}, not of {:?}", self.exec.api_version)));
        }
        let status = credential.status.ok_or_else(|| failed("wrote an ExecCredential without a status"))?;
        match status.token.filter(|token| !token.is_empty()) {
            Some(text) => Ok(Token { text, expires: status.expiration_timestamp }),
            None if status.client_certificate_data.is_some() => {
                Err(failed("gives a client certificate and no token, and this client takes tokens only"))
            }
            None => Err(failed("wrote an ExecCredential without a token")),
        }
    }
}

/// `spec.cluster`: how the program reaches the server, if it has to.
fn cluster_info(cluster: &Cluster, authority: Option<&[u8]>) -> serde_json::Value {
    let mut info = json!({"server": cluster.server});
    if !cluster.tls_server_name.is_empty() {
        info["tls-server-name"] = json!(cluster.tls_server_name);
    }
    if cluster.insecure_skip_tls_verify {
        info["insecure-skip-tls-verify"] = json!(true);
    }
    if let Some(authority) = authority {
        info["certificate-authority-data"] = json!(base64::engine::general_purpose::STANDARD.encode(authority));
    }
    info
}

fn failed(exec: &Exec, text: &str) -> Error {
    let what = format!("the program {:?}, which the kubeconfig's user gets credentials from, {text}", exec.command);
    Error::Config { what, source: None }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    //! Programs that give tokens, and others.

    use super::*;
    use crate::kubeconfig::EnvironmentVariable;

    const V1: &str = "client.authentication.k8s.io/v1";

    /// A program in a folder of its own, called by a path from there: a shell that reads its script, because a script that
    /// has just been written cannot be run while another test is forking.
    struct Bench {
        folder: tempfile::TempDir,
        exec: Exec,
    }

    impl Bench {
        fn new(script: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("script");
            std::fs::write(&path, script).unwrap();
            std::os::unix::fs::symlink("/bin/sh", folder.path().join("login")).unwrap();
            let args = vec![path.to_str().unwrap().to_owned()];
            let exec = Exec { api_version: V1.into(), command: "./login".into(), args, ..Exec::default() };
            Self { folder, exec }
        }

        fn program(&self) -> Result<TokenProgram, Error> {
            let cluster = Cluster { server: "https://x".into(), ..Cluster::default() };
            TokenProgram::new(&self.exec, self.folder.path(), &cluster, Some(b"PEM"))
        }

        async fn token(&self) -> String {
            match self.program() {
                Ok(program) => program.token().await.unwrap_or_else(|error| error.to_string()),
                Err(error) => error.to_string(),
            }
        }
    }

    fn credential(status: &str) -> String {
        format!(r#"echo '{{"kind":"ExecCredential","apiVersion":"{V1}","status":{status}}}'"#)
    }

    async fn check(script: &str, expected: &str) {
        let token = Bench::new(script).token().await;
        let text = token.replace("the program \"./login\", which the kubeconfig's user gets credentials from, ", "it ");
        assert_eq!(text, expected);
    }

    #[tokio::test]
    async fn what_programs_write() {
        check(&credential(r#"{"token":"abc"}"#), "abc").await;
        check(&credential("{}"), "it wrote an ExecCredential without a token").await;
        check("echo '{}'", &format!("it wrote an ExecCredential of \"\", not of {V1:?}")).await;
        check("echo s3cret", "it wrote something that is no ExecCredential").await;
        check("echo why >&2; exit 3", "it failed (exit status: 3): why").await;
        let certificate = credential(r#"{"clientCertificateData":"PEM"}"#);
        check(&certificate, "it gives a client certificate and no token, and this client takes tokens only").await;
    }

    #[tokio::test]
    async fn programs_get_arguments_variables_and_the_cluster() {
        let mut bench = Bench::new(
            r#"printf '%s' "$KUBERNETES_EXEC_INFO" > "$(dirname "$0")/info"
            echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"$1-$PROFILE\"}}""#,
        );
        bench.exec.args.push("prod".into());
        bench.exec.env = vec![EnvironmentVariable { name: "PROFILE".into(), value: "me".into() }];
        bench.exec.provide_cluster_info = true;
        assert_eq!(bench.token().await, "prod-me");
        let info = std::fs::read_to_string(bench.folder.path().join("info")).unwrap();
        let expected = json!({"kind": "ExecCredential", "apiVersion": V1, "spec": {
            "interactive": false, "cluster": {"server": "https://x", "certificate-authority-data": "UEVN"}}});
        assert_eq!(serde_json::from_str::<serde_json::Value>(&info).unwrap(), expected);
    }

    #[tokio::test]
    async fn a_token_is_kept_until_it_expires_or_is_refused() {
        let count = |status: &str| {
            let line = r#"n=$(cat "$0.n" 2>/dev/null || echo 0); n=$((n+1)); echo $n > "$0.n""#;
            format!("{line}\n{}", credential(status).replace("COUNT", "'$n'"))
        };
        let bench = Bench::new(&count(r#"{"token":"tCOUNT","expirationTimestamp":"2999-01-01T00:00:00Z"}"#));
        let program = bench.program().unwrap();
        for expected in ["t1", "t1"] {
            assert_eq!(program.token().await.unwrap(), expected);
        }
        program.refused("another").await;
        assert_eq!(program.token().await.unwrap(), "t1");
        program.refused("t1").await;
        assert_eq!(program.token().await.unwrap(), "t2");

        let bench = Bench::new(&count(r#"{"token":"tCOUNT","expirationTimestamp":"2001-01-01T00:00:00Z"}"#));
        let program = bench.program().unwrap();
        for expected in ["t1", "t2"] {
            assert_eq!(program.token().await.unwrap(), expected);
        }
    }

    /// A login in a browser takes longer than a request may: what it gave is for the next one.
    #[tokio::test]
    async fn a_token_that_nobody_waits_for_any_more_is_kept() {
        let script = format!(
            "d=$(dirname \"$0\")\necho x >> \"$d/runs\"; echo > \"$d/begun\"\nwhile [ ! -e \"$d/go\" ]; do sleep 0.01; done\n{}",
            credential(r#"{"token":"abc"}"#)
        );
        let bench = Bench::new(&script);
        let (program, folder) = (bench.program().unwrap(), bench.folder.path());
        let begun = async {
            while !folder.join("begun").exists() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = program.token() => unreachable!("nobody has let the program go on"),
            () = begun => {}
        }
        std::fs::write(folder.join("go"), "").unwrap();
        assert_eq!(program.token().await.unwrap(), "abc");
        assert_eq!(std::fs::read_to_string(folder.join("runs")).unwrap(), "x\n", "the program runs once");
    }

    #[tokio::test]
    async fn programs_that_cannot_be_run() {
        let mut bench = Bench::new("");
        bench.exec.command = "./gone".into();
        bench.exec.install_hint = "Install it.".into();
        assert!(bench.token().await.ends_with("is not there. Install it."));
        bench.exec.interactive_mode = "Always".into();
        assert!(bench.token().await.contains("wants to ask somebody at a terminal"));
        bench.exec.api_version = "client.authentication.k8s.io/v1alpha1".into();
        assert!(bench.token().await.contains("has the apiVersion \"client.authentication.k8s.io/v1alpha1\""));
    }
}
