//! Time-outs and retries of the calls to AWS.

use aws_sdk_dynamodb::config::{
    Builder, StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use std::time::Duration;

/// How long a connection may take. Inside a region it stands within a millisecond or two.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(800);
/// DynamoDB answers within tens of milliseconds, and a request to it costs little to repeat.
const ATTEMPT: Duration = Duration::from_secs(2);
/// All attempts and the pauses between them: well within the time that a function or a patient client has.
const OPERATION: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 3;
/// The pause before the second attempt, drawn at random up to this; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// `config` with the [`timeouts`] and retries of Countersign.
pub fn client_config(config: Builder) -> Builder {
    config
        .timeout_config(timeouts())
        .retry_config(retries())
        // Guards long transfers, which there are none of; the attempt's own time-out is shorter.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

/// How long a call may take: 0.8 s to connect, 2 s for each attempt, 5 s in all.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}

/// How a failed call is repeated: at most three attempts, with short pauses.
///
/// Not adaptive: that mode holds requests back inside the client, and a function has one request at a time.
fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE)
}
