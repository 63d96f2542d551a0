//! `ensue tool push-image`: a folder as an image of one layer, pushed by the distribution API. The example needs no more
//! of an image than that it is a real one, so it needs no Docker.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::{StatusCode, Url, header};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::args::PushImage;
use crate::client::{cause, http};
use crate::errors::Error;
use crate::output::Output;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// A block of a tar archive (POSIX.1-1988, ustar).
const BLOCK: usize = 512;
/// The largest file that its twelve octal digits of size allow, and more than a demonstration needs.
const LARGEST: u64 = 1 << 30;

pub(crate) async fn push_image(push: PushImage, output: Output) -> Result<(), Error> {
    let base = Url::parse(&push.registry).ok().filter(|url| url.host_str().is_some());
    let base = base.ok_or_else(|| Error::Usage(format!("`{}` is not the address of a registry", push.registry)))?;
    let layer = archive(&push.folder)?;
    let layer_digest = digest(&layer);
    // No time stands in it: the same folder is the same image.
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
    });
    let config = config.to_string().into_bytes();
    let config_digest = digest(&config);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": config_digest, "size": config.len()},
        "layers": [{"mediaType": LAYER, "digest": layer_digest, "size": layer.len()}],
    });
    let manifest = manifest.to_string().into_bytes();
    let registry = Registry { http: http(&base)?, base, repository: push.repository.clone() };
    registry.blob(&layer_digest, layer).await?;
    registry.blob(&config_digest, config).await?;
    let digest = digest(&manifest);
    registry.manifest(&push.tag, manifest).await?;
    let host = registry.base.as_str().split_once("://").map_or("", |(_, rest)| rest).trim_end_matches('/');
    let reference = format!("{host}/{}:{}", push.repository, push.tag);
    output.line(json!({"digest": digest, "reference": reference}));
    Ok(())
}

struct Registry {
    http: reqwest::Client,
    base: Url,
    repository: String,
}

impl Registry {
    fn url(&self, rest: &str) -> Result<Url, Error> {
        let path = format!("/v2/{}/{rest}", self.repository);
        self.base.join(&path).map_err(|why| Error::Usage(format!("`{path}` is not an address: {why}")))
    }

    fn failed(&self, what: &str, why: &reqwest::Error) -> Error {
        Error::Other(format!("{what}: the registry {} cannot be reached: {}", self.base, cause(why)))
    }

    async fn refused(&self, what: &str, response: reqwest::Response) -> Error {
        let status = response.status();
        let said: String = response.text().await.unwrap_or_default().trim().chars().take(300).collect();
        Error::Other(format!("{what}: the registry {} answered {status}: {said}", self.base))
    }

    /// Uploads a blob, unless it is there (distribution specification, "Pushing blobs": POST then PUT).
    async fn blob(&self, digest: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let what = format!("blob {digest}");
        let known = self.http.head(self.url(&format!("blobs/{digest}"))?).send().await;
        if known.map_err(|why| self.failed(&what, &why))?.status().is_success() {
            return Ok(());
        }
        let begun = self.http.post(self.url("blobs/uploads/")?).send().await.map_err(|why| self.failed(&what, &why))?;
        if begun.status() != StatusCode::ACCEPTED {
            return Err(self.refused(&what, begun).await);
        }
        let place = begun.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let place = place.and_then(|place| self.base.join(place).ok());
        let mut place =
            place.ok_or_else(|| Error::Other(format!("{what}: the registry names no place to upload to")))?;
        place.query_pairs_mut().append_pair("digest", digest);
        let request = self.http.put(place).header(header::CONTENT_TYPE, "application/octet-stream").body(bytes);
        let done = request.send().await.map_err(|why| self.failed(&what, &why))?;
        if done.status().is_success() { Ok(()) } else { Err(self.refused(&what, done).await) }
    }

    async fn manifest(&self, tag: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let what = format!("manifest {tag}");
        let request =
            self.http.put(self.url(&format!("manifests/{tag}"))?).header(header::CONTENT_TYPE, MANIFEST).body(bytes);
        let done = request.send().await.map_err(|why| self.failed(&what, &why))?;
        if done.status().is_success() { Ok(()) } else { Err(self.refused(&what, done).await) }
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A folder as a tar archive: files in the order of their paths, without `.git`, owners and times.
fn archive(folder: &Path) -> Result<Vec<u8>, Error> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        let known = fs::metadata(&path).map_err(Error::file(&path))?;
        if known.len() > LARGEST {
            return Err(Error::File { path: path.display().to_string(), why: "it is larger than 1 GiB".to_owned() });
        }
        let bytes = fs::read(&path).map_err(Error::file(&path))?;
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        let executable = std::os::unix::fs::PermissionsExt::mode(&known.permissions()) & 0o100 != 0;
        let head = head(&name, bytes.len(), if executable { 0o755 } else { 0o644 });
        let head =
            head.ok_or_else(|| Error::File { path: name, why: "its name is longer than 100 bytes".to_owned() })?;
        out.extend_from_slice(&head);
        out.extend_from_slice(&bytes);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    // The end: two empty blocks.
    out.resize(out.len() + 2 * BLOCK, 0);
    Ok(out)
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let entry = entry.map_err(Error::file(folder))?;
        let kind = entry.file_type().map_err(Error::file(folder))?;
        let path = entry.path();
        if kind.is_dir() && entry.file_name() != ".git" {
            collect(&path, out)?;
        } else if kind.is_file() {
            out.push(path);
        }
    }
    Ok(())
}

/// The header of a file: its fields stand at fixed places, numbers in octal digits, the sum over all bytes with its own
/// field as spaces.
fn head(name: &str, size: usize, mode: u32) -> Option<Vec<u8>> {
    if name.len() > 100 {
        return None;
    }
    let mut head: Vec<u8> = Vec::with_capacity(BLOCK);
    let field = |head: &mut Vec<u8>, text: &str, length: usize| {
        let end = head.len() + length;
        head.extend_from_slice(text.as_bytes());
        head.resize(end, 0);
    };
    field(&mut head, name, 100);
    field(&mut head, &format!("{mode:07o}"), 8);
    field(&mut head, &format!("{:07o}", 0), 8);
    field(&mut head, &format!("{:07o}", 0), 8);
    field(&mut head, &format!("{size:011o}"), 12);
    field(&mut head, &format!("{:011o}", 0), 12);
    field(&mut head, "        ", 8);
    field(&mut head, "0", 1);
    field(&mut head, "", 100);
    field(&mut head, "ustar", 6);
    field(&mut head, "00", 2);
    head.resize(BLOCK, 0);
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head.splice(148..156, format!("{sum:06o}\0 ").into_bytes());
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn the_header_is_that_of_ustar() {
        let head = head("a/b.txt", 5, 0o644).unwrap();
        assert_eq!(head.len(), 512);
        assert_eq!(&head[..8], b"a/b.txt\0");
        assert_eq!(&head[124..136], b"00000000005\0");
        assert_eq!(&head[257..265], b"ustar\x0000");
        let sum: u32 =
            head.iter().enumerate().map(|(at, b)| if (148..156).contains(&at) { 32 } else { u32::from(*b) }).sum();
        assert_eq!(&head[148..156], format!("{sum:06o}\0 ").as_bytes());
    }
}
