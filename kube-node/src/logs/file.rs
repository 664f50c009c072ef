//! Reading a container's log file: from its end, since a time, and on as it grows, across rotations.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader, SeekFrom};

use super::format;
use crate::runtime::Error;
use crate::runtime::stream::{LogEntry, LogOptions, LogStream};

/// How often a growing file is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How much is read at once.
const BLOCK: usize = 64 * 1_024;
/// The longest line kept; runtimes split lines at 16 KiB.
const LINE_BYTES_MAX: usize = 1_024 * 1_024;

/// Whether the container still runs.
pub type Alive = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Reads a log. A file that does not exist is empty, or not there yet.
///
/// # Errors
/// When the file cannot be read.
pub async fn read(path: PathBuf, options: &LogOptions, alive: Alive) -> io::Result<LogStream> {
    let mut reader =
        Reader { path, file: None, line: Vec::new(), follow: options.follow, alive, ended: false, superseded: false };
    reader.open().await?;
    if let (Some(lines), Some(file)) = (options.tail_lines, &mut reader.file) {
        let start = tail_start(file.get_mut(), lines).await?;
        file.seek(SeekFrom::Start(start)).await?;
    }
    let since = options.since;
    let entries = stream::unfold(reader, |mut reader| async move {
        let entry = reader.next().await.transpose()?;
        let entry =
            entry.map_err(|error| Error::failed("logs", format!("cannot read {}: {error}", reader.path.display())));
        Some((entry, reader))
    });
    let wanted = move |entry: &Result<LogEntry, Error>| match (entry, since) {
        (Ok(entry), Some(since)) => entry.time >= since,
        _ => true,
    };
    Ok(entries.filter(move |entry| futures::future::ready(wanted(entry))).boxed())
}

/// Removes a log with its rotated parts. Absent is success.
///
/// # Errors
/// When something is left.
pub async fn remove(path: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let mut entries = match tokio::fs::read_dir(directory).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    while let Some(entry) = entries.next_entry().await? {
        let file = entry.file_name();
        let file = file.to_string_lossy();
        if file == name || file.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')) {
            tokio::fs::remove_file(entry.path()).await?;
        }
    }
    Ok(())
}

struct Reader {
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// A line that has not ended yet.
    line: Vec<u8>,
    follow: bool,
    alive: Alive,
    /// The container has ended; what is in the file now is all there will be.
    ended: bool,
    /// The path leads to another file: what is in the open one now is all there will be of it.
    superseded: bool,
}

impl Reader {
    async fn open(&mut self) -> io::Result<()> {
        match File::open(&self.path).await {
            Ok(file) => self.file = Some(BufReader::with_capacity(BLOCK, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The next entry; none at the end.
    async fn next(&mut self) -> io::Result<Option<LogEntry>> {
        loop {
            if let Some(file) = &mut self.file {
                let room = u64::try_from(LINE_BYTES_MAX.saturating_sub(self.line.len())).unwrap_or(0);
                let count = file.take(room).read_until(b'\n', &mut self.line).await?;
                let whole = self.line.last() == Some(&b'\n');
                if whole || self.line.len() >= LINE_BYTES_MAX {
                    let line = std::mem::take(&mut self.line);
                    if let Some(entry) = format::parse(line.strip_suffix(b"\n").unwrap_or(&line)) {
                        return Ok(Some(entry));
                    }
                    continue;
                }
                if count > 0 {
                    continue;
                }
            }
            if !self.follow || self.ended {
                return Ok(None);
            }
            if std::mem::take(&mut self.superseded) {
                self.line.clear();
                self.open().await?;
                continue;
            }
            self.superseded = self.rotated().await;
            if self.superseded {
                // What was written between the last look and the rotation is read in one more round.
                continue;
            }
            // What was written before the end is read in one more round.
            self.ended = !(self.alive)().await;
            if !self.ended {
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// Whether the path leads to another file than the one that is open, or nothing is open yet.
    async fn rotated(&self) -> bool {
        let Ok(there) = tokio::fs::metadata(&self.path).await else { return false };
        let Some(file) = &self.file else { return true };
        let Ok(here) = file.get_ref().metadata().await else { return true };
        !same_file(&here, &there)
    }
}

#[cfg(unix)]
fn same_file(a: &std::fs::Metadata, b: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn same_file(a: &std::fs::Metadata, b: &std::fs::Metadata) -> bool {
    a.created().ok() == b.created().ok()
}

/// Where the last `lines` lines begin, found from the end.
async fn tail_start(file: &mut File, lines: u64) -> io::Result<u64> {
    let length = file.metadata().await?.len();
    if lines == 0 {
        return Ok(length);
    }
    let mut end = length;
    let mut seen = 0;
    let mut block = vec![0; BLOCK];
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let size = usize::try_from(end - start).unwrap_or(BLOCK);
        file.seek(SeekFrom::Start(start)).await?;
        file.read_exact(&mut block[..size]).await?;
        for position in (0..size).rev() {
            let at = start + position as u64;
            // The line feed at the very end closes the last line and begins none.
            if block[position] == b'\n' && at + 1 < length {
                seen += 1;
                if seen == lines {
                    return Ok(at + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    //! On temporary files.

    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn line(second: u32, text: &str) -> String {
        format!("2024-01-01T00:00:{second:02}Z stdout F {text}\n")
    }

    fn dead() -> Alive {
        Box::new(|| Box::pin(async { false }))
    }

    async fn texts(path: &Path, options: LogOptions) -> Vec<String> {
        let stream = read(path.to_owned(), &options, dead()).await.expect("readable");
        stream.map(|entry| String::from_utf8_lossy(&entry.expect("an entry").text).trim().to_owned()).collect().await
    }

    #[tokio::test]
    async fn parts_of_a_log() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0.log");
        assert!(texts(&path, LogOptions::default()).await.is_empty(), "an absent file is empty");
        let all: String = (0..50).map(|n| line(n, &format!("l{n}"))).collect();
        std::fs::write(&path, all).expect("written");
        assert_eq!(texts(&path, LogOptions::default()).await.len(), 50);
        let tail = |n| LogOptions { tail_lines: Some(n), ..LogOptions::default() };
        assert_eq!(texts(&path, tail(2)).await, ["l48", "l49"]);
        assert!(texts(&path, tail(0)).await.is_empty());
        assert_eq!(texts(&path, tail(500)).await.len(), 50);
        let since = LogOptions { since: "2024-01-01T00:00:48Z".parse().ok(), ..LogOptions::default() };
        assert_eq!(texts(&path, since).await, ["l48", "l49"]);
    }

    /// The texts of a log with this content, by these options.
    async fn check(content: &str, options: LogOptions, expected: &[&str]) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0.log");
        std::fs::write(&path, content).expect("written");
        assert_eq!(texts(&path, options).await, expected, "{content}");
    }

    #[tokio::test]
    async fn what_is_not_of_the_format_is_passed_over() {
        let all = LogOptions::default;
        check("", all(), &[]).await;
        check("\n\n", all(), &[]).await;
        check(&format!("{}no log line\n{}", line(1, "a"), line(2, "b")), all(), &["a", "b"]).await;
        // A line that is being written is told when it has ended.
        check(&format!("{}2024-01-01T00:00:02Z stdout F hal", line(1, "a")), all(), &["a"]).await;
        check("2024-01-01T00:00:01Z stdout P one\n2024-01-01T00:00:01Z stdout F two\n", all(), &["one", "two"]).await;
    }

    #[tokio::test]
    async fn a_tail_is_taken_before_times_are_looked_at() {
        let ten: String = (0..10).map(|n| line(n, &format!("l{n}"))).collect();
        let options = |since: &str, tail| LogOptions { since: since.parse().ok(), tail_lines: tail, follow: false };
        check(&ten, options("2024-01-01T00:00:08Z", Some(5)), &["l8", "l9"]).await;
        check(&ten, options("2024-01-01T00:00:02Z", Some(1)), &["l9"]).await;
        check(&ten, options("2024-01-01T00:01:00Z", Some(5)), &[]).await;
        check(&ten, options("2024-01-01T00:00:08.5Z", None), &["l9"]).await;
        // Without a line feed at its end the last line is one all the same.
        let cut = ten.trim_end().to_owned();
        let tail = LogOptions { tail_lines: Some(2), ..LogOptions::default() };
        check(&cut, tail, &["l8"]).await;
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut_and_does_not_take_the_others_with_it() {
        let endless = format!("2024-01-01T00:00:01Z stdout F {}\n", "x".repeat(LINE_BYTES_MAX + 100));
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0.log");
        std::fs::write(&path, format!("{}{endless}{}", line(0, "before"), line(2, "after"))).expect("written");
        let texts = texts(&path, LogOptions::default()).await;
        assert_eq!(
            (texts.first().map(String::as_str), texts.last().map(String::as_str)),
            (Some("before"), Some("after"))
        );
        assert!(texts.iter().all(|text| text.len() <= LINE_BYTES_MAX));
    }

    #[tokio::test]
    async fn following_waits_for_a_file_that_is_not_there_yet() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0.log");
        let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (times, there) = (Arc::clone(&asked), path.clone());
        // The runtime opens the file while the reader waits, and the container ends after that.
        let alive: Alive = Box::new(move || {
            let time = times.fetch_add(1, Ordering::SeqCst);
            if time == 0 {
                std::fs::write(&there, line(0, "one")).expect("written");
            }
            Box::pin(async move { time < 2 })
        });
        let options = LogOptions { follow: true, tail_lines: Some(1), ..LogOptions::default() };
        let stream = read(path, &options, alive).await.expect("readable");
        let texts: Vec<_> = stream.map(|entry| entry.expect("an entry").text).collect().await;
        assert_eq!(texts, ["one\n"]);
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn what_was_written_just_before_the_end_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0.log");
        std::fs::write(&path, line(0, "one")).expect("written");
        let there = path.clone();
        let alive: Alive = Box::new(move || {
            std::fs::write(&there, format!("{}{}", line(0, "one"), line(1, "last words"))).expect("written");
            Box::pin(async { false })
        });
        let options = LogOptions { follow: true, tail_lines: Some(0), ..LogOptions::default() };
        let stream = read(path, &options, alive).await.expect("readable");
        let texts: Vec<_> = stream.map(|entry| entry.expect("an entry").text).collect().await;
        assert_eq!(texts, ["last words\n"]);
    }

    #[tokio::test]
    async fn of_a_directory_only_the_logs_own_files_go() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["0.log", "0.log.20240101-000000", "10.log", "0.logs", "other"] {
            std::fs::write(directory.path().join(name), "x").expect("written");
        }
        remove(&directory.path().join("0.log")).await.expect("removed");
        remove(&directory.path().join("absent/0.log")).await.expect("nothing to remove");
        let mut left: Vec<_> =
            std::fs::read_dir(directory.path()).expect("readable").flatten().map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left, ["0.logs", "10.log", "other"]);
    }

    #[tokio::test]
    async fn tails_of_long_files() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0.log");
        let long = "x".repeat(10_000);
        let all: String = (0..40).map(|n| line(n, &format!("{n} {long}"))).collect();
        std::fs::write(&path, all).expect("written");
        let options = LogOptions { tail_lines: Some(20), ..LogOptions::default() };
        let tail = texts(&path, options).await;
        assert_eq!(tail.len(), 20);
        assert!(tail[0].starts_with("20 "));
    }

    #[tokio::test]
    async fn following_survives_rotation_and_ends_with_the_container() {
        use tokio::io::AsyncWriteExt;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0.log");
        std::fs::write(&path, line(0, "one")).expect("written");
        let running = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&running);
        let alive: Alive = Box::new(move || {
            let alive = seen.load(Ordering::SeqCst);
            Box::pin(async move { alive })
        });
        let options = LogOptions { follow: true, ..LogOptions::default() };
        let mut stream = read(path.clone(), &options, alive).await.expect("readable");
        let mut next = async || stream.next().await.map(|entry| entry.expect("an entry").text);
        assert_eq!(next().await.as_deref(), Some(&b"one\n"[..]));
        let mut file = tokio::fs::OpenOptions::new().append(true).open(&path).await.expect("opened");
        file.write_all(line(1, "two").as_bytes()).await.expect("written");
        file.flush().await.expect("written");
        assert_eq!(next().await.as_deref(), Some(&b"two\n"[..]));
        std::fs::rename(&path, directory.path().join("0.log.20240101")).expect("rotated");
        std::fs::write(&path, line(2, "three")).expect("written");
        assert_eq!(next().await.as_deref(), Some(&b"three\n"[..]));
        running.store(false, Ordering::SeqCst);
        assert_eq!(next().await, None);
        remove(&path).await.expect("removed");
        assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 0);
    }
}
