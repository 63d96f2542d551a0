//! `ensue schema`: what manifests may say, for editors and for clusters.

use crate::output::{Output, yaml};

pub(crate) fn schema(crds: bool, output: Output) {
    if crds {
        let all: Vec<String> = ensue_lang::crd::definitions().iter().map(|one| yaml(one, 0)).collect();
        output.line(all.join("---\n").trim_end());
    } else {
        output.line(serde_json::to_string_pretty(&ensue_lang::schema::schema()).unwrap_or_default());
    }
}
