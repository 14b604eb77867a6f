//! wrk as the load generator: how it is started, and how its report is read.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Seen;

/// Runs wrk with one thread.
///
/// # Errors
///
/// If wrk cannot start or its report tells of failed requests.
pub(super) fn run(
    address: SocketAddr,
    duration: Duration,
    connections: usize,
) -> Result<Seen, String> {
    // wrk counts in whole seconds.
    let seconds = duration.as_secs().max(1);
    let output = Command::new("wrk")
        .arg("-t1")
        .arg(format!("-c{connections}"))
        .arg(format!("-d{seconds}s"))
        .arg("--latency")
        .arg(format!("http://{address}/"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("wrk cannot start: {error}"))?;
    let report = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!(
            "wrk failed: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    parse(&report)
}

fn parse(report: &str) -> Result<Seen, String> {
    let bad = || format!("wrk's report has no figures:\n{report}");
    if report.contains("Socket errors") || report.contains("Non-2xx") {
        return Err(format!("wrk saw errors:\n{report}"));
    }
    let word_after = |start: &str| {
        let line = report
            .lines()
            .map(str::trim)
            .find(|line| line.starts_with(start))?;
        line.strip_prefix(start)?.split_whitespace().next()
    };
    let requests = report
        .lines()
        .find(|line| line.contains(" requests in "))
        .ok_or_else(bad)?;
    let requests = requests.split_whitespace().next().ok_or_else(bad)?;
    Ok(Seen {
        requests: requests.parse().map_err(|_| bad())?,
        per_second: word_after("Requests/sec:")
            .and_then(|rate| rate.parse().ok())
            .ok_or_else(bad)?,
        p50_us: word_after("50%").and_then(microseconds).ok_or_else(bad)?,
        p99_us: word_after("99%").and_then(microseconds).ok_or_else(bad)?,
    })
}

/// Reads a time such as `1.25ms`.
fn microseconds(time: &str) -> Option<f64> {
    let (unit, scale) = [("us", 1.0), ("ms", 1e3), ("s", 1e6)]
        .into_iter()
        .find(|(unit, _)| time.ends_with(unit))?;
    Some(time.strip_suffix(unit)?.parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
Running 2s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   512.34us  200.00us   5.12ms   90.00%
    Req/Sec   129.12k     3.21k  135.00k    80.00%
  Latency Distribution
     50%  480.00us
     75%  600.00us
     90%  700.00us
     99%    1.25ms
  258240 requests in 2.00s, 31.77MB read
Requests/sec: 129120.50
Transfer/sec:     15.88MB
";

    #[test]
    fn a_report_gives_rate_and_percentiles() {
        let seen = parse(REPORT).unwrap();
        let expected = Seen {
            requests: 258_240,
            per_second: 129_120.5,
            p50_us: 480.0,
            p99_us: 1250.0,
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_report_of_errors_is_an_error() {
        let report = format!("{REPORT}  Socket errors: connect 0, read 3, write 0, timeout 0\n");
        assert!(parse(&report).is_err());
        assert!(parse("").is_err());
    }

    #[test]
    fn times_of_every_unit_are_read() {
        assert_eq!(microseconds("480.00us"), Some(480.0));
        assert_eq!(microseconds("1.5s"), Some(1.5e6));
        assert_eq!(microseconds("12"), None);
    }
}
