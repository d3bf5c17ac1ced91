//! The Datadog Agent on this machine: one JSON line per record over TCP.

use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Outcome;

/// The time limit of one delivery.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time that it takes to notice that the other side has closed the connection already.
const NOTICE: Duration = Duration::from_millis(2);

/// Sends `records`, each one line of JSON, over one connection. The Agent answers nothing, but closes its side once
/// it has read everything; until then nothing counts as delivered.
pub(super) async fn deliver(port: NonZeroU16, records: &[String]) -> Outcome {
    let reason = match timeout(PATIENCE, send(port, records)).await {
        Ok(Ok(())) => return Outcome::Delivered { refused: 0, remark: None },
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
    let mut answer = [0; 512];
    // An Agent reads until our end. A peer that closes before that only stands in for one, such as a proxy without
    // it.
    if let Ok(read) = timeout(NOTICE, stream.read(&mut answer)).await
        && read? == 0
    {
        return Err(io::Error::from(io::ErrorKind::ConnectionReset));
    }
    stream.shutdown().await?;
    while stream.read(&mut answer).await? > 0 {}
    // A connection that was reset after its end had come reads as one that has ended.
    stream.take_error()?.map_or(Ok(()), Err)
}
