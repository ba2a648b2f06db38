//! The rules that keep the house simple, held by a test: who may use whom, file sizes, words at the top of each
//! module, a `.stderr` for each UI case, doc tests that run, links that lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom in `event-runtime/src`: a row may use its entries, and whatever those may use. What is no
/// row yet is built later; `ARCHITECTURE.md` has the drawing.
const LAYERS: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("envelope", &["event"]),
    ("schema", &["event"]),
    ("broker", &["envelope"]),
    ("telemetry", &["envelope"]),
    ("publish", &["broker", "telemetry", "envelope", "event"]),
    ("handler", &["publish", "broker", "envelope", "event"]),
    ("consume", &["handler", "publish", "broker", "telemetry"]),
    ("contracts", &["schema", "handler", "broker"]),
    ("dead_letters", &["handler", "broker"]),
    ("adapters", &["broker"]),
    (
        "runtime",
        &["consume", "contracts", "dead_letters", "telemetry"],
    ),
    ("cli", &["runtime", "contracts", "dead_letters"]),
    ("testing", &["runtime", "adapters"]),
    // What generated code may name: it gathers, and nobody else uses it.
    ("private", &["handler"]),
];

/// Files that may name what their row may not.
const EXCEPTIONS: &[(&str, &str)] = &[("runtime/connect.rs", "adapters")];

/// A library file that is longer is two rooms in one.
const LIBRARY_LINES: usize = 400;
/// Tests may be longer: they are read one by one.
const TEST_LINES: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// All files with this ending below a folder of the repository, by their path from its root.
fn files(folder: &str, ending: &str) -> BTreeMap<String, String> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && name != "node_modules" && !name.starts_with('.') {
                    walk(&path, ending, found);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(folder), ending, &mut found);
    assert!(
        !found.is_empty(),
        "there are no *{ending} files in {folder}"
    );
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            let text = fs::read_to_string(&path).unwrap();
            (name, text)
        })
        .collect()
}

/// Fails with all that is wrong, a line each.
fn nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The row's entries, and whatever those may use.
fn allowed(row: &str) -> BTreeSet<&'static str> {
    let mut all = BTreeSet::new();
    let mut next = vec![row.to_owned()];
    while let Some(row) = next.pop() {
        let entries = LAYERS.iter().find(|(name, _)| *name == row);
        let (_, entries) = entries.unwrap_or_else(|| panic!("`{row}` is in no row of LAYERS"));
        for entry in *entries {
            if all.insert(*entry) {
                next.push((*entry).to_owned());
            }
        }
    }
    all
}

/// The modules that a file names by `crate::…`, each with its line. Code only: docs may link anywhere.
fn named_modules(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for part in line.split("crate::").skip(1) {
            let end = part
                .find(|character: char| !character.is_ascii_lowercase() && character != '_')
                .unwrap_or(part.len());
            if end > 0 {
                found.push((number + 1, part[..end].to_owned()));
            }
        }
    }
    found
}

#[test]
fn arrows_point_in_one_direction() {
    let mut wrong = Vec::new();
    let rows: Vec<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    for (path, text) in files("event-runtime/src", ".rs") {
        let path = path.strip_prefix("event-runtime/src/").unwrap().to_owned();
        let row = path.split(['/', '.']).next().unwrap();
        if row == "lib" {
            continue;
        }
        let allowed = allowed(row);
        for (line, module) in named_modules(&text) {
            let fine = module == row
                || !rows.contains(&module.as_str())
                || allowed.contains(module.as_str())
                || EXCEPTIONS.contains(&(path.as_str(), module.as_str()));
            if !fine {
                wrong.push(format!(
                    "event-runtime/src/{path}:{line}: `{row}` may not use `{module}`; it may use {allowed:?}"
                ));
            }
        }
        // The one folder that names the client library.
        if text.contains("async_nats") && !path.starts_with("adapters/nats/") {
            let only_a_filter = path == "telemetry/logs.rs";
            if !only_a_filter {
                wrong.push(format!(
                    "event-runtime/src/{path} names the client library, and only adapters/nats may"
                ));
            }
        }
    }
    nothing(&wrong);
}

#[test]
fn the_rule_about_arrows_finds_one_that_points_back() {
    let text = "// crate::runtime in a comment is fine\nuse crate::runtime::App;\n";
    assert_eq!(named_modules(text), [(2, "runtime".to_owned())]);
    assert!(!allowed("event").contains("runtime"));
    assert!(allowed("cli").contains("event"));
}

#[test]
fn no_file_is_two_rooms() {
    let mut wrong = Vec::new();
    for (folder, limit) in [
        ("event-runtime/src", LIBRARY_LINES),
        ("event-macros/src", LIBRARY_LINES),
        ("examples/src", LIBRARY_LINES),
        ("benches/src", LIBRARY_LINES),
        ("tests", TEST_LINES),
        ("examples/tests", TEST_LINES),
    ] {
        for (path, text) in files(folder, ".rs") {
            let lines = text.lines().count();
            if lines > limit {
                wrong.push(format!(
                    "{path} has {lines} lines, and {limit} is the limit"
                ));
            }
        }
    }
    nothing(&wrong);
}

#[test]
fn every_module_says_what_it_is_for() {
    let mut wrong = Vec::new();
    for folder in [
        "event-runtime/src",
        "event-macros/src",
        "benches/src",
        "examples/src",
        "examples/tests",
        "tests/src",
        "tests/tests",
    ] {
        for (path, text) in files(folder, ".rs") {
            // UI cases are named by what they hold, and their line numbers are part of the messages.
            if !text.starts_with("//!") && !path.starts_with("tests/tests/ui/") {
                wrong.push(format!("{path} does not begin with `//!`"));
            }
        }
    }
    nothing(&wrong);
}

#[test]
fn every_mistake_has_its_message() {
    let mut wrong = Vec::new();
    let cases = files("tests/tests/ui", ".rs");
    let messages = files("tests/tests/ui", ".stderr");
    for path in cases.keys().filter(|path| !path.contains("/ui/pass/")) {
        let message = path.replace(".rs", ".stderr");
        if !messages.contains_key(&message) {
            wrong.push(format!("{path} has no {message}"));
        }
    }
    for path in messages.keys() {
        let case = path.replace(".stderr", ".rs");
        if !cases.contains_key(&case) || path.contains("/ui/pass/") {
            wrong.push(format!("{path} belongs to no case"));
        }
    }
    nothing(&wrong);
}

#[test]
fn every_doc_test_runs_and_every_test_counts() {
    let mut wrong = Vec::new();
    // In two parts, so that this file does not find itself.
    let fence = format!("``{}", "`ignore");
    let attribute = format!("#[{}", "ignore");
    for folder in ["event-runtime/src", "event-macros/src", "examples", "tests"] {
        for (path, text) in files(folder, ".rs") {
            for (number, line) in text.lines().enumerate() {
                if line.contains(&fence) || line.contains(&attribute) {
                    wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    nothing(&wrong);
}

/// `[text](target)` of a page, with its line; code blocks are left out.
fn links(text: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let mut code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        let mut rest = line;
        while let Some(middle) = rest.find("](") {
            let label = rest[..middle]
                .rfind('[')
                .map_or("", |start| &rest[start + 1..middle]);
            let target = &rest[middle + 2..];
            let end = target.find(')').unwrap_or(target.len());
            found.push((number + 1, label.to_owned(), target[..end].to_owned()));
            rest = &target[end..];
        }
    }
    found
}

/// A link to a test whose text is its name in code marks has to find a function of that name there: so a
/// guarantee can't outlive its proof.
#[test]
fn every_link_of_the_docs_leads_somewhere() {
    let root = root();
    let mut pages = files("docs", ".md");
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ] {
        pages.insert(
            page.to_owned(),
            fs::read_to_string(root.join(page)).unwrap(),
        );
    }
    let mut wrong = Vec::new();
    let mut tests = 0;
    for (page, text) in &pages {
        let folder = root.join(page).parent().unwrap().to_owned();
        for (line, label, target) in links(text) {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            let file = folder.join(target.split('#').next().unwrap());
            if !file.exists() {
                wrong.push(format!("{page}:{line}: there is no {target}"));
                continue;
            }
            let name = label.trim_matches('`');
            let is_name = label.starts_with('`')
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let is_code = file.extension().is_some_and(|extension| extension == "rs");
            if is_name && is_code {
                tests += 1;
                let code = fs::read_to_string(&file).unwrap();
                if !code.contains(&format!("fn {name}(")) {
                    wrong.push(format!("{page}:{line}: {target} has no function `{name}`"));
                }
            }
        }
    }
    nothing(&wrong);
    assert!(tests >= 20, "the README names the test of each guarantee");
}
