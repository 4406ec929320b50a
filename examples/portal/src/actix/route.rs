//! Routes that answer a wrong method as all else, and know what would be a right one.

use actix_web::guard;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{FromRequest, Handler, Resource, Responder, ResponseError as _, Route, web};

use crate::reply::Failure;

/// The methods that a handler takes.
pub(super) struct Routed {
    methods: &'static str,
    route: Route,
}

impl Routed {
    /// With something around the handler.
    pub(super) fn map(self, around: impl FnOnce(Route) -> Route) -> Self {
        Self { route: around(self.route), ..self }
    }
}

/// A `GET` is also a `HEAD`.
pub(super) fn get<F, Args>(handler: F) -> Routed
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let route = web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    Routed { methods: "GET,HEAD", route: route.to(handler) }
}

pub(super) fn post<F, Args>(handler: F) -> Routed
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Routed { methods: "POST", route: web::post().to(handler) }
}

pub(super) fn put<F, Args>(handler: F) -> Routed
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Routed { methods: "PUT", route: web::put().to(handler) }
}

pub(super) fn delete<F, Args>(handler: F) -> Routed
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Routed { methods: "DELETE", route: web::delete().to(handler) }
}

pub(super) fn resource(path: &str, routes: impl IntoIterator<Item = Routed>) -> Resource {
    let (mut resource, mut allowed) = (web::resource(path), Vec::new());
    for Routed { methods, route } in routes {
        resource = resource.route(route);
        allowed.push(methods);
    }
    let allowed = allowed.join(",");
    resource.default_service(web::to(move || {
        let mut response = Failure::MethodNotAllowed.error_response();
        if let Ok(allowed) = HeaderValue::try_from(&*allowed) {
            response.headers_mut().insert(ALLOW, allowed);
        }
        std::future::ready(response)
    }))
}
