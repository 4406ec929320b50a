//! The HTTP script on every topology: on one node a cache makes no difference.

use session_testkit::servers::{Cluster, Sentinel};

use super::cached;
use crate::configured::UNDISTURBED;
use crate::redis::samples::{cluster_sample, sentinel_sample};
use crate::redis::script::play_on;

mod single {
    use crate::layered::cached_config_for;
    use crate::redis::script::Server;

    async fn server() -> Server {
        Server::start(cached_config_for).await
    }

    session_testkit::http_tests!(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_holds_on_sentinel() {
    let sentinel = Sentinel::builder().down_after(UNDISTURBED).start().await;
    play_on(&cached(&sentinel_sample(&sentinel))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_holds_on_a_cluster() {
    let cluster = Cluster::builder().node_timeout(UNDISTURBED).start().await;
    play_on(&cached(&cluster_sample(&cluster))).await;
}
