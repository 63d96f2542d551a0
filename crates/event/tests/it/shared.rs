//! Real payloads and the conformance texts of CloudEvents, from the shared data where it is at hand.

use std::fs;
use std::path::{Path, PathBuf};

use ensue_event::http::{self, Batch, Error, Mode};
use ensue_event::json::Scanner;
use ensue_event::{Attr, Data, Event};
use serde_json::Value;

use crate::http::decode;

/// The folder of payloads: below `ENSUE_SHARED`, else beside the workspace.
fn payloads(test: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("ENSUE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("data/payloads");
    if !folder.is_dir() {
        println!("skipped: {test}: no shared data");
        return None;
    }
    Some(folder)
}

/// All files below a folder whose names end so, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.to_string_lossy().ends_with(ending) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// Decodes a request of headers and a body; the content type is one of the headers, as in HTTP.
fn request(headers: &[(String, String)], body: &[u8]) -> Result<Batch, Error> {
    let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let headers: Vec<(&str, &[u8])> =
        headers.iter().map(|(name, value)| (name.as_str(), value.trim().as_bytes())).collect();
    decode(kind.map(|(_, value)| value.trim()), &headers, body)
}

/// Splits `name: value` lines, an empty line and a body.
fn split(text: &str) -> (Vec<(String, String)>, &str) {
    let (head, body) = text.split_once("\n\n").unwrap();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    (head.lines().filter_map(header).collect(), body)
}

fn beside(path: &Path) -> Vec<(String, String)> {
    let headers = path.to_string_lossy().replace(".json", ".headers.json");
    let headers: Value = serde_json::from_slice(&fs::read(headers).unwrap()).unwrap();
    headers.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().into())).collect()
}

#[test]
fn payloads_are_scanned_as_they_are_read() {
    let Some(folder) = payloads("payloads_are_scanned_as_they_are_read") else { return };
    let mut scanner = Scanner::new();
    let files = files(&folder, ".json");
    for path in &files {
        let bytes = fs::read(path).unwrap();
        let read = serde_json::from_slice::<Value>(&bytes);
        match scanner.scan(&bytes) {
            Ok(_) => assert!(read.is_ok(), "{}", path.display()),
            Err(why) => assert!(read.is_err(), "{}: {why}", path.display()),
        }
    }
    assert!(files.len() > 400);
}

#[test]
fn examples_of_the_json_format() {
    let Some(folder) = payloads("examples_of_the_json_format") else { return };
    let folder = folder.join("cloudevents");
    let xml = "<much wow=\"xml\"/>";
    let cases: &[(&str, Option<&str>, Option<&str>)] = &[
        ("json.number.json", Some("application/json"), Some("1.5")),
        ("json.object.json", Some("application/json"), None),
        ("json.no-datacontenttype.json", None, Some("\"I'm just a string\"")),
        ("json.text-no-type.json", None, Some("{ \"xyz\": 123 }")),
        ("json.xml-string.json", Some("application/xml"), Some(xml)),
    ];
    for (name, content_type, data) in cases {
        let path = folder.join(name);
        let batch = request(&beside(&path), &fs::read(&path).unwrap()).unwrap();
        let event = &batch.events[0];
        assert_eq!((batch.mode, event.content_type.as_deref()), (Mode::Structured, *content_type), "{name}");
        let bytes = match &event.data {
            Data::Json(bytes) if *content_type != Some("application/xml") => bytes,
            Data::Bytes(bytes) if *content_type == Some("application/xml") => bytes,
            other => panic!("{name}: {other:?}"),
        };
        if let Some(data) = data {
            assert_eq!(bytes, data.as_bytes(), "{name}");
        }
        assert_eq!(event.extension("unsetextension"), None);
        if event.time.is_some() {
            assert_eq!(event.extension("comexampleothervalue"), Some(&Attr::Int(5)), "{name}");
            assert_eq!(event.extension_text("comexampleextension1"), Some("value"), "{name}");
        }
    }
    // Their base64 is the words "... base64 encoded string ...".
    for (name, index) in [("json.data_base64.json", None), ("json.batch.json", Some(0))] {
        let path = folder.join(name);
        let error = request(&beside(&path), &fs::read(&path).unwrap()).unwrap_err();
        let why = match (error, index) {
            (Error::InBatch { index, why }, Some(expected)) if index == expected => *why,
            (error, None) => error,
            (error, _) => panic!("{error}"),
        };
        assert!(matches!(&why, Error::Member { name, why: "is not base64", .. } if name == "data_base64"), "{why}");
        let text = fs::read_to_string(&path).unwrap().replace("... base64 encoded string ...", "AAEC");
        let batch = request(&beside(&path), text.as_bytes()).unwrap();
        assert_eq!(batch.events.len(), index.map_or(1, |_| 2));
        assert_eq!(batch.events[0].data, Data::Bytes(vec![0, 1, 2].into()));
    }
    let path = folder.join("json.batch.empty.json");
    assert_eq!(request(&beside(&path), &fs::read(&path).unwrap()).unwrap().events, []);
}

#[test]
fn examples_of_binary_mode() {
    let Some(folder) = payloads("examples_of_binary_mode") else { return };
    let cases: &[(&str, &str, Option<&str>, bool)] = &[
        ("binary.no-content-type", "D234-1234-1234", None, true),
        ("binary.of-data_base64", "A234-1234-1234", Some("application/vnd.apache.thrift.binary"), false),
        ("binary.of-number", "C234-1234-1234", Some("application/json"), true),
        ("binary.of-object", "C234-1234-1234", Some("application/json"), true),
        ("binary.of-xml", "B234-1234-1234", Some("application/xml"), false),
    ];
    for (name, id, content_type, json) in cases {
        let text = fs::read_to_string(folder.join(format!("cloudevents/{name}.http.txt"))).unwrap();
        let (headers, body) = split(&text);
        let batch = request(&headers, body.as_bytes()).unwrap();
        let event = &batch.events[0];
        assert_eq!((batch.mode, &*event.id, event.content_type.as_deref()), (Mode::Binary, *id, *content_type));
        assert_eq!(event.json().is_some(), *json, "{name}");
    }
}

/// The scenarios of the conformance suite for HTTP: one request each, with each content type of its examples.
#[test]
fn conformance_of_the_http_binding() {
    let Some(folder) = payloads("conformance_of_the_http_binding") else { return };
    let text = fs::read_to_string(folder.join("cloudevents/conformance.http-binding.feature.txt")).unwrap();
    let mut run = 0;
    for scenario in text.split("Scenario Outline:").skip(1) {
        let quoted: Vec<&str> = scenario.split("\"\"\"").collect();
        let dedent = |text: &str| text.lines().skip(1).map(str::trim_start).collect::<Vec<_>>().join("\n");
        let rows = |text: &str| -> Vec<Vec<String>> {
            let row =
                |line: &str| line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            text.lines().filter(|line| line.trim().starts_with('|')).skip(1).map(row).collect()
        };
        let wanted: Value = serde_json::from_str(quoted[3]).unwrap();
        let (_, examples) = scenario.split_once("Examples:").unwrap();
        for example in rows(examples) {
            let filled = dedent(quoted[1]).replace("<contentType>", &example[0]);
            let (headers, body) = split(&filled);
            let batch = request(&headers, body.trim_end().as_bytes()).unwrap();
            let event = &batch.events[0];
            for row in rows(quoted[2]) {
                let got = event.to_json()[&row[0]].as_str().map(str::to_owned);
                assert_eq!(got, Some(row[1].replace("<contentType>", &example[0])), "{}", row[0]);
            }
            assert_eq!(serde_json::from_slice::<Value>(event.json().unwrap()).unwrap(), wanted);
            run += 1;
        }
    }
    assert_eq!(run, 4);
}

/// The minimal events of the conformance tool, out and in again in each form.
#[test]
fn conformance_minimum() {
    let Some(folder) = payloads("conformance_minimum") else { return };
    let text = fs::read_to_string(folder.join("cloudevents/conformance.v1_minimum.yaml")).unwrap();
    let mut events = Vec::new();
    for document in text.split("\n---\n") {
        let field = |name: &str| {
            let line = document.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}: ")));
            line.unwrap_or_else(|| panic!("no {name}")).to_owned()
        };
        let (_, data) = document.split_once("Data: |\n").unwrap();
        let mut event = Event::new(field("id"), field("source"), field("type"));
        let kind = field("datacontenttype");
        let data = data.trim().as_bytes().to_vec();
        event.data = if http::is_json(&kind) { Data::Json(data.into()) } else { Data::Bytes(data.into()) };
        event.content_type = Some(kind.into());
        let (headers, body) = http::to_binary(&event);
        assert_eq!(request(&headers, &body).unwrap().events, [event.clone()]);
        let one = decode(Some(http::STRUCTURED), &[], &http::to_structured(&event)).unwrap();
        assert_eq!(one.events, [event.clone()]);
        events.push(event);
    }
    assert_eq!(events.len(), 6);
    assert_eq!(decode(Some(http::BATCH), &[], &http::to_batch(&events)).unwrap().events, events);
}

/// White space around JSON is no part of the value: only a body can have it.
fn trimmed(mut event: Event) -> Event {
    if let Data::Json(bytes) = &event.data {
        event.data = Data::Json(bytes.trim_ascii().to_vec().into());
    }
    event
}

/// What other systems send as CloudEvents is read; what they send that is none is refused with the reason here.
#[test]
fn events_of_other_systems() {
    let Some(folder) = payloads("events_of_other_systems") else { return };
    let mut refused = Vec::new();
    let mut read = 0;
    for path in files(&folder, ".headers.json") {
        let body = PathBuf::from(path.to_string_lossy().replace(".headers.json", ".json"));
        let name = body.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        if name.starts_with("cloudevents/") || name.starts_with("signatures/") || !body.is_file() {
            continue;
        }
        let headers = beside(&body);
        let lower = |text: &str| text.to_ascii_lowercase();
        let is_event = headers
            .iter()
            .any(|(name, value)| lower(name).starts_with("ce-") || lower(value).starts_with("application/cloudevents"));
        if !is_event {
            continue;
        }
        match request(&headers, &fs::read(&body).unwrap()) {
            Ok(batch) => {
                assert!(!batch.events.is_empty(), "{name}");
                let again = decode(Some(http::BATCH), &[], &http::to_batch(&batch.events)).unwrap();
                assert_eq!(again.events, batch.events.into_iter().map(trimmed).collect::<Vec<_>>(), "{name}");
                read += 1;
            }
            Err(why) => refused.push(format!("{name}: {why}")),
        }
    }
    // Of version 0.1 of the specification, from 2018.
    let old = "azure-event-grid/cloudevent.single.json: the CloudEvents attribute `specversion` is required and is \
               missing or empty";
    // Real ones come in binary mode, where names have no case.
    let name = "gcp/audit.bigquery-job.structured.json: `methodName` is not a name of a CloudEvents attribute: lower-case \
                letters and digits only";
    assert_eq!(refused, [old, name]);
    assert!(read > 20, "{read}");
    println!("{read} events of other systems");
}
