//! Critical options and extensions: sorted, never repeated, each in its own table.

use super::wire::{Reader, WireError, Writer};
use std::{collections::BTreeMap, fmt};

/// The most bytes that one name or value may have. OpenSSH has no limit of its own but the packet's; this keeps a
/// certificate far below it.
const MAX_VALUE_BYTES: usize = 8192;

/// The options whose data is a flag: they are present or not, and carry no value.
const FLAGS: [&str; 7] = [
    "no-touch-required",
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
    "verify-required",
];
/// The known critical options (draft-miller-ssh-cert §2.4).
const CRITICAL: [&str; 3] = ["force-command", "source-address", "verify-required"];

/// Why a table of options cannot go into a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionsError {
    /// A flag was given a value.
    FlagWithValue(String),
    /// The bytes of a certificate do not hold a table of options.
    Malformed(WireError),
    /// A name is empty, too long, or has characters outside printable ASCII.
    Name(String),
    /// A value is too long or holds control characters, or is missing where the option needs one.
    Value(String),
    /// An extension stands among the critical options, or the reverse, where sshd would refuse or ignore it.
    WrongTable(String),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FlagWithValue(name) => write!(f, "{name} is a flag and takes no value"),
            Self::Malformed(error) => write!(f, "the options are malformed: {error}"),
            Self::Name(name) => write!(
                f,
                "{name:?} is not an option name: printable ASCII, 1 to 100 characters"
            ),
            Self::Value(name) => {
                write!(
                    f,
                    "the value of {name} is empty, longer than {MAX_VALUE_BYTES} bytes, or has control characters"
                )
            }
            Self::WrongTable(name) => {
                let other = if CRITICAL.contains(&name.as_str()) {
                    "critical option"
                } else {
                    "extension"
                };
                write!(f, "{name} has an effect only as {other}")
            }
        }
    }
}

impl std::error::Error for OptionsError {}

macro_rules! option_table {
    ($(#[$doc:meta])* $name:ident, critical: $critical:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(BTreeMap<String, String>);

        impl $name {
            /// The options with these names and values; a flag has the empty value.
            ///
            /// # Errors
            /// [`OptionsError`], naming the option.
            pub fn parse<N: Into<String>, V: Into<String>>(
                options: impl IntoIterator<Item = (N, V)>,
            ) -> Result<Self, OptionsError> {
                let mut table = BTreeMap::new();
                for (name, value) in options {
                    let (name, value) = (name.into(), value.into());
                    check_option(&name, &value, $critical)?;
                    table.insert(name, value);
                }
                Ok(Self(table))
            }

            /// Names and values in the order of the certificate.
            pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
                self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
            }

            /// The value of `name`, empty for a flag.
            pub fn value(&self, name: &str) -> Option<&str> {
                self.0.get(name).map(String::as_str)
            }

            /// Whether there are none.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            pub(super) fn read(bytes: &[u8]) -> Result<Self, OptionsError> {
                read_table(bytes).map(Self)
            }

            pub(super) fn write(&self, writer: &mut Writer) {
                write_table(&self.0, writer);
            }
        }
    };
}

option_table!(
    /// What sshd must understand and enforce, or refuse the certificate.
    CriticalOptions,
    critical: true
);
option_table!(
    /// What the certificate permits; sshd ignores those that it does not know.
    Extensions,
    critical: false
);

fn check_option(name: &str, value: &str, critical: bool) -> Result<(), OptionsError> {
    let printable = name
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b',' && byte != b'=');
    if name.is_empty() || name.len() > 100 || !printable {
        return Err(OptionsError::Name(name.chars().take(100).collect()));
    }
    let known_critical = CRITICAL.contains(&name);
    let known_extension = FLAGS.contains(&name) && !known_critical;
    if (critical && known_extension) || (!critical && known_critical) {
        return Err(OptionsError::WrongTable(name.into()));
    }
    if FLAGS.contains(&name) && !value.is_empty() {
        return Err(OptionsError::FlagWithValue(name.into()));
    }
    let needs_value = known_critical && !FLAGS.contains(&name);
    let bad_value = value.len() > MAX_VALUE_BYTES || value.chars().any(|c| c.is_control() && c != '\t');
    if bad_value || (needs_value && value.is_empty()) {
        return Err(OptionsError::Value(name.into()));
    }
    Ok(())
}

/// Each entry is a name and a data string; the data of an option with a value holds the value as a string again.
fn write_table(table: &BTreeMap<String, String>, writer: &mut Writer) {
    for (name, value) in table {
        writer.string(name).nested(|data| {
            if !value.is_empty() {
                data.string(value);
            }
        });
    }
}

fn read_table(bytes: &[u8]) -> Result<BTreeMap<String, String>, OptionsError> {
    let mut reader = Reader::new(bytes);
    let mut table = BTreeMap::new();
    let malformed = OptionsError::Malformed;
    while !reader.is_empty() {
        let name = reader.text().map_err(malformed)?;
        let mut data = Reader::new(reader.string().map_err(malformed)?);
        let value = if data.is_empty() {
            ""
        } else {
            data.text().map_err(malformed)?
        };
        data.finish().map_err(malformed)?;
        if table
            .last_key_value()
            .is_some_and(|(last, _): (&String, &String)| last.as_str() >= name)
        {
            return Err(OptionsError::Name(name.into()));
        }
        table.insert(name.to_owned(), value.to_owned());
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.into_bytes()
    }

    #[test]
    fn options_are_sorted_bytewise_and_values_nested() {
        let options =
            CriticalOptions::parse([("source-address", "192.0.2.0/24"), ("force-command", "id")]).unwrap();
        let expected = bytes(|writer| {
            writer.string("force-command").string(b"\0\0\0\x02id");
            writer.string("source-address").string(b"\0\0\0\x0c192.0.2.0/24");
        });
        assert_eq!(bytes(|writer| options.write(writer)), expected);
        let names: Vec<String> = Extensions::parse(FLAGS[..6].iter().map(|flag| (*flag, "")))
            .unwrap()
            .iter()
            .map(|(name, _)| name.to_owned())
            .collect();
        assert_eq!(names, FLAGS[..6], "capital X sorts before lower case");
    }

    #[test]
    fn options_in_the_wrong_table_are_refused() {
        for name in ["force-command", "source-address", "verify-required"] {
            let error = Extensions::parse([(name, "")]).unwrap_err();
            assert_eq!(error, OptionsError::WrongTable(name.into()));
        }
        for name in &FLAGS[..6] {
            let error = CriticalOptions::parse([(*name, "")]).unwrap_err();
            assert_eq!(error, OptionsError::WrongTable((*name).into()));
        }
    }

    #[test]
    fn what_sshd_would_refuse_is_refused() {
        assert!(matches!(
            Extensions::parse([("permit-pty", "x")]),
            Err(OptionsError::FlagWithValue(_))
        ));
        assert!(matches!(
            CriticalOptions::parse([("force-command", "")]),
            Err(OptionsError::Value(_))
        ));
        assert!(matches!(
            CriticalOptions::parse([("force-command", "a\nb")]),
            Err(OptionsError::Value(_))
        ));
        assert!(matches!(
            Extensions::parse([("", "")]),
            Err(OptionsError::Name(_))
        ));
        assert!(matches!(
            Extensions::parse([("a b", "")]),
            Err(OptionsError::Name(_))
        ));
        assert!(Extensions::parse([("login@github.com", "alice")]).is_ok());
    }

    #[test]
    fn names_and_values_have_their_limits() {
        let name = |name: &str| Extensions::parse([(name, "")]).map(|_| ());
        assert_eq!(name(&"x".repeat(100)), Ok(()));
        assert_eq!(
            name(&"x".repeat(101)),
            Err(OptionsError::Name("x".repeat(100))),
            "named by its beginning"
        );
        for bad in ["", "a,b", "a=b", "a b", "ä"] {
            assert_eq!(name(bad), Err(OptionsError::Name(bad.into())));
        }
        let value = |value: &str| CriticalOptions::parse([("a@b", value)]).map(|_| ());
        for good in ["", "a\tb", &"x".repeat(8192)] {
            assert_eq!(value(good), Ok(()));
        }
        for bad in ["a\nb", "\0", &"x".repeat(8193)] {
            assert_eq!(value(bad), Err(OptionsError::Value("a@b".into())));
        }
    }

    #[test]
    fn a_table_that_is_not_sorted_or_repeats_a_name_is_refused() {
        let table = |names: &[&str]| {
            let bytes = bytes(|writer| {
                for name in names {
                    writer.string(name).string([]);
                }
            });
            Extensions::read(&bytes)
        };
        assert!(table(&["a", "b"]).is_ok());
        assert_eq!(table(&["b", "a"]), Err(OptionsError::Name("a".into())));
        assert_eq!(table(&["a", "a"]), Err(OptionsError::Name("a".into())));
        let after_the_value = bytes(|writer| {
            writer.string("a").string(b"\0\0\0\x01x\0");
        });
        assert_eq!(
            Extensions::read(&after_the_value),
            Err(OptionsError::Malformed(WireError::TrailingBytes))
        );
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let errors = [
            (
                OptionsError::FlagWithValue("permit-pty".into()),
                "permit-pty is a flag and takes no value",
            ),
            (
                OptionsError::Malformed(WireError::Truncated),
                "the options are malformed: the end comes too early",
            ),
            (
                OptionsError::Name("a b".into()),
                "\"a b\" is not an option name: printable ASCII, 1 to 100 characters",
            ),
            (
                OptionsError::Value("force-command".into()),
                "the value of force-command is empty, longer than 8192 bytes, or has control characters",
            ),
            (
                OptionsError::WrongTable("force-command".into()),
                "force-command has an effect only as critical option",
            ),
            (
                OptionsError::WrongTable("permit-pty".into()),
                "permit-pty has an effect only as extension",
            ),
        ];
        for (error, text) in errors {
            assert_eq!(error.to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn a_table_is_read_back_as_written(
            options in prop::collection::btree_map("[a-z]{1,12}@[a-z]{1,8}", "[ -~]{0,40}", 0..8)
        ) {
            let table = Extensions::parse(options.clone()).unwrap();
            prop_assert_eq!(Extensions::read(&bytes(|writer| table.write(writer))), Ok(table));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
            let _ = Extensions::read(&bytes);
        }
    }
}
