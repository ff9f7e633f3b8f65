//! A real server in this process, which also misbehaves.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};
use tiny_http::{Header, Response, Server};

/// What a server does with a request: a status, headers and a body after a while, or nothing.
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<u64>,
    pub body: String,
    pub delay: Duration,
    /// How many of the body's bytes are sent before the connection ends.
    pub cut: Option<usize>,
}

impl Answer {
    pub fn ok(body: &Value) -> Answer {
        Answer {
            status: 200,
            retry_after: None,
            body: body.to_string(),
            delay: Duration::ZERO,
            cut: None,
        }
    }

    pub fn status(status: u16) -> Answer {
        Answer {
            status,
            body: json!({"error": {"message": format!("this is a {status}")}}).to_string(),
            ..Answer::ok(&Value::Null)
        }
    }

    /// A chat model's answer: JSON in a message.
    pub fn chat(content: &impl Serialize) -> Answer {
        let content = serde_json::to_string(content).unwrap();
        Answer::ok(
            &json!({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}),
        )
    }
}

/// What came: the path with the key, the body, when.
pub type Seen = Arc<Mutex<Vec<(String, Value, Instant)>>>;

/// A server that answers every request by `answer(number, body)`; what it was asked.
pub fn serve(answer: impl Fn(usize, &Value) -> Answer + Send + Sync + 'static) -> (String, Seen) {
    let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
    let address = format!("http://{}", server.server_addr());
    let seen: Seen = Arc::default();
    let answer = Arc::new(answer);
    for _ in 0..4 {
        let (server, seen, answer) = (Arc::clone(&server), Arc::clone(&seen), Arc::clone(&answer));
        std::thread::spawn(move || {
            for mut request in server.incoming_requests() {
                let body: Value = serde_json::from_reader(request.as_reader()).unwrap();
                let number = {
                    let mut seen = seen.lock().unwrap();
                    let authorised = request
                        .headers()
                        .iter()
                        .find(|h| h.field.equiv("Authorization"));
                    let key = authorised.map(|h| h.value.to_string()).unwrap_or_default();
                    let at = format!("{} {key}", request.url());
                    seen.push((at, body.clone(), Instant::now()));
                    seen.len() - 1
                };
                let Answer {
                    status,
                    retry_after,
                    body,
                    delay,
                    cut,
                } = answer(number, &body);
                std::thread::sleep(delay);
                if let Some(cut) = cut {
                    // The head promises more than comes.
                    let mut stream = request.into_writer();
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                    let _ = stream.write_all(head.as_bytes());
                    let _ = stream.write_all(&body.as_bytes()[..cut]);
                    continue;
                }
                let mut response = Response::from_string(body).with_status_code(status);
                if let Some(seconds) = retry_after {
                    let header = Header::from_bytes("Retry-After", seconds.to_string()).unwrap();
                    response = response.with_header(header);
                }
                // A client that gave up does not read it.
                let _ = request.respond(response);
            }
        });
    }
    (address, seen)
}
