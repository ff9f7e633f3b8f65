//! One JSON request to a service, and what its answer means.

use std::num::NonZeroU32;
use std::thread::sleep;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::Value;
use ureq::Agent;

use crate::Failure;

/// How a service is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute, evenly spaced; none for as many as come.
    pub per_minute: Option<NonZeroU32>,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            per_minute: None,
            timeout: Duration::from_secs(120),
        }
    }
}

/// Sends JSON to a service, and keeps its distance.
pub struct Client {
    agent: Agent,
    limiter: Option<DefaultDirectRateLimiter>,
}

impl Client {
    /// A client that keeps these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Client {
        let agent = Agent::config_builder()
            .timeout_global(Some(limits.timeout))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let quota = |n| Quota::per_minute(n).allow_burst(NonZeroU32::MIN);
        let limiter = limits.per_minute.map(|n| RateLimiter::direct(quota(n)));
        Client { agent, limiter }
    }

    /// Posts JSON and reads JSON.
    ///
    /// # Errors
    /// [`Failure::Passing`] for what may be answered later, [`Failure::Unanswered`] for a request
    /// that the service will not take, [`Failure::Lasting`] for everything else.
    pub fn post(&self, url: &str, key: Option<&str>, body: &Value) -> Result<Value, Failure> {
        while let Some(limiter) = &self.limiter {
            match limiter.check() {
                Ok(()) => break,
                Err(until) => sleep(until.wait_time_from(DefaultClock::default().now())),
            }
        }
        let mut request = self.agent.post(url);
        if let Some(key) = key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let said = |error: ureq::Error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::HostNotFound => {
                Failure::Lasting(format!("{url}: {error}; check the address"))
            }
            other => Failure::passing(format!("{url}: {other}")),
        };
        let mut response = request.send_json(body).map_err(said)?;
        let status = response.status().as_u16();
        let after = response.headers().get("retry-after");
        let after = after.and_then(|v| v.to_str().ok()?.parse().ok().map(Duration::from_secs));
        let text = response.body_mut().read_to_string().map_err(said)?;
        let reason = || {
            let start: String = text.chars().take(300).collect();
            format!("{url}: status {status}: {start}")
        };
        match status {
            200..=299 => serde_json::from_str(&text)
                .map_err(|e| Failure::passing(format!("{url}: the answer is no JSON: {e}"))),
            408 | 409 | 425 | 429 | 500..=599 => Err(Failure::Passing {
                reason: reason(),
                after,
            }),
            413 | 422 => Err(Failure::Unanswered(reason())),
            _ => Err(Failure::Lasting(reason())),
        }
    }
}
