//! What a request's work on its session tells those who watch: a span each for reading and for
//! saving, and events.
//!
//! Spans are at DEBUG, and hold words out of fixed lists, and numbers. Where they are not recorded,
//! they cost a look at a flag.

use tracing::Span;
use tracing::field::Empty;

use super::state::Base;
use crate::error::Error;
use crate::observer::{Observers, SessionEvent, Stage};
use crate::plan::StoreCall;
use crate::store::Source;

/// What reading a session comes to: what is known of it now, and what happened. Nothing does if
/// nobody has presented a token.
pub(super) type Read = Result<(Base, Option<SessionEvent>), Error>;

/// `session.load`: a request's session is read, if there is one to read.
pub(super) fn load_span() -> Span {
    tracing::debug_span!(
        "session.load",
        "session.outcome" = Empty,
        "session.source" = Empty,
        "error.type" = Empty,
        "otel.status_code" = Empty,
    )
}

/// `session.save`: what a request did is saved.
pub(super) fn save_span() -> Span {
    tracing::debug_span!(
        "session.save",
        "session.operation" = Empty,
        "session.outcome" = Empty,
        "session.conflicts" = Empty,
        "error.type" = Empty,
        "otel.status_code" = Empty,
    )
}

pub(super) fn report_load(span: &Span, observers: &Observers, read: &Read) {
    match read {
        Ok((_, event)) => {
            if let Some(event) = event {
                observers.tell(*event);
            }
            span.record("session.outcome", outcome(*event));
            if let Some(SessionEvent::Loaded(source)) = event {
                span.record("session.source", source.as_str());
            }
        }
        Err(error) => {
            observers.failed(Stage::Load, error);
            record_error(span, error);
        }
    }
}

fn outcome(event: Option<SessionEvent>) -> &'static str {
    match event {
        Some(SessionEvent::Loaded(_)) => "found",
        Some(SessionEvent::Absent) => "absent",
        Some(SessionEvent::Unreadable) => "unreadable",
        Some(SessionEvent::Rejected(_)) => "rejected",
        _ => "none",
    }
}

/// The source of a session that was found.
pub(super) fn source(event: Option<SessionEvent>) -> Option<Source> {
    match event {
        Some(SessionEvent::Loaded(source)) => Some(source),
        _ => None,
    }
}

/// What a save has come to so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// What the store was asked to do last.
    pub(super) call: StoreCall,
    /// How often others had written.
    pub(super) conflicts: usize,
}

impl Progress {
    pub(super) const NONE: Self = Self { call: StoreCall::None, conflicts: 0 };
}

pub(super) fn report_save(
    span: &Span,
    observers: &Observers,
    progress: Progress,
    result: Result<(), &Error>,
) {
    let Progress { call, conflicts } = progress;
    span.record("session.operation", call.as_str());
    span.record("session.conflicts", conflicts);
    match result {
        Ok(()) => {
            if conflicts > 0 {
                observers.tell(SessionEvent::Replayed(conflicts));
            }
            span.record("session.outcome", "done");
        }
        Err(error) => {
            observers.failed(Stage::Save, error);
            record_error(span, error);
        }
    }
}

fn record_error(span: &Span, error: &Error) {
    span.record("session.outcome", "error");
    span.record("error.type", error.kind().as_str());
    span.record("otel.status_code", "ERROR");
}
