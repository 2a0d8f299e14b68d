//! The way of one request: find its endpoint, admit its caller, read it, ask the workers, answer.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode, Version};
use matchit::Params;
use onsale_common::amqp::rpc::RpcClient;
use onsale_common::contract::{Code, Envelope, Rejection};
use onsale_common::ops::Readiness;
use onsale_common::time::Time;
use uuid::Uuid;

use crate::answer::{self, Answer, Done, Failure, REQUEST_ID};
use crate::ask::Ask;
use crate::body::Upload;
use crate::caller::{self, Access, Caller};
use crate::config::Limits;
use crate::dialect::Dialect;
use crate::docs::Docs;
use crate::endpoint::{Endpoint, Work};
use crate::health;
use crate::meter::Level;
use crate::router::{Found, Router};
use crate::talk::Talk;

/// What every request is served with.
pub(crate) struct Ingress {
    rpc: RpcClient,
    router: Router,
    docs: Docs,
    access: Access,
    limits: Limits,
    ready: Readiness,
    in_flight: Level,
}

impl Ingress {
    /// An ingress that asks through `rpc`.
    pub(crate) fn new(
        rpc: RpcClient,
        router: Router,
        docs: Docs,
        access: Access,
        limits: Limits,
        ready: Readiness,
    ) -> Self {
        Self { rpc, router, docs, access, limits, ready, in_flight: Level::of_requests() }
    }

    /// The bounds that connections keep too.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Answers one request, whatever it is.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (method, path) = (request.method(), request.uri().path());
        let id = Uuid::now_v7();
        let door = health::answer(method, path, &self.ready).or_else(|| self.docs.answer(method, path));
        if let Some(mut answer) = door {
            answer.headers_mut().insert(&REQUEST_ID, caller::request_id(request.headers(), id));
            return answer;
        }
        let started = Instant::now();
        let _counted = self.in_flight.one();
        let (parts, body) = request.into_parts();
        let mut upload = Upload::new(body);
        let (dialect, found) = self.router.find(&parts.method, parts.uri.path());
        let (meter, mut answer) = match found {
            Found::Route(route, params) => {
                let work = self.work(id, dialect, &route.endpoint, params, &parts, &mut upload);
                // A panic is a bug; it must not take the other requests of its connection with it.
                let outcome = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
                    tracing::error!(route = route.meter.route(), "a request panicked");
                    Err(Code::Internal.into())
                });
                let answer = match outcome {
                    Ok(done) => dialect.done(&route.endpoint, done),
                    Err(failure) => dialect.failed(Some(&route.endpoint), &failure),
                };
                (&route.meter, answer)
            }
            Found::OtherMethods(allow) => {
                let mut answer = match parts.method {
                    Method::OPTIONS => answer::empty(StatusCode::NO_CONTENT),
                    _ => dialect.failed(None, &Code::MethodNotAllowed.into()),
                };
                answer.headers_mut().insert(ALLOW, allow.clone());
                (self.router.unrouted(), answer)
            }
            Found::Nothing => (self.router.unrouted(), dialect.failed(None, &Code::NotFound.into())),
        };
        answer.headers_mut().insert(&REQUEST_ID, caller::request_id(&parts.headers, id));
        if upload.finish() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let took = started.elapsed();
        meter.record(answer.status(), took);
        // The route's template and never the path: a path may hold a queue token.
        tracing::debug!(%id, method = %parts.method, route = meter.route(), status = answer.status().as_u16(), ?took, "answered");
        answer
    }

    /// Admits and reads a request, and does what its endpoint says.
    async fn work(
        &self,
        id: Uuid,
        dialect: &Dialect,
        endpoint: &Endpoint,
        params: Params<'_, '_>,
        parts: &Parts,
        upload: &mut Upload,
    ) -> Result<Done, Failure> {
        // RFC 9112, 3.2: whom a request without its host, or with two, is for nobody knows.
        if parts.version == Version::HTTP_11 && parts.headers.get_all(HOST).iter().count() != 1 {
            return Err(Rejection::invalid_field("host", "is missing, or there are several").into());
        }
        let caller = self.access.check(endpoint.demand, &parts.headers)?;
        let body = if endpoint.has_body {
            let organiser = endpoint.demand.admin_key;
            let max_bytes = if organiser { self.limits.admin_body_max_bytes } else { self.limits.body_max_bytes };
            Some(upload.read(&parts.headers, max_bytes, self.limits.body_timeout).await?)
        } else {
            None
        };
        // Refused before its body is understood: what the others wait for must not be spent on saying no.
        if let (Some(lane), Some(token)) = (endpoint.lane, caller.token)
            && self.rpc.is_full(lane, token.schedule())
        {
            return Err(Code::Overloaded.into());
        }
        let mut ask = Ask::new(caller, params, parts.uri.query().unwrap_or_default(), body.as_deref())?;
        let deadline = Time::now().plus(self.limits.reply_timeout);
        match endpoint.work {
            Work::Command(make) => {
                let command = make(&mut ask)?;
                if dialect.strict_query {
                    ask.query.finish()?;
                }
                let idempotency_key = caller::idempotency_key(endpoint.key, &parts.headers)?;
                let Caller { token, login } = ask.caller;
                let envelope = Envelope { id, deadline, token, caller: login, idempotency_key, command };
                Ok(answer::outcome(self.rpc.call(&envelope).await)?.into())
            }
            Work::Talk(talk) => {
                let idempotency_key = caller::idempotency_key(endpoint.key, &parts.headers)?;
                talk(Talk::new(ask, self.ready.get(), &self.rpc, deadline, idempotency_key)).await
            }
        }
    }
}
