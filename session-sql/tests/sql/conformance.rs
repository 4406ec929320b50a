//! The store contract's conformance suite on each database.

mod sqlite {
    use crate::fixture;

    async fn harness() -> session_testkit::servers::ServerHarness {
        fixture::sqlite()
    }

    session_testkit::store_tests!(harness);
}
