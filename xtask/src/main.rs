//! Tasks: `cargo xtask openapi` writes the OpenAPI documents anew.

use anyhow::{Context, Result, bail};
use std::{env, fs, path::Path};

fn main() -> Result<()> {
    match env::args().nth(1).as_deref() {
        Some("openapi") => openapi(),
        _ => bail!("usage: cargo xtask openapi"),
    }
}

fn openapi() -> Result<()> {
    let path = repository().join("functions/ngrok/openapi.json");
    let text = serde_json::to_string_pretty(&countersign_ngrok::openapi::document())?;
    fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn repository() -> &'static Path {
    let task = Path::new(env!("CARGO_MANIFEST_DIR"));
    task.parent().unwrap_or(task)
}
