//! kubesup's own settings: wrong ones are reported all at once.

use crate::support::kubesup::Kubesup;
use crate::support::package::Folder;

#[test]
fn wrong_flags_and_settings_are_reported_all_at_once_with_code_64() {
    let folder = Folder::new();
    folder.write(
        "settings.yaml",
        "group: blue\nlisten-htp: x\nrestart-budget: five\n",
    );
    let mut kubesup = Kubesup::builder()
        .manifests(folder.path())
        .flag(
            "--config",
            &folder.path().join("settings.yaml").display().to_string(),
        )
        .env("KUBESUP_ON_EXIT", "restrat")
        .flag("--health-check-interval", "often")
        .spawn();
    assert_eq!(kubesup.wait_exit(), 64);
    let log = kubesup.log();
    for problem in [
        "settings.yaml, line 2: unknown key listen-htp; did you mean listen-http?",
        "environment variable KUBESUP_ON_EXIT: \"restrat\" is not one of restart, exit; did you mean restart?",
        "flag --health-check-interval: \"often\" is no duration",
    ] {
        assert!(log.contains(problem), "{problem:?} is not in\n{log}");
    }
}

#[test]
fn unknown_flags_are_all_reported_with_suggestions() {
    let mut kubesup = Kubesup::builder()
        .flag("--gruop", "x")
        .flag("--heath-check-interval", "1s")
        .spawn();
    assert_eq!(kubesup.wait_exit(), 64);
    let log = kubesup.log();
    assert!(
        log.contains("unknown flag --gruop; did you mean --group?"),
        "{log}"
    );
    assert!(
        log.contains("unknown flag --heath-check-interval; did you mean --health-check-interval?"),
        "{log}"
    );
}

#[test]
fn outside_a_cluster_without_manifests_it_says_what_to_do() {
    let mut kubesup = Kubesup::builder().env("POD_NAME", "a").spawn();
    assert_eq!(kubesup.wait_exit(), 64);
    assert!(
        kubesup.log().contains("KUBERNETES_SERVICE_HOST"),
        "{}",
        kubesup.log()
    );
}

#[test]
fn a_port_in_use_is_named_with_code_69() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = Folder::new();
    let mut kubesup = Kubesup::builder()
        .manifests(folder.path())
        .env("KUBESUP_GROUP", "x")
        .flag("--config", "/dev/null")
        .spawn_at(&address);
    assert_eq!(kubesup.wait_exit(), 69);
    assert!(kubesup.log().contains(&address), "{}", kubesup.log());
}
