//! The Datadog Agent on this machine: one JSON line per record over TCP.

use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Outcome;

/// How long one delivery may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends `records`, each one line of JSON, over one connection. The Agent answers nothing, but closes its side once
/// it has read everything; until then nothing counts as delivered.
pub(super) async fn deliver(port: NonZeroU16, records: &[String]) -> Outcome {
    let reason = match timeout(PATIENCE, send(port, records)).await {
        Ok(Ok(())) => return Outcome::Delivered { remark: None },
        Ok(Err(error)) => format!("the Agent's port {port} could not be used ({error})"),
        Err(_elapsed) => format!("the Agent's port {port} did not take the records in time"),
    };
    Outcome::Retry { after: None, reason }
}

async fn send(port: NonZeroU16, records: &[String]) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port.get())).await?;
    let mut lines = records.join("\n");
    lines.push('\n');
    stream.write_all(lines.as_bytes()).await?;
    stream.shutdown().await?;
    let mut answer = [0; 512];
    while stream.read(&mut answer).await? > 0 {}
    Ok(())
}
