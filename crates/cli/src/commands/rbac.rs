//! `ensue rbac`: the roles that a configuration needs of its clusters.

use ensue_connect::kubernetes::roles;
use ensue_engine::config::check as compile;
use indexmap::IndexMap;

use super::check::complain;
use super::folder::read;
use crate::args::Rbac;
use crate::errors::Error;
use crate::output::Output;

/// The namespace of calls that name none, where a kubeconfig names none either.
const NAMESPACE: &str = "default";

pub(crate) fn rbac(what: &Rbac, output: Output) -> Result<(), Error> {
    let account = what.service_account.as_deref();
    let pod = match account.map(|account| account.split_once('/')) {
        None => None,
        Some(Some((namespace, name))) if !namespace.is_empty() && !name.is_empty() => Some(namespace),
        Some(_) => {
            let message = format!("--service-account {}: write NAMESPACE/NAME", account.unwrap_or_default());
            return Err(Error::Usage(message));
        }
    };
    let files = read(&what.path, &IndexMap::new())?.files;
    let checked = compile(&files);
    let Some(config) = &checked.compiled else { return Err(complain(&checked, files.len())) };
    let own = what.namespace.as_deref().or(pod).unwrap_or(NAMESPACE);
    let mut askers = roles::of(&config.config, own);
    if let Some(wanted) = &what.connection {
        let named = |name: &ensue_lang::Name| *name == ensue_lang::Name::resolve(wanted, ensue_lang::Name::DEFAULT);
        if !config.config.connections.keys().any(named) {
            return Err(Error::Usage(format!(
                "--connection {wanted}: there is no such connection in {}",
                what.path.display()
            )));
        }
        askers.retain(|asker| named(&asker.connection));
    }
    let text = if what.values {
        let mut names: Vec<String> = askers.iter().map(|asker| asker.connection.to_string()).collect();
        names.dedup();
        if names.len() > 1 {
            let names = names.join(", ");
            return Err(Error::Usage(format!("--values is for one cluster; say which --connection: {names}")));
        }
        roles::values(&askers)
    } else if output.json_is_asked() {
        output.value(&roles::list(&askers, &what.name, account));
        return Ok(());
    } else {
        roles::yaml(&askers, &what.name, account)
    };
    if askers.is_empty() {
        output.line("# Nothing is asked of a cluster.");
        return Ok(());
    }
    output.line(text.trim_end());
    Ok(())
}
