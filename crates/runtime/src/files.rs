//! Files and folders that are whole or absent.
//!
//! What is being written has a hidden name with [`MARK`] in it and a lock that its writer holds. A writer that was killed leaves such a
//! file or folder behind; the next one that writes beside it finds that nobody holds the lock and removes it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::{NamedTempFile, TempDir};

/// In the name of everything that is not finished.
const MARK: &str = ".partial-";
/// How long a folder's lock is waited for. Whoever follows these rules holds it for milliseconds; somebody else who may read the folder could
/// hold it for ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who may read a new file. The mode of a file that is already there is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever the user's umask lets.
    Umask,
    /// The owner alone: keys, and what was decrypted.
    Owner,
}

impl Access {
    fn permissions(self, folder: bool) -> Option<Permissions> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // What is asked for when the file is created; the system takes the umask away from it.
            let mode = match (self, folder) {
                (Self::Umask, false) => 0o666,
                (Self::Umask, true) => 0o777,
                (Self::Owner, false) => 0o600,
                (Self::Owner, true) => 0o700,
            };
            Some(Permissions::from_mode(mode))
        }
        #[cfg(not(unix))]
        {
            let _ = folder;
            None
        }
    }
}

/// Writes `bytes` to a hidden file beside `path`, saves it to disk and renames it into place. What is no regular file (a device, a pipe)
/// is written to as it is, and a symbolic link stays one.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, Access::Umask)
}

/// The same for keys and for what was decrypted: a new file is readable by its owner alone.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, Access::Owner)
}

fn write(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let kept = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Some(metadata.permissions()),
        // As the system opens it: `/dev/stdout` is a link to a name that nothing has, and leads to a pipe all the same.
        Ok(_) => {
            return OpenOptions::new().write(true).open(path)?.write_all(bytes);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut draft = Draft::new(&followed(path)?, access)?;
    if let Some(kept) = kept {
        draft.file.as_file().set_permissions(kept)?;
    }
    draft.write(bytes)?;
    draft.publish()
}

/// The file that a path stands for: the end of a chain of symbolic links, whether it is there or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MAX_LINKS: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink());
        if !is_link {
            return Ok(path);
        }
        let to = fs::read_link(&path)?;
        path = folder_of(&path).join(to);
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Whether both paths lead to the same file or folder.
pub fn same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| {
        let path = followed(path).ok()?;
        if let Ok(found) = fs::canonicalize(&path) {
            return Some(found);
        }
        let folder = fs::canonicalize(folder_of(&path)).ok()?;
        Some(folder.join(path.file_name()?))
    };
    #[cfg(unix)]
    if let (Ok(one), Ok(other)) = (fs::metadata(one), fs::metadata(other)) {
        use std::os::unix::fs::MetadataExt;
        // Hard links have two names.
        return (one.dev(), one.ino()) == (other.dev(), other.ino());
    }
    matches!((whole(one), whole(other)), (Some(one), Some(other)) if one == other)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file that is not there until it is published. Dropped before, it leaves nothing.
#[derive(Debug)]
pub struct Draft {
    file: NamedTempFile,
    target: PathBuf,
}

impl Draft {
    /// For `target`, which is replaced when the draft is published.
    pub fn new(target: &Path, access: Access) -> io::Result<Self> {
        let folder = folder_of(target);
        let _alone = alone_in(folder);
        let prefix = hidden(&target.file_name().unwrap_or_default().to_string_lossy());
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        if let Some(permissions) = access.permissions(false) {
            builder.permissions(permissions);
        }
        let mut unfinished = unfinished();
        let file = builder.tempfile_in(folder)?;
        hold(file.as_file());
        unfinished.insert(file.path().to_path_buf());
        Ok(Self {
            file,
            target: target.to_path_buf(),
        })
    }

    /// Appends to the file.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Saves the content to disk: publishing then fails only where a name cannot be changed.
    pub fn save(&self) -> io::Result<()> {
        self.file.as_file().sync_all()
    }

    /// Saves the file and puts it in its place.
    pub fn publish(mut self) -> io::Result<()> {
        self.save()?;
        let (name, target) = (self.file.path().to_path_buf(), self.target.clone());
        // `self` still removes what is left under the old name if this fails.
        fs::rename(&name, target)?;
        self.file.disable_cleanup(true);
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        unfinished().remove(self.file.path());
    }
}

/// A folder that is not there until it is published. Dropped before, it leaves nothing.
#[derive(Debug)]
pub struct DraftFolder {
    folder: TempDir,
    /// Held until the folder is published or gone: whoever finds it unlocked may remove it.
    _lock: Option<File>,
}

impl DraftFolder {
    /// An empty folder in `within`, with `name` in its hidden name.
    pub fn new(within: &Path, name: &str, access: Access) -> io::Result<Self> {
        let _alone = alone_in(within);
        let prefix = hidden(name);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        if let Some(permissions) = access.permissions(true) {
            builder.permissions(permissions);
        }
        let mut unfinished = unfinished();
        let folder = builder.tempdir_in(within)?;
        // A system that has no locks for folders leaves them to whoever tidies up.
        let lock = File::open(folder.path()).ok();
        if let Some(lock) = &lock {
            hold(lock);
        }
        unfinished.insert(folder.path().to_path_buf());
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// Where the folder is now.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts the folder in its place, where nothing but an empty folder may be.
    pub fn publish(mut self, target: &Path) -> io::Result<()> {
        fs::rename(self.folder.path(), target)?;
        self.folder.disable_cleanup(true);
        Ok(())
    }

    /// Puts the folder in the place of another one, which goes once the new one is there. Of several processes that do so at the same time,
    /// the last one's stays.
    pub fn replace(self, target: &Path) -> io::Result<()> {
        let within = folder_of(target);
        let old = Self::new(within, "old", Access::Owner)?;
        let _alone = Alone::wait(within);
        let kept = old.path().join("old");
        match fs::rename(target, &kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let placed = self.publish(target);
        if placed.is_err() {
            // Nothing to go back to where nothing was there.
            let _ = fs::rename(&kept, target);
        }
        placed
    }
}

/// Removes a folder, if it is there: at once under its own name, so that a kill does not leave half of it in its place.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    if !path.try_exists()? {
        return Ok(());
    }
    let gone = DraftFolder::new(folder_of(path), "old", Access::Owner)?;
    match fs::rename(path, gone.path().join("old")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Drop for DraftFolder {
    fn drop(&mut self) {
        unfinished().remove(self.folder.path());
    }
}

/// Removes everything that this process has begun and not finished: the last thing that it does when a signal ends it. Whatever else of the
/// process begins or finishes a draft from here on waits for the end.
pub fn abandon() {
    let unfinished = unfinished();
    for path in unfinished.iter() {
        remove(path);
    }
    std::mem::forget(unfinished);
}

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `.name.partial-`
fn hidden(name: &str) -> String {
    // File names have at most 255 bytes on the usual systems.
    let short: String = name.trim_start_matches('.').chars().take(40).collect();
    format!(".{short}{MARK}")
}

fn hold(file: &File) {
    // Nobody else knows the file yet; a system without locks has none to give.
    let _ = file.try_lock();
}

/// The lock of a folder: as long as it is held, no other process makes or removes drafts there, or puts one into another's place.
#[derive(Debug)]
pub struct Alone {
    // Held for its lifetime.
    _lock: File,
}

impl Alone {
    /// Waits for the lock. None where the system has no locks for folders, the folder cannot be read, or somebody does not give it back:
    /// what follows then relies on names alone, which are drawn at random.
    pub fn wait(folder: &Path) -> Option<Self> {
        let lock = File::open(folder).ok()?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Some(Self { _lock: lock }),
                Err(fs::TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(2));
                }
                Err(_) => return None,
            }
        }
    }
}

/// Keeps other processes from making or removing drafts in a folder, and removes those whose writers are gone.
fn alone_in(folder: &Path) -> Option<Alone> {
    // A draft's folder is its maker's alone already, and locked.
    let name = folder.file_name().unwrap_or_default();
    if name.to_string_lossy().contains(MARK) {
        return None;
    }
    let alone = Alone::wait(folder)?;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Nothing else is a draft; opening a pipe that somebody put there would wait for ever.
        let is_draft = || {
            let kind = entry.file_type();
            kind.is_ok_and(|kind| kind.is_file() || kind.is_dir())
        };
        if !(name.starts_with('.') && name.contains(MARK) && is_draft()) {
            continue;
        }
        // What is locked belongs to a living process.
        if File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            remove(&entry.path());
        }
    }
    Some(alone)
}

fn remove(path: &Path) {
    // What cannot be removed now is found again by the next writer.
    let _ = match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(count(folder.path()), 1);
    }

    #[cfg(unix)]
    #[test]
    fn private_files_are_their_owners_and_a_mode_that_is_there_is_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        write_private(&path, b"secret").unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        write_private(&path, b"other").unwrap();
        assert_eq!(mode(), 0o640);
        write_whole(&path, b"more").unwrap();
        assert_eq!(mode(), 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_devices_are_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::os::unix::fs::symlink("real", &link).unwrap();
        // Whether the end of the link is there or not.
        for text in ["one", "two"] {
            write_whole(&link, text.as_bytes()).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read_to_string(&real).unwrap(), text);
        }
        write_whole(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        std::os::unix::fs::symlink("round", folder.path().join("round")).unwrap();
        assert!(write_whole(&folder.path().join("round"), b"x").is_err());
        assert!(write_whole(folder.path(), b"a folder").is_err());
        assert_eq!(count(folder.path()), 3);
    }

    #[test]
    fn the_same_file_is_known_by_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("sub")).unwrap();
        fs::write(path("a"), "a").unwrap();
        fs::write(path("b"), "a").unwrap();
        assert!(same(&path("a"), &path("sub/../a")));
        assert!(!same(&path("a"), &path("b")));
        assert!(same(&path("new"), &path("sub/../new")));
        assert!(!same(&path("new"), &path("a")));
        fs::hard_link(path("a"), path("hard")).unwrap();
        assert!(same(&path("a"), &path("hard")));
    }

    #[test]
    fn what_a_dead_writer_left_is_removed_and_what_a_living_one_holds_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".a.partial-dead00");
        fs::write(&left, "half").unwrap();
        let left_folder = folder.path().join(".run.partial-dead00");
        fs::create_dir(&left_folder).unwrap();
        fs::write(left_folder.join("x"), "half").unwrap();
        let held = DraftFolder::new(folder.path(), "held", Access::Umask).unwrap();
        let mut draft = Draft::new(&folder.path().join("a"), Access::Umask).unwrap();
        draft.write(b"new").unwrap();
        assert!(!left.exists() && !left_folder.exists());
        assert!(held.path().is_dir());
        write_whole(&folder.path().join("b"), b"b").unwrap();
        draft.publish().unwrap();
        let target = folder.path().join("run");
        held.publish(&target).unwrap();
        assert!(target.is_dir());
        assert_eq!(count(folder.path()), 3);
        drop(DraftFolder::new(folder.path(), "gone", Access::Owner).unwrap());
        assert_eq!(count(folder.path()), 3);
    }

    #[cfg(unix)]
    #[test]
    fn what_others_put_into_the_folder_makes_nobody_wait() {
        let folder = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(folder.path().join(".a.partial-pipe00"))
            .status();
        assert!(made.unwrap().success());
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "kept").unwrap();
        let link = folder.path().join(".a.partial-link00");
        std::os::unix::fs::symlink(outside.path(), link).unwrap();
        // Opening the pipe would never end.
        write_whole(&folder.path().join("a"), b"a").unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"a");
        assert!(outside.path().join("kept").is_file());
        // Nor does a lock that nobody gives back.
        let lock = File::open(folder.path()).unwrap();
        lock.lock().unwrap();
        write_whole(&folder.path().join("a"), b"b").unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"b");
    }

    #[test]
    fn folders_replace_each_other_whoever_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("run");
        let replace = |text: &str| {
            let draft = DraftFolder::new(folder.path(), "run", Access::Umask).unwrap();
            fs::write(draft.path().join("a"), text).unwrap();
            draft.replace(&target).unwrap();
        };
        replace("one");
        replace("two");
        assert_eq!(fs::read(target.join("a")).unwrap(), b"two");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..20).for_each(|_| replace("many")));
            }
        });
        assert_eq!(fs::read(target.join("a")).unwrap(), b"many");
        assert_eq!(count(folder.path()), 1);
        remove_folder(&target).unwrap();
        remove_folder(&target).unwrap();
        assert_eq!(count(folder.path()), 0);
    }

    #[test]
    fn files_are_written_into_a_draft_and_go_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let draft = DraftFolder::new(folder.path(), "run", Access::Umask).unwrap();
        fs::create_dir(draft.path().join("sub")).unwrap();
        write_whole(&draft.path().join("a"), b"a").unwrap();
        write_private(&draft.path().join("sub/b"), b"b").unwrap();
        let target = folder.path().join("run");
        draft.publish(&target).unwrap();
        assert_eq!(fs::read(target.join("sub/b")).unwrap(), b"b");
        assert_eq!((count(&target), count(folder.path())), (2, 1));
    }
}
