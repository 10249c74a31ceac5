use ipnet::IpNet;
use std::{fmt, net::IpAddr};

/// The most networks of one list: beyond this the certificate is too large to be useful.
const MAX_NETWORKS: usize = 256;

/// Networks in canonical form: host bits cleared, no blanks, as `source-address` needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CidrList(Vec<IpNet>);

/// Why a text is not a list of networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CidrListError {
    /// There is none.
    Empty,
    /// This part is neither an address nor a network.
    NotANetwork(String),
    /// There are more than 256.
    TooMany(usize),
}

impl fmt::Display for CidrListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the list of networks is empty"),
            Self::NotANetwork(text) => write!(f, "{text:?} is neither an address nor a network"),
            Self::TooMany(count) => write!(f, "at most {MAX_NETWORKS} networks fit, not {count}"),
        }
    }
}

impl std::error::Error for CidrListError {}

impl CidrList {
    /// Reads addresses and networks separated by commas; blanks around them and host bits are dropped. An address
    /// without a prefix length is the network of that one address.
    ///
    /// # Errors
    /// [`CidrListError`].
    pub fn parse(text: &str) -> Result<Self, CidrListError> {
        if text.trim().is_empty() {
            return Err(CidrListError::Empty);
        }
        let parts: Vec<&str> = text.split(',').collect();
        if parts.len() > MAX_NETWORKS {
            return Err(CidrListError::TooMany(parts.len()));
        }
        parts
            .into_iter()
            .map(|part| parse_network(part.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether every network of this list lies within one of `outer`.
    pub fn is_within(&self, outer: &CidrList) -> bool {
        self.0
            .iter()
            .all(|network| outer.0.iter().any(|limit| limit.contains(network)))
    }

    /// Whether `address` lies in one of the networks. An IPv4 address written as IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|network| network.contains(&address.to_canonical()))
    }
}

/// The form of `source-address`: separated by commas. A single address is written without its prefix length only
/// where it was given so; OpenSSH reads both.
impl fmt::Display for CidrList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{network}")?;
        }
        Ok(())
    }
}

fn parse_network(text: &str) -> Result<IpNet, CidrListError> {
    let address = |text: &str| text.parse::<IpAddr>().map(IpNet::from).ok();
    let network = text.parse::<IpNet>().ok().or_else(|| address(text));
    network
        .map(|network| network.trunc())
        .ok_or_else(|| CidrListError::NotANetwork(text.chars().take(64).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn networks_become_canonical() {
        let list = CidrList::parse("192.168.1.1/24, 10.0.0.1 ,2001:DB8::1/32").unwrap();
        assert_eq!(list.to_string(), "192.168.1.0/24,10.0.0.1/32,2001:db8::/32");
    }

    #[test]
    fn what_sshd_would_refuse_is_refused() {
        for bad in [
            "10.*",
            "!10.0.0.0/8",
            "host.example.com",
            "10.0.0.0/33",
            "1.2.3",
            "10.0.0.1,,",
            "01.2.3.4",
        ] {
            assert!(
                matches!(CidrList::parse(bad), Err(CidrListError::NotANetwork(_))),
                "{bad}"
            );
        }
        assert_eq!(CidrList::parse(" "), Err(CidrListError::Empty));
    }

    #[test]
    fn at_most_256_networks_fit_and_errors_say_what_is_wrong() {
        assert!(CidrList::parse(&vec!["10.0.0.1"; 256].join(",")).is_ok());
        let refused = |text: &str| CidrList::parse(text).unwrap_err().to_string();
        assert_eq!(
            refused(&vec!["10.0.0.1"; 257].join(",")),
            "at most 256 networks fit, not 257"
        );
        assert_eq!(refused(""), "the list of networks is empty");
        assert_eq!(refused("10.0.0.1,x"), "\"x\" is neither an address nor a network");
    }

    #[test]
    fn containment_is_of_whole_networks() {
        let outer = CidrList::parse("10.0.0.0/8,2001:db8::/32").unwrap();
        let within = |text| CidrList::parse(text).unwrap().is_within(&outer);
        assert!(within("10.1.0.0/16,2001:db8:1::/48"));
        assert!(!within("10.1.0.0/16,11.0.0.0/8"));
        assert!(!within("0.0.0.0/0"));
        for (address, contained) in [
            ("10.255.255.255", true),
            ("::ffff:10.1.2.3", true),
            ("2001:db8::1", true),
            ("11.0.0.0", false),
            ("2001:db9::", false),
        ] {
            assert_eq!(outer.contains(address.parse().unwrap()), contained, "{address}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_read_back(
            networks in prop::collection::vec((any::<IpAddr>(), 0u8..=32), 1..10)
        ) {
            let text: Vec<String> = networks.iter().map(|(address, len)| format!("{address}/{len}")).collect();
            let list = CidrList::parse(&text.join(", ")).unwrap();
            prop_assert_eq!(CidrList::parse(&list.to_string()), Ok(list));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = CidrList::parse(&text);
        }
    }
}
