//! The built-in roles of a project, and what each may do.

use serde::{Deserialize, Serialize};

/// What somebody is in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProjectRole {
    Admin,
    Member,
    /// A member who may do nothing, except log in where a mapping says so.
    NoAccess,
    /// Registers hosts, and nothing else.
    SshHostBootstrapper,
    Viewer,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Create,
    Delete,
    Edit,
    IssueHostCert,
    Read,
}

/// What it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Settings,
    SshCertificateAuthorities,
    SshCertificateTemplates,
    SshCertificates,
    SshHostGroups,
    SshHosts,
}

impl Action {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Edit => "edit",
            Self::IssueHostCert => "issue-host-cert",
            Self::Read => "read",
        }
    }
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::SshCertificateAuthorities => "ssh-certificate-authorities",
            Self::SshCertificateTemplates => "ssh-certificate-templates",
            Self::SshCertificates => "ssh-certificates",
            Self::SshHostGroups => "ssh-host-groups",
            Self::SshHosts => "ssh-hosts",
        }
    }
}

impl ProjectRole {
    /// All of them, by their names.
    pub(crate) const NAMES: [(&'static str, Self); 5] = [
        ("admin", Self::Admin),
        ("member", Self::Member),
        ("viewer", Self::Viewer),
        ("ssh-host-bootstrapper", Self::SshHostBootstrapper),
        ("no-access", Self::NoAccess),
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::NoAccess => "no-access",
            Self::SshHostBootstrapper => "ssh-host-bootstrapper",
            Self::Viewer => "viewer",
        }
    }

    /// Whether this role may do `action` to `subject`.
    pub(crate) fn allows(self, action: Action, subject: Subject) -> bool {
        use Action::{Create, IssueHostCert, Read};
        use Subject::{SshCertificateTemplates, SshCertificates, SshHosts};
        match self {
            Self::Admin => true,
            Self::Member => matches!(
                (action, subject),
                (Read, SshHosts | SshCertificates | SshCertificateTemplates) | (Create, SshCertificates)
            ),
            Self::NoAccess => false,
            Self::SshHostBootstrapper => matches!((action, subject), (Create | IssueHostCert, SshHosts)),
            Self::Viewer => matches!(
                (action, subject),
                (Read, SshCertificates | SshCertificateTemplates)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_on_the_wire() {
        for (name, role) in ProjectRole::NAMES {
            assert_eq!(role.name(), name);
            assert_eq!(serde_json::to_value(role).unwrap(), name);
        }
    }

    #[test]
    fn the_table_of_the_reference_holds() {
        let may = |role: ProjectRole, action, subject| role.allows(action, subject);
        assert!(may(ProjectRole::Admin, Action::Edit, Subject::Settings));
        assert!(may(ProjectRole::Member, Action::Create, Subject::SshCertificates));
        assert!(!may(ProjectRole::Member, Action::Create, Subject::SshHosts));
        assert!(!may(ProjectRole::Viewer, Action::Read, Subject::SshHosts));
        assert!(may(
            ProjectRole::SshHostBootstrapper,
            Action::IssueHostCert,
            Subject::SshHosts
        ));
        assert!(!may(
            ProjectRole::SshHostBootstrapper,
            Action::Read,
            Subject::SshHosts
        ));
        assert!(!may(ProjectRole::NoAccess, Action::Read, Subject::SshHosts));
    }
}
