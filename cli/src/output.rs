//! What a command prints: text for people, or JSON for programs.

use serde_json::Value;

/// The result of a command, in both forms.
#[derive(Debug)]
pub(crate) struct Output {
    /// For people.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: Value,
}

impl Output {
    /// One sentence, and what it is about.
    pub(crate) fn sentence(text: impl Into<String>, json: Value) -> Self {
        Self {
            text: format!("{}\n", text.into()),
            json,
        }
    }

    /// The form that was asked for, ending with a newline.
    pub(crate) fn render(&self, json: bool) -> String {
        if json {
            format!("{:#}\n", self.json)
        } else {
            self.text.clone()
        }
    }
}

/// Names and values, the values aligned. Empty values are left out.
pub(crate) fn fields<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let fields: Vec<_> = fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let width = fields
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    fields
        .iter()
        .map(|(name, value)| format!("{name:width$}  {}\n", one_line(value)))
        .collect()
}

/// Rows under headings, aligned; or `none` where there are no rows.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]], none: &str) -> String {
    if rows.is_empty() {
        return format!("{none}\n");
    }
    let mut lines = vec![headings.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| row.clone().map(|cell| one_line(&cell))));
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let aligned = |line: &[String; N]| {
        let cells = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(aligned).collect()
}

/// Without control characters, so that what others wrote cannot act on the terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// The text at `name` of a JSON object: a text as it is, a list with commas, nothing for null.
pub(crate) fn shown(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => plain(other),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_aligned() {
        let rows = [
            ["a".into(), "first".into()],
            ["longer".into(), "é\u{1b}[31m".into()],
        ];
        assert_eq!(
            table(["NAME", "WHAT"], &rows, ""),
            "NAME    WHAT\na       first\nlonger  é\u{fffd}[31m\n"
        );
        assert_eq!(table(["NAME"], &[], "There are none."), "There are none.\n");
        let text = fields([
            ("id", "1".into()),
            ("description", "x".into()),
            ("empty", String::new()),
        ]);
        assert_eq!(text, "id           1\ndescription  x\n");
    }

    #[test]
    fn values_are_shown_plainly() {
        let value = json!({"list": ["a", 1], "none": null, "text": "x", "flag": true});
        let all = ["list", "none", "text", "flag", "absent"].map(|name| shown(&value, name));
        assert_eq!(all, ["a, 1", "", "x", "true", ""]);
    }
}
