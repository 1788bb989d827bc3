//! The code of `docs/python.md` runs as it stands.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Protects: what the page shows works on the files that the program writes. Where Python or one of the packages is missing the test says
/// that it skips; with `CRYPTODL_REQUIRE_PYTHON=1` it fails instead. `CRYPTODL_PYTHON` names the interpreter.
#[test]
fn the_page_about_python_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/python.md")).unwrap();
    let blocks = page.split("```python\n").skip(1);
    let code: Vec<&str> = blocks
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert_eq!(code.len(), 4);
    let python = std::env::var("CRYPTODL_PYTHON").unwrap_or("python3".into());
    let run = |code: &str| {
        Command::new(&python)
            .args(["-c", code])
            .current_dir(root)
            .output()
    };
    let packages = run("import pandas, polars, pyarrow, safetensors, torch");
    if !packages.is_ok_and(|ended| ended.status.success()) {
        assert!(
            std::env::var_os("CRYPTODL_REQUIRE_PYTHON").is_none(),
            "{python} has not all packages of docs/python.md"
        );
        println!("SKIPPED: {python} has not all packages of docs/python.md");
        return;
    }
    let ended = run(&code.concat()).unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{said}");
    println!("{}", String::from_utf8_lossy(&ended.stdout));
}
