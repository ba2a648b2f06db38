//! What was expected beside what happened, line by line.

/// Both lists as one: a line that is in both, `-` before one that was expected and missing, `+` before one
/// that was not expected.
pub(super) fn diff(expected: &[String], found: &[String]) -> String {
    let mut lines = Vec::new();
    let (mut i, mut j) = (0, 0);
    let common = common(expected, found);
    while i < expected.len() || j < found.len() {
        if i < expected.len() && j < found.len() && expected[i] == found[j] {
            lines.push(format!("    {}", found[j]));
            (i, j) = (i + 1, j + 1);
        } else if i < expected.len() && (j == found.len() || common[i + 1][j] >= common[i][j + 1]) {
            lines.push(format!("  - {}", expected[i]));
            i += 1;
        } else {
            lines.push(format!("  + {}", found[j]));
            j += 1;
        }
    }
    if lines.is_empty() {
        lines.push("    (nothing)".to_owned());
    }
    lines.join("\n")
}

/// The length of the longest common subsequence of what follows each pair of places.
fn common(expected: &[String], found: &[String]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; found.len() + 1]; expected.len() + 1];
    for i in (0..expected.len()).rev() {
        for j in (0..found.len()).rev() {
            table[i][j] = if expected[i] == found[j] {
                table[i + 1][j + 1] + 1
            } else {
                table[i + 1][j].max(table[i][j + 1])
            };
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn what_is_missing_and_what_is_too_much_stand_at_their_places() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            diff(&lines("a b c d"), &lines("a c x d e")),
            "    a\n  - b\n    c\n  + x\n    d\n  + e"
        );
        assert_eq!(diff(&lines("a"), &[]), "  - a");
        assert_eq!(diff(&[], &[]), "    (nothing)");
    }
}
