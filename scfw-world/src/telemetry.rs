//! The sinks of telemetry: Datadog's intake for logs and an OpenTelemetry Collector behind the world's port, and a
//! Datadog Agent with a port of its own. They keep what they are sent.

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::http::{Request, Response};
use crate::lock;

/// Datadog's intake.
#[derive(Default)]
pub(crate) struct Intake {
    /// The keys that are good; without any, all are.
    pub(crate) keys: Vec<String>,
    /// The most logs in one request.
    pub(crate) most: Option<usize>,
    /// A text that a log must not mention.
    pub(crate) hated: Option<String>,
    pub(crate) logs: Vec<Value>,
}

impl Intake {
    pub(crate) fn answer(&mut self, request: &Request) -> Response {
        if request.route() != "/intake/api/v2/logs" || request.method != "POST" {
            return Response::text(404, "not found\n");
        }
        let key = request.header("dd-api-key").unwrap_or_default();
        if key.is_empty() || !self.keys.is_empty() && !self.keys.iter().any(|good| good == key) {
            return Response::text(403, "{\"errors\":[{\"status\":\"403\",\"title\":\"Forbidden\"}]}");
        }
        let logs = match serde_json::from_slice(&request.body) {
            Ok(Value::Array(logs)) => logs,
            // The Agent tests its connection with this.
            Ok(Value::Object(log)) if log.is_empty() => Vec::new(),
            _ => return Response::text(400, "{\"errors\":[{\"status\":\"400\",\"title\":\"Bad Request\"}]}"),
        };
        if self.most.is_some_and(|most| logs.len() > most) {
            return Response::text(413, "{\"errors\":[{\"status\":\"413\",\"title\":\"Too Large\"}]}");
        }
        let is_hated = |log: &Value| self.hated.as_ref().is_some_and(|hated| log.to_string().contains(hated));
        if logs.iter().any(is_hated) {
            return Response::text(400, "{\"errors\":[{\"status\":\"400\",\"title\":\"Bad Request\"}]}");
        }
        self.logs.extend(logs);
        Response::json(202, &Value::Object(serde_json::Map::new()))
    }
}

/// An OpenTelemetry Collector. It keeps each request as it came, in Protocol Buffers.
#[derive(Default)]
pub(crate) struct Collector {
    /// The number of records of each request that it says it does not keep.
    pub(crate) rejected: u8,
    pub(crate) requests: Vec<Vec<u8>>,
}

impl Collector {
    pub(crate) fn answer(&mut self, request: &Request) -> Response {
        let is_protobuf = request.header("content-type") == Some("application/x-protobuf");
        if request.route() != "/otlp/v1/logs" || request.method != "POST" || !is_protobuf {
            return Response::text(404, "not found\n");
        }
        self.requests.push(request.body.clone());
        if self.rejected > 0 {
            // ExportLogsServiceResponse.partial_success, with rejected_log_records and error_message.
            let partial = [0x0a, 5, 0x08, self.rejected, 0x12, 1, b'!'];
            return Response::new(200, "application/x-protobuf", partial);
        }
        // A message without any field is an empty body: everything was taken.
        Response::new(200, "application/x-protobuf", [])
    }
}

/// The behaviour of an [`Agent`] towards a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentMood {
    /// Reads it to its end and closes it.
    Reads,
    /// Leaves it open and reads nothing.
    Hangs,
    /// Reads it to its end and leaves it open.
    ReadsAndHangs,
    /// Closes it unread.
    Closes,
}

/// A Datadog Agent that takes logs on a port of its own.
pub struct Agent {
    port: u16,
    state: Arc<Mutex<AgentState>>,
}

struct AgentState {
    mood: AgentMood,
    lines: Vec<Value>,
    /// Connections that hang.
    open: Vec<TcpStream>,
    is_over: bool,
}

impl Agent {
    /// Starts on a free port of 127.0.0.1.
    pub fn start() -> io::Result<Self> {
        Self::start_on(0)
    }

    /// Starts on that port.
    pub fn start_on(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = listener.local_addr()?.port();
        let state =
            AgentState { mood: AgentMood::Reads, lines: Vec::new(), open: Vec::new(), is_over: false };
        let state = Arc::new(Mutex::new(state));
        let taking = Arc::clone(&state);
        thread::Builder::new().name("agent".to_owned()).spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if lock(&taking).is_over {
                    return;
                }
                take(stream, &taking);
            }
        })?;
        Ok(Self { port, state })
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Sets the behaviour towards the connections to come; those that hang are let go.
    pub fn set_mood(&self, mood: AgentMood) {
        let mut state = lock(&self.state);
        state.mood = mood;
        state.open.clear();
    }

    /// Every line that it was sent.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        lock(&self.state).lines.clone()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.is_over = true;
        state.open.clear();
        drop(state);
        // The thread sits in accept(2).
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
    }
}

fn take(mut stream: TcpStream, state: &Mutex<AgentState>) {
    let mood = lock(state).mood;
    match mood {
        AgentMood::Hangs => lock(state).open.push(stream),
        AgentMood::Closes => drop(stream),
        AgentMood::Reads | AgentMood::ReadsAndHangs => {
            let mut text = String::new();
            // One that breaks has sent whatever it has sent.
            stream.read_to_string(&mut text).ok();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap_or(Value::Null));
            let mut state = lock(state);
            state.lines.extend(lines);
            if mood == AgentMood::ReadsAndHangs {
                state.open.push(stream);
            }
        }
    }
}
