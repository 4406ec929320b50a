//! Each row of the contract, as it goes well and as it goes wrong.

mod account;
mod counter;
mod data;
mod devices;
mod life;
mod operations;
mod page;
mod refusals;

crate::on_each_framework! { [crate::contract]
    account {
        login_signs_in_under_a_new_id
        login_takes_any_legal_name_with_the_password
        login_refuses_what_is_no_login
        json_is_taken_under_any_name
        logout_ends_the_session_and_may_be_repeated
        me_tells_who_since_when_until_when_and_where
    }
    counter {
        the_counter_begins_at_zero_and_counts
        counting_begins_a_session
        no_increment_is_lost_and_no_value_told_twice
    }
    data {
        values_are_stored_replaced_and_removed
        what_is_not_json_is_refused
        names_are_bounded_and_keep_out_of_the_way
        a_value_has_64_kib_at_most
        a_full_session_keeps_what_it_has
        a_slow_write_comes_on_top_of_the_others
        a_slow_write_does_not_bring_a_session_back
        a_slow_write_says_what_and_how_slowly
    }
    devices {
        devices_are_those_of_the_user
        a_device_is_signed_out_once
        ones_own_device_is_signed_out_with_its_cookie
        nobody_elses_device_is_found
        all_other_devices_are_signed_out
        all_devices_are_signed_out
        devices_are_for_those_who_are_signed_in
    }
    life {
        rotate_moves_the_session_to_a_new_id
        rotate_without_a_session_does_nothing
        timeouts_hold_for_this_session_only
        a_session_ends_after_its_timeout
        impossible_timeouts_are_refused
    }
    operations {
        plain_has_nothing_to_do_with_sessions
        health_and_readiness_are_plain_answers
        metrics_count_calls_and_requests_without_ids
        debug_headers_tell_where_the_session_was_read
    }
    page {
        the_page_asks_strangers_to_sign_in
        pages_can_neither_load_nor_run_anything
        forms_sign_in_count_and_sign_out
        a_wrong_password_is_said_and_nothing_stored
        forms_sign_devices_out
        forms_of_an_ended_session_lead_to_the_sign_in
        what_clients_say_is_shown_as_text
    }
    refusals {
        unknown_addresses_and_methods_are_refused_in_json
        what_other_sites_send_is_refused
        a_list_is_no_object
    }
}
