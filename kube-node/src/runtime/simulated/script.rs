//! What a simulated process does: prints, sleeps, ends. Pure; [`Script::parse`] understands the little of the shell that
//! people write into example pods.

use std::time::Duration;

use crate::runtime::stream::LogSource;

/// One thing that a simulated process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes a line (with its line feed).
    Print(LogSource, String),
    /// Does nothing for a while.
    Sleep(Duration),
    /// Ends with a code.
    Exit(i32),
    /// Copies standard input to standard output; without input it ends at once.
    Cat,
}

/// How a script goes on after its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ends with this code.
    Exit(i32),
    /// It runs until it is stopped.
    Never,
    /// It begins these steps again and again.
    Loop(Vec<Step>),
}

/// What a simulated process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// First these.
    pub steps: Vec<Step>,
    /// Then this.
    pub ending: Ending,
}

/// Stands in a line for the time at which it is written; whoever shows the line fills it in.
pub const DATE: char = '\u{1}';

/// The most lines of a looping script that its log holds.
const LOOP_LINES_MAX: usize = 1_000;

impl Script {
    /// A process that runs until it is stopped.
    #[must_use]
    pub fn forever() -> Self {
        Self { steps: Vec::new(), ending: Ending::Never }
    }

    /// A command line, with `env` for its variables. None when the command is not one of those that are understood:
    /// `echo`, `printf`, `sleep`, `true`, `false`, `exit`, `cat`, `env`, `hostname`, `date`, `sh -c` with `;`, `&&`, line
    /// feeds, `>&2` and one `while true; do …; done` at the end.
    #[must_use]
    pub fn parse(command: &[String], env: &[(String, String)]) -> Option<Self> {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => None,
            [shell, flag, text, ..] if is_shell(shell) && flag.starts_with('-') && flag.ends_with('c') => {
                parse_shell(text, env)
            }
            words => {
                let mut steps = Vec::new();
                simple(words, env, &mut steps)?;
                Some(Self::finite(steps))
            }
        }
    }

    fn finite(steps: Vec<Step>) -> Self {
        // A sleep of a century is `sleep infinity`.
        if steps.iter().any(|step| matches!(step, Step::Sleep(time) if *time >= FOREVER)) {
            let upto = steps.iter().position(|s| matches!(s, Step::Sleep(t) if *t >= FOREVER)).unwrap_or(steps.len());
            return Self { steps: steps[..upto].to_vec(), ending: Ending::Never };
        }
        let code = match steps.last() {
            Some(Step::Exit(code)) => *code,
            _ => 0,
        };
        Self { steps, ending: Ending::Exit(code) }
    }

    /// When it ends, counted from its start, and with which code.
    #[must_use]
    pub fn exit(&self) -> Option<(Duration, i32)> {
        let mut at = Duration::ZERO;
        for step in &self.steps {
            match step {
                Step::Sleep(time) => at += *time,
                Step::Exit(code) => return Some((at, *code)),
                Step::Print(..) | Step::Cat => {}
            }
        }
        match self.ending {
            Ending::Exit(code) => Some((at, code)),
            Ending::Never | Ending::Loop(_) => None,
        }
    }

    /// The lines written until `elapsed` after the start, oldest first, each with its time. Of a loop only the last
    /// 1,000 are told.
    #[must_use]
    pub fn lines(&self, elapsed: Duration) -> Vec<(Duration, LogSource, &str)> {
        let mut out = Vec::new();
        let (mut at, ended) = walk(&self.steps, Duration::ZERO, elapsed, &mut out);
        if ended {
            return out;
        }
        if let Ending::Loop(body) = &self.ending {
            let period: Duration = sleep_of(body);
            let prints = body.iter().filter(|step| matches!(step, Step::Print(..))).count();
            if prints == 0 || period.is_zero() || at > elapsed {
                return out;
            }
            let rounds = (elapsed - at).as_nanos() / period.as_nanos();
            let kept = (LOOP_LINES_MAX / prints) as u128;
            let skipped = u32::try_from(rounds.saturating_sub(kept)).unwrap_or(u32::MAX);
            at += period * skipped;
            while at <= elapsed {
                let (next, ended) = walk(body, at, elapsed, &mut out);
                if ended || next == at {
                    break;
                }
                at = next;
            }
        }
        out
    }

    /// The time of the first line after `elapsed`, if there will be one.
    #[must_use]
    pub fn next_line(&self, elapsed: Duration) -> Option<Duration> {
        let total = sleep_of(&self.steps);
        let period = match &self.ending {
            Ending::Loop(body) => sleep_of(body),
            _ => Duration::ZERO,
        };
        let horizon = elapsed.max(total) + period + Duration::from_nanos(1);
        self.lines(horizon).into_iter().map(|(at, ..)| at).find(|at| *at > elapsed)
    }
}

/// Whether a program is a shell.
pub(crate) fn is_shell(program: &str) -> bool {
    matches!(program.rsplit('/').next(), Some("sh" | "bash" | "ash" | "dash"))
}

const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

fn sleep_of(steps: &[Step]) -> Duration {
    steps.iter().map(|step| if let Step::Sleep(time) = step { *time } else { Duration::ZERO }).sum()
}

/// Adds the lines of `steps` that begin at `at`; gives the time after them and whether the process ended there.
fn walk<'a>(
    steps: &'a [Step],
    mut at: Duration,
    until: Duration,
    out: &mut Vec<(Duration, LogSource, &'a str)>,
) -> (Duration, bool) {
    for step in steps {
        match step {
            Step::Print(source, text) if at <= until => out.push((at, *source, text)),
            Step::Print(..) | Step::Cat => {}
            Step::Sleep(time) => at += *time,
            Step::Exit(_) => return (at, true),
        }
    }
    (at, false)
}

fn parse_shell(text: &str, env: &[(String, String)]) -> Option<Script> {
    let text = text.trim().trim_end_matches(';').trim_end();
    if let Some((before, body)) = split_loop(text) {
        let mut steps = Vec::new();
        commands(before, env, &mut steps)?;
        let mut inner = Vec::new();
        commands(body, env, &mut inner)?;
        // A busy loop without a pause would fill any log; it runs, and is silent.
        let ending = if sleep_of(&inner).is_zero() { Ending::Never } else { Ending::Loop(inner) };
        return Some(Script { steps, ending });
    }
    let mut steps = Vec::new();
    commands(text, env, &mut steps)?;
    Some(Script::finite(steps))
}

/// `A; while true; do B; done` as (A, B).
fn split_loop(text: &str) -> Option<(&str, &str)> {
    let body = text.strip_suffix("done")?;
    for opening in ["while true", "while :", "while sleep"] {
        if let Some(start) = body.find(opening) {
            let (before, rest) = body.split_at(start);
            let inner = rest.split_once("do")?.1;
            return Some((before, inner));
        }
    }
    None
}

fn commands(text: &str, env: &[(String, String)], steps: &mut Vec<Step>) -> Option<()> {
    for line in split_commands(text) {
        let words = words(&line, env)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words.is_empty() {
            continue;
        }
        let (words, stderr) = match words.as_slice() {
            [before @ .., redirect] if *redirect == ">&2" || *redirect == "1>&2" => (before.to_vec(), true),
            _ => (words, false),
        };
        let first = steps.len();
        simple(&words, env, steps)?;
        if stderr {
            for step in &mut steps[first..] {
                if let Step::Print(source, _) = step {
                    *source = LogSource::Stderr;
                }
            }
        }
        if matches!(steps.last(), Some(Step::Exit(_))) {
            return Some(());
        }
    }
    Some(())
}

/// Splits at `;`, `&&` and line feeds outside quotes.
fn split_commands(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, ';' | '\n') => out.push(String::new()),
            (None, '&') if chars.peek() == Some(&'&') && !out.last().is_some_and(|line| line.ends_with('>')) => {
                chars.next();
                out.push(String::new());
            }
            (_, c) => {
                if matches!(c, '\'' | '"') && quote.is_none_or(|open| open == c) {
                    quote = if quote.is_some() { None } else { Some(c) };
                }
                if let Some(line) = out.last_mut() {
                    line.push(c);
                }
            }
        }
    }
    out
}

/// The words of a simple command, quotes removed and variables filled in. None for what is not understood (pipes,
/// redirections to files, substitutions other than `$(date)` and `$(hostname)`).
fn words(line: &str, env: &[(String, String)]) -> Option<Vec<String>> {
    let mut out: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = line.trim();
    while let Some(c) = rest.chars().next() {
        let mut used = c.len_utf8();
        match (quote, c) {
            (None, '|' | '<' | '`') => return None,
            (None, c) if c.is_whitespace() => out.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '$') => {
                let (value, length) = variable(rest, env)?;
                word.get_or_insert_default().push_str(&value);
                used = length;
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
        rest = &rest[used..];
    }
    out.extend(word);
    if quote.is_some() || out.iter().any(|word| word == ">" || word == ">>") {
        return None;
    }
    Some(out)
}

/// The value of the variable that `text` (from its `$`) names, and how many bytes that took.
fn variable(text: &str, env: &[(String, String)]) -> Option<(String, usize)> {
    if let Some(rest) = text.strip_prefix("$(") {
        let (inner, _) = rest.split_once(')')?;
        let length = inner.len() + 3;
        return match inner.trim() {
            "date" => Some((DATE.to_string(), length)),
            "hostname" => Some((host_name(env), length)),
            _ => None,
        };
    }
    let lookup = |name: &str| env.iter().rev().find(|(key, _)| key == name).map_or("", |(_, value)| value).to_owned();
    if let Some(rest) = text.strip_prefix("${") {
        let (name, _) = rest.split_once('}')?;
        return Some((lookup(name), name.len() + 3));
    }
    let name: &str = text[1..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    if name.is_empty() {
        return Some(("$".into(), 1));
    }
    Some((lookup(name), name.len() + 1))
}

fn host_name(env: &[(String, String)]) -> String {
    env.iter().rev().find(|(key, _)| key == "HOSTNAME").map(|(_, value)| value.clone()).unwrap_or_default()
}

fn simple(words: &[&str], env: &[(String, String)], steps: &mut Vec<Step>) -> Option<()> {
    let (program, args) = words.split_first()?;
    let print = |steps: &mut Vec<Step>, text: String| steps.push(Step::Print(LogSource::Stdout, text));
    match program.rsplit('/').next().unwrap_or(program) {
        "echo" => {
            let args = if args.first() == Some(&"-e") || args.first() == Some(&"-n") { &args[1..] } else { args };
            print(steps, format!("{}\n", args.join(" ")));
        }
        "printf" => {
            let text = args.first()?.replace("\\n", "\n");
            steps.extend(text.split_inclusive('\n').map(|l| Step::Print(LogSource::Stdout, l.to_owned())));
        }
        "sleep" => steps.push(Step::Sleep(sleep_time(args.first()?)?)),
        "true" | ":" | "set" | "trap" => {}
        "false" => steps.push(Step::Exit(1)),
        "exit" => steps.push(Step::Exit(args.first().map_or(Some(0), |code| code.parse().ok())?)),
        "cat" if args.is_empty() => steps.push(Step::Cat),
        "env" | "printenv" if args.is_empty() => {
            for (key, value) in env {
                print(steps, format!("{key}={value}\n"));
            }
        }
        "printenv" => match env.iter().rev().find(|(key, _)| key == args[0]) {
            Some((_, value)) => print(steps, format!("{value}\n")),
            None => steps.push(Step::Exit(1)),
        },
        "hostname" => print(steps, format!("{}\n", host_name(env))),
        "date" => print(steps, format!("{DATE}\n")),
        _ => return None,
    }
    Some(())
}

fn sleep_time(text: &str) -> Option<Duration> {
    if matches!(text, "infinity" | "inf") {
        return Some(FOREVER);
    }
    let (number, factor) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1.0),
        b'm' => (&text[..text.len() - 1], 60.0),
        b'h' => (&text[..text.len() - 1], 3_600.0),
        b'd' => (&text[..text.len() - 1], 86_400.0),
        _ => (text, 1.0),
    };
    let seconds: f64 = number.parse().ok()?;
    (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds * factor).unwrap_or(FOREVER).min(FOREVER))
}

#[cfg(test)]
mod tests;
