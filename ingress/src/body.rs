//! Request bodies: JSON, whole, within a bound and a time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use onsale_common::contract::{Code, Rejection};

/// What is read and thrown away of a body that was refused, so that its sender gets to read the answer: a socket closed
/// with unread data in it is reset, and the answer is lost.
const DISCARD_MAX_BYTES: usize = 8 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(3);

/// The body of one request, and whether the connection can go on after it.
pub(crate) struct Upload {
    incoming: Incoming,
    broken: bool,
}

impl Upload {
    /// A body that nobody has looked at.
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self { incoming, broken: false }
    }

    /// Reads a JSON body.
    ///
    /// # Errors
    /// `UNSUPPORTED_MEDIA_TYPE`, `BODY_TOO_LARGE` (by its announced length already), or `INVALID_REQUEST` when it is
    /// empty, cut off or too slow.
    pub(crate) async fn read(
        &mut self,
        headers: &HeaderMap,
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<Bytes, Rejection> {
        if self.incoming.is_end_stream() && !headers.contains_key(CONTENT_TYPE) {
            return Err(Rejection::invalid_field("body", "is required: a JSON object"));
        }
        if !is_json(headers) {
            return Err(Code::UnsupportedMediaType.into());
        }
        self.broken = true;
        if self.incoming.size_hint().lower() > max_bytes as u64 {
            return Err(too_large(max_bytes));
        }
        let read = tokio::time::timeout(timeout, collect(&mut self.incoming, max_bytes)).await;
        let body = read.unwrap_or_else(|_| Err(Rejection::invalid_field("body", "did not arrive in time")))?;
        self.broken = false;
        Ok(body)
    }

    /// Ends the reading: what is left is thrown away in the background. Says whether the connection must end too.
    pub(crate) fn finish(self) -> bool {
        if !self.incoming.is_end_stream() {
            tokio::spawn(discard(self.incoming));
        }
        self.broken
    }
}

async fn collect<B: Body<Data = Bytes> + Unpin>(body: &mut B, max_bytes: usize) -> Result<Bytes, Rejection> {
    let mut whole = Bytes::new();
    let mut parts = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Rejection::invalid_field("body", "was cut off or is not framed as it says"))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + parts.len() + data.len() > max_bytes {
            return Err(too_large(max_bytes));
        }
        // Nearly every body is one frame, which is then taken as it is.
        if whole.is_empty() && parts.is_empty() {
            whole = data;
        } else {
            parts.extend_from_slice(&std::mem::take(&mut whole));
            parts.extend_from_slice(&data);
        }
    }
    Ok(if parts.is_empty() { whole } else { parts.freeze() })
}

fn too_large(max_bytes: usize) -> Rejection {
    Rejection::of(Code::BodyTooLarge).with("maxBytes", max_bytes)
}

/// Reads what is left of a body and throws it away, within bounds.
async fn discard(mut body: Incoming) {
    let mut left = DISCARD_MAX_BYTES;
    let drained = async {
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, drained).await;
}

/// Whether a body says that it is JSON, in UTF-8 where it names a charset, and not compressed.
fn is_json(headers: &HeaderMap) -> bool {
    let coded = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != HeaderValue::from_static("identity"));
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let charset_fits = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    !coded && media.eq_ignore_ascii_case("application/json") && parts.all(charset_fits)
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_plain_json_is_taken() {
        let takes = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            is_json(&headers)
        };
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""] {
            assert!(takes(good), "{good}");
        }
        for bad in ["text/plain", "application/jsonp", "application/json; charset=euc-kr", "", "json"] {
            assert!(!takes(bad), "{bad}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_json(&headers));
    }

    proptest! {
        #[test]
        fn frames_make_the_body_up_to_its_bound(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let whole = frames.concat();
            let stream = || StreamBody::new(futures_util::stream::iter(
                frames.clone().into_iter().map(|part| Ok::<_, std::io::Error>(Frame::data(Bytes::from(part)))),
            ));
            let read = |max| futures_util::FutureExt::now_or_never(collect(&mut stream(), max)).unwrap();
            prop_assert_eq!(read(whole.len()).unwrap(), &whole);
            if !whole.is_empty() {
                prop_assert_eq!(read(whole.len() - 1).unwrap_err().code, Code::BodyTooLarge);
            }
        }
    }
}
