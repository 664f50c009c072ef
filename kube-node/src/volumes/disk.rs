//! Volumes on the node's disk. Blocking: call it where blocking is allowed.
//!
//! Projected files change all at once: they live in a directory of their own, a symbolic link `..data` leads to it, and
//! renaming the link is the moment of the change (the layout of the kubelet's atomic writer, which containers rely on).

use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, HostPathVolumeSource};

use super::projection::Files;

const DATA: &str = "..data";
const DATA_NEW: &str = "..data_tmp";

/// Makes the directory hold exactly these files; whether anything had to change.
///
/// # Errors
/// When the disk refuses; readers see the old state then.
pub fn project(directory: &Path, files: &Files, group: Option<i64>) -> io::Result<bool> {
    fs::create_dir_all(directory)?;
    let current = fs::read_link(directory.join(DATA)).ok();
    if let Some(current) = &current
        && same(&directory.join(current), files)?
    {
        return Ok(false);
    }
    // What was begun and not finished, by a write that failed or an agent that ended.
    remove_versions_but(directory, current.as_deref())?;
    let version = next_version(directory)?;
    let target = directory.join(&version);
    for (path, file) in files {
        let path = target.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &file.data)?;
        // With a group, the group may read what the owner may.
        let mode = if group.is_some() { file.mode | (file.mode & 0o400) >> 3 } else { file.mode };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        give(&path, group)?;
    }
    fs::create_dir_all(&target)?;
    give(&target, group)?;
    let link = directory.join(DATA_NEW);
    remove_if_there(&link)?;
    symlink(&version, &link)?;
    fs::rename(&link, directory.join(DATA))?;
    expose(directory, files)?;
    remove_versions_but(directory, Some(&version))?;
    Ok(true)
}

/// The number of a version by the name of its directory.
fn number(name: &std::ffi::OsStr) -> Option<u64> {
    name.to_str()?.strip_prefix("..v")?.parse().ok()
}

/// Removes all versions but one.
fn remove_versions_but(directory: &Path, kept: Option<&Path>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if number(&name).is_some() && kept != Some(Path::new(&name)) {
            fs::remove_dir_all(directory.join(name)).or_else(absent_is_fine)?;
        }
    }
    Ok(())
}

/// The first free name of a version: `..v1`, `..v2`…
fn next_version(directory: &Path) -> io::Result<PathBuf> {
    let mut last = 0u64;
    for entry in fs::read_dir(directory)? {
        last = last.max(number(&entry?.file_name()).unwrap_or(0));
    }
    Ok(PathBuf::from(format!("..v{}", last + 1)))
}

/// Whether a version holds exactly these files.
fn same(version: &Path, files: &Files) -> io::Result<bool> {
    let mut found = 0;
    let mut pending = vec![version.to_owned()];
    while let Some(directory) = pending.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
                continue;
            }
            let path = entry.path();
            let relative = path.strip_prefix(version).unwrap_or(&path).to_string_lossy().into_owned();
            match files.get(&relative) {
                Some(file) if fs::read(&path)? == file.data => found += 1,
                _ => return Ok(false),
            }
        }
    }
    Ok(found == files.len())
}

/// Links the first part of each path to the current version, and removes links that lead nowhere.
fn expose(directory: &Path, files: &Files) -> io::Result<()> {
    let firsts: std::collections::BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for first in &firsts {
        let link = directory.join(first);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(first), &link)?;
        }
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && entry.file_type()?.is_symlink() && !firsts.contains(name.as_ref()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes an empty directory, in memory if asked for. One that is there is the containers': its mode and owner are left alone.
///
/// # Errors
/// When the disk refuses or memory cannot be mounted.
pub fn empty_dir(directory: &Path, source: &EmptyDirVolumeSource, group: Option<i64>) -> io::Result<()> {
    if !directory.exists() {
        // Under another name until it is as it should be, for an agent that ends midway.
        let unfinished = directory.with_added_extension("new");
        fs::create_dir_all(&unfinished)?;
        give(&unfinished, group)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(if group.is_some() { 0o2777 } else { 0o777 }))?;
        fs::rename(&unfinished, directory)?;
    }
    #[cfg(target_os = "linux")]
    if source.medium.as_deref() == Some("Memory") && !is_mount(directory)? {
        let size = source.size_limit.as_ref().and_then(|size| size.0.parse::<kubekit_core::quantity::Quantity>().ok());
        // Its own root covers the directory.
        let mut options = String::from(if group.is_some() { "mode=2777" } else { "mode=0777" });
        if let Some(group) = group.and_then(|group| u32::try_from(group).ok()) {
            options.push_str(&format!(",gid={group}"));
        }
        if let Some(size) = size {
            options.push_str(&format!(",size={}", size.value()));
        }
        let options = std::ffi::CString::new(options)?;
        rustix::mount::mount("tmpfs", directory, "tmpfs", rustix::mount::MountFlags::empty(), options.as_c_str())?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = source;
    Ok(())
}

/// Whether something is mounted on a directory: it is on another device than its parent.
#[cfg(target_os = "linux")]
fn is_mount(directory: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let parent = directory.parent().unwrap_or(directory);
    Ok(fs::metadata(directory)?.dev() != fs::metadata(parent)?.dev())
}

/// Checks a directory or file of the node, and makes it where the volume says so.
///
/// # Errors
/// When it is not what the volume says, in the kubelet's words.
pub fn host_path(source: &HostPathVolumeSource) -> io::Result<()> {
    let path = Path::new(&source.path);
    let wanted = source.type_.as_deref().unwrap_or_default();
    match wanted {
        "DirectoryOrCreate" if !path.exists() => fs::create_dir_all(path)?,
        "FileOrCreate" if !path.exists() => fs::write(path, b"")?,
        _ => {}
    }
    let found = fs::metadata(path).ok().map(|found| found.file_type());
    let is = |check: fn(&FileType) -> bool| found.as_ref().is_some_and(check);
    let (right, what) = match wanted {
        "Directory" | "DirectoryOrCreate" => (is(FileType::is_dir), "a directory"),
        "File" | "FileOrCreate" => (is(FileType::is_file), "a file"),
        "Socket" => (is(FileType::is_socket), "a socket file"),
        "CharDevice" => (is(FileType::is_char_device), "a character device"),
        "BlockDevice" => (is(FileType::is_block_device), "a block device"),
        _ => return Ok(()),
    };
    if right {
        return Ok(());
    }
    Err(io::Error::other(format!("hostPath type check failed: {} is not {what}", source.path)))
}

/// Removes everything of a pod; memory is unmounted first.
///
/// # Errors
/// When something is left.
pub fn remove_pod(directory: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let empty_dirs = directory.join("volumes").join("kubernetes.io~empty-dir");
        for entry in fs::read_dir(&empty_dirs).into_iter().flatten() {
            let path = entry?.path();
            if is_mount(&path)? {
                rustix::mount::unmount(&path, rustix::mount::UnmountFlags::DETACH)?;
            }
        }
    }
    fs::remove_dir_all(directory).or_else(absent_is_fine)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(absent_is_fine)
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn give(path: &Path, group: Option<i64>) -> io::Result<()> {
    match group.and_then(|group| u32::try_from(group).ok()) {
        Some(group) => chown(path, None, Some(group)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    //! On a temporary directory.

    use super::*;
    use crate::volumes::projection::File;

    fn files(entries: &[(&str, &str)]) -> Files {
        let file = |data: &str| File { data: data.as_bytes().to_vec(), mode: 0o644 };
        entries.iter().map(|(path, data)| ((*path).to_owned(), file(data))).collect()
    }

    #[test]
    fn files_change_all_at_once_and_only_when_they_must() {
        let root = tempfile::tempdir().expect("a directory");
        let read = |path: &str| fs::read_to_string(root.path().join(path)).ok();
        assert!(project(root.path(), &files(&[("a", "1"), ("d/b", "2")]), None).expect("written"));
        assert_eq!((read("a"), read("d/b")), (Some("1".into()), Some("2".into())));
        let first = fs::read_link(root.path().join(DATA)).expect("a link");
        assert!(!project(root.path(), &files(&[("a", "1"), ("d/b", "2")]), None).expect("unchanged"));
        assert_eq!(fs::read_link(root.path().join(DATA)).expect("a link"), first);
        assert!(project(root.path(), &files(&[("a", "3"), ("c", "4")]), None).expect("written"));
        assert_eq!((read("a"), read("c"), read("d/b")), (Some("3".into()), Some("4".into()), None));
        assert!(!root.path().join(first).exists(), "the old version is gone");
        assert!(fs::symlink_metadata(root.path().join("d")).is_err(), "so is its link");
    }

    #[test]
    fn what_was_not_finished_takes_no_room() {
        let root = tempfile::tempdir().expect("a directory");
        let versions = || {
            let entries = fs::read_dir(root.path()).expect("readable").flatten();
            entries.filter(|entry| number(&entry.file_name()).is_some()).count()
        };
        project(root.path(), &files(&[("a", "1")]), None).expect("written");
        for _ in 0..3 {
            project(root.path(), &files(&[("a", "2"), ("a/b", "2")]), None).expect_err("a file is no directory");
            assert!(versions() <= 2, "the current one and the last try");
        }
        assert_eq!(fs::read_to_string(root.path().join("a")).expect("readable"), "1", "readers see the old state");
        project(root.path(), &files(&[("a", "3")]), None).expect("written");
        assert_eq!(versions(), 1);
    }

    #[test]
    fn modes_are_kept() {
        let root = tempfile::tempdir().expect("a directory");
        let mut files = files(&[("key", "x")]);
        files.get_mut("key").expect("the file").mode = 0o400;
        project(root.path(), &files, None).expect("written");
        let mode = fs::metadata(root.path().join("key")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o400);
    }

    #[track_caller]
    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o7777
    }

    #[test]
    fn an_empty_directory_is_open_at_first_and_then_its_containers_own() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("kubernetes.io~empty-dir/data");
        empty_dir(&directory, &EmptyDirVolumeSource::default(), None).expect("made");
        assert_eq!(mode(&directory), 0o777);
        // As databases do to the directory of their data.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).expect("changed");
        fs::write(directory.join("file"), "x").expect("written");
        empty_dir(&directory, &EmptyDirVolumeSource::default(), None).expect("there");
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(fs::read_to_string(directory.join("file")).expect("readable"), "x");
        let names = fs::read_dir(root.path().join("kubernetes.io~empty-dir")).expect("readable");
        assert_eq!(names.count(), 1, "nothing is left beside it");
    }

    #[test]
    fn an_empty_directory_of_a_group_hands_the_group_on() {
        use std::os::unix::fs::MetadataExt;
        let root = tempfile::tempdir().expect("a directory");
        let own = i64::from(fs::metadata(root.path()).expect("there").gid());
        let directory = root.path().join("data");
        empty_dir(&directory, &EmptyDirVolumeSource::default(), Some(own)).expect("made");
        assert_eq!(mode(&directory), 0o2777);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_empty_directory_in_memory_is_its_groups_too() {
        use std::os::unix::fs::MetadataExt;
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("data");
        let memory = EmptyDirVolumeSource { medium: Some("Memory".into()), ..EmptyDirVolumeSource::default() };
        match empty_dir(&directory, &memory, Some(4321)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                println!("skipped: this user may not mount");
                return;
            }
            made => made.expect("mounted"),
        }
        let found = fs::metadata(&directory).map(|made| (made.mode() & 0o7777, made.gid()));
        rustix::mount::unmount(&directory, rustix::mount::UnmountFlags::empty()).expect("unmounted");
        assert_eq!(found.expect("there"), (0o2777, 4321));
    }

    #[test]
    fn a_group_reads_what_the_owner_may() {
        use std::os::unix::fs::MetadataExt;
        let root = tempfile::tempdir().expect("a directory");
        let own = fs::metadata(root.path()).expect("there").gid();
        for (given, expected) in [(0o400, 0o440), (0o644, 0o644), (0o600, 0o640), (0o755, 0o755)] {
            let mut files = files(&[("key", "x")]);
            files.get_mut("key").expect("the file").mode = given;
            let directory = root.path().join(format!("{given:o}"));
            project(&directory, &files, Some(i64::from(own))).expect("written");
            assert_eq!(mode(&directory.join("key")), expected, "{given:o}");
        }
    }

    #[test]
    fn a_volume_without_files_is_an_empty_directory() {
        let root = tempfile::tempdir().expect("a directory");
        let visible = || {
            let entries = fs::read_dir(root.path()).expect("readable").flatten();
            entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with("..")).count()
        };
        assert!(project(root.path(), &Files::new(), None).expect("written"));
        assert_eq!(visible(), 0);
        assert!(!project(root.path(), &Files::new(), None).expect("unchanged"));
        project(root.path(), &files(&[("a", "1")]), None).expect("written");
        assert_eq!(visible(), 1);
        project(root.path(), &Files::new(), None).expect("written");
        assert_eq!(visible(), 0, "an optional ConfigMap that is gone leaves nothing");
    }

    #[test]
    fn a_file_may_become_a_directory() {
        let root = tempfile::tempdir().expect("a directory");
        let read = |path: &str| fs::read_to_string(root.path().join(path)).ok();
        project(root.path(), &files(&[("a", "1"), ("b/c", "2")]), None).expect("written");
        project(root.path(), &files(&[("a/x", "3"), ("b", "4")]), None).expect("written");
        assert_eq!((read("a/x"), read("b")), (Some("3".into()), Some("4".into())));
    }

    /// What is said against a path of the node, where there are `dir`, `file`, `socket` and a link `link` to `dir`.
    #[track_caller]
    fn check_host_path(name: &str, type_: &str, expected: Option<&str>) {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("dir")).expect("made");
        fs::write(root.path().join("file"), "x").expect("written");
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).expect("bound");
        symlink("dir", root.path().join("link")).expect("linked");
        let path = if name.starts_with('/') { name.into() } else { root.path().join(name) };
        let path = path.to_string_lossy().into_owned();
        let source = HostPathVolumeSource { path: path.clone(), type_: Some(type_.into()) };
        let said = host_path(&source).err().map(|error| error.to_string());
        assert_eq!(said, expected.map(|what| format!("hostPath type check failed: {path} is not {what}")), "{type_}");
        assert_eq!(Path::new(&path).exists(), name != "absent" || type_.ends_with("OrCreate"), "what is made");
    }

    #[test]
    fn host_paths_are_checked() {
        check_host_path("absent", "", None);
        check_host_path("absent", "Directory", Some("a directory"));
        check_host_path("absent", "DirectoryOrCreate", None);
        check_host_path("absent", "FileOrCreate", None);
        check_host_path("absent", "Socket", Some("a socket file"));
        check_host_path("dir", "Directory", None);
        check_host_path("link", "Directory", None);
        check_host_path("dir", "FileOrCreate", Some("a file"));
        check_host_path("file", "File", None);
        check_host_path("file", "DirectoryOrCreate", Some("a directory"));
        check_host_path("file", "Socket", Some("a socket file"));
        check_host_path("socket", "Socket", None);
        check_host_path("socket", "File", Some("a file"));
        check_host_path("/dev/null", "CharDevice", None);
        check_host_path("/dev/null", "BlockDevice", Some("a block device"));
        check_host_path("file", "CharDevice", Some("a character device"));
    }

    #[test]
    fn removal_is_idempotent() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("pods").join("u");
        fs::create_dir_all(directory.join("volumes/kubernetes.io~empty-dir/e")).expect("made");
        remove_pod(&directory).expect("removed");
        remove_pod(&directory).expect("nothing to remove");
    }
}
