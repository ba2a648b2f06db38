//! The list of all behaviours with their promises: functions, tests and documents follow it.

use super::bench::run;
use super::world::{Behaviour, Outcome, World};
use super::{
    content, deliver, durables, failed, lanes, publish, restart, settle, sharing, streams,
    subscription,
};

/// Hands the list to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __broker_behaviours {
    ($then:path, $given:tt) => {
        $then! {
            $given
            publish::acknowledged_messages_are_stored_in_order = "What is acknowledged is stored, in the order of the calls, at the sequence that the answer gives.";
            publish::publishes_at_the_same_time_are_all_stored = "Publishers that work at the same time, on several connections, lose nothing and keep their own order.";
            publish::a_dropped_receipt_loses_nothing = "A message is stored also when nobody waits for its receipt.";
            publish::closing_sends_what_is_queued = "Closing a connection sends what was published on it, and answers every receipt.";
            publish::a_repeated_id_is_stored_once = "A repeated message id is answered as a duplicate and stored once, from whatever connection it comes.";
            publish::equal_messages_are_told_apart_by_their_ids = "Messages are told apart by their message ids alone: nothing in them makes two of them one.";
            publish::what_no_stream_holds_is_an_error = "A message that no stream holds is an error in bounded time, and the connection stays good.";
            publish::bad_subjects_are_refused = "A subject with wildcards, spaces, control characters or empty words, or a very long one, is refused for good, and the connection stays good.";

            content::messages_arrive_as_they_were_published = "Subject, headers and payload arrive as they were published, any byte included.";
            content::an_empty_payload_is_a_message = "An empty payload is a message like others.";
            content::the_largest_payload_arrives_and_one_byte_more_is_refused = "A payload of the stated maximum arrives whole; one byte more is refused for good, and the connection stays good.";
            content::headers_arrive_as_they_were_written = "Headers keep the case of their names, the order of one name's values, repetitions, empty values and UTF-8.";
            content::hostile_headers_are_refused = "A header that could end its line or be read as another is refused for good, nothing of the message is stored, and the connection stays good.";

            deliver::the_order_of_publishes_is_kept = "One subscription delivers in the order of the publishes.";
            deliver::each_durable_gets_every_message = "Each durable gets every message that matches, whatever others do.";
            deliver::topics_do_not_disturb_each_other = "Topics and durables that work at the same time get their own messages only.";
            deliver::filters_match_word_by_word = "Filters match word by word: `*` for one word, `>` for one or more.";
            deliver::a_waiting_call_gets_what_is_published_later = "A call that waits is answered as soon as there is something.";
            deliver::a_delivery_says_where_it_is_stored = "A delivery names the stream, sequence and time under which the message can be read.";

            sharing::instances_share_a_durable_without_doubling = "Instances that consume one durable share its messages: each comes once, to one of them.";
            sharing::reopened_subscriptions_lose_nothing = "Subscriptions opened and closed one after the other get everything, once.";
            sharing::closing_at_the_same_time_loses_nothing = "Subscriptions that close at the same time, while messages are on their way, lose nothing.";
            sharing::hand_backs_by_several_lose_nothing = "What several subscriptions hand back before they close comes to the next one, once.";
            sharing::a_lost_connection_loses_nothing = "What a connection held unsettled when it went away without a word comes again after the ack wait.";

            settle::what_is_settled_never_comes_again = "What is settled as done never comes again.";
            settle::what_is_not_settled_comes_again_after_the_ack_wait = "What is not settled comes again after the ack wait, and not before.";
            settle::progress_keeps_redelivery_away = "Progress begins the ack wait anew; without it, or once settled, it has no effect.";
            settle::what_is_handed_back_comes_again_at_once = "What is handed back comes again at once, and only once.";
            settle::what_is_handed_back_with_a_delay_waits = "What is handed back with a delay comes again after it, and not before.";
            settle::deliveries_are_counted = "A delivery says how often the message was delivered to this durable.";
            settle::no_more_than_the_limit_is_unsettled = "A durable has no more unsettled deliveries than its limit, over all instances, and goes on as soon as one is settled.";
            settle::a_delivery_outlives_its_subscription = "A delivery can be kept alive and settled after its subscription was closed.";

            subscription::a_call_returns_at_least_one_and_at_most_the_demand = "A call returns at least one delivery and no more than its demand.";
            subscription::a_slow_consumer_is_never_sent_more_than_it_can_take = "No more than the demand is on its way to a subscription, however much is stored.";
            subscription::a_dropped_call_loses_nothing = "Dropping a call that waits loses nothing, doubles nothing, and keeps the order.";
            subscription::closing_hands_back_what_was_not_returned = "Closing a subscription hands back at once what had arrived and was not returned.";

            durables::a_durable_is_created_once_and_never_altered = "Creating a durable again changes nothing, and is refused where the filter differs.";
            durables::instances_create_the_same_things_at_once = "Instances that start at the same time create the same stream and durable without an error, once.";
            durables::a_durable_tells_its_settings = "A durable has the settings that it was created with, and tells them.";
            durables::durables_belong_to_their_service = "A durable belongs to the service that created it, and is listed for that service only.";
            durables::a_durable_begins_where_its_start_says = "A new durable begins with all that is stored, with what comes, or at a time, as it was asked.";
            durables::a_position_says_what_is_left = "A durable's position counts what matches and was not delivered, and what is not settled.";
            durables::a_missing_durable_is_misconfigured = "A subscription to a durable or stream that is not there is an error for a person to cure.";
            durables::each_life_of_a_durable_has_a_generation = "All subscriptions to one life of a durable have one generation, and another life has another.";
            durables::deleting_a_durable_ends_its_subscriptions = "A subscription whose durable is deleted ends with an error for a person to cure, also where the durable is created again.";

            streams::a_stream_is_created_once_and_never_altered = "Creating a stream again changes nothing, and is refused where the subjects differ.";
            streams::two_streams_hold_no_subject_in_common = "A stream of subjects that another one holds is refused.";
            streams::streams_are_found_by_subject = "The streams that hold any subject of a filter are found by it, and no others.";
            streams::lanes_belong_to_one_service = "A lane belongs to the service that created it, and a stream of events to none.";
            streams::counting_is_by_filter = "Counting gives the number of stored messages that match a filter.";
            streams::reading_goes_on_at_the_next_match = "Reading gives the first match at or after a sequence, and nothing after the last.";
            streams::what_is_removed_is_gone = "What is removed is read, counted and delivered no more; removing it again is no error.";

            lanes::a_retry_reaches_its_own_handler_only = "What is published to a handler's retry lane is delivered to that handler only.";
            lanes::a_retry_lane_empties_itself = "A retry lane keeps what is not settled, and nothing else.";
            lanes::an_unsettled_retry_comes_again = "What is not settled on a retry lane comes again after the ack wait.";
            lanes::a_delayed_message_waits_and_then_comes = "A delayed message comes after its delay and not before, whatever was published after it.";
            lanes::delayed_messages_never_replace_each_other = "Delayed messages of one lane that are due at the same time all come, once each.";
            lanes::a_delayed_message_outlives_its_publisher = "A delayed message comes also when the connection that published it is closed.";
            lanes::a_repeated_delayed_message_comes_once = "A delayed message that is published again under its id comes once.";
            lanes::only_retry_lanes_delay = "A delay for anything but a retry lane is refused for good.";

            failed::two_handlers_that_fail_on_one_event_keep_both_retries = "Two handlers that fail on one event keep a retry each.";
            failed::two_handlers_that_fail_on_one_event_keep_both_dead_letters = "Two handlers that fail on one event keep a dead letter each.";
            failed::a_dead_letter_is_kept_before_its_original_is_let_go = "A dead letter can be stored and read while its original is unsettled, and stays until it is removed.";

            restart::a_restart_of_the_broker_loses_nothing = "A broker that crashes and comes back loses nothing that it acknowledged, and connections go on by themselves.";
        }
    };
}

/// Functions out of the list, and the list as data.
macro_rules! functions {
    ([] $($module:ident::$name:ident = $promise:literal;)+) => {
        $(
            #[doc = $promise]
            pub async fn $name(world: &mut dyn World) -> Outcome {
                run(stringify!($name), world, |bench| Box::pin($module::$name(bench))).await
            }
        )+

        /// All behaviours.
        pub const BEHAVIOURS: &[Behaviour] = &[$(Behaviour {
            name: stringify!($name),
            area: stringify!($module),
            promise: $promise,
            run: |world| Box::pin($name(world)),
        }),+];
    };
}

__broker_behaviours!(functions, []);

/// Makes a test of each behaviour of the suite, for one adapter.
///
/// The argument is an async function or closure without arguments that makes a fresh
/// [`World`](crate::broker::conformance::World); an attribute in front of it says which kind of test to make,
/// `#[tokio::test(flavor = "multi_thread")]` if there is none.
#[macro_export]
macro_rules! broker_conformance {
    (#[$test:meta] $world:expr $(,)?) => {
        $crate::__broker_behaviours!($crate::__broker_tests, [$test, $world]);
    };
    ($world:expr $(,)?) => {
        $crate::broker_conformance!(
            #[tokio::test(flavor = "multi_thread")]
            $world
        );
    };
}

/// Tests out of the list.
#[doc(hidden)]
#[macro_export]
macro_rules! __broker_tests {
    ([$test:meta, $world:expr] $($module:ident::$name:ident = $promise:literal;)+) => {$(
        #[doc = $promise]
        #[$test]
        async fn $name() {
            let mut world = ($world)().await;
            // A skip has told its reason already.
            let _ = $crate::broker::conformance::$name(&mut world).await;
        }
    )+};
}
