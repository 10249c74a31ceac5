//! Words of HCL version 1, the version that policies are written in.
//!
//! Source: <https://github.com/hashicorp/hcl/tree/hcl1>. Left out, because no policy has a use for them: hexadecimal
//! and octal numbers.

use serde_json::Number;

use super::AclError;

/// One word of the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Assign,
    CloseBrace,
    CloseBracket,
    Comma,
    End,
    Heredoc(String),
    Identifier(String),
    Number(Number),
    OpenBrace,
    OpenBracket,
    Text(String),
}

impl Token {
    /// How an error names the word.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Assign => "'='".into(),
            Self::CloseBrace => "'}'".into(),
            Self::CloseBracket => "']'".into(),
            Self::Comma => "','".into(),
            Self::End => "the end of the text".into(),
            Self::Heredoc(_) => "a heredoc".into(),
            Self::Identifier(name) => format!("{name:?}"),
            Self::Number(number) => number.to_string(),
            Self::OpenBrace => "'{'".into(),
            Self::OpenBracket => "'['".into(),
            Self::Text(text) => format!("{text:?}"),
        }
    }
}

/// Cuts a text into words, in one pass.
pub(super) struct Lexer<'t> {
    text: &'t str,
    position: usize,
    line: u32,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            text,
            position: 0,
            line: 1,
        }
    }

    /// The next word and the line that it starts on.
    pub(super) fn next_token(&mut self) -> Result<(u32, Token), AclError> {
        self.skip_blank()?;
        let line = self.line;
        Ok((line, self.token()?))
    }

    fn token(&mut self) -> Result<Token, AclError> {
        let Some(first) = self.peek() else {
            return Ok(Token::End);
        };
        if first.is_alphabetic() || first == '_' {
            return Ok(Token::Identifier(self.take_while(is_identifier).to_owned()));
        }
        if first.is_ascii_digit() || first == '-' {
            return self.number();
        }
        self.bump();
        match first {
            '=' => Ok(Token::Assign),
            '{' => Ok(Token::OpenBrace),
            '}' => Ok(Token::CloseBrace),
            '[' => Ok(Token::OpenBracket),
            ']' => Ok(Token::CloseBracket),
            ',' => Ok(Token::Comma),
            '"' => self.quoted(),
            '<' => self.heredoc(),
            other => Err(self.unexpected("a key, a value or a bracket", Some(other))),
        }
    }

    fn skip_blank(&mut self) -> Result<(), AclError> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
            let rest = self.rest();
            if rest.starts_with('#') || rest.starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let length = comment
                    .find("*/")
                    .ok_or_else(|| self.unclosed("\"*/\" after a comment"))?;
                self.advance(length + "/**/".len());
            } else {
                return Ok(());
            }
        }
    }

    fn number(&mut self) -> Result<Token, AclError> {
        let text = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
        serde_json::from_str(text)
            .map(Token::Number)
            .map_err(|_| AclError::Syntax {
                line: self.line,
                expected: "a decimal number",
                found: format!("{text:?}"),
            })
    }

    fn quoted(&mut self) -> Result<Token, AclError> {
        let mut bytes = Vec::new();
        loop {
            match self.bump() {
                Some('"') => break,
                Some('\\') => self.escape(&mut bytes)?,
                Some('$') if self.peek() == Some('{') => bytes.extend(self.interpolation()?),
                Some(c) if c != '\n' => push_char(&mut bytes, c),
                end => return Err(self.unexpected("'\"' at the end of a string", end)),
            }
        }
        String::from_utf8(bytes)
            .map(Token::Text)
            .map_err(|_| self.unexpected("escapes that make UTF-8", None))
    }

    /// HCL leaves everything between `${` and its `}` as it stands, quotes and line ends too.
    fn interpolation(&mut self) -> Result<&'t [u8], AclError> {
        let start = self.position - '$'.len_utf8();
        let mut depth = 0_u32;
        loop {
            match self.bump() {
                Some('{') => depth += 1,
                Some('}') if depth == 1 => return Ok(&self.text.as_bytes()[start..self.position]),
                Some('}') => depth -= 1,
                Some(_) => {}
                None => return Err(self.unclosed("'}' after \"${\"")),
            }
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), AclError> {
        let escaped = self.bump();
        let byte = match escaped {
            Some('a') => 0x07,
            Some('b') => 0x08,
            Some('f') => 0x0c,
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('v') => 0x0b,
            Some('\\') => b'\\',
            Some('"') => b'"',
            Some('x') => self.byte(0, 16, 2)?,
            Some(digit @ '0'..='7') => self.byte(digit as u32 - '0' as u32, 8, 2)?,
            Some('u') => return self.code_point(bytes, 4),
            Some('U') => return self.code_point(bytes, 8),
            other => return Err(self.unexpected("an escape that HCL knows", other)),
        };
        bytes.push(byte);
        Ok(())
    }

    fn byte(&mut self, first: u32, radix: u32, digits: usize) -> Result<u8, AclError> {
        let value = self.digits(first, radix, digits)?;
        u8::try_from(value).map_err(|_| self.unexpected("an escape of at most 255", None))
    }

    fn code_point(&mut self, bytes: &mut Vec<u8>, digits: usize) -> Result<(), AclError> {
        let value = self.digits(0, 16, digits)?;
        let c = char::from_u32(value).ok_or_else(|| self.unexpected("a Unicode character", None))?;
        push_char(bytes, c);
        Ok(())
    }

    /// Eight hexadecimal digits are the most that anyone asks for, so 32 bits always hold the value.
    fn digits(&mut self, first: u32, radix: u32, digits: usize) -> Result<u32, AclError> {
        let mut value = first;
        for _ in 0..digits {
            let next = self.bump();
            let digit = next.and_then(|c| c.to_digit(radix));
            value = value * radix + digit.ok_or_else(|| self.unexpected("a digit of an escape", next))?;
        }
        Ok(value)
    }

    fn heredoc(&mut self) -> Result<Token, AclError> {
        let opening = self.bump();
        if opening != Some('<') {
            return Err(self.unexpected("\"<<\" before a heredoc", opening));
        }
        let indented = self.peek() == Some('-') && self.bump().is_some();
        let marker = self.take_while(|c| c.is_alphanumeric() || c == '_');
        let line_end = self.take_while(|c| c == '\r').len();
        let end = self.bump();
        if marker.is_empty() || line_end > 1 || end != Some('\n') {
            return Err(self.unexpected("a heredoc marker and a line end", end));
        }
        self.heredoc_body(marker, indented)
    }

    fn heredoc_body(&mut self, marker: &str, indented: bool) -> Result<Token, AclError> {
        let mut lines = Vec::new();
        while !self.rest().is_empty() {
            let line = self.take_line();
            let closing = line
                .trim_end_matches(['\r', '\n'])
                .trim_start_matches([' ', '\t']);
            if closing == marker {
                let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
                return Ok(Token::Heredoc(join(&lines, if indented { indent } else { "" })));
            }
            lines.push(line);
        }
        Err(self.unclosed("the marker that ends a heredoc"))
    }

    /// The rest of the line with its end.
    fn take_line(&mut self) -> &'t str {
        let rest = self.rest();
        let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
        self.advance(length);
        &rest[..length]
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.advance(length);
        &rest[..length]
    }

    fn advance(&mut self, length: usize) {
        let passed = &self.rest().as_bytes()[..length];
        self.line += passed.iter().map(|byte| u32::from(*byte == b'\n')).sum::<u32>();
        self.position += length;
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.advance(c.len_utf8());
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    fn unclosed(&self, expected: &'static str) -> AclError {
        AclError::Syntax {
            line: self.line,
            expected,
            found: Token::End.describe(),
        }
    }

    /// An error about the character just taken, or without one about what lies ahead.
    fn unexpected(&self, expected: &'static str, taken: Option<char>) -> AclError {
        let found = match taken {
            Some('\n') => "the end of the line".to_owned(),
            Some(c) => format!("{c:?}"),
            None if self.rest().is_empty() => Token::End.describe(),
            None => "something else".to_owned(),
        };
        let line = self.line - u32::from(taken == Some('\n'));
        AclError::Syntax {
            line,
            expected,
            found,
        }
    }
}

fn is_identifier(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn push_char(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// HCL takes the indentation of the closing marker off the lines if all have it, else off none.
fn join(lines: &[&str], indent: &str) -> String {
    let stripped: Option<String> = lines.iter().map(|line| line.strip_prefix(indent)).collect();
    stripped.unwrap_or_else(|| lines.concat())
}
