//! The folder with the pages of a test run.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Page;
use super::html::escaped;

/// Writes the page, its facts and the story into the folder, and the index of the folder. Returns the
/// path of the page.
///
/// # Errors
///
/// Those of the file system.
pub(in crate::weave) fn write(folder: &Path, page: &Page, story: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let name = name(page.test.as_deref().unwrap_or("check"));
    let path = folder.join(format!("{name}.html"));
    fs::write(&path, page.to_html())?;
    fs::write(folder.join(format!("{name}.json")), page.to_json())?;
    fs::write(folder.join(format!("{name}.txt")), format!("{}\n\n{story}\n", page.verdict()))?;
    fs::write(folder.join("index.html"), index(folder)?)?;
    Ok(path)
}

/// Returns a name of a file for a test: of its second check in this process, a name of its own.
fn name(test: &str) -> String {
    static USED: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);
    let safe = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
    let name: String = test.chars().map(safe).collect();
    // A page must not take the place of the index.
    let name = if name == "index" { "index_".to_owned() } else { name };
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    let count = used.get_or_insert_default().entry(name.clone()).or_default();
    *count += 1;
    if *count == 1 { name } else { format!("{name}-{count}") }
}

/// Returns the page that links to the pages of the folder.
fn index(folder: &Path) -> io::Result<String> {
    let mut names: Vec<String> = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".html").map(str::to_owned))
        .filter(|name| name != "index")
        .collect();
    names.sort();
    let mut out = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>Interleavings</title>\n</head>\n<body>\n<h1>Interleavings</h1>\n<ul>\n",
    );
    for name in names {
        let text = fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap_or_default();
        let verdict = escaped(text.lines().next().unwrap_or_default());
        let name = escaped(&name);
        let _ = writeln!(out, "<li><a href=\"{name}.html\">{name}</a>: {verdict}</li>");
    }
    out.push_str("</ul>\n</body>\n</html>\n");
    Ok(out)
}
