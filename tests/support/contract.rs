//! The key lists of Habitat's contract, in their order: the one place for all tests that look at an answer or at the context
//! of templates. The unit tests include this file.
#![allow(dead_code, reason = "who includes it looks at some of them")]

/// An item of `/services`.
pub const ITEM: [&str; 30] = [
    "all_pkg_binds",
    "binding_mode",
    "binds",
    "bldr_url",
    "cfg",
    "channel",
    "config_from",
    "desired_state",
    "health_check",
    "hooks",
    "initialized",
    "last_election_status",
    "manager_fs_cfg",
    "pkg",
    "process",
    "last_process_state",
    "next_restart_at",
    "restart_count",
    "restart_config",
    "service_group",
    "spec_file",
    "spec_ident",
    "spec_identifier",
    "svc_encrypted_password",
    "health_check_interval",
    "sys",
    "topology",
    "update_strategy",
    "update_condition",
    "user_config_updated",
];

/// Its `hooks`.
pub const HOOKS: [&str; 8] = [
    "health_check",
    "init",
    "file_updated",
    "reconfigure",
    "suitability",
    "run",
    "post_run",
    "post_stop",
];

/// Its `manager_fs_cfg`.
pub const MANAGER_FS_CFG: [&str; 5] = [
    "sup_root",
    "data_path",
    "specs_path",
    "member_id_file",
    "proc_lock_file",
];

/// Its `pkg`.
pub const PKG_ITEM: [&str; 24] = [
    "ident",
    "origin",
    "name",
    "version",
    "release",
    "deps",
    "dependencies",
    "env",
    "exposes",
    "exports",
    "path",
    "svc_path",
    "svc_config_path",
    "svc_config_install_path",
    "svc_data_path",
    "svc_files_path",
    "svc_static_path",
    "svc_var_path",
    "svc_pid_file",
    "svc_run",
    "svc_user",
    "svc_group",
    "shutdown_signal",
    "shutdown_timeout",
];

/// `pkg` of the context of templates.
pub const PKG: [&str; 20] = [
    "ident",
    "origin",
    "name",
    "version",
    "release",
    "deps",
    "env",
    "exposes",
    "exports",
    "path",
    "svc_path",
    "svc_config_path",
    "svc_data_path",
    "svc_files_path",
    "svc_static_path",
    "svc_var_path",
    "svc_pid_file",
    "svc_run",
    "svc_user",
    "svc_group",
];

/// `sys`, of an item and of the context.
pub const SYS: [&str; 11] = [
    "version",
    "member_id",
    "ip",
    "hostname",
    "gossip_ip",
    "gossip_port",
    "http_gateway_ip",
    "http_gateway_port",
    "ctl_gateway_ip",
    "ctl_gateway_port",
    "permanent",
];

/// `svc` of the context.
pub const SVC: [&str; 14] = [
    "service",
    "group",
    "org",
    "election_is_running",
    "election_is_no_quorum",
    "election_is_finished",
    "update_election_is_running",
    "update_election_is_no_quorum",
    "update_election_is_finished",
    "me",
    "members",
    "leader",
    "first",
    "update_leader",
];

/// A member, of the context and of `/census`.
pub const MEMBER: [&str; 24] = [
    "member_id",
    "pkg",
    "pkg_incarnation",
    "package",
    "service",
    "group",
    "org",
    "persistent",
    "leader",
    "follower",
    "update_leader",
    "update_follower",
    "election_is_running",
    "election_is_no_quorum",
    "election_is_finished",
    "update_election_is_running",
    "update_election_is_no_quorum",
    "update_election_is_finished",
    "sys",
    "alive",
    "suspect",
    "confirmed",
    "departed",
    "cfg",
];

/// Its `sys`.
pub const MEMBER_SYS: [&str; 8] = [
    "ip",
    "hostname",
    "gossip_ip",
    "gossip_port",
    "http_gateway_ip",
    "http_gateway_port",
    "ctl_gateway_ip",
    "ctl_gateway_port",
];

/// An identifier in parts.
pub const IDENT: [&str; 4] = ["origin", "name", "version", "release"];

/// A bind of the context.
pub const BIND: [&str; 3] = ["first", "leader", "members"];

/// `/census`.
pub const CENSUS: [&str; 9] = [
    "changed",
    "census_groups",
    "local_member_id",
    "last_service_counter",
    "last_election_counter",
    "last_election_update_counter",
    "last_membership_counter",
    "last_service_config_counter",
    "last_service_file_counter",
];

/// A group of it.
pub const GROUP: [&str; 11] = [
    "service_group",
    "election_status",
    "update_election_status",
    "pkg_incarnation",
    "leader_id",
    "service_config",
    "local_member_id",
    "population",
    "update_leader_id",
    "changed_service_files",
    "service_files",
];

/// `/butterfly`.
pub const BUTTERFLY: [&str; 14] = [
    "member",
    "membership",
    "service",
    "services",
    "service_config",
    "latest_service_config",
    "service_file",
    "service_files",
    "election",
    "latest_election",
    "election_update",
    "latest_election_update",
    "departure",
    "departed_members",
];
