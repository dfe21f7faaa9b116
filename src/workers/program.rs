//! The program that workers run: a path that leads to what is on the disk when a worker starts.

#![forbid(unsafe_code)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

/// A program and its arguments.
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// The first argument, which names the program.
    pub(super) name: OsString,
    pub(super) arguments: Vec<OsString>,
}

impl Program {
    /// Returns the program that runs in this process, with its arguments, unless others are given.
    ///
    /// # Errors
    ///
    /// If the path cannot be found.
    pub(super) fn new(
        path: Option<PathBuf>,
        arguments: Option<Vec<OsString>>,
    ) -> io::Result<Program> {
        let mut own = env::args_os();
        let own_name = own.next();
        let arguments = arguments.unwrap_or_else(|| own.collect());
        let (path, name) = match path {
            Some(path) => (path.clone(), path.into_os_string()),
            None => {
                let path = own_path(own_name.as_deref())?;
                (path.clone(), own_name.unwrap_or_else(|| path.into_os_string()))
            }
        };
        Ok(Program { path, name, arguments })
    }
}

/// Returns the path by which this program was started, or else that of its file.
///
/// The first may lead through a link that another version will replace. It is used if it leads to the
/// file of this process: the first argument is chosen by the parent, and may be any text.
fn own_path(name: Option<&OsStr>) -> io::Result<PathBuf> {
    let file = without_mark(env::current_exe()?);
    let number = |path: &Path| fs::metadata(path).ok().map(|it| (it.dev(), it.ino()));
    // The file of this process, though another one may have its path by now. It is in /proc on Linux.
    let own = number(Path::new("/proc/self/exe")).or_else(|| number(&file));
    let candidates = name.map_or_else(Vec::new, candidates);
    let by_name = candidates.into_iter().find(|path| own.is_some() && number(path) == own);
    Ok(by_name.unwrap_or(file))
}

/// Returns the paths that a name of a program may stand for.
fn candidates(name: &OsStr) -> Vec<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return absolute(name).into_iter().collect();
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).filter_map(|folder| absolute(folder.join(name)).ok()).collect()
}

/// Returns a path without the mark with which Linux tells that the file has been removed or replaced.
fn without_mark(path: PathBuf) -> PathBuf {
    let bytes = path.into_os_string().into_vec();
    let path = bytes.strip_suffix(b" (deleted)").unwrap_or(&bytes);
    PathBuf::from(OsString::from_vec(path.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_file_is_known_by_its_path() {
        let clean = |path: &str| without_mark(PathBuf::from(path));
        assert_eq!(clean("/a/b (deleted)"), Path::new("/a/b"));
        assert_eq!(clean("/a/b"), Path::new("/a/b"));
    }

    #[test]
    fn a_name_without_a_folder_is_looked_for() {
        assert_eq!(candidates(OsStr::new("/a/b")), [Path::new("/a/b")]);
        let found = candidates(OsStr::new("sh"));
        assert!(found.iter().all(|path| path.is_absolute() && path.ends_with("sh")));
        assert!(found.iter().any(|path| path.exists()));
    }

    #[test]
    fn a_misleading_name_is_not_followed() {
        let own = own_path(Some(OsStr::new("/bin/sh"))).unwrap();
        assert_eq!(own, without_mark(env::current_exe().unwrap()));
    }
}
