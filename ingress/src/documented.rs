//! Tests that hold every dialect to its document, with the broker away: what the document shows is understood, and what it
//! demands is demanded.

use std::time::Duration;

use onsale_common::ids::{QueueToken, ScheduleId, UserId};
use onsale_common::login::Logins;
use onsale_common::time::Time;
use serde_json::Value;

use crate::DIALECTS;
use crate::openapi;
use crate::over_the_wire::Served;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A request as a document shows it.
#[derive(Clone)]
struct Shown {
    method: String,
    path: String,
    /// Of the query or the headers: where, name, value, whether it is required.
    params: Vec<(String, String, String, bool)>,
    /// How the document says that its caller is known.
    credentials: Vec<String>,
    /// Whether it demands to know the caller.
    demanding: bool,
    body: Option<Value>,
    required_fields: Vec<String>,
}

impl Shown {
    fn of(document: &Value, mount: &str, template: &str, method: &str) -> Self {
        let operation = &document["paths"][template][method];
        let mut path = format!("{mount}{template}");
        let mut params = Vec::new();
        for param in operation["parameters"].as_array().into_iter().flatten() {
            let (name, place) = (text(&param["name"]), text(&param["in"]));
            match place.as_str() {
                "path" => path = path.replace(&format!("{{{name}}}"), &text(&param["example"])),
                _ => params.push((place, name, text(&param["example"]), param["required"] == true)),
            }
        }
        let ways = operation["security"].as_array().unwrap();
        let nameless = |way: &Value| way.as_object().unwrap().is_empty();
        let credentials = ways[0].as_object().unwrap().keys().map(|name| credential(document, name)).collect();
        let media = &operation["requestBody"]["content"]["application/json"];
        let schema = match media["schema"]["$ref"].as_str() {
            Some(reference) => document.pointer(&reference[1..]).unwrap(),
            None => &media["schema"],
        };
        Self {
            method: method.to_uppercase(),
            path,
            params,
            credentials,
            demanding: !ways.iter().any(nameless),
            body: media.get("example").cloned(),
            required_fields: schema["required"].as_array().into_iter().flatten().map(text).collect(),
        }
    }

    /// The status that it is answered with.
    async fn status(&self, served: &Served) -> u16 {
        let of = |place: &'static str| self.params.iter().filter(move |param| param.0 == place);
        let query = of("query").map(|(_, name, value, _)| (name, value));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let headers = of("header").map(|(_, name, value, _)| format!("{name}: {value}\r\n"));
        let headers: String = headers.chain(self.credentials.iter().cloned()).collect();
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        served.ask(&self.method, &format!("{}?{query}", self.path), &headers, &body).await.status
    }
}

/// What a document shows, in full and with one demanded thing lacking: what lacks, and whether that is the caller.
fn lacking(shown: &Shown) -> Vec<(String, bool, Shown)> {
    let mut lacking = Vec::new();
    for (n, (_, name, _, required)) in shown.params.iter().enumerate() {
        if *required {
            let mut without = shown.clone();
            without.params.remove(n);
            lacking.push((name.clone(), false, without));
        }
    }
    for field in &shown.required_fields {
        let mut without = shown.clone();
        without.body.as_mut().and_then(Value::as_object_mut).unwrap().remove(field);
        lacking.push((field.clone(), false, without));
    }
    if shown.demanding {
        lacking.push(("caller".to_owned(), true, Shown { credentials: Vec::new(), ..shown.clone() }));
    }
    lacking
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A header that satisfies a security scheme.
fn credential(document: &Value, name: &str) -> String {
    let scheme = &document["components"]["securitySchemes"][name];
    let token = || QueueToken::draw(ScheduleId::new(1)).unwrap().uuid();
    let place = scheme["in"].as_str();
    let given = scheme["name"].as_str().unwrap_or_default();
    match (name, place) {
        (_, Some("header")) => format!("{given}: {}\r\n", token()),
        (_, Some("cookie")) => format!("cookie: {given}={}\r\n", token()),
        ("queueToken", _) => format!("authorization: Bearer {}\r\n", token()),
        ("login", _) => {
            let logins = Logins::new(SECRET.as_bytes(), Duration::from_secs(60));
            format!("authorization: Bearer {}\r\n", logins.sign(UserId::new(1), Time::now()).unwrap())
        }
        ("adminKey", _) => "authorization: Bearer key\r\n".to_owned(),
        _ => panic!("nobody knows how to satisfy {name}: {scheme}"),
    }
}

#[tokio::test]
async fn what_a_document_shows_is_understood_and_what_it_demands_is_demanded() {
    let served = Served::start(&[("ONSALE_ADMIN_KEY", "key"), ("ONSALE_JWT_SECRET", SECRET)]);
    for dialect in DIALECTS {
        let document = openapi::document(dialect, false);
        for endpoint in dialect.endpoints() {
            let method = endpoint.verb.as_str().to_lowercase();
            let shown = Shown::of(&document, dialect.mount, endpoint.path, &method);
            let what = format!("{} {}", shown.method, shown.path);
            // No worker is there to say more: a request that came so far was understood.
            assert_eq!(shown.status(&served).await, 503, "{what}");
            for (name, is_caller, without) in lacking(&shown) {
                let status = without.status(&served).await;
                let fits = if is_caller { status == 401 } else { matches!(status, 400 | 422) };
                assert!(fits, "{what} without {name}: {status}");
            }
        }
    }
}
