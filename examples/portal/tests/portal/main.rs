//! The portal from outside: a process of its own, asked over HTTP and through a browser.

mod browser;
mod chaos;
mod client;
mod compared;
mod configured;
mod contract;
mod driver;
mod frameworks;
mod layered;
mod nodes;
mod outage;
mod patience;
mod process;
mod redis;
mod reload;
mod script;
mod shutdown;
mod sql;
mod startup;
mod workers;

on_each_framework! { [crate]
    browser {
        a_person_signs_in_counts_and_signs_another_device_out
    }
    reload {
        a_new_policy_holds_without_a_restart
    }
    shutdown {
        requests_under_way_are_finished
        idle_connections_do_not_keep_it
        half_a_request_does_not_keep_it
        a_second_signal_ends_it_at_once
    }
}
