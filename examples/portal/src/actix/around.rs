//! What goes around the routes.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpResponse};
use session_kit::actix::LazySession;

use crate::observe::{Observer, Read, SOURCE};
use crate::page;
use crate::reply::Failure;
use crate::same_origin;

/// Goes around everything.
pub(super) async fn observe<B: MessageBody>(
    observer: Observer,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let (begun, read) = observer.begin();
    request.extensions_mut().insert(read);
    let method = request.method().clone();
    let mut response = next.call(request).await?;

    // Which route it is, is known once it was found.
    let route = response.request().match_pattern();
    if let Some(source) = begun.end(method.as_str(), route, response.status().as_u16()) {
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static(SOURCE), HeaderValue::from_static(source));
    }
    Ok(response)
}

/// Goes inside the session layer.
pub(super) async fn note_source<B: MessageBody>(
    session: LazySession,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let read = request.extensions().get::<Read>().cloned();
    let response = next.call(request).await?;
    if let Some(read) = read {
        read.note(&session);
    }
    Ok(response)
}

pub(super) async fn guard_api<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if is_cross_site(&request) {
        return Ok(request.error_response(Failure::CrossSite));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

pub(super) async fn guard_pages<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if is_cross_site(&request) {
        return Ok(request.into_response(HttpResponse::from(page::cross_site())));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

fn is_cross_site(request: &ServiceRequest) -> bool {
    let header = |name: &'static str| request.headers().get(name).map(HeaderValue::as_bytes);
    same_origin::is_cross_site(request.method().as_str(), header)
}
