//! What the tests stand on: the binary, the examples, an engine that runs.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The binary, in an environment without settings of ours.
pub(crate) fn ensue(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ensue"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ENSUE_")) {
        command.env_remove(name);
    }
    command.args(arguments).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs it to its end: code, standard output, standard error.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    told(ensue(arguments).output().unwrap())
}

pub(crate) fn told(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

pub(crate) fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    path.canonicalize().unwrap().display().to_string()
}

/// An engine in a folder of its own.
pub(crate) struct Up {
    child: Child,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: String,
}

impl Up {
    /// Starts one with these automations, and waits until it says that it is up.
    pub(crate) fn start(manifest: &str) -> Up {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("automations")).unwrap();
        std::fs::write(folder.path().join("automations/rules.yaml"), manifest).unwrap();
        let mut child = ensue(&["up", "automations", "--listen", "127.0.0.1:0", "-o", "json"])
            .env("ENSUE_SECRET_HOOK", "it is a secret")
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).expect(&line);
        Up { child, folder, address: said["address"].as_str().unwrap().to_owned() }
    }

    /// A command beside it.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        told(ensue(arguments).current_dir(self.folder.path()).output().unwrap())
    }

    /// The JSON that a command beside it prints, a value for each line.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join(".ensue")
    }

    /// Asks it to stop, as a supervisor does; its code.
    pub(crate) fn stop(mut self) -> (Option<i32>, tempfile::TempDir) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let code = self.child.wait().unwrap().code();
        (code, std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap()))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
