//! Telemetry: the record of every event, field for field what the predecessor logged and more, and the sinks that
//! take it. Making a record is quick and local. Delivering one may take days; nothing waits for it.

mod agent;
mod attributes;
mod context;
mod event;
mod fields;
pub mod file;
mod http;
mod intake;
mod otlp;
mod reference;
mod sink;

#[cfg(test)]
mod tests;

pub use attributes::AttributeError;
pub use context::RecordContext;
pub use event::{Command, Event, ExemptionChange};
pub use fields::Record;
pub use intake::check_key;
pub use reference::reference;
pub use sink::{Outcome, Sink, wanted_by};

/// The name of the user who runs this.
#[must_use]
pub fn username() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid());
    user.ok().flatten().map(|user| user.name).unwrap_or_default()
}
