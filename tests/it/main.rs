//! scfw end to end: the real pip and npm, held by their gates, against servers on loopback. One binary, so that
//! it links once.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

mod after_the_fact;
mod age;
mod age_known;
mod audit_npm;
mod audit_pip;
mod bypasses;
mod check;
mod configure;
mod configure_datadog;
mod configure_shells;
mod doctor;
mod exemptions;
mod external_verifiers;
mod feed_answers;
mod feeds;
mod gates_npm;
mod gates_pip;
mod history;
mod hostile_arguments;
mod hostile_projects;
mod npm_commands;
mod passthrough;
mod policy;
mod policy_loopholes;
mod policy_routes;
mod preload_callers;
mod preload_chains;
mod preload_entry_points;
mod preload_rules;
mod preload_sabotage;
mod private_packages;
mod protected_shells;
mod records;
mod reports;
mod screening;
mod secrets;
mod settings;
mod shells;
mod shells_interactive;
mod shells_session;
mod shield;
mod shims;
mod store;
mod store_trouble;
mod telemetry;
mod telemetry_durability;
mod telemetry_events;
mod telemetry_failures;
mod terminal;
mod update;
mod verify;
mod versions;
