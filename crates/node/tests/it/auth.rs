//! Who may do what: every route of the list, with every kind of token.

use ensue_event::{Span, Time};
use ensue_node::http::{Needs, ROUTES};
use ensue_node::{Configured, Scope, Tokens};
use serde_json::json;

use crate::support::Place;

#[tokio::test(flavor = "multi_thread")]
async fn every_route_asks_for_what_the_list_says() {
    let place = Place::with(|options| options.open_ingest = false).await;
    let mut tokens = vec![(None, String::new())];
    for scope in Scope::ALL {
        tokens.push((Some(scope), place.token(scope.as_str(), &[scope])));
    }
    for route in ROUTES {
        let path = route.path.replace(['{', '}'], "");
        for (scope, token) in &tokens {
            let method = route.method.parse().unwrap();
            let mut request = place.http.request(method, place.url(&path)).body("{}");
            if scope.is_some() {
                request = request.bearer_auth(token);
            }
            // A stream does not end; its head is all that is looked at.
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let needed = match route.needs {
                Needs::Open => None,
                Needs::Ingest => Some(Scope::Ingest),
                Needs::Scope(scope) => Some(scope),
            };
            let expected = match (needed, scope) {
                (None, _) => None,
                (Some(_), None) => Some(401),
                (Some(needed), Some(has)) if *has == needed || *has == Scope::Admin => None,
                (Some(_), Some(_)) => Some(403),
            };
            match expected {
                Some(expected) => assert_eq!(status, expected, "{} {path} with {scope:?}", route.method),
                None => assert!(![401, 403].contains(&status), "{} {path} with {scope:?}: {status}", route.method),
            }
        }
    }
    for path in ["/api/v1/nothing", "/api", "/api/v1/runs/a/b/c", "/admin.token", "/../data/tokens.json"] {
        assert_eq!(place.http.get(place.url(path)).send().await.unwrap().status(), 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_expire_and_are_revoked_while_the_node_runs() {
    let place = Place::new(Configured::Kept).await;
    let ask = async |token: &str| {
        let request = place.http.get(place.url("/api/v1/status")).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    let old = Tokens::open(&place.data()).unwrap();
    let gone = old.create("gone", &[Scope::Read], &[], Some(Span::secs(1)), Time::from_secs(1)).unwrap();
    let good = old.create("good", &[Scope::Read], &[], None, Time::from_secs(1)).unwrap();
    assert_eq!(
        old.create("good", &[Scope::Read], &[], None, Time::from_secs(1)).unwrap_err().to_string(),
        "a token named `good` exists; revoke it first, or choose another name"
    );
    assert_eq!(ask(&good).await, 200, "a token that another process made is known at once");
    assert_eq!(ask(&gone).await, 401);
    let mut changed = good.clone();
    changed.replace_range(10..11, if &good[10..11] == "x" { "y" } else { "x" });
    assert_eq!(ask(&changed).await, 401, "the checksum finds it without a look at the file");
    old.revoke("good").unwrap();
    let mut tries = 0;
    while ask(&good).await == 200 {
        tries += 1;
        assert!(tries < 1_000);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let stored = std::fs::read_to_string(place.data().join("tokens.json")).unwrap();
    assert!(!stored.contains(&gone), "only hashes are stored");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for file in ["tokens.json", "admin.token"] {
            let mode = std::fs::metadata(place.data().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}

#[test]
fn the_administrators_token_can_be_given() {
    let (data, other) = (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
    let file = other.path().join("token");
    let made = |name: &str| {
        Tokens::open(other.path()).unwrap().create(name, &[Scope::Read], &[], None, Time::from_secs(1)).unwrap()
    };
    let (first, second) = (made("a"), made("b"));
    let tokens = Tokens::open(data.path()).unwrap();
    let start = || tokens.bootstrap(data.path(), Some(&file), Time::from_secs(2));
    for token in [&first, &first, &second] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        let local = start().unwrap();
        assert_eq!(std::fs::read_to_string(local).unwrap().trim(), token);
        assert_eq!(tokens.find(token).unwrap().scopes, [Scope::Admin]);
    }
    assert!(tokens.find(&first).is_none(), "the one before is worth nothing");
    std::fs::write(&file, "hunter2").unwrap();
    assert!(
        start()
            .unwrap_err()
            .to_string()
            .ends_with("token holds no token of ensue; `ensue token create --data DIR` makes one")
    );
    assert!(tokens.find(&second).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_allows_nothing_from_elsewhere() {
    let place = Place::new(Configured::Kept).await;
    for path in ["/", "/page.js", "/page.css"] {
        let response = place.http.get(place.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let text = response.text().await.unwrap();
        assert!(!text.contains("innerHTML") && !text.contains("style=") && !text.contains("onclick"), "{path}");
    }
    let (_, routes) = place.get("/api/v1").await;
    assert_eq!(routes["routes"].as_array().unwrap().len(), ROUTES.len());
    let (_, api) = place.get("/api/v1/openapi.json").await;
    assert_eq!(api["paths"]["/api/v1/freeze"]["post"]["security"], json!([{"token": ["operate"]}]));
}
