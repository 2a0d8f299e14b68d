//! The newcomer's door at the root: the contract to read, to mock and to generate code from. Everything is served from
//! this binary.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use onsale_common::amqp::topology::Topology;
use onsale_common::asyncapi;
use onsale_common::contract::Code;
use utoipa_swagger_ui::{Config, Url};

use crate::answer::{self, Answer};
use crate::dialect::Dialect;
use crate::openapi;

/// Where the pages are.
const PAGES: &str = "/docs";

/// Where the AMQP contract and the events are described.
const ASYNCAPI: &str = "/asyncapi.json";

/// The documents, written once.
pub(crate) struct Docs {
    openapi: Vec<Document>,
    asyncapi: Bytes,
}

struct Document {
    name: &'static str,
    path: String,
    json: Bytes,
}

impl Docs {
    /// The documents of these dialects, one of which may be served at the root too, and of what is behind them.
    pub(crate) fn of(dialects: &[&Dialect], at_root: Option<&Dialect>, topology: &Topology) -> Self {
        let is_at_root = |dialect: &Dialect| at_root.is_some_and(|other| other.name == dialect.name);
        let document = |dialect: &&Dialect| Document {
            name: dialect.name,
            path: format!("/openapi/{}.json", dialect.name),
            json: openapi::document(dialect, is_at_root(dialect)).to_string().into(),
        };
        let asyncapi = asyncapi::document(topology).to_string().into();
        Self { openapi: dialects.iter().map(document).collect(), asyncapi }
    }

    /// Answers a request to the door; none when it is for somebody else.
    pub(crate) fn answer(&self, method: &Method, path: &str) -> Option<Answer> {
        let found = match self.openapi.iter().find(|document| document.path == path) {
            Some(document) => content("application/json", document.json.clone()),
            None if path == ASYNCAPI => content("application/json", self.asyncapi.clone()),
            None => self.page(path.strip_prefix(PAGES)?)?,
        };
        Some(if matches!(*method, Method::GET | Method::HEAD) {
            found
        } else {
            let mut refused = answer::failed(&Code::MethodNotAllowed.into());
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            refused
        })
    }

    fn page(&self, path: &str) -> Option<Answer> {
        let is_index = matches!(path, "" | "/" | "/index.html");
        let file = if is_index { "index.html" } else { path.strip_prefix('/')? };
        let menu = self.openapi.iter().map(|document| Url::new(document.name, &document.path));
        let page = utoipa_swagger_ui::serve(file, Arc::new(Config::new(menu).validator_url("none"))).ok()??;
        let mut bytes = page.bytes.into_owned();
        if is_index {
            // So that the page works with and without a slash at the end of its address.
            let html = String::from_utf8_lossy(&bytes).replace("\"./", &format!("\"{PAGES}/"));
            bytes = html.replace("\"index.css", &format!("\"{PAGES}/index.css")).into_bytes();
        }
        Some(content(&page.content_type, bytes.into()))
    }
}

fn content(content_type: &str, bytes: Bytes) -> Answer {
    let mut answer = answer::json(StatusCode::OK, bytes);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).expect("media types are visible ASCII"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    fn docs() -> Docs {
        Docs::of(crate::DIALECTS, None, &Topology { partitions: 3, queue_length_max: 10 })
    }

    fn get(path: &str) -> Option<(StatusCode, String, String)> {
        let answer = docs().answer(&Method::GET, path)?;
        let (status, kind) = (answer.status(), answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned());
        let body = futures_util::FutureExt::now_or_never(answer.into_body().collect()).unwrap().unwrap().to_bytes();
        Some((status, kind, String::from_utf8_lossy(&body).into_owned()))
    }

    #[test]
    fn the_pages_need_nothing_from_elsewhere() {
        for path in ["/docs", "/docs/", "/docs/index.html"] {
            let (status, kind, page) = get(path).unwrap();
            assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/html"), "{path}");
            assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
            let quoted = page.split('"').filter(|text| text.ends_with(".js") || text.ends_with(".css"));
            for file in quoted {
                assert!(get(file).is_some(), "{file} of {path}");
            }
        }
        let (_, _, menu) = get("/docs/swagger-initializer.js").unwrap();
        for dialect in crate::DIALECTS {
            let path = format!("/openapi/{}.json", dialect.name);
            assert!(menu.contains(&path), "{menu}");
            assert_eq!(get(&path).unwrap().1, "application/json");
        }
    }

    #[test]
    fn the_amqp_contract_is_described_as_it_is_here() {
        let (status, kind, document) = get("/asyncapi.json").unwrap();
        assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/json"));
        let document: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["asyncapi"], "3.0.0");
        assert_eq!(document["channels"]["reservation"]["parameters"]["partition"]["enum"], json!(["0", "1", "2"]));
    }

    #[test]
    fn other_paths_are_for_others() {
        for path in ["/", "/docsx", "/docs/../etc/passwd", "/openapi/", "/openapi/none.json", "/docs/none.js"] {
            assert!(get(path).is_none(), "{path}");
        }
        assert_eq!(docs().answer(&Method::POST, "/docs").unwrap().status(), 405);
    }
}
