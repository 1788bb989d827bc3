//! What the documents say of the sources.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Protects: whoever audits the project finds all of its unsafe code by a list that is complete and has nothing superfluous.
#[test]
fn contributing_names_every_file_with_unsafe() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let (_, list) = guide.split_once("- `unsafe` only where").unwrap();
    let list = list.split("\n- ").next().unwrap();
    let mut files = Vec::new();
    for folder in ["src", "crates", "tests", "benches"] {
        if root.join(folder).is_dir() {
            sources(&root.join(folder), &mut files);
        }
    }
    let mut wrong = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let code = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default());
        let is_unsafe = code
            .flat_map(|line| line.split("unsafe ").skip(1))
            .any(|after| {
                ["{", "fn", "impl", "extern"]
                    .iter()
                    .any(|word| after.starts_with(word))
            });
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if is_unsafe != list.contains(&format!("`{name}`")) {
            wrong.push(name);
        }
    }
    assert!(
        wrong.is_empty(),
        "unsafe and not named, or named and not unsafe: {wrong:?}"
    );
}
