//! The part of a volume that a mount shows, found on the node's disk without leaving the volume.
//!
//! Containers write into volumes, symbolic links too: a link to `/` followed here would give a container the node
//! (CVE-2017-1002101).

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Where `sub_path` of the volume in the directory `volume` really is. What is not there becomes a directory. Links within the
/// volume are followed.
///
/// # Errors
/// When it leads out of the volume, or the disk refuses.
pub fn resolve(volume: &Path, sub_path: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(volume)?;
    let root = volume.canonicalize()?;
    let outside = || io::Error::other(format!("{sub_path:?} leads out of the volume"));
    let mut place = root.clone();
    for part in Path::new(sub_path).components() {
        let name = match part {
            Component::Normal(name) => name,
            Component::CurDir => continue,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(outside()),
        };
        let next = place.join(name);
        match fs::create_dir(&next) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        place = next.canonicalize()?;
        if !place.starts_with(&root) {
            return Err(outside());
        }
    }
    Ok(place)
}

#[cfg(all(test, unix))]
mod tests {
    //! On a temporary directory, with a volume and something beside it.

    use super::*;
    use std::os::unix::fs::symlink;

    #[track_caller]
    fn check(sub_path: &str, expected: Option<&str>) {
        let root = tempfile::tempdir().expect("a directory");
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("volume/dir")).expect("made");
        fs::create_dir_all(at("secret")).expect("made");
        fs::write(at("volume/dir/file"), "x").expect("written");
        for (link, target) in
            [("out", at("secret")), ("up", "..".into()), ("in", "dir".into()), ("lost", "nowhere".into())]
        {
            symlink(target, at("volume").join(link)).expect("linked");
        }
        let found = resolve(&at("volume"), sub_path).ok();
        let expected = expected.map(|path| at("volume").canonicalize().expect("there").join(path));
        assert_eq!(found, expected);
        assert_eq!(fs::read_dir(at("secret")).expect("there").count(), 0, "nothing is made outside");
    }

    #[test]
    fn a_sub_path_stays_in_its_volume() {
        check("dir", Some("dir"));
        check("dir/file", Some("dir/file"));
        check("./dir/", Some("dir"));
        check("new/deep", Some("new/deep"));
        check("in/file", Some("dir/file"));
        check("out", None);
        check("out/made", None);
        check("up/secret", None);
        check("../secret", None);
        check("/etc", None);
        check("lost", None);
        check("dir/file/x", None);
    }
}
