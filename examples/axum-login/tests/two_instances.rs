//! Two instances of the example, on one Redis.

mod service;

#[tokio::test]
async fn log_ins_and_log_outs_are_shared() {
    service::is_shared(env!("CARGO_BIN_EXE_example-axum-login"), 307).await;
}
