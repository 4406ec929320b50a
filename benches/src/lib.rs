//! What sessions cost. The benchmarks are in `benches/`; run them with
//! `cargo bench -p benches`.
