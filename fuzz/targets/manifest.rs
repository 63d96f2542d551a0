//! Configuration files.

use ensue_lang::{Config, SourceFile, load};

/// A YAML file.
pub(crate) fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let loaded = load(&[SourceFile { path: "t.yaml".into(), text: text.into() }]);
    for diagnostic in &loaded.diagnostics {
        assert!(diagnostic.span.start <= diagnostic.span.end, "{diagnostic:?}");
        assert!(text.get(diagnostic.span.clone()).is_some(), "{diagnostic:?} is within a character");
        assert!(diagnostic.line >= 1 && diagnostic.column >= 1, "{diagnostic:?}");
    }
    assert_eq!(loaded.render(false).is_empty(), loaded.diagnostics.is_empty());
    if loaded.ok() {
        let mut again = Config::default();
        for (kind, name, digest, canonical) in loaded.config.canonical() {
            let added = again.add_canonical(kind, canonical);
            assert!(added.is_ok(), "{name:?} does not read back: {added:?}");
            assert!(again.documents().contains(&(kind, name.clone(), digest)), "{name:?} has another digest");
        }
    }
}
