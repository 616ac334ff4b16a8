//! A port that leads to one server now and to another later, as a DNS name or a virtual address
//! does. Moving it cuts the connections that stand.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub struct Switchboard {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Nobody answers without one.
    target: Option<u16>,
    live: Vec<TcpStream>,
    closed: bool,
}

impl Switchboard {
    pub fn new(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            target: Some(target),
            live: Vec::new(),
            closed: false,
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                // Held while the connection is made: a move in between would miss it.
                let mut state = shared.lock().unwrap();
                if state.closed {
                    return;
                }
                let called = state
                    .target
                    .and_then(|target| TcpStream::connect(("127.0.0.1", target)).ok());
                let Some(called) = called else { continue };
                for (from, to) in [(&caller, &called), (&called, &caller)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || pass_on(from, to));
                }
                state.live.extend([caller, called]);
            }
        });
        Self { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn point_at(&self, target: u16) {
        let mut state = self.state.lock().unwrap();
        state.target = Some(target);
        state.cut();
    }
}

impl State {
    fn cut(&mut self) {
        for stream in self.live.drain(..) {
            // Gone already is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Switchboard {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap();
        state.closed = true;
        state.cut();
        drop(state);
        // Wakes the thread that listens.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0_u8; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
