//! The part of HCL version 1 that policies use.
//!
//! Source: <https://github.com/hashicorp/hcl/tree/hcl1>. A parser of our own, because what it lets through decides who
//! may do what: it is small, linear in the text and bounded in depth.

use std::mem;

use super::{
    AclError, MAX_DEPTH,
    lexer::{Lexer, Token},
    syntax::{Item, Value},
};

/// Reads a whole text as a list of items.
pub(super) fn parse(text: &str) -> Result<Vec<Item>, AclError> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        line: 1,
        token: Token::End,
    };
    parser.advance()?;
    let mut items = Vec::new();
    while parser.token != Token::End {
        items.push(parser.item(0)?);
    }
    Ok(items)
}

/// Recursive descent with one word of look-ahead.
struct Parser<'t> {
    lexer: Lexer<'t>,
    /// Where the word ahead starts.
    line: u32,
    token: Token,
}

impl Parser<'_> {
    fn item(&mut self, depth: u32) -> Result<Item, AclError> {
        let line = Some(self.line);
        let key = self.key()?.ok_or_else(|| self.unexpected("a key"))?;
        let mut labels = Vec::new();
        while let Some(label) = self.key()? {
            labels.push(label);
        }
        let value = self.item_value(labels.is_empty(), depth)?;
        Ok(Item {
            key,
            labels,
            line,
            value,
        })
    }

    /// A block, or `=` and a value; what has labels can only be a block.
    fn item_value(&mut self, may_assign: bool, depth: u32) -> Result<Value, AclError> {
        match self.token {
            Token::OpenBrace => self.value(depth),
            Token::Assign if may_assign => {
                self.advance()?;
                self.value(depth)
            }
            _ if may_assign => Err(self.unexpected("'=' or '{' after a key")),
            _ => Err(self.unexpected("'{' after a label")),
        }
    }

    fn key(&mut self) -> Result<Option<String>, AclError> {
        match &mut self.token {
            Token::Identifier(key) | Token::Text(key) => {
                let key = mem::take(key);
                self.advance()?;
                Ok(Some(key))
            }
            _ => Ok(None),
        }
    }

    fn value(&mut self, depth: u32) -> Result<Value, AclError> {
        if depth >= MAX_DEPTH {
            return Err(AclError::TooDeep { line: self.line });
        }
        let value = match &mut self.token {
            Token::OpenBrace => return self.object(depth + 1),
            Token::OpenBracket => return self.list(depth + 1),
            Token::Heredoc(text) | Token::Text(text) => Value::Text(mem::take(text)),
            Token::Number(number) => Value::Number(number.clone()),
            Token::Identifier(word) if word == "true" => Value::Bool(true),
            Token::Identifier(word) if word == "false" => Value::Bool(false),
            _ => return Err(self.unexpected("a value")),
        };
        self.advance()?;
        Ok(value)
    }

    /// Items may be parted by commas, not only by blanks.
    fn object(&mut self, depth: u32) -> Result<Value, AclError> {
        self.advance()?;
        let mut items = Vec::new();
        while self.token != Token::CloseBrace {
            if self.token == Token::End {
                return Err(self.unexpected("'}' at the end of a block"));
            }
            items.push(self.item(depth)?);
            if self.token == Token::Comma {
                self.advance()?;
            }
        }
        self.advance()?;
        Ok(Value::Object(items))
    }

    fn list(&mut self, depth: u32) -> Result<Value, AclError> {
        self.advance()?;
        let mut values = Vec::new();
        while self.token != Token::CloseBracket {
            values.push(self.value(depth)?);
            match self.token {
                Token::Comma => self.advance()?,
                Token::CloseBracket => {}
                _ => return Err(self.unexpected("',' or ']' after a list element")),
            }
        }
        self.advance()?;
        Ok(Value::List(values))
    }

    fn advance(&mut self) -> Result<(), AclError> {
        (self.line, self.token) = self.lexer.next_token()?;
        Ok(())
    }

    fn unexpected(&self, expected: &'static str) -> AclError {
        AclError::Syntax {
            line: self.line,
            expected,
            found: self.token.describe(),
        }
    }
}
