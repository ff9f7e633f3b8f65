//! Patience with a service.

use std::time::Duration;

use backon::{BlockingRetryable, ExponentialBuilder};

use crate::Failure;

/// How often, and after what wait, a request is sent again that failed in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often at most.
    pub times: usize,
    /// The first wait; it doubles up to a minute, and is spread by chance.
    pub wait: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            times: 5,
            wait: Duration::from_secs(1),
        }
    }
}

impl Retry {
    /// Sends a request, and again while it fails in passing.
    ///
    /// # Errors
    /// The last [`Failure`].
    pub fn call<T>(&self, send: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
        let waits = ExponentialBuilder::default()
            .with_min_delay(self.wait)
            .with_max_delay(Duration::from_secs(60).max(self.wait))
            .with_max_times(self.times)
            .with_jitter();
        send.retry(waits)
            .when(|failure| matches!(failure, Failure::Passing { .. }))
            .notify(|failure, wait| {
                tracing::warn!("{}; again in {wait:.1?}", failure.reason());
                // A server that says when is not asked before.
                if let Failure::Passing {
                    after: Some(after), ..
                } = failure
                {
                    std::thread::sleep(after.saturating_sub(wait));
                }
            })
            .call()
    }
}
