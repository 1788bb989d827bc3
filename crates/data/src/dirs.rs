//! Where data files are looked for.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cryptodl_spec::DatasetName;

/// The environment variable that names the data directory.
pub const DATA_DIR_VARIABLE: &str = "CRYPTODL_DATA_DIR";

/// The places where data files may lie, in the order in which they are tried.
///
/// A directory given outright, else the one in `CRYPTODL_DATA_DIR`, is the only place. Without either, `data/` comes first and the
/// folder `cryptodl` in the user's cache second. Files lie in `PLACE/<dataset>/` under their official names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirs {
    first: PathBuf,
    second: Option<PathBuf>,
    explicit: bool,
}

impl DataDirs {
    /// Applies the rule to an optional `--data-dir` and the environment. An empty variable counts as none.
    pub fn resolve(explicit: Option<&Path>) -> Self {
        Self::from_parts(explicit, env::var_os(DATA_DIR_VARIABLE), dirs::cache_dir())
    }

    fn from_parts(
        explicit: Option<&Path>,
        variable: Option<OsString>,
        cache: Option<PathBuf>,
    ) -> Self {
        if let Some(dir) = explicit {
            return Self {
                first: dir.to_owned(),
                second: None,
                explicit: true,
            };
        }
        match variable.filter(|value| !value.is_empty()) {
            Some(dir) => Self {
                first: dir.into(),
                second: None,
                explicit: false,
            },
            None => Self {
                first: PathBuf::from("data"),
                second: cache.map(|dir| dir.join("cryptodl")),
                explicit: false,
            },
        }
    }

    /// Two places, as without an explicit directory.
    #[cfg(test)]
    pub(super) fn two(first: &Path, second: &Path) -> Self {
        Self {
            first: first.to_owned(),
            second: Some(second.to_owned()),
            explicit: false,
        }
    }

    /// The places, in the order in which they are tried; at least one.
    pub fn places(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.first.as_path()).chain(self.second.as_deref())
    }

    /// Where `cryptodl data fetch` puts what it downloads: the first place.
    pub fn download_dir(&self) -> &Path {
        &self.first
    }

    /// The command that downloads `dataset` to where this program will find it.
    pub fn fetch_command(&self, dataset: DatasetName) -> String {
        let command = format!("cryptodl data fetch {}", dataset.as_str());
        if self.explicit {
            format!("{command} --data-dir {}", quote(&self.first))
        } else {
            command
        }
    }
}

/// Quotes a path for a POSIX shell where it needs it.
fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+~:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(explicit: Option<&str>, variable: Option<&str>, cache: Option<&str>) -> Vec<PathBuf> {
        let dirs = DataDirs::from_parts(
            explicit.map(Path::new),
            variable.map(OsString::from),
            cache.map(PathBuf::from),
        );
        dirs.places().map(Path::to_owned).collect()
    }

    #[test]
    fn an_explicit_directory_is_the_only_place() {
        assert_eq!(
            places(Some("here"), Some("there"), Some("cache")),
            [PathBuf::from("here")]
        );
        assert_eq!(
            places(None, Some("there"), Some("cache")),
            [PathBuf::from("there")]
        );
    }

    #[test]
    fn without_one_the_data_folder_comes_before_the_cache() {
        assert_eq!(
            places(None, None, Some("c")),
            [PathBuf::from("data"), PathBuf::from("c/cryptodl")]
        );
        assert_eq!(places(None, Some(""), None), [PathBuf::from("data")]);
    }

    #[test]
    fn the_fetch_command_names_an_explicit_directory() {
        let dirs = DataDirs::from_parts(Some(Path::new("my data")), None, None);
        assert_eq!(
            dirs.fetch_command(DatasetName::Mnist),
            "cryptodl data fetch mnist --data-dir 'my data'"
        );
        let dirs = DataDirs::from_parts(None, None, None);
        assert_eq!(
            dirs.fetch_command(DatasetName::Cifar10),
            "cryptodl data fetch cifar10"
        );
    }
}
