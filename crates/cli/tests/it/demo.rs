//! The demo, from its first line to its last: what a stranger sees.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::{ensue, told};

/// What must happen, in this order.
const CHAIN: &[&str] = &[
    "event  com.github.push  refs/heads/main  from source default/github",
    "rule   build fired",
    "of build begins",
    "step   image begins: exec/run",
    "event  com.docker.distribution.push  shop/api:",
    "rule   deploy fired",
    "of deploy begins",
    "step   commit done: commit ",
    "-  tag: \"000000000000\"   # the commit that it was built from",
    "+  tag: \"",
    "step   say begins: slack/post",
    "run    of deploy succeeded",
    "rule default/build fired",
    "rule default/deploy fired",
    "From push to message in",
];

fn went_well(code: i32, out: &str, err: &str) {
    assert_eq!(code, 0, "{out}\n{err}");
    let mut rest = out;
    for part in CHAIN {
        let at = rest.find(part).unwrap_or_else(|| panic!("`{part}` is not where it should be in\n{out}"));
        rest = &rest[at..];
    }
    assert!(out.contains("#shop  shop/api "), "{out}");
}

fn no_git() -> bool {
    Command::new("git").arg("--version").output().is_err()
}

#[test]
fn demo_once() {
    if no_git() {
        println!("skipped: demo_once: git is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let mut command = ensue(&["demo", "--once", "--port", &free_port().to_string()]);
    let (code, out, err) = told(command.env("TMPDIR", folder.path()).output().unwrap());
    went_well(code, &out, &err);
    assert!(began.elapsed() < Duration::from_secs(30), "it took {:?}", began.elapsed());
    assert!(out.contains("a stand-in within this program"), "{out}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing behind");
}

/// The same example with a registry that others wrote.
#[test]
fn demo_with_a_real_registry() {
    let Some(program) = std::env::var_os("ENSUE_SERVER_DOCKER_REGISTRY").filter(|_| !no_git()) else {
        println!("skipped: demo_with_a_real_registry: docker-registry is not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (port, ours) = (free_port(), free_port());
    let config = format!(
        "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: '{}' }}\n\
         http: {{ addr: '127.0.0.1:{port}' }}\nnotifications:\n  endpoints:\n    - name: ensue\n      \
         url: http://127.0.0.1:{ours}/hooks/registry\n      headers: {{ Authorization: [Bearer of-the-registry] }}\n      \
         timeout: 2s\n      threshold: 20\n      backoff: 100ms\n",
        folder.path().join("registry").display()
    );
    let file = folder.path().join("registry.yml");
    std::fs::write(&file, config).unwrap();
    let child = Command::new(program).arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _registry = Ends(child.unwrap());
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "docker-registry does not listen");
        std::thread::yield_now();
    }
    let mut command = ensue(&["demo", "--once", "--port", &ours.to_string()]);
    command.env("TMPDIR", folder.path()).env("ENSUE_REGISTRY", format!("http://127.0.0.1:{port}"));
    command.env("ENSUE_SECRET_REGISTRY_TOKEN", "of-the-registry");
    let (code, out, err) = told(command.output().unwrap());
    went_well(code, &out, &err);
    assert!(out.contains("a real one, named by ENSUE_REGISTRY"), "{out}");
}

#[test]
fn without_git_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = told(ensue(&["demo", "--once"]).env("PATH", folder.path()).output().unwrap());
    assert_eq!(code, 1);
    assert!(err.contains("the program `git` is not in the search path; install it"), "{err}");
}

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
