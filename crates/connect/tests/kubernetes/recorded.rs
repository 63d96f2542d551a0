//! Exchanges with a real API server, recorded: `kubernetes` in the shared data.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder, where it is there; else the test says that it is skipped.
pub(crate) fn folder(test: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("ENSUE_SHARED") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let path = root.join("data/kubernetes");
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {test}: no shared data");
    None
}

/// One exchange.
pub(crate) fn exchange(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// All exchanges of a folder, in the order of their names.
pub(crate) fn exchanges(folder: &Path) -> Vec<(String, Value)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let named = |path: PathBuf| (path.file_stem().unwrap().to_string_lossy().into_owned(), exchange(&path));
    paths.into_iter().map(named).collect()
}
