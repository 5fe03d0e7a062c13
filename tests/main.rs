//! Black-box tests: the real binary, real processes, and a real API server where the capability needs one. One module for
//! each capability that a user would name.
#![expect(
    unreachable_pub,
    reason = "the modules of a test program have no outside"
)]
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else than it expects is to fail, also in its support"
)]

mod admission;
mod api_outage;
mod architecture;
mod bad_config;
mod binds;
mod check;
mod configuration;
mod credentials;
mod demo;
mod drain;
mod events;
mod example_nginx;
mod example_redis;
mod exit_codes;
mod faults;
mod fence;
mod flags;
mod graceful_stop;
mod habitat_package;
mod health;
mod history;
mod hooks;
mod http_auth;
mod image;
mod install;
mod kustomize;
mod leader;
mod leader_command;
mod lease;
mod lease_denied;
mod local_mode;
mod manifests;
mod output;
mod peers;
mod rbac;
mod reaping;
mod reconfigure;
mod render;
mod restart;
mod role_label;
mod self_configuration;
mod service_files;
mod services_api;
mod settings;
mod signals;
mod support;
mod users;
