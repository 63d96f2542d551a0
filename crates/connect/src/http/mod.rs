//! HTTP: CloudEvents in, requests out.

mod request;
mod source;

pub(crate) use request::Request;
pub(crate) use source::CloudEvents;
