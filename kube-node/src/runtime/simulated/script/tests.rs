//! Command lines and what they do in time.

use super::*;

#[track_caller]
fn check(command: &[&str], exit: Option<(u64, i32)>, lines: &[(u64, &str)]) {
    let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
    let env = [("NAME".to_owned(), "world".to_owned()), ("HOSTNAME".to_owned(), "web-0".to_owned())];
    let script = Script::parse(&command, &env).expect("understood");
    assert_eq!(script.exit(), exit.map(|(seconds, code)| (Duration::from_secs(seconds), code)));
    let said: Vec<(u64, String)> =
        script.lines(Duration::from_secs(10)).into_iter().map(|(at, _, text)| (at.as_secs(), text.into())).collect();
    let expected: Vec<(u64, String)> = lines.iter().map(|&(at, text)| (at, text.into())).collect();
    assert_eq!(said, expected);
}

#[test]
fn commands_of_example_pods() {
    check(&["true"], Some((0, 0)), &[]);
    check(&["false"], Some((0, 1)), &[]);
    check(&["sleep", "5"], Some((5, 0)), &[]);
    check(&["/bin/sleep", "1h"], Some((3600, 0)), &[]);
    check(&["sleep", "infinity"], None, &[]);
    check(&["sh", "-c", "echo hello $NAME; sleep 3; exit 7"], Some((3, 7)), &[(0, "hello world\n")]);
    check(&["/bin/sh", "-c", "echo 'a;b' && sleep 2 && echo \"c d\""], Some((2, 0)), &[(0, "a;b\n"), (2, "c d\n")]);
    check(&["sh", "-ec", "echo one\nsleep 1\necho two"], Some((1, 0)), &[(0, "one\n"), (1, "two\n")]);
    check(&["hostname"], Some((0, 0)), &[(0, "web-0\n")]);
    check(&["sh", "-c", "exit 3; echo never"], Some((0, 3)), &[]);
    check(&["printf", "a\\nb\\n"], Some((0, 0)), &[(0, "a\n"), (0, "b\n")]);
}

#[test]
fn loops_print_again_and_again() {
    check(
        &["sh", "-c", "echo start; while true; do echo tick; sleep 4; done"],
        None,
        &[(0, "start\n"), (0, "tick\n"), (4, "tick\n"), (8, "tick\n")],
    );
    check(&["sh", "-c", "while true; do echo busy; done"], None, &[]);
}

#[test]
fn the_log_of_a_long_loop_is_bounded() {
    let command = ["sh", "-c", "while true; do echo tick; sleep 1; done"].map(str::to_owned);
    let script = Script::parse(&command, &[]).expect("understood");
    let lines = script.lines(Duration::from_secs(1_000_000));
    assert!(lines.len() <= LOOP_LINES_MAX + 1, "{}", lines.len());
    assert_eq!(lines.last().map(|line| line.0), Some(Duration::from_secs(1_000_000)));
}

#[test]
fn the_next_line_is_found() {
    let command = ["sh", "-c", "echo a; sleep 5; echo b; while true; do sleep 2; echo c; done"].map(str::to_owned);
    let script = Script::parse(&command, &[]).expect("understood");
    let next = |seconds| script.next_line(Duration::from_secs(seconds)).map(|at| at.as_secs());
    assert_eq!((next(0), next(5), next(6), next(7)), (Some(5), Some(7), Some(7), Some(9)));
    assert_eq!(Script::forever().next_line(Duration::ZERO), None);
}

#[test]
fn what_is_not_understood_is_refused() {
    for text in ["curl http://x", "echo a | wc", "echo $(id)", "echo 'open", "sleep x", "echo a > /f"] {
        let command = ["sh".to_owned(), "-c".to_owned(), text.to_owned()];
        assert_eq!(Script::parse(&command, &[]), None, "{text}");
    }
    assert_eq!(Script::parse(&[], &[]), None);
    assert_eq!(Script::parse(&["nginx".to_owned()], &[]), None);
}

#[test]
fn standard_error_is_told_apart() {
    let command = ["sh", "-c", "echo oops >&2; echo fine"].map(str::to_owned);
    let script = Script::parse(&command, &[]).expect("understood");
    let sources: Vec<LogSource> = script.lines(Duration::ZERO).iter().map(|line| line.1).collect();
    assert_eq!(sources, [LogSource::Stderr, LogSource::Stdout]);
}
