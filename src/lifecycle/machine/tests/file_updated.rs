//! What changed service files lead to.

use super::*;

#[test]
fn changed_service_files_run_their_hook_once_each_and_one_at_a_time() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, FILE_UPDATED]);
    assert_eq!(life.feed(Event::FilesUpdated), ["start file-updated"]);
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
    assert_eq!(life.ended(Job::FileUpdated, 0), ["start file-updated"]);
    assert_eq!(life.ended(Job::FileUpdated, 7), [""; 0], "nothing follows");
}

#[test]
fn service_files_that_change_while_init_runs_are_told_when_the_main_process_is_up() {
    let mut life = Life::new(policy());
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
    assert_eq!(
        life.rendered(&[RUN, FILE_UPDATED, ("hooks/init", "1")]),
        ["start init"],
        "before init they are there already"
    );
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
    assert_eq!(
        life.ended(Job::Init, 0),
        ["start run", "start file-updated"]
    );
}

#[test]
fn a_file_updated_hook_that_hangs_is_killed_and_one_of_an_older_run_says_nothing() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, FILE_UPDATED]);
    life.feed(Event::FilesUpdated);
    assert_eq!(life.after(60 * S), ["kill file-updated"]);
    life.ended(Job::FileUpdated, 137);
    life.feed(Event::FilesUpdated);
    assert_eq!(life.ended(Job::Main, 1), ["kill file-updated"]);
    life.next();
    assert_eq!(
        life.feed(Event::FilesUpdated),
        [""; 0],
        "the old one is there"
    );
    assert_eq!(life.ended(Job::FileUpdated, 137), ["start file-updated"]);
}

#[test]
fn without_the_hook_or_once_it_stops_changed_service_files_mean_nothing() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN]);
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
    let mut life = Life::new(policy());
    life.rendered(&[RUN, FILE_UPDATED]);
    life.stop();
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
}
