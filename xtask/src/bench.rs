//! The measurements behind what is claimed about speed.

use crate::{Result, crash, shell, take_option};

/// What can be measured.
const WHAT: &[&str] = &["ingest", "loop", "match"];

/// Builds for release and runs one measurement; it prints JSON lines and writes its part of bench/RESULTS.md.
pub(crate) fn run(arguments: &[String]) -> Result {
    let mut arguments = arguments.to_vec();
    let binary = take_option(&mut arguments, "--binary")?;
    let what = arguments.first().filter(|what| WHAT.contains(&what.as_str())).cloned();
    let what = what.ok_or_else(|| format!("say what to measure: {}", WHAT.join(", ")))?;
    let (client, ensue) = crash::release(binary)?;
    let rest = arguments.get(1..).unwrap_or_default();
    shell::run(shell::program(&client.to_string_lossy()).arg(what).args(rest).arg("--binary").arg(ensue))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_measured_is_told_before_anything_is_built() {
        assert!(run(&["speed".to_owned()]).unwrap_err().contains("ingest, loop, match"));
        assert!(run(&[]).is_err());
    }
}
