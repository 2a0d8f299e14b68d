//! The outbox' order, at its source: transactions that commit in another order than they drew their places.

use onsale_common::contract::Example;
use onsale_common::contract::event::HoldExpired;
use onsale_common::time::Time;
use onsale_stack::role::Role;
use onsale_tests::Sale;
use onsale_workers::store::outbox::{self, NewEvent};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_beyond_a_place_that_is_drawn_and_not_committed() {
    let sale = Sale::with_roles(&[], &[Role::Ingress]).await;
    let event = [NewEvent::of(&HoldExpired::example())];
    for commits in [true, false] {
        let mut early = sale.pool.begin().await.unwrap();
        outbox::add(&mut early, &event, Time::now()).await.unwrap();
        let mut late = sale.pool.begin().await.unwrap();
        outbox::add(&mut late, &event, Time::now()).await.unwrap();
        late.commit().await.unwrap();
        let mut db = sale.pool.acquire().await.unwrap();
        assert_eq!(outbox::horizon(&mut db).await.unwrap(), None, "one is still in the gate");
        if commits {
            early.commit().await.unwrap()
        } else {
            early.rollback().await.unwrap()
        };
        let horizon = outbox::horizon(&mut db).await.unwrap().expect("nobody is in the gate");
        let places: Vec<i64> =
            outbox::unpublished(&mut db, horizon, 10).await.unwrap().iter().map(|event| event.id).collect();
        assert_eq!(places.len(), if commits { 2 } else { 1 });
        assert!(places.is_sorted(), "{places:?}");
        outbox::mark_published(&mut db, *places.last().unwrap()).await.unwrap();
    }
    sale.finish().await;
}
