//! The server: a thread per connection on the loopback interface, keep-alive, and an end to everything when it
//! is dropped.

use std::collections::HashMap;
use std::io::{self, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::failure::{Flood, Outcome};
use crate::http::{Refusal, Request, Response, reason};
use crate::lock;

/// The number of bytes that [`Outcome::Stream`] sends before it comes to an end.
const FLOOD: usize = 1024 * 1024 * 1024;
/// The time that a server that is dropped waits for its connections to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// A handler turns requests into answers.
pub(crate) type Handler = dyn Fn(Request) -> Outcome + Send + Sync;

/// The connections that are open, so that the end of the server is the end of them.
#[derive(Default)]
struct Connections {
    open: Mutex<Open>,
    ended: Condvar,
}

#[derive(Default)]
struct Open {
    closing: bool,
    next: u64,
    streams: HashMap<u64, TcpStream>,
}

/// A place in [`Connections`], given back when the connection's thread ends in any way.
struct Place {
    connections: Arc<Connections>,
    number: u64,
}

impl Place {
    /// None once the server is closing.
    fn take(connections: &Arc<Connections>, stream: &TcpStream) -> io::Result<Option<Self>> {
        let mut open = lock(&connections.open);
        if open.closing {
            return Ok(None);
        }
        open.next += 1;
        let number = open.next;
        open.streams.insert(number, stream.try_clone()?);
        Ok(Some(Self { connections: Arc::clone(connections), number }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.connections.open).streams.remove(&self.number);
        self.connections.ended.notify_all();
    }
}

/// The server. It serves from the moment it is made until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<Connections>,
    acceptor: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Serves on a free port of the loopback interface.
    pub(crate) fn start(handler: impl FnOnce(SocketAddr) -> Arc<Handler>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let handler = handler(address);
        let connections = Arc::<Connections>::default();
        let accepting = Arc::clone(&connections);
        let acceptor = thread::Builder::new()
            .name("world".to_owned())
            .spawn(move || accept(&listener, &accepting, &handler))?;
        Ok(Self { address, connections, acceptor: Some(acceptor) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut open = lock(&self.connections.open);
        open.closing = true;
        for stream in open.streams.values() {
            // A connection that its client has closed already is as closed as it should be.
            stream.shutdown(Shutdown::Both).ok();
        }
        drop(open);
        // The acceptor sits in accept(2): one more connection shows it that the server is closing.
        if TcpStream::connect(self.address).is_ok()
            && let Some(acceptor) = self.acceptor.take()
        {
            // A panic of the acceptor has been shown already.
            acceptor.join().ok();
        }
        let open = lock(&self.connections.open);
        drop(self.connections.ended.wait_timeout_while(open, FAREWELL, |open| !open.streams.is_empty()));
    }
}

fn accept(listener: &TcpListener, connections: &Arc<Connections>, handler: &Arc<Handler>) {
    loop {
        let Ok((stream, _)) = listener.accept() else {
            if lock(&connections.open).closing {
                return;
            }
            // Out of descriptors, most likely: give the connections that hold them time to end.
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        let place = match Place::take(connections, &stream) {
            Ok(Some(place)) => place,
            Ok(None) => return,
            Err(_) => continue,
        };
        let handler = Arc::clone(handler);
        // A thread that cannot be started drops its connection, which is what the client then sees.
        thread::Builder::new()
            .spawn(move || {
                // An error here means that the client has gone, and there is nobody to tell.
                converse(stream, handler.as_ref()).ok();
                drop(place);
            })
            .ok();
    }
}

/// One connection: requests and answers until one of the two sides is done.
fn converse(mut stream: TcpStream, handler: &Handler) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let request = match Request::read(&mut reader) {
            Ok(Some(request)) => request,
            Ok(None) | Err(Refusal::Gone) => return Ok(()),
            Err(Refusal::Status(status)) => {
                let text = format!("{}\n", reason(status));
                return Response::text(status, &text).send(&mut stream, text.len(), text.as_bytes(), false);
            }
        };
        let keep_alive = request.keep_alive;
        let head_only = request.method == "HEAD";
        match handler(request) {
            Outcome::Send(response) => {
                let body = if head_only { &[] } else { response.body.as_slice() };
                response.send(&mut stream, response.body.len(), body, keep_alive)?;
                if !keep_alive {
                    return Ok(());
                }
            }
            Outcome::SendHalf(response) => {
                let half = &response.body[..response.body.len() / 2];
                return response.send(&mut stream, response.body.len() + 1, half, false);
            }
            Outcome::Stream(flood) => return pour(&mut stream, flood),
            Outcome::Hang => return io::copy(&mut reader, &mut io::sink()).map(drop),
            Outcome::Close => return Ok(()),
        }
    }
}

/// A chunked answer of one gibibyte; ends early, with an error, when the client has had enough.
fn pour(stream: &mut TcpStream, flood: Flood) -> io::Result<()> {
    let response = Response::new(200, "application/json", []);
    stream.write_all(response.head("Transfer-Encoding: chunked", false).as_bytes())?;
    let mut chunk = |text: &str| write!(stream, "{:x}\r\n{text}\r\n", text.len());
    chunk(flood.opening)?;
    let units = flood.unit.repeat(64 * 1024 / flood.unit.len());
    for _ in 0..FLOOD.div_ceil(units.len()) {
        chunk(&units)?;
    }
    chunk(flood.closing)?;
    stream.write_all(b"0\r\n\r\n")
}
