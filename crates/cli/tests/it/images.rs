//! `ensue tool push-image` with a registry that is not there.

use crate::bench::run;

#[test]
fn a_registry_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a").unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let registry = format!("http://{free}");
    let folder = folder.path().display().to_string();
    let (code, out, err) =
        run(&["tool", "push-image", "--registry", &registry, "--repository", "shop/api", "--tag", "1", &folder]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains(&format!("the registry {registry}/ cannot be reached")), "{err}");
}
