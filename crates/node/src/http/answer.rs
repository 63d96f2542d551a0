//! Answers: one form of error for all routes.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use crate::queue::Refused;

/// An error: its status, a code for programs, a text for people, and what else is known.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
    /// After how many seconds to try again.
    pub(crate) retry: Option<u64>,
    /// The rest of the request is not read: the connection cannot be used again.
    pub(crate) close: bool,
}

impl Wrong {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Wrong {
        Wrong { status, code, message: message.into(), details: Value::Null, retry: None, close: false }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Wrong {
        Wrong::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Wrong {
        Wrong::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    pub(crate) fn busy(message: impl Into<String>) -> Wrong {
        Wrong::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).retry(1)
    }

    pub(crate) fn retry(mut self, seconds: u64) -> Wrong {
        self.retry = Some(seconds);
        self
    }

    pub(crate) fn with(mut self, details: Value) -> Wrong {
        self.details = details;
        self
    }

    pub(crate) fn closing(mut self) -> Wrong {
        self.close = true;
        self
    }
}

impl From<Refused> for Wrong {
    fn from(refused: Refused) -> Wrong {
        let message = refused.to_string();
        match refused {
            Refused::Busy => Wrong::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry(1),
            Refused::Full => Wrong::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", message).retry(10),
            Refused::Closed(_) => Wrong::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", message).retry(5),
        }
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let mut error = json!({"code": self.code, "message": self.message});
        if let (Some(object), Value::Object(details)) = (error.as_object_mut(), self.details) {
            object.extend(details);
        }
        let mut response = answer(self.status, &json!({"error": error}));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ensue\""));
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A JSON answer.
pub(crate) fn answer<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = (status, bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A JSON answer that all is well.
pub(crate) fn ok<T: Serialize>(body: &T) -> Response {
    answer(StatusCode::OK, body)
}

pub(crate) async fn not_found() -> Wrong {
    Wrong::not_found("there is nothing here; GET /api/v1 lists all routes")
}

pub(crate) async fn wrong_method() -> Wrong {
    Wrong::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "this address does not take this method; GET /api/v1 lists all routes",
    )
}
