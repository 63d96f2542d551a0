//! A recorded exchange, as a file holds it.

use std::path::Path;

use serde_json::Value;

#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    /// `None` is anonymous.
    pub(crate) user: Option<String>,
    pub(crate) body: Value,
    pub(crate) status: u16,
    pub(crate) answer_headers: Value,
    pub(crate) answer: Value,
    /// The lines of a watch.
    pub(crate) lines: Option<Vec<Value>>,
}

impl Exchange {
    pub(crate) fn read(file: &Path) -> Exchange {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let all: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let (request, response) = (&all["request"], &all["response"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pairs = |value: &Value| -> Vec<(String, String)> {
            value.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
        };
        let headers = pairs(&request["headers"]);
        let kept = ["accept", "content-type", "user-agent", "impersonate-user", "impersonate-group"];
        Exchange {
            method: text(&request["method"]),
            path: text(&request["path"]),
            query: pairs(&request["query"]),
            headers: headers.into_iter().filter(|(name, _)| kept.contains(&name.to_lowercase().as_str())).collect(),
            user: request["user"].as_str().map(str::to_owned),
            body: request["body"].clone(),
            status: u16::try_from(response["status"].as_u64().unwrap_or(0)).unwrap_or(0),
            answer_headers: response["headers"].clone(),
            answer: response["body"].clone(),
            lines: response["lines"].as_array().map(|lines| lines.iter().map(|line| line["event"].clone()).collect()),
        }
    }
}
