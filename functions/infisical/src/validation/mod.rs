//! Reading a body against a schema: every fault is found before any is reported, in the order of the schema.

mod describe;
mod issue;
mod text;

pub(crate) use issue::Issue;
pub(crate) use text::Text;

use crate::error::Problem;
use serde_json::{Map, Value};

/// Reads the fields of one object, and of objects within it, and collects what is wrong.
///
/// Readers of fields return a stand-in where the field is faulty: only [`finish`](Self::finish) tells whether the
/// values are good.
pub(crate) struct Reader<'a> {
    object: Option<&'a Map<String, Value>>,
    path: Vec<Value>,
    issues: Vec<Issue>,
    /// A fault that the original answers otherwise than with a list of issues. It wins over them.
    fatal: Option<Problem>,
    /// What was asked for, where a schema is wanted and no body read.
    description: describe::Description,
}

impl<'a> Reader<'a> {
    /// A reader of `body`, which must be an object.
    pub(crate) fn new(body: &'a Value) -> Self {
        Self::at(body, Vec::new())
    }

    fn at(value: &'a Value, path: Vec<Value>) -> Self {
        let object = value.as_object();
        let issues = match object {
            Some(_) => Vec::new(),
            None => vec![Issue::wrong_type(&path, "object", Some(value))],
        };
        Self {
            object,
            path,
            issues,
            fatal: None,
            description: describe::Description::default(),
        }
    }

    /// The value of `name`, if the key is there.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.object?.get(name)
    }

    /// The path of `name`.
    pub(crate) fn path_of(&self, name: &str) -> Vec<Value> {
        let mut path = self.path.clone();
        path.push(name.into());
        path
    }

    pub(crate) fn add(&mut self, issue: Issue) {
        // An absent object was reported itself; its fields are not missing one by one.
        if self.object.is_some() {
            self.issues.push(issue);
        }
    }

    pub(crate) fn fail(&mut self, problem: Problem) {
        self.fatal.get_or_insert(problem);
    }

    /// Whether nothing was found wrong so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.issues.is_empty() && self.fatal.is_none()
    }

    /// A required text.
    pub(crate) fn text(&mut self, name: &str, rule: &Text) -> String {
        self.description.add(name, true, || rule.schema());
        self.checked(name, self.value(name), rule).unwrap_or_default()
    }

    /// A text that may be absent.
    pub(crate) fn optional_text(&mut self, name: &str, rule: &Text) -> Option<String> {
        self.description.add(name, false, || rule.schema());
        let value = self.value(name)?;
        Some(self.checked(name, Some(value), rule).unwrap_or_default())
    }

    fn checked(&mut self, name: &str, value: Option<&Value>, rule: &Text) -> Option<String> {
        let path = self.path_of(name);
        self.check_text(path, value, rule)
    }

    fn check_text(&mut self, path: Vec<Value>, value: Option<&Value>, rule: &Text) -> Option<String> {
        let Some(Value::String(text)) = value else {
            self.add(Issue::wrong_type(&path, "string", value));
            return None;
        };
        match rule.check(&path, text) {
            Ok(text) => Some(text),
            Err(text::Fault::Issues(issues)) => {
                issues.into_iter().for_each(|issue| self.add(issue));
                None
            }
            Err(text::Fault::Fatal(problem)) => {
                self.fail(*problem);
                None
            }
        }
    }

    /// A required boolean.
    pub(crate) fn boolean(&mut self, name: &str) -> bool {
        self.description.add(name, true, describe::boolean);
        let value = self.value(name);
        self.boolean_at(name, value)
    }

    /// A boolean that may be absent.
    pub(crate) fn optional_boolean(&mut self, name: &str) -> Option<bool> {
        self.description.add(name, false, describe::boolean);
        let value = self.value(name)?;
        Some(self.boolean_at(name, Some(value)))
    }

    fn boolean_at(&mut self, name: &str, value: Option<&Value>) -> bool {
        let Some(Value::Bool(flag)) = value else {
            let issue = Issue::wrong_type(&self.path_of(name), "boolean", value);
            self.add(issue);
            return false;
        };
        *flag
    }

    /// One of `options` (spelling and meaning) that may be absent.
    pub(crate) fn optional_choice<T: Copy>(
        &mut self,
        name: &str,
        options: &[(&'static str, T)],
    ) -> Option<T> {
        let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
        self.description.add(name, false, || describe::choice(&names));
        let value = self.value(name)?;
        let path = self.path_of(name);
        let Value::String(text) = value else {
            let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
            self.add(Issue::wrong_type(&path, &quoted.join(" | "), Some(value)));
            return None;
        };
        let found = options.iter().find(|(name, _)| name == text);
        if found.is_none() {
            self.add(Issue::bad_enum(&path, &names, text));
        }
        found.map(|(_, choice)| *choice)
    }

    /// An array of texts that may be absent. Each fault is reported under the index of its text.
    pub(crate) fn optional_texts(&mut self, name: &str, rule: &Text) -> Option<Vec<String>> {
        self.description
            .add(name, false, || describe::array(rule.schema()));
        self.value(name)?;
        Some(self.texts_at(name, rule))
    }

    /// A required array of texts.
    pub(crate) fn texts(&mut self, name: &str, rule: &Text) -> Vec<String> {
        self.description
            .add(name, true, || describe::array(rule.schema()));
        self.texts_at(name, rule)
    }

    fn texts_at(&mut self, name: &str, rule: &Text) -> Vec<String> {
        let path = self.path_of(name);
        let mut texts = Vec::new();
        for (index, value) in self.array(name).iter().enumerate() {
            let mut path = path.clone();
            path.push(index.into());
            texts.extend(self.check_text(path, Some(value), rule));
        }
        texts
    }

    /// A required array.
    fn array(&mut self, name: &str) -> &'a [Value] {
        match self.value(name) {
            Some(Value::Array(values)) => values,
            other => {
                let issue = Issue::wrong_type(&self.path_of(name), "array", other);
                self.add(issue);
                &[]
            }
        }
    }

    /// An array of objects that may be absent, each read by `read`.
    pub(crate) fn optional_objects<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Reader<'a>) -> T,
    ) -> Option<Vec<T>> {
        self.description
            .add(name, false, || describe::array(Self::described(&mut read)));
        self.value(name)?;
        let path = self.path_of(name);
        let mut objects = Vec::new();
        for (index, value) in self.array(name).iter().enumerate() {
            let mut path = path.clone();
            path.push(index.into());
            objects.push(self.nested(value, path, &mut read));
        }
        Some(objects)
    }

    /// A required object, read by `read`.
    pub(crate) fn object<T: Default>(&mut self, name: &str, read: impl FnOnce(&mut Reader<'a>) -> T) -> T {
        if self.description.is_wanted() {
            self.description.add(name, true, || Self::described(read));
            return T::default();
        }
        let path = self.path_of(name);
        match self.value(name) {
            Some(value) => self.nested(value, path, read),
            None => {
                self.add(Issue::wrong_type(&path, "object", None));
                T::default()
            }
        }
    }

    fn nested<T>(
        &mut self,
        value: &'a Value,
        path: Vec<Value>,
        read: impl FnOnce(&mut Reader<'a>) -> T,
    ) -> T {
        let mut inner = Reader::at(value, path);
        let result = read(&mut inner);
        inner.issues.into_iter().for_each(|issue| self.add(issue));
        if let Some(problem) = inner.fatal {
            self.fail(problem);
        }
        result
    }

    /// `value`, unless something was wrong.
    ///
    /// # Errors
    /// All faults as one [`Problem`].
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Problem> {
        match self.fatal {
            Some(problem) => Err(problem),
            None if self.issues.is_empty() => Ok(value),
            None => Err(Problem::validation(self.issues)),
        }
    }
}
