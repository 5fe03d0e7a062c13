//! Owns the names of all settings: one [`Key`] each, with where it may be set and its help. A key is spelled the same in
//! the settings file, as `--key`, as `KUBESUP_KEY` and as the annotation `kubesup.dev/key`; live ones have no flag and no
//! variable. Never parses a value.

/// The prefix of kubesup's annotations.
pub const ANNOTATION_PREFIX: &str = "kubesup.dev/";
/// The prefix of kubesup's environment variables.
pub const ENVIRONMENT_PREFIX: &str = "KUBESUP_";

macro_rules! keys {
    ($( $key:ident $name:literal $reach:ident $value:literal $help:literal; )*) => {
        /// One setting.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key { $( #[doc = $help] $key, )* }

        impl Key {
            /// Every setting, in the order of the help.
            pub const ALL: &'static [Key] = &[ $( Key::$key, )* ];

            /// `health-check-interval`.
            pub fn name(self) -> &'static str { match self { $( Key::$key => $name, )* } }

            /// Who may set it.
            pub fn reach(self) -> Reach { match self { $( Key::$key => Reach::$reach, )* } }

            /// What stands for the value in the help.
            pub fn value_name(self) -> &'static str { match self { $( Key::$key => $value, )* } }

            /// One sentence for the help.
            pub fn help(self) -> &'static str { match self { $( Key::$key => $help, )* } }
        }
    };
}

/// Who may set a key, besides the settings file, the environment and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nobody else: it is needed before the Pod is known, or is the operator's alone.
    Local,
    /// The own Pod's annotation, read at the start.
    Pod,
    /// The own Pod's annotation, followed while kubesup runs.
    Live,
}

keys! {
    Package "package" Local "DIR" "The package directory: default.toml, hooks/ and config/";
    ConfigFrom "config-from" Local "DIR" "Takes default.toml, hooks/ and config/ from DIR instead of the package, for developing";
    Root "root" Local "DIR" "Where rendered files go: DIR/svc/NAME/";
    UserToml "user-toml" Local "FILE" "The configuration layer above the environment; else ROOT/user/NAME/config/user.toml";
    ListenHttp "listen-http" Local "ADDR" "Where HTTP listens, such as [::]:9631; none disables it";
    Key "key" Local "FILE" "The private key for HTTPS, in PEM; needs --certs";
    Certs "certs" Local "FILE" "The certificate chain for HTTPS, in PEM; needs --key";
    CaCerts "ca-certs" Local "FILE" "Only clients with a certificate of these authorities, in PEM; needs --key and --certs";
    Name "name" Pod "NAME" "The service's name";
    Group "group" Pod "GROUP" "The service's group";
    Org "org" Pod "ORG" "The organisation: the service group is NAME.GROUP@ORG then";
    Topology "topology" Pod "TOPOLOGY" "standalone or leader";
    BindingMode "binding-mode" Pod "MODE" "strict or relaxed";
    Bind "bind" Pod "BINDS" "Services that this one needs: NAME:[NAMESPACE/]SERVICE[.GROUP], and more after commas";
    Service "service" Pod "SERVICE" "The Service whose EndpointSlices are the peers";
    Config "config" Live "NAMES" "ConfigMaps that are the live configuration, lowest first; NAME? may be missing";
    Secrets "secrets" Live "NAMES" "Secrets that are live configuration above the ConfigMaps, lowest first; NAME? may be missing";
    Hooks "hooks" Live "NAMES" "ConfigMaps whose keys are hooks";
    Templates "templates" Live "NAMES" "ConfigMaps whose keys are files of config/; NAME=DIR puts them in a sub-directory";
    Files "files" Live "NAMES" "ConfigMaps, or Secrets as secret/NAME, whose keys are service files; NAME? may be missing";
    HealthCheckInterval "health-check-interval" Pod "TIME" "How often the health check runs";
    HealthCheckTimeout "health-check-timeout" Pod "TIME" "How long a health check may take";
    ReconfigureTimeout "reconfigure-timeout" Pod "TIME" "How long the reconfigure hook may take";
    FileUpdatedTimeout "file-updated-timeout" Pod "TIME" "How long the file-updated hook may take";
    SuitabilityInterval "suitability-interval" Pod "TIME" "How often the suitability hook runs";
    SuitabilityTimeout "suitability-timeout" Pod "TIME" "How long the suitability hook may take";
    PostStopTimeout "post-stop-timeout" Pod "TIME" "How long the post-stop hook may take";
    ServiceMinBackoffPeriod "service-min-backoff-period" Pod "TIME" "The first pause before a restart after a failure";
    ServiceMaxBackoffPeriod "service-max-backoff-period" Pod "TIME" "The longest pause before a restart after a failure";
    ServiceRestartCooldownPeriod "service-restart-cooldown-period" Pod "TIME" "A run longer than this resets the backoff";
    RestartBudget "restart-budget" Pod "N/TIME" "How many failures in which time end kubesup, such as 5/5m; or unlimited";
    OnExit "on-exit" Pod "WHAT" "What the end of the main process means: restart or exit";
    ShutdownTimeout "shutdown-timeout" Pod "TIME" "How long the main process may take to stop; else what the grace period leaves";
    StopSignal "stop-signal" Pod "SIGNAL" "A signal that means stop, besides TERM, INT, QUIT and the Pod's own";
    RemapExit "remap-exit" Pod "CODE=CODE,…" "Exit codes of the program to end with as others, such as 143=0";
    RewriteSignal "rewrite-signal" Pod "SIGNAL=SIGNAL,…" "Signals that the program gets as others, such as TERM=QUIT; none drops one";
    TerminationLog "termination-log" Local "FILE" "Where the reason of the end is written, for kubectl describe pod; none: nowhere";
    Once "once" Local "BOOL" "Render, run, end with the program's exit code: for Jobs and init containers";
    Tty "tty" Local "BOOL" "The program gets kubesup's terminal, and with it ctrl-C";
    Output "output" Pod "WHERE" "Where the program's output goes: pass (through kubesup) or inherit";
    LogFormat "log-format" Pod "FORMAT" "How output is shown: plain (byte for byte), habitat (prefixed lines) or json";
    User "user" Pod "USER[:GROUP]" "Who hooks and the program run as: names or numbers";
    HealthCheck "health-check" Pod "CHECK" "A check in place of the hook: http://:PORT/PATH, tcp://:PORT or exec:COMMAND";
    HealthCheckThreshold "health-check-threshold" Pod "N" "How many failures in a row count";
    HealthCheckStartDelay "health-check-start-delay" Pod "TIME" "How long after its start the program is checked first";
    OnHealthFailure "on-health-failure" Pod "WHAT" "What failures in a row mean: nothing or restart";
    PostRunTimeout "post-run-timeout" Pod "TIME" "How long the post-run hook may take; without it there is no limit";
    InitTimeout "init-timeout" Pod "TIME" "How long the init and install hooks may take; without it there is no limit";
    DrainLinger "drain-linger" Pod "TIME" "How long the program serves on after its endpoints are gone, before it is stopped";
    DrainMax "drain-max" Pod "TIME" "How long a stop waits for the endpoints to go, lingering included; 0s: not at all";
    LeaseDuration "lease-duration" Pod "TIME" "A lead whose renewals nobody has seen for this long is vacant";
    RenewDeadline "renew-deadline" Pod "TIME" "A leader gives up when its last successful renewal is this long ago";
    RenewPeriod "renew-period" Pod "TIME" "Between two renewals of a lead";
    RetryPeriod "retry-period" Pod "TIME" "Between two tries of a renewal that failed; also how long one may take";
    DemotionTimeout "demotion-timeout" Pod "TIME" "How long giving up a lead may take; then the program is killed";
    Margin "margin" Pod "TIME" "What pauses, the kill and the drift of clocks may take within one lease";
    OnLostLease "on-lost-lease" Pod "WHAT" "What a lost lead means: demote the program, or kill it";
    RoleLabel "role-label" Pod "BOOL" "Keeps the own Pod's label kubesup.dev/role at leader or follower";
    SettleQuiet "settle-quiet" Pod "TIME" "Changes are coalesced until nothing changed for this long";
    SettleMax "settle-max" Pod "TIME" "Changes are coalesced for at most this long";
    Strict "strict" Pod "BOOL" "true: a missing value in a template is an error";
}

impl Key {
    /// The key of this spelling.
    pub fn from_name(name: &str) -> Option<Key> {
        Key::ALL.iter().copied().find(|key| key.name() == name)
    }

    /// `KUBESUP_HEALTH_CHECK_INTERVAL`.
    pub fn environment_name(self) -> String {
        format!(
            "{ENVIRONMENT_PREFIX}{}",
            self.name().replace('-', "_").to_ascii_uppercase()
        )
    }

    /// `HAB_LISTEN_HTTP`.
    pub fn habitat_environment_name(self) -> String {
        format!("HAB_{}", self.name().replace('-', "_").to_ascii_uppercase())
    }

    /// Whether Habitat has it as a flag that counts in seconds.
    pub fn is_seconds_in_habitat(self) -> bool {
        matches!(
            self,
            Key::HealthCheckInterval
                | Key::ServiceMinBackoffPeriod
                | Key::ServiceMaxBackoffPeriod
                | Key::ServiceRestartCooldownPeriod
                | Key::ShutdownTimeout
        )
    }
}

/// The known name that `unknown` probably means.
pub fn did_you_mean<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name)
}

/// `; did you mean X?`, or nothing.
pub fn hint<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    did_you_mean(unknown, known)
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_spelling_everywhere() {
        for key in Key::ALL {
            assert_eq!(Key::from_name(key.name()), Some(*key));
        }
        assert_eq!(
            Key::HealthCheckInterval.environment_name(),
            "KUBESUP_HEALTH_CHECK_INTERVAL"
        );
    }

    #[test]
    fn a_typo_finds_its_key_and_nonsense_finds_none() {
        let names = || Key::ALL.iter().map(|key| key.name());
        assert_eq!(
            did_you_mean("health-check-intervall", names()),
            Some("health-check-interval")
        );
        assert_eq!(did_you_mean("confg", names()), Some("config"));
        assert_eq!(did_you_mean("completely-different", names()), None);
    }
}
