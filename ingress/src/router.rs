//! Finds the endpoint of a request.

use hyper::Method;
use hyper::header::HeaderValue;
use matchit::{InsertError, Params};

use crate::dialect::Dialect;
use crate::endpoint::{Endpoint, Verb};
use crate::meter::Meter;

/// Every path of every dialect.
pub(crate) struct Router {
    paths: matchit::Router<Place>,
    dialects: &'static [&'static Dialect],
    at_root: Option<&'static Dialect>,
    unrouted: Meter,
}

/// One path with what it offers.
struct Place {
    dialect: &'static Dialect,
    routes: Vec<Route>,
    allow: HeaderValue,
}

/// One endpoint with what is counted about it.
pub(crate) struct Route {
    /// The endpoint.
    pub(crate) endpoint: Endpoint,
    /// Its figures.
    pub(crate) meter: Meter,
}

/// Where a request belongs.
pub(crate) enum Found<'n, 'p> {
    /// To an endpoint.
    Route(&'n Route, Params<'n, 'p>),
    /// To a path that has other methods.
    OtherMethods(&'n HeaderValue),
    /// To no path.
    Nothing,
}

impl Router {
    /// Builds the router. The dialect `at_root` is served there too, and answers for paths below no mount; without one
    /// the first dialect answers for them.
    ///
    /// # Errors
    /// When two rows of the tables claim one path in conflicting ways.
    pub(crate) fn new(
        dialects: &'static [&'static Dialect],
        at_root: Option<&'static Dialect>,
    ) -> Result<Self, InsertError> {
        let mut paths = matchit::Router::new();
        let mounted = dialects.iter().map(|dialect| (*dialect, dialect.mount));
        for (dialect, mount) in mounted.chain(at_root.map(|dialect| (dialect, ""))) {
            for (path, endpoints) in by_path(dialect) {
                let template = format!("{mount}{path}");
                let allow = allow(&endpoints);
                let route =
                    |endpoint: Endpoint| Route { endpoint, meter: Meter::new(&template, endpoint.verb.as_str()) };
                let routes = endpoints.into_iter().map(route).collect();
                paths.insert(&template, Place { dialect, routes, allow })?;
            }
        }
        Ok(Self { paths, dialects, at_root, unrouted: Meter::new("none", "any") })
    }

    /// Finds where a request belongs, and which dialect answers it.
    pub(crate) fn find<'n, 'p>(&'n self, method: &Method, path: &'p str) -> (&'static Dialect, Found<'n, 'p>) {
        let Ok(at) = self.paths.at(path) else {
            return (self.dialect_of(path), Found::Nothing);
        };
        let place = at.value;
        let verb = Verb::of(method);
        match place.routes.iter().find(|route| Some(route.endpoint.verb) == verb) {
            Some(route) => (place.dialect, Found::Route(route, at.params)),
            None => (place.dialect, Found::OtherMethods(&place.allow)),
        }
    }

    /// The figures of requests that belong to no endpoint.
    pub(crate) fn unrouted(&self) -> &Meter {
        &self.unrouted
    }

    fn dialect_of(&self, path: &str) -> &'static Dialect {
        let below = |dialect: &&'static Dialect| {
            path.strip_prefix(dialect.mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.dialects.iter().copied().find(below).or(self.at_root).unwrap_or(self.dialects[0])
    }
}

/// The endpoints of a dialect, gathered by path in the order of its tables.
fn by_path(dialect: &Dialect) -> Vec<(&'static str, Vec<Endpoint>)> {
    let mut paths: Vec<(&'static str, Vec<Endpoint>)> = Vec::new();
    for endpoint in dialect.endpoints() {
        match paths.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, endpoints)) => endpoints.push(*endpoint),
            None => paths.push((endpoint.path, vec![*endpoint])),
        }
    }
    paths
}

fn allow(endpoints: &[Endpoint]) -> HeaderValue {
    let mut methods: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.verb.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    HeaderValue::from_str(&methods.join(", ")).expect("names of methods are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> Router {
        Router::new(crate::DIALECTS, None).unwrap()
    }

    #[test]
    fn every_row_of_the_table_is_found() {
        for dialect in crate::DIALECTS {
            let router = Router::new(crate::DIALECTS, Some(dialect)).unwrap();
            for (endpoint, mount) in
                dialect.endpoints().flat_map(|endpoint| [(endpoint, dialect.mount), (endpoint, "")])
            {
                let path = format!("{mount}{}", endpoint.path.replace(['{', '}'], ""));
                let method: Method = endpoint.verb.as_str().parse().unwrap();
                let (spoken, found) = router.find(&method, &path);
                assert_eq!(spoken.name, dialect.name);
                assert!(matches!(found, Found::Route(route, _) if route.endpoint.path == endpoint.path), "{path}");
            }
        }
    }

    #[test]
    fn other_paths_and_methods_are_told_apart() {
        let router = router();
        for path in ["/", "/api/v1", "/api/v1/concerts/", "/api/v1x", "/api/v1/concerts/1/2", "", "*", "//"] {
            assert!(matches!(router.find(&Method::GET, path).1, Found::Nothing), "{path}");
        }
        let Found::OtherMethods(allow) = router.find(&Method::PUT, "/api/v1/concerts/1").1 else { panic!() };
        assert_eq!(allow, "GET, HEAD, OPTIONS");
        let Found::OtherMethods(allow) = router.find(&Method::POST, "/api/v1/queue/tokens/x").1 else { panic!() };
        assert_eq!(allow, "GET, DELETE, HEAD, OPTIONS");
        assert!(matches!(router.find(&Method::HEAD, "/api/v1/concerts").1, Found::Route(..)));
    }
}
