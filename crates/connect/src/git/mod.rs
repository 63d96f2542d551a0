//! Git: commits made and pushed by the `git` program.
//!
//! No working tree is ever checked out: files are read from and written to the object store of a bare cache, so nothing
//! in a repository (a symbolic link, a hook, a filter) can make us touch a file of our own machine.

mod commit;
pub mod edit;
mod failure;
mod repository;

pub(crate) use commit::Commit;
pub(crate) use repository::Repositories;
