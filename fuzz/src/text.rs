//! Inputs as text, so that seeds can be read and written by people.

use event_runtime::envelope::Headers;

/// The input's sections: what stands between lines with nothing but `---`.
pub fn sections(data: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(data);
    let mut sections = vec![String::new()];
    for line in text.split('\n') {
        if line == "---" {
            sections.push(String::new());
            continue;
        }
        if let Some(section) = sections.last_mut() {
            if !section.is_empty() {
                section.push('\n');
            }
            section.push_str(line);
        }
    }
    sections
}

/// A section as headers: `Name: value`, a line each.
pub fn headers(section: Option<&String>) -> Headers {
    section
        .map(String::as_str)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect()
}
