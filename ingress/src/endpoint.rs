//! What an HTTP dialect's table is made of: endpoints, each with who may ask, what it asks the workers, and what its
//! document says.

use std::pin::Pin;

use hyper::{Method, StatusCode};
use onsale_common::contract::command::CommandData;
use onsale_common::contract::{Code, Command, Example, Lane, Rejection};
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::{Done, Failure, OwnWords};
use crate::ask::Ask;
use crate::caller::Demand;
use crate::shape::{Param, Shape};
use crate::talk::Talk;

/// The methods that endpoints have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Read; also answers HEAD.
    Get,
    /// Create or act.
    Post,
    /// Change.
    Patch,
    /// Give back.
    Delete,
}

impl Verb {
    /// The verb that a request's method asks for; HEAD is a GET whose body hyper leaves out.
    pub(crate) fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Self::Get),
            Method::POST => Some(Self::Post),
            Method::PATCH => Some(Self::Patch),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }

    /// The method's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What an endpoint asks of the workers.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// One command, whose reply goes to the client as the worker wrote it.
    Command(fn(&mut Ask<'_>) -> Result<Command, Rejection>),
    /// As many commands as it takes to answer in the words of another design.
    Talk(for<'r> fn(Talk<'r>) -> Talking<'r>),
}

/// A talk under way.
pub(crate) type Talking<'r> = Pin<Box<dyn Future<Output = Result<Done, Failure>> + Send + 'r>>;

/// What `Idempotency-Key` means to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// Nothing.
    Ignored,
    /// At most one effect for each key.
    Optional,
    /// The same, and there must be one: a UUID.
    Required,
}

/// One row of a dialect's table.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint {
    /// The method.
    pub(crate) verb: Verb,
    /// The path below the mount, with parameters in braces.
    pub(crate) path: &'static str,
    /// Who may ask.
    pub(crate) demand: Demand,
    /// What is asked of the workers.
    pub(crate) work: Work,
    /// Where the one command that is asked travels.
    pub(crate) lane: Option<Lane>,
    /// The status of a success.
    pub(crate) status: StatusCode,
    /// What `Idempotency-Key` means here.
    pub(crate) key: Key,
    /// Whether a request carries a JSON object.
    pub(crate) has_body: bool,
    /// What can go wrong beside what can with every such request.
    pub(crate) fails: &'static [Code],
    /// Failures that are worded here unlike elsewhere in the dialect; the first of a code is the one to use.
    pub(crate) own_words: &'static [OwnWords],
    /// What its document says of it.
    pub(crate) doc: Doc,
}

/// What an endpoint's document says of it.
#[derive(Clone, Copy)]
pub(crate) struct Doc {
    /// The name of the operation, as generated clients call it.
    pub(crate) operation: &'static str,
    /// A line on what it does; the request's own words when empty.
    pub(crate) summary: &'static str,
    /// The body of a request.
    pub(crate) request: Option<Shape>,
    /// Parameters of its path that mean something else here than in the rest of the dialect.
    pub(crate) own_params: &'static [Param],
    /// The query parameters.
    pub(crate) queries: &'static [Param],
    /// The body of a success, without the dialect's envelope.
    pub(crate) reply: Option<Shape>,
    /// Another status that a success may have, and its body.
    pub(crate) also: Option<(StatusCode, Shape)>,
    /// The cookie that a success sets.
    pub(crate) sets_cookie: Option<&'static str>,
}

impl Endpoint {
    const fn new(verb: Verb, path: &'static str, demand: Demand) -> Self {
        let doc = Doc {
            operation: "",
            summary: "",
            request: None,
            own_params: &[],
            queries: &[],
            reply: None,
            also: None,
            sets_cookie: None,
        };
        Self {
            verb,
            path,
            demand,
            work: Work::Command(|_| Err(Rejection::of(Code::NotFound))),
            lane: None,
            status: StatusCode::OK,
            key: Key::Ignored,
            has_body: false,
            fails: &[],
            own_words: &[],
            doc,
        }
    }

    /// A read.
    pub(crate) const fn get(path: &'static str, demand: Demand) -> Self {
        Self::new(Verb::Get, path, demand)
    }

    /// An action; 200 unless [`Endpoint::created`] says otherwise.
    pub(crate) const fn post(path: &'static str, demand: Demand) -> Self {
        Self::new(Verb::Post, path, demand)
    }

    /// A change of what is given.
    pub(crate) const fn patch(path: &'static str, demand: Demand) -> Self {
        Self::new(Verb::Patch, path, demand)
    }

    /// A removal, answered without a body.
    pub(crate) const fn delete(path: &'static str, demand: Demand) -> Self {
        Self { status: StatusCode::NO_CONTENT, ..Self::new(Verb::Delete, path, demand) }
    }

    /// Asks one command and passes its reply through; the body, where the verb has one, is the command's data.
    pub(crate) const fn asks<C: CommandData>(self, make: fn(&mut Ask<'_>) -> Result<Command, Rejection>) -> Self {
        let has_body = matches!(self.verb, Verb::Post | Verb::Patch);
        let request = Some(Shape::of::<C>());
        let reply = if matches!(self.verb, Verb::Delete) { None } else { Some(Shape::of::<C::Reply>()) };
        let doc = Doc { operation: C::NAME.as_str(), request, reply, ..self.doc };
        Self { work: Work::Command(make), lane: Some(C::NAME.lane()), has_body, doc, ..self }
    }

    /// Talks with the workers until it can answer; `operation` is what generated clients call it.
    pub(crate) const fn talks(
        self,
        operation: &'static str,
        summary: &'static str,
        talk: for<'r> fn(Talk<'r>) -> Talking<'r>,
    ) -> Self {
        Self { work: Work::Talk(talk), doc: Doc { operation, summary, ..self.doc }, ..self }
    }

    /// A request carries this.
    pub(crate) const fn takes<T: JsonSchema + Serialize + Example>(self) -> Self {
        Self { has_body: true, doc: Doc { request: Some(Shape::of::<T>()), ..self.doc }, ..self }
    }

    /// A success carries this.
    pub(crate) const fn gives<T: JsonSchema + Serialize + Example>(self) -> Self {
        Self { doc: Doc { reply: Some(Shape::of::<T>()), ..self.doc }, ..self }
    }

    /// These parameters of its path mean something else here than in the rest of the dialect.
    pub(crate) const fn own_params(self, own_params: &'static [Param]) -> Self {
        Self { doc: Doc { own_params, ..self.doc }, ..self }
    }

    /// A success may have another status, and carries this then.
    pub(crate) const fn also_gives<T: JsonSchema + Serialize + Example>(self, status: StatusCode) -> Self {
        Self { doc: Doc { also: Some((status, Shape::of::<T>())), ..self.doc }, ..self }
    }

    /// A request has these query parameters.
    pub(crate) const fn queries(self, queries: &'static [Param]) -> Self {
        Self { doc: Doc { queries, ..self.doc }, ..self }
    }

    /// A success sets this cookie.
    pub(crate) const fn sets_cookie(self, name: &'static str) -> Self {
        Self { doc: Doc { sets_cookie: Some(name), ..self.doc }, ..self }
    }

    /// Can go wrong in these ways, beside what can with every such request.
    pub(crate) const fn fails(self, fails: &'static [Code]) -> Self {
        Self { fails, ..self }
    }

    /// Says these failures in other words than the rest of the dialect does.
    pub(crate) const fn says(self, own_words: &'static [OwnWords]) -> Self {
        Self { own_words, ..self }
    }

    /// Success is 201.
    pub(crate) const fn created(self) -> Self {
        Self { status: StatusCode::CREATED, ..self }
    }

    /// Takes an `Idempotency-Key`.
    pub(crate) const fn keyed(self) -> Self {
        Self { key: Key::Optional, ..self }
    }

    /// Demands an `Idempotency-Key`.
    pub(crate) const fn key_required(self) -> Self {
        Self { key: Key::Required, ..self }
    }
}
