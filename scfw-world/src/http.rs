//! HTTP/1.1 requests, read within bounds, and responses. It knows nothing of packages.

use std::io::{self, BufRead, Read as _, Write as _};
use std::net::TcpStream;

use flate2::read::{GzDecoder, ZlibDecoder};

use crate::Service;
use crate::encoding::percent_decode;

/// The request line and all headers together, in bytes.
const MAXIMUM_HEAD: u64 = 64 * 1024;
/// A request's body, as sent and when inflated, in bytes.
const MAXIMUM_BODY: u64 = 16 * 1024 * 1024;

/// One request, as the world received it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whom it was for.
    pub service: Service,
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The request target with its percent-encoding resolved, query included: `/npm/@scope/name`.
    pub path: String,
    /// The headers in the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; one that was sent compressed is inflated.
    pub body: Vec<u8>,
    /// Whether the client would go on with this connection.
    pub(crate) keep_alive: bool,
}

impl Request {
    /// The first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether `text` stands anywhere in the path or the body.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.path.contains(text) || String::from_utf8_lossy(&self.body).contains(text)
    }

    /// The path without its query.
    pub(crate) fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Whether an `Accept` header names `media_type`.
    pub(crate) fn accepts(&self, media_type: &str) -> bool {
        self.header("accept").is_some_and(|accept| accept.contains(media_type))
    }

    /// The next request of a connection; nothing when the client has closed it.
    pub(crate) fn read(reader: &mut impl BufRead) -> Result<Option<Self>, Refusal> {
        let mut head = reader.take(MAXIMUM_HEAD);
        let Some(start) = read_line(&mut head)? else { return Ok(None) };
        let mut words = start.split(' ');
        let (Some(method), Some(target), Some(protocol), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Refusal::Status(400));
        };
        let keep_alive = protocol == "HTTP/1.1";
        let mut headers = Vec::new();
        loop {
            let line = read_line(&mut head)?.ok_or(Refusal::Gone)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or(Refusal::Status(400))?;
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        let path = percent_decode(target);
        let service = Service::of(&path);
        let mut request =
            Self { service, method: method.to_owned(), path, headers, body: Vec::new(), keep_alive };
        if let Some(connection) = request.header("connection") {
            request.keep_alive = connection.eq_ignore_ascii_case("keep-alive");
        }
        request.body = request.read_body(reader)?;
        Ok(Some(request))
    }

    fn read_body(&self, reader: &mut impl BufRead) -> Result<Vec<u8>, Refusal> {
        if self.header("transfer-encoding").is_some() {
            return Err(Refusal::Status(411));
        }
        let length = match self.header("content-length") {
            Some(length) => length.parse::<u64>().map_err(|_| Refusal::Status(400))?,
            None => 0,
        };
        if length > MAXIMUM_BODY {
            return Err(Refusal::Status(413));
        }
        let mut body = Vec::new();
        reader.take(length).read_to_end(&mut body).map_err(|_| Refusal::Gone)?;
        if body.len() as u64 != length {
            return Err(Refusal::Gone);
        }
        let mut inflated = Vec::new();
        let bytes = body.as_slice();
        let mut decoder: Box<dyn io::Read> = match self.header("content-encoding") {
            Some("gzip") => Box::new(GzDecoder::new(bytes)),
            Some("deflate") => Box::new(ZlibDecoder::new(bytes)),
            _ => return Ok(body),
        };
        decoder
            .by_ref()
            .take(MAXIMUM_BODY + 1)
            .read_to_end(&mut inflated)
            .map_err(|_| Refusal::Status(400))?;
        if inflated.len() as u64 > MAXIMUM_BODY { Err(Refusal::Status(413)) } else { Ok(inflated) }
    }
}

/// Why a request was not read to its end.
pub(crate) enum Refusal {
    Gone,
    Status(u16),
}

/// A line without its end, nothing at the end of the stream.
fn read_line(head: &mut io::Take<impl BufRead>) -> Result<Option<String>, Refusal> {
    let mut line = Vec::new();
    head.read_until(b'\n', &mut line).map_err(|_| Refusal::Gone)?;
    if line.pop() != Some(b'\n') {
        return if head.limit() == 0 { Err(Refusal::Status(431)) } else { Ok(None) };
    }
    let line = String::from_utf8(line).map_err(|_| Refusal::Status(400))?;
    Ok(Some(line.trim_end_matches('\r').to_owned()))
}

/// An answer.
pub(crate) struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type", content_type.to_owned())], body: body.into() }
    }

    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text)
    }

    pub(crate) fn json(status: u16, document: &serde_json::Value) -> Self {
        Self::new(status, "application/json", document.to_string())
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn head(&self, length: &str, keep_alive: bool) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.extend([
            length,
            "\r\nConnection: ",
            if keep_alive { "keep-alive" } else { "close" },
            "\r\n\r\n",
        ]);
        head
    }

    /// Sends the head with `length`, and `body`, which need not be that long.
    pub(crate) fn send(
        &self,
        stream: &mut TcpStream,
        length: usize,
        body: &[u8],
        keep_alive: bool,
    ) -> io::Result<()> {
        let mut message = self.head(&format!("Content-Length: {length}"), keep_alive).into_bytes();
        message.extend_from_slice(body);
        stream.write_all(&message)
    }
}

pub(crate) const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        206 => "Partial Content",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
