//! The key id of a certificate whose caller did not choose one.

/// What a format may stand for.
pub(crate) struct KeyIdParts<'a> {
    pub(crate) display_name: &'a str,
    pub(crate) role_name: &'a str,
    /// The lower-case hex SHA-256 of the key's blob.
    pub(crate) public_key_hash: &'a str,
}

impl KeyIdParts<'_> {
    /// The key id by `format`, or where that is empty, the usual one.
    pub(crate) fn render(&self, format: &str) -> String {
        let hash = self.public_key_hash;
        match (format, self.display_name) {
            ("", "") => format!("vault-{hash}"),
            ("", name) => format!("vault-{name}-{hash}"),
            _ => self.fill(format),
        }
    }

    /// Fills the three variables in, each once and in their exact spelling; what is filled in is not looked at again.
    fn fill(&self, format: &str) -> String {
        let variables = [
            ("{{token_display_name}}", self.display_name),
            ("{{role_name}}", self.role_name),
            ("{{public_key_hash}}", self.public_key_hash),
        ];
        let mut text = String::new();
        let mut rest = format;
        while let Some(start) = rest.find("{{") {
            text.push_str(&rest[..start]);
            rest = &rest[start..];
            match variables.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, value)) => {
                    text.push_str(value);
                    rest = &rest[name.len()..];
                }
                None => {
                    text.push('{');
                    rest = &rest[1..];
                }
            }
        }
        text + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_filled_in() {
        let parts = KeyIdParts {
            display_name: "{{role_name}}",
            role_name: "r",
            public_key_hash: "ab",
        };
        let full = "custom-{{{role_name}}-{{token_display_name}}-{{public_key_hash}}-{{ role_name }}{{x";
        assert_eq!(
            parts.render(full),
            "custom-{r-{{role_name}}-ab-{{ role_name }}{{x"
        );
        assert_eq!(parts.render(""), "vault-{{role_name}}-ab");
        assert_eq!(
            KeyIdParts {
                display_name: "",
                ..parts
            }
            .render(""),
            "vault-ab"
        );
    }
}
