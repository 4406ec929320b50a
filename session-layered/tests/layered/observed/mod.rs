//! What stores and sessions tell by OpenTelemetry.

mod meter;
mod sessions;
mod spans;
mod store;
mod table;

pub(crate) use self::meter::Metered;
pub(crate) use self::spans::Traced;
