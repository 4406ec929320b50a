//! A client that keeps one cookie, in front of an application that is called without a socket.

use std::sync::Arc;

use actix_http::Request;
use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test::TestRequest;
use actix_web::{Error, HttpResponse};
use session_core::{SessionCookie, Sessions, SessionsBuilder, Store};
use session_memory::MemoryStore;
use session_testkit::{CountingStore, FaultyStore};

/// An embedded store that can fail and counts what still gets through to it.
pub(crate) struct Backend {
    pub(crate) memory: MemoryStore,
    pub(crate) counting: Arc<CountingStore>,
    pub(crate) faulty: Arc<FaultyStore>,
}

impl Backend {
    pub(crate) fn new() -> Self {
        let memory = MemoryStore::new();
        let faulty = Arc::new(FaultyStore::new(Arc::new(memory.clone())));
        let counting = Arc::new(CountingStore::new(Arc::clone(&faulty) as Arc<dyn Store>));
        Self { memory, counting, faulty }
    }

    pub(crate) fn builder(&self) -> SessionsBuilder {
        Sessions::builder_shared(Arc::clone(&self.counting) as Arc<dyn Store>)
            .cookie(SessionCookie::new("id"))
    }

    pub(crate) fn sessions(&self) -> Sessions {
        self.builder().build().unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    async fn read(response: HttpResponse) -> Self {
        let (head, body) = response.into_parts();
        let body = to_bytes(body).await.unwrap();
        let body = String::from_utf8(body.into()).unwrap();
        Self { status: head.status(), headers: head.headers().clone(), body }
    }

    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).map(|value| value.to_str().unwrap()).collect()
    }
}

#[derive(Clone, Default)]
pub(crate) struct Client {
    pub(crate) cookie: Option<String>,
}

impl Client {
    pub(crate) async fn get<S, B>(&mut self, app: &S, path: &str) -> Answer
    where
        S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
        B: MessageBody + 'static,
    {
        let cookie = self.cookie.as_deref().map(|cookie| ("cookie", cookie));
        let answer = ask(app, path, cookie).await;
        if let Some(set_cookie) = answer.header("set-cookie").first() {
            let pair = set_cookie.split("; ").next().unwrap();
            self.cookie = (pair != "id=").then(|| pair.to_owned());
        }
        answer
    }
}

/// Asks with no header but this one.
pub(crate) async fn ask<S, B>(app: &S, path: &str, header: Option<(&str, &str)>) -> Answer
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let mut request = TestRequest::get().uri(path);
    if let Some(header) = header {
        request = request.insert_header(header);
    }
    // As the server does, which makes a response of whatever error is left.
    match app.call(request.to_request()).await {
        Ok(response) => Answer::read(response.into_parts().1.map_into_boxed_body()).await,
        Err(error) => Answer::read(error.error_response()).await,
    }
}
