//! The real counterparts that tests talk to: found, or installed where that is possible.
//!
//! A test finds each by a variable (`ENSUE_SERVER_NGINX`, the path of the program) or, where that is not set, in the
//! search path; if it finds none it prints `skipped: NAME: REASON` and returns.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::{Result, shell, workspace};

/// A program that tests start, and the Debian package that carries it.
struct Server {
    variable: &'static str,
    program: &'static str,
    package: &'static str,
}

const SERVERS: &[Server] = &[
    Server { variable: "ENSUE_SERVER_GIT", program: "git", package: "git" },
    Server { variable: "ENSUE_SERVER_GIT_HTTP_BACKEND", program: "git-http-backend", package: "git" },
    Server { variable: "ENSUE_SERVER_NGINX", program: "nginx", package: "nginx-light" },
    Server { variable: "ENSUE_SERVER_FCGIWRAP", program: "fcgiwrap", package: "fcgiwrap" },
    Server { variable: "ENSUE_SERVER_DOCKER_REGISTRY", program: "docker-registry", package: "docker-registry" },
];

/// Helm as a Python library, since no package carries the program, and what reads YAML as it and kubectl do. Pinned, in
/// a folder of this working copy; tests find its Python by the variable.
const HELM: &str = "ENSUE_SERVER_HELM";
const HELM_PACKAGES: &[&str] = &["helm-python-sdk==0.2.2", "PyYAML==6.0.3"];
const HELM_FOLDER: &str = ".servers/helm";

/// What was found: the variables for the tests, and the programs that could not be had.
pub(crate) struct Found {
    pub(crate) variables: Vec<(&'static str, PathBuf)>,
    pub(crate) missing: Vec<String>,
}

/// Finds the servers, after installing the missing ones where this machine allows it.
pub(crate) fn prepare() -> Found {
    let missing = find().missing_packages;
    if !missing.is_empty() {
        println!("missing for tests: {}", missing.join(", "));
        if let Err(why) = install(&missing) {
            println!("not installed: {why}");
        }
    }
    let mut search = find();
    let helm = match std::env::var_os(HELM) {
        Some(given) => Ok(PathBuf::from(given)),
        None => python(&workspace::root().join(HELM_FOLDER), HELM_PACKAGES, "import helm_python, yaml"),
    };
    match helm {
        Ok(python) => search.variables.push((HELM, python)),
        Err(why) => {
            println!("not installed: {why}");
            search.missing_programs.push(("helm-python-sdk", "of PyPI"));
        }
    }
    for (variable, path) in &search.variables {
        println!("{variable}={}", path.display());
    }
    let missing = search.missing_programs.iter().map(|(program, package)| format!("{program} (package {package})"));
    Found { variables: search.variables, missing: missing.collect() }
}

/// A Python of its own in this folder with these packages, of which `proof` is a line of code that needs them.
pub(crate) fn python(folder: &Path, packages: &[&str], proof: &str) -> Result<PathBuf> {
    let python = folder.join("bin/python3");
    let run = |arguments: &[&str]| shell::run(shell::program(&python.to_string_lossy()).args(arguments));
    if python.is_file() && run(&["-c", proof]).is_ok() {
        return Ok(python);
    }
    let made = || shell::run(shell::program("python3").args(["-m", "venv", "--clear"]).arg(folder));
    // Debian keeps a part of Python in a package of its own.
    made().or_else(|_| install(&["python3-venv"]).and_then(|()| made()))?;
    run(&[&["-m", "pip", "install", "--quiet"], packages].concat())?;
    run(&["-c", proof])?;
    Ok(python)
}

#[derive(Default)]
struct Search {
    variables: Vec<(&'static str, PathBuf)>,
    missing_programs: Vec<(&'static str, &'static str)>,
    missing_packages: Vec<&'static str>,
}

fn find() -> Search {
    let mut search = Search::default();
    let folders = folders();
    for server in SERVERS {
        let given = std::env::var_os(server.variable).map(PathBuf::from).filter(|path| path.is_file());
        match given.or_else(|| look(&folders, server.program)) {
            Some(path) => search.variables.push((server.variable, path)),
            None => {
                search.missing_programs.push((server.program, server.package));
                search.missing_packages.push(server.package);
            }
        }
    }
    search.missing_packages.dedup();
    search
}

/// The search path; what Debian keeps from a plain user's; and git's own folder.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/sbin", "/usr/lib/git-core"].map(PathBuf::from));
    if let Ok(own) = shell::output(shell::program("git").arg("--exec-path")) {
        folders.push(PathBuf::from(own.trim()));
    }
    folders
}

fn look(folders: &[PathBuf], program: &str) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Installs Debian packages, as root or by a `sudo` that asks nothing.
fn install(packages: &[&str]) -> Result {
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err("there is no apt-get here; install them by hand".into());
    }
    let root = shell::output(shell::program("id").arg("-u"))?.trim() == "0";
    let apt = |arguments: &[&str]| {
        let mut command = shell::program(if root { "apt-get" } else { "sudo" });
        if !root {
            command.args(["-n", "apt-get"]);
        }
        // No service may be started by a package: tests start their own, on free ports.
        command.args(["-q", "-y", "--no-install-recommends"]).args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null());
        shell::run(&mut command)
    };
    // Lists of packages that are too old are the usual reason for a failure: so they are renewed only then.
    let install = [&["install"], packages].concat();
    apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_the_first_folder_that_has_it() {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let folders = [PathBuf::from("/nowhere"), here.join("src"), here.clone()];
        assert_eq!(look(&folders, "Cargo.toml"), Some(here.join("Cargo.toml")));
        assert_eq!(look(&folders, "no-such-program"), None);
    }
}
