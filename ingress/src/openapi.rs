//! The OpenAPI 3.1 document of a dialect, put together from what serves its requests: the tables of endpoints, the types
//! that are read and written, and the words of its failures.

use hyper::StatusCode;
use onsale_common::contract::{Code, Rejection};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::answer::Failure;
use crate::caller::{Login, Place};
use crate::dialect::{Dialect, codes_of};
use crate::endpoint::{Endpoint, Key};
use crate::shape::{Param, Shape};

/// Where a document keeps its schemas.
const SCHEMAS: &str = "/components/schemas";
/// The name of the schema of every failure.
const FAILURE: &str = "Failure";

/// The document of a dialect, which may be served at the root too.
pub(crate) fn document(dialect: &Dialect, at_root: bool) -> Value {
    let mut writer = Writer::of(dialect);
    let mut paths = Map::new();
    for group in dialect.groups {
        for endpoint in group.endpoints {
            let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
            path[endpoint.verb.as_str().to_lowercase()] = writer.operation(endpoint, group.name);
        }
    }
    let mut servers = vec![json!({ "url": dialect.mount })];
    if at_root {
        servers.push(json!({ "url": "/" }));
    }
    let paths = Value::from(paths);
    let components = writer.components(&paths);
    let tags: Vec<Value> = dialect.groups.iter().map(|group| json!({ "name": group.name })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": dialect.title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": dialect.about,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": servers,
        "tags": tags,
        "paths": paths,
        "components": components,
    })
}

/// What a document says of a request.
struct Request {
    schema: Value,
    /// A reference to the schema, and an example.
    media: Value,
}

struct Writer<'d> {
    dialect: &'d Dialect,
    /// Schemas of what is read.
    requests: SchemaGenerator,
    /// Schemas of what is written.
    replies: SchemaGenerator,
    security: Map<String, Value>,
}

impl<'d> Writer<'d> {
    fn of(dialect: &'d Dialect) -> Self {
        let settings = || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = SCHEMAS.into());
        Self {
            dialect,
            requests: settings().for_deserialize().into_generator(),
            replies: settings().for_serialize().into_generator(),
            security: Map::new(),
        }
    }

    fn operation(&mut self, endpoint: &Endpoint, tag: &str) -> Value {
        let request = endpoint.doc.request.map(|shape| self.request(endpoint, shape));
        let summary = match &request {
            Some(request) if endpoint.doc.summary.is_empty() => first_sentence(request.schema["description"].as_str()),
            _ => endpoint.doc.summary.to_owned(),
        };
        let mut operation = json!({
            "operationId": endpoint.doc.operation,
            "summary": summary,
            "tags": [tag],
            "security": self.security_of(endpoint),
            "responses": self.responses(endpoint, request.as_ref()),
        });
        let parameters = self.parameters(endpoint);
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(request) = request.filter(|_| endpoint.has_body) {
            operation["requestBody"] = json!({ "required": true, "content": { "application/json": request.media } });
        }
        operation
    }

    /// A request's schema and example, without what its path says.
    fn request(&mut self, endpoint: &Endpoint, shape: Shape) -> Request {
        let reference = (shape.schema)(&mut self.requests).to_value();
        let name = reference["$ref"].as_str().and_then(|path| path.rsplit('/').next()).expect("requests have names");
        let schema = self.requests.definitions_mut().get_mut(name).expect("the generator defines what it refers to");
        let mut example = (shape.example)();
        for name in path_params(endpoint.path) {
            for object in [schema.get_mut("properties"), Some(&mut example)] {
                object.and_then(Value::as_object_mut).and_then(|object| object.remove(name));
            }
            if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
                required.retain(|required| required != name);
            }
        }
        Request { schema: schema.clone(), media: json!({ "schema": reference, "example": example }) }
    }

    fn parameters(&self, endpoint: &Endpoint) -> Vec<Value> {
        let of_path = path_params(endpoint.path).map(|name| {
            let known = endpoint.doc.own_params.iter().chain(self.dialect.path_params).find(|param| param.name == name);
            parameter("path", &known.unwrap_or_else(|| panic!("{name} has no description")).required())
        });
        let of_query = endpoint.doc.queries.iter().map(|param| parameter("query", param));
        let mut parameters: Vec<Value> = of_path.chain(of_query).collect();
        if endpoint.key != Key::Ignored {
            parameters.push(parameter("header", &idempotency_key(endpoint.key)));
        }
        parameters
    }

    fn security_of(&mut self, endpoint: &Endpoint) -> Value {
        let demand = endpoint.demand;
        let mut ways = Vec::new();
        let mut scheme = |name: &str, scheme: Value| {
            self.security.insert(name.to_owned(), scheme);
            ways.push(json!({ name: [] }));
        };
        match demand.token {
            Some(Place::Header(header)) => {
                scheme("queueToken", json!({ "type": "apiKey", "in": "header", "name": header }));
            }
            Some(Place::Cookie(cookie)) => {
                scheme("queueToken", json!({ "type": "apiKey", "in": "cookie", "name": cookie }));
            }
            Some(Place::Bearer) => scheme("queueToken", json!({ "type": "http", "scheme": "bearer" })),
            None => {}
        }
        if demand.login != Login::Never {
            scheme("login", json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" }));
        }
        if demand.admin_key {
            scheme("adminKey", json!({ "type": "http", "scheme": "bearer" }));
        }
        let optional = demand.token.is_none() || demand.token_optional;
        if !optional && demand.login == Login::Always {
            // Not the one or the other: both.
            let both: Map<String, Value> =
                ways.drain(..).filter_map(|way| way.as_object().cloned()).flatten().collect();
            ways.push(both.into());
        }
        if optional && !demand.admin_key && demand.login != Login::Always {
            ways.push(json!({}));
        }
        ways.into()
    }

    fn responses(&mut self, endpoint: &Endpoint, request: Option<&Request>) -> Value {
        let mut responses = Map::new();
        let also = endpoint.doc.also.map(|(status, shape)| (status, Some(shape)));
        for (status, shape) in also.into_iter().chain([(endpoint.status, endpoint.doc.reply)]) {
            responses.insert(status.as_str().to_owned(), self.success(endpoint, shape));
        }
        for (name, failure) in self.failures(endpoint, request) {
            let words = self.dialect.words_for(Some(endpoint), &failure);
            if also.is_some_and(|(status, _)| status == words.status) {
                continue;
            }
            let body = (self.dialect.failed_body)(&failure, words);
            let body: Value = serde_json::from_slice(&body).expect("a failure is JSON");
            let response = responses.entry(words.status.as_str()).or_insert_with(|| failed_response(words.status));
            response["content"]["application/json"]["examples"][name] = json!({ "value": body });
        }
        responses.into()
    }

    fn success(&mut self, endpoint: &Endpoint, shape: Option<Shape>) -> Value {
        let mut response = json!({ "description": "Done." });
        if let Some(shape) = shape {
            let data = serde_json::to_string(&(shape.example)()).expect("an example is JSON");
            let [before, after] = self.dialect.done_around;
            let example = format!("{before}{data}{after}");
            let schema = (self.dialect.done_schema)((shape.schema)(&mut self.replies).to_value());
            response["content"]["application/json"] = json!({
                "schema": schema,
                "example": serde_json::from_str::<Value>(&example).expect("an example is JSON"),
            });
        }
        if let Some(cookie) = endpoint.doc.sets_cookie {
            response["headers"]["Set-Cookie"] =
                json!({ "description": format!("The cookie `{cookie}`."), "schema": { "type": "string" } });
        }
        response
    }

    /// Every failure of an endpoint, each under a name of its own.
    fn failures(&self, endpoint: &Endpoint, request: Option<&Request>) -> Vec<(String, Failure)> {
        let mut failures: Vec<(String, Failure)> = codes_of(endpoint)
            .into_iter()
            .map(|code| (code.as_str().to_owned(), example_of(code, endpoint, request)))
            .collect();
        for (nth, own) in endpoint.own_words.iter().enumerate() {
            let first = endpoint.own_words.iter().position(|other| other.code == own.code);
            if first != Some(nth) {
                failures.push((format!("{}_{nth}", own.code.as_str()), (*own).into()));
            }
        }
        failures
    }

    /// What these paths refer to.
    fn components(mut self, paths: &Value) -> Value {
        let mut known: Map<String, Value> = self.replies.take_definitions(true);
        known.extend(self.requests.take_definitions(true));
        known.insert(FAILURE.to_owned(), (self.dialect.failed_schema)());
        let mut schemas = Map::new();
        let mut unread = vec![paths.to_string()];
        while let Some(text) = unread.pop() {
            for name in references(&text) {
                if let Some(schema) = known.remove(name) {
                    unread.push(schema.to_string());
                    schemas.insert(name.to_owned(), schema);
                }
            }
        }
        json!({ "schemas": schemas, "securitySchemes": self.security })
    }
}

/// The names of the schemas that a part of a document refers to.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("\"$ref\":\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next())
}

fn failed_response(status: StatusCode) -> Value {
    json!({
        "description": status.canonical_reason().unwrap_or("Failed"),
        "content": { "application/json": { "schema": { "$ref": format!("#{SCHEMAS}/{FAILURE}") } } },
    })
}

/// A failure as it would be, with the details that it would have.
fn example_of(code: Code, endpoint: &Endpoint, request: Option<&Request>) -> Failure {
    let rejection = Rejection::of(code);
    let rejection = match code {
        Code::InvalidRequest => {
            let lacking = request.and_then(|request| request.schema["required"][0].as_str());
            let param = || path_params(endpoint.path).chain(endpoint.doc.queries.iter().map(|query| query.name)).next();
            match lacking.filter(|_| endpoint.has_body) {
                Some(field) => Rejection::invalid_field(field, "is required"),
                None => Rejection::invalid_field(param().unwrap_or("Idempotency-Key"), "is not valid"),
            }
        }
        Code::SeatTaken => rejection.with("seatIds", vec![536_870_913_i64]),
        Code::BodyTooLarge => rejection.with("maxBytes", 65_536),
        _ => rejection,
    };
    rejection.into()
}

fn parameter(place: &str, param: &Param) -> Value {
    let example: Value = serde_json::from_str(param.example).expect("an example is JSON");
    json!({
        "name": param.name,
        "in": place,
        "required": param.required,
        "description": param.about,
        "schema": (param.schema)(),
        "example": example,
    })
}

fn idempotency_key(key: Key) -> Param {
    let param = Param::new(
        "Idempotency-Key",
        "At most one effect for each key; the same request again is answered as the first time.",
        || json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" }),
        "\"7f9c24e8-3b1a-4c57-9d0e-5a1b2c3d4e5f\"",
    );
    match key {
        Key::Required => Param { schema: || json!({ "type": "string", "format": "uuid" }), ..param }.required(),
        _ => param,
    }
}

/// The names in braces of a path.
fn path_params(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

fn first_sentence(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_has_an_example_and_every_reference_an_end() {
        for dialect in crate::DIALECTS {
            let document = document(dialect, true);
            let text = document.to_string();
            for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(document.pointer(reference).is_some(), "{}: {reference}", dialect.name);
            }
            for endpoint in dialect.endpoints() {
                let operation = &document["paths"][endpoint.path][endpoint.verb.as_str().to_lowercase()];
                assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{}", endpoint.path);
                let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(body.is_string(), endpoint.has_body, "{}", endpoint.path);
                if let Some(body) = body.as_str().and_then(|reference| document.pointer(&reference[1..])) {
                    for name in path_params(endpoint.path) {
                        assert!(body["properties"].get(name).is_none(), "{}: {name} is given twice", endpoint.path);
                    }
                }
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let media = &response["content"]["application/json"];
                    let shown = media["example"].is_null() && media["examples"].is_null();
                    assert_eq!(shown, status == "204", "{} {status}", endpoint.path);
                }
            }
        }
    }

    #[test]
    fn a_type_that_is_read_and_written_has_one_schema() {
        for dialect in crate::DIALECTS {
            let mut writer = Writer::of(dialect);
            for endpoint in dialect.endpoints() {
                writer.operation(endpoint, "");
            }
            let written = writer.replies.definitions();
            for (name, schema) in writer.requests.definitions() {
                assert!(written.get(name).is_none_or(|other| other == schema), "{}: {name}", dialect.name);
            }
        }
    }

    #[test]
    fn operations_have_names_of_their_own() {
        for dialect in crate::DIALECTS {
            let mut names: Vec<&str> = dialect.endpoints().map(|endpoint| endpoint.doc.operation).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}: {names:?}", dialect.name);
        }
    }
}
