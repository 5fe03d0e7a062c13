//! Owns the argument of `kubesup install`: where to.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

/// The subcommand for clap.
pub(super) fn command() -> Command {
    Command::new("install")
        .about("Copies kubesup into a directory, for an init container that brings it to an unmodified image")
        .arg(
            Arg::new("directory")
                .value_name("DIR")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Where the copy, named kubesup, is put; usually the mount of an emptyDir"),
        )
        .after_help("The main container mounts the same emptyDir, and its command begins with DIR/kubesup run -- …")
}

pub(super) fn directory(matches: &ArgMatches) -> PathBuf {
    matches
        .get_one::<PathBuf>("directory")
        .cloned()
        .unwrap_or_default()
}
