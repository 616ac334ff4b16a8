//! A way to MySQL that can be listened to and blocked: it notes what the client sends, counts what
//! the server sends, and can hold a binlog's events back while it lets the heartbeats through, as a
//! stuck server or middlebox would. Speaks MySQL's packets on unencrypted connections only.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How soon a thread sees that it is to end.
const LOOK: Duration = Duration::from_millis(20);
const DUMPS: [u8; 2] = [0x12, 0x1e];
const HEARTBEATS: [u8; 2] = [27, 41];

pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    server: u16,
    looks: bool,
    holds: AtomicBool,
    held: AtomicU64,
    ended: AtomicBool,
    /// Large packets drip: a piece for each of these.
    drips: AtomicU64,
    end: (Mutex<bool>, Condvar),
    received: AtomicU64,
    sent: Mutex<Vec<u8>>,
}

impl Proxy {
    /// To a server on this machine.
    /// Looks at the packets, to find events in them.
    pub fn start(server: u16) -> Self {
        Self::begin(server, true)
    }

    /// Passes on whatever comes: compressed packets have heads of their own, and a length may look
    /// like a command.
    pub fn blind(server: u16) -> Self {
        Self::begin(server, false)
    }

    fn begin(server: u16, looks: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            server,
            looks,
            holds: AtomicBool::new(false),
            held: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            drips: AtomicU64::new(1),
            end: (Mutex::new(false), Condvar::new()),
            received: AtomicU64::new(0),
            sent: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || accept(&listener, &shared));
        Self { port, state }
    }

    pub fn url(&self, user: &str) -> String {
        format!("mysql://{user}@127.0.0.1:{}", self.port)
    }

    /// Whether events wait here.
    pub fn hold_events(&self, holds: bool) {
        self.state.holds.store(holds, Ordering::SeqCst);
    }

    /// Packets of a megabyte and more take as many pauses of 100 ms.
    pub fn drip(&self, pauses: u64) {
        self.state.drips.store(pauses, Ordering::SeqCst);
    }

    /// Events held back so far.
    pub fn held(&self) -> u64 {
        self.state.held.load(Ordering::SeqCst)
    }

    /// Bytes from the server, so far.
    pub fn received(&self) -> u64 {
        self.state.received.load(Ordering::SeqCst)
    }

    /// All that clients sent since this was last asked.
    pub fn take_sent(&self) -> Vec<u8> {
        std::mem::take(&mut *self.state.sent.lock().unwrap())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        *self.state.end.0.lock().unwrap() = true;
        self.state.end.1.notify_all();
        // Wakes the one who accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    while let Ok((client, _)) = listener.accept() {
        if state.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", state.server)) else {
            continue;
        };
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(LOOK)).unwrap();
        }
        let dumps = Arc::new(AtomicBool::new(false));
        let up = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (shared, flag) = (Arc::clone(state), Arc::clone(&dumps));
        std::thread::spawn(move || upwards(up.0, up.1, &shared, &flag));
        let shared = Arc::clone(state);
        std::thread::spawn(move || downwards(server, client, &shared, &dumps));
    }
}

/// `None`: over. An empty answer: nothing yet.
fn read(from: &mut TcpStream, state: &State) -> Option<Vec<u8>> {
    if state.ended.load(Ordering::SeqCst) {
        return None;
    }
    let mut buffer = vec![0; 64 * 1024];
    match from.read(&mut buffer) {
        Ok(0) => None,
        Ok(count) => {
            buffer.truncate(count);
            Some(buffer)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Some(Vec::new())
        }
        Err(_) => None,
    }
}

fn upwards(mut client: TcpStream, mut server: TcpStream, state: &State, dumps: &AtomicBool) {
    while let Some(bytes) = read(&mut client, state) {
        state.sent.lock().unwrap().extend_from_slice(&bytes);
        // A command is the first packet of its exchange, and travels in one piece.
        if state.looks && bytes.len() > 10 && bytes[3] == 0 && DUMPS.contains(&bytes[4]) {
            dumps.store(true, Ordering::SeqCst);
        }
        if server.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
}

fn downwards(mut server: TcpStream, mut client: TcpStream, state: &State, dumps: &AtomicBool) {
    let mut unsplit: Vec<u8> = Vec::new();
    let mut held: VecDeque<Vec<u8>> = VecDeque::new();
    // A command begins a count at 0; its answers go on with 1.
    let mut sequence: u8 = 0;
    'over: while let Some(bytes) = read(&mut server, state) {
        state
            .received
            .fetch_add(bytes.len() as u64, Ordering::SeqCst);
        if !dumps.load(Ordering::SeqCst) {
            if client.write_all(&bytes).is_err() {
                break;
            }
            continue;
        }
        unsplit.extend_from_slice(&bytes);
        let mut ready: Vec<Vec<u8>> = Vec::new();
        if !state.holds.load(Ordering::SeqCst) {
            ready.extend(held.drain(..));
        }
        while let Some(packet) = split(&mut unsplit) {
            let is_heartbeat = packet.get(9).is_some_and(|kind| HEARTBEATS.contains(kind));
            if state.holds.load(Ordering::SeqCst) && !is_heartbeat {
                state.held.fetch_add(1, Ordering::SeqCst);
                held.push_back(packet);
            } else {
                ready.push(packet);
            }
        }
        // The client counts packets: what was held must not leave a gap.
        for mut packet in ready {
            sequence = sequence.wrapping_add(1);
            packet[3] = sequence;
            let pieces = match packet.len() {
                0..1_000_000 => 1,
                _ => usize::try_from(state.drips.load(Ordering::SeqCst)).unwrap(),
            };
            for piece in packet.chunks(packet.len().div_ceil(pieces)) {
                if client.write_all(piece).is_err() {
                    break 'over;
                }
                if pieces > 1 {
                    let ended = state.end.0.lock().unwrap();
                    let _ = state.end.1.wait_timeout(ended, Duration::from_millis(100));
                }
            }
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
}

/// Takes one whole packet, header included.
fn split(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let header = bytes.get(..4)?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize + 4;
    (bytes.len() >= length).then(|| bytes.drain(..length).collect())
}
