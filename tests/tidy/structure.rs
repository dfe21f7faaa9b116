//! The structure of `src`: import cycles, the home of inherent impls, and fields of the kernel.

use std::collections::{BTreeMap, BTreeSet};

use super::SourceFile;
use super::lexer::{closing_brace, code_only, line_of, words};
use super::rules::Complaint;

/// The most files of the one import cycle that is allowed: the mutually recursive data of the kernel.
const MOST_FILES_IN_A_CYCLE: usize = 9;
const KERNEL: &str = "kernel";

/// A path of modules from the root of the crate: `["kernel", "scheduler"]`.
type Module = Vec<String>;

/// The files of the crate with the modules that each imports.
struct Imports {
    edges: BTreeMap<Module, BTreeSet<Module>>,
}

/// Returns the source without comments, literals and unit tests.
fn library_code(source: &str) -> String {
    let code = code_only(source);
    let tests = code.find("#[cfg(test)]\nmod ").unwrap_or(code.len());
    code[..tests].to_owned()
}

fn module_of(path: &str) -> Option<Module> {
    if path == "arch/mod.rs" {
        return Some(vec!["arch".to_owned()]);
    }
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut parts: Module = inside.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| ["mod", "lib"].contains(&last.as_str())) {
        parts.pop();
    }
    Some(parts)
}

/// Returns the paths that a tree of imports names: `a::b` and `a::c` for `a::{b, c as d}`.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let (Some(open), true) = (tree.find('{'), tree.ends_with('}')) else {
        return vec![tree.split(" as ").next().unwrap_or(tree).trim().to_owned()];
    };
    let (prefix, list) = (&tree[..open], &tree[open + 1..tree.len() - 1]);
    let mut found = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = list[start..at].trim();
                if !part.is_empty() {
                    found.extend(expand(part).iter().map(|path| format!("{prefix}{path}")));
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// Returns the paths of the `use` declarations: those of imports, and those of re-exports.
fn uses(code: &str) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for (at, _) in words(code).filter(|(_, word)| *word == "use") {
        let Some(end) = code[at..].find(';') else { continue };
        let line = code[..at].rfind('\n').map_or(0, |start| start + 1);
        let list = if code[line..at].contains("pub") { &mut exports } else { &mut imports };
        list.extend(expand(&code[at + "use".len()..at + end]));
    }
    (imports, exports)
}

/// Returns the paths in the code, but those of `use` declarations, that begin with `crate`, `super` or
/// `self`.
fn paths(code: &str) -> Vec<String> {
    let mut code = code.to_owned();
    let next_use = |code: &str| words(code).find(|(_, word)| *word == "use").map(|(at, _)| at);
    while let Some(at) = next_use(&code) {
        let end = code[at..].find(';').map_or(code.len(), |end| at + end);
        code.replace_range(at..end, "");
    }
    ["crate::", "super::", "self::"]
        .iter()
        .flat_map(|start| code.match_indices(start))
        .filter(|&(at, _)| !code[..at].ends_with([':', '$']))
        .map(|(at, _)| {
            let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let end = code[at..].find(|c| !is_path(c)).map_or(code.len(), |end| at + end);
            code[at..end].to_owned()
        })
        .collect()
}

impl Imports {
    fn new(files: &[SourceFile]) -> Imports {
        let code: BTreeMap<Module, String> = files
            .iter()
            .filter_map(|file| Some((module_of(&file.path)?, library_code(&file.text))))
            .collect();
        let is_file = |path: &[String]| code.contains_key(path);
        let mut exports = BTreeMap::new();
        for (module, text) in &code {
            for path in uses(text).1 {
                let target = absolute(module, &path, &is_file);
                if let Some(target) = target
                    && let Some(name) = target.last().cloned()
                {
                    exports.insert((module.clone(), name), target);
                }
            }
        }
        let mut edges: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (module, text) in &code {
            let (imports, _) = uses(text);
            let targets = imports.into_iter().chain(paths(text)).filter_map(|path| {
                let path = absolute(module, &path, &is_file)?;
                resolve(path, &code, &exports)
            });
            let targets = targets.filter(|target| target != module && !target.is_empty());
            edges.insert(module.clone(), targets.collect());
        }
        Imports { edges }
    }

    /// Returns the modules that can be reached from `module`.
    fn reachable(&self, module: &Module) -> BTreeSet<&Module> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&Module> = self.edges.get(module).into_iter().flatten().collect();
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(self.edges.get(next).into_iter().flatten());
            }
        }
        found
    }

    /// Returns the sets of modules that import each other.
    fn cycles(&self) -> Vec<Vec<&Module>> {
        let reachable: BTreeMap<&Module, BTreeSet<&Module>> =
            self.edges.keys().map(|module| (module, self.reachable(module))).collect();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for (&module, reached) in &reachable {
            if !reached.contains(module) || seen.contains(module) {
                continue;
            }
            let returns = |other: &&&Module| reachable[**other].contains(module);
            let cycle: Vec<&Module> = reached.iter().filter(returns).copied().collect();
            seen.extend(cycle.iter().copied());
            found.push(cycle);
        }
        found
    }
}

/// Returns a path from the root of the crate, if it leads into the crate.
fn absolute(module: &Module, path: &str, is_file: &dyn Fn(&[String]) -> bool) -> Option<Module> {
    let mut parts: Vec<String> =
        path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let first = parts.first()?.clone();
    match first.as_str() {
        "crate" => Some(parts.split_off(1)),
        "super" | "self" => {
            let mut from = module.clone();
            while parts.first().is_some_and(|part| part == "super" || part == "self") {
                if parts.remove(0) == "super" {
                    from.pop();
                }
            }
            from.extend(parts);
            Some(from)
        }
        _ => {
            let mut child = module.clone();
            child.push(first);
            is_file(&child).then(|| [module.clone(), parts].concat())
        }
    }
}

/// Returns the file that a path from the root leads to, through re-exports.
fn resolve(
    mut path: Module,
    code: &BTreeMap<Module, String>,
    exports: &BTreeMap<(Module, String), Module>,
) -> Option<Module> {
    for _ in 0..8 {
        let length = (0..=path.len()).rev().find(|&length| code.contains_key(&path[..length]))?;
        let file = path[..length].to_vec();
        let next = path.get(length).and_then(|name| exports.get(&(file.clone(), name.clone())));
        match next {
            Some(target) if target[..] != path[..(length + 1).min(path.len())] => {
                path = [&target[..], &path[length + 1..]].concat();
            }
            _ => return Some(file),
        }
    }
    None
}

/// Finds import cycles among the files of `src`. The mutually recursive files of the kernel may form
/// one.
pub fn cycles(files: &[SourceFile]) -> Vec<String> {
    let imports = Imports::new(files);
    let is_allowed = |cycle: &[&Module]| {
        let is_kernel = cycle.iter().all(|module| module.first().is_some_and(|top| top == KERNEL));
        is_kernel && cycle.len() <= MOST_FILES_IN_A_CYCLE
    };
    let cycles = imports.cycles().into_iter().filter(|cycle| !is_allowed(cycle));
    let names = |cycle: Vec<&Module>| {
        let files: Vec<String> = cycle.iter().map(|module| module.join("/")).collect();
        format!("files that import each other: {}", files.join(" "))
    };
    cycles.map(names).collect()
}

/// Finds inherent impls of the kernel's types that stand outside of the kernel. Such an impl calls
/// upward without an import.
pub fn foreign_impls(files: &[SourceFile]) -> Vec<String> {
    let in_kernel = |path: &str| path.starts_with("src/kernel/");
    let code: Vec<(&str, String)> =
        files.iter().map(|file| (&*file.path, code_only(&file.text))).collect();
    let defined = |code: &str| -> Vec<String> {
        let all: Vec<(usize, &str)> = words(code).collect();
        all.windows(2)
            .filter(|pair| ["struct", "enum", "union"].contains(&pair[0].1))
            .map(|pair| pair[1].1.to_owned())
            .collect()
    };
    let kernel: BTreeSet<String> = code
        .iter()
        .filter(|(path, _)| in_kernel(path))
        .flat_map(|(_, code)| defined(code))
        .collect();
    let folder = |path: &str| path.split('/').nth(1).map(str::to_owned);
    let mut found = Vec::new();
    for (path, text) in code.iter().filter(|(path, _)| path.starts_with("src/") && !in_kernel(path))
    {
        // A type of the same name may be defined nearby.
        let near = code.iter().filter(|(other, _)| folder(other) == folder(path));
        let own: Vec<String> = near.flat_map(|(_, code)| defined(code)).collect();
        let code = text;
        for (at, _) in words(code).filter(|(_, word)| *word == "impl") {
            let Some(end) = code[at..].find(['{', ';', ')']) else { continue };
            let head = &code[at + "impl".len()..at + end];
            if words(head).any(|(_, word)| word == "for") || code[..at].ends_with([' ', '(']) {
                continue;
            }
            let Some((_, name)) = words(skip_generics(head)).next() else { continue };
            if kernel.contains(name) && !own.iter().any(|own| own == name) {
                let line = line_of(code, at);
                found.push(format!("{path}:{line}: an inherent impl of the kernel's `{name}`"));
            }
        }
    }
    found
}

/// Returns what follows the generic parameters at the beginning of a text.
fn skip_generics(text: &str) -> &str {
    let text = text.trim_start();
    if !text.starts_with('<') {
        return text;
    }
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if depth == 1 => return &text[at + 1..],
            '>' => depth -= 1,
            _ => {}
        }
    }
    text
}

/// Finds fields of structs of the kernel that other files can reach without a method, but those of a
/// struct that is passed as a whole: the table of upcalls, and the values in reports.
pub fn kernel_fields(path: &str, source: &str) -> Vec<Complaint> {
    const OPEN: [&str; 7] = ["Upcalls", "Origin", "Need", "Holder", "Listed", "ThreadId", "Waited"];
    if !path.starts_with("src/kernel/") {
        return Vec::new();
    }
    let code = code_only(source);
    let all: Vec<(usize, &str)> = words(&code).collect();
    let mut found = Vec::new();
    for pair in all.windows(2).filter(|pair| pair[0].1 == "struct") {
        let (at, name) = pair[1];
        let Some(open) = code[at..].find(['{', ';']).map(|open| at + open) else { continue };
        if OPEN.contains(&name) || !code[open..].starts_with('{') {
            continue;
        }
        let close = closing_brace(&code, open).unwrap_or(code.len());
        found.extend(code[open..close].match_indices("pub").map(|(offset, _)| {
            let what = format!("a field of `{name}` that other files can reach");
            (line_of(&code, open + offset), what)
        }));
    }
    found
}
