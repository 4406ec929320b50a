//! A session that is one value of the application's own type.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Session;
use crate::error::Error;

/// A type that an application keeps in its sessions as a whole.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use session_core::SessionData;
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Shopper {
///     cart: Vec<u64>,
///     currency: Option<String>,
/// }
///
/// impl SessionData for Shopper {
///     const FIELD: &'static str = "shopper";
/// }
/// ```
pub trait SessionData: Serialize + DeserializeOwned + Default + Send + 'static {
    /// The field that holds the value.
    const FIELD: &'static str;
}

/// A session seen as one `T`, which is its default as long as nothing is stored.
///
/// Changes made by [`update`](TypedSession::update) merge with those of concurrent requests, as
/// they do for single fields; [`set`](TypedSession::set) is the last word.
pub struct TypedSession<T> {
    session: Session,
    data: PhantomData<fn() -> T>,
}

impl<T: SessionData> TypedSession<T> {
    /// The session seen as a `T`.
    pub fn new(session: Session) -> Self {
        Self { session, data: PhantomData }
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// As [`Session::get`].
    pub fn get(&self) -> Result<T, Error> {
        Ok(self.session.get(T::FIELD)?.unwrap_or_default())
    }

    /// Stores a value.
    ///
    /// # Errors
    ///
    /// As [`Session::insert`].
    pub fn set(&self, value: &T) -> Result<(), Error> {
        self.session.insert(T::FIELD, value)
    }

    /// Changes the value in place and returns it; run again as [`Session::update`] says.
    ///
    /// # Errors
    ///
    /// As [`Session::update`].
    pub fn update<F>(&self, change: F) -> Result<T, Error>
    where
        F: Fn(&mut T) + Send + Sync + 'static,
    {
        self.session.update(T::FIELD, move |value: Option<T>| {
            let mut value = value.unwrap_or_default();
            change(&mut value);
            value
        })
    }

    /// The session itself.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl<T> Clone for TypedSession<T> {
    fn clone(&self) -> Self {
        Self { session: self.session.clone(), data: PhantomData }
    }
}

impl<T> fmt::Debug for TypedSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedSession").field(&self.session).finish()
    }
}
