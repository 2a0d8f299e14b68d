//! A request that takes several commands: what a dialect of another design needs to answer in that design's words. The
//! rules stay with the workers; here their replies are only put together.

use bytes::Bytes;
use onsale_common::amqp::rpc::RpcClient;
use onsale_common::contract::account::{FindUser, UserView};
use onsale_common::contract::command::CommandData;
use onsale_common::contract::{Code, Envelope};
use onsale_common::ids::{QueueToken, UserId};
use onsale_common::time::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::answer::{self, Done, Failure};
use crate::ask::Ask;
use crate::endpoint::Talking;

/// One request with the way to the workers. All its commands share the request's deadline.
pub(crate) struct Talk<'r> {
    /// What is asked.
    pub(crate) ask: Ask<'r>,
    /// Whether commands can be sent at all.
    pub(crate) ready: bool,
    rpc: &'r RpcClient,
    deadline: Time,
    idempotency_key: Option<String>,
    vouched: Option<UserId>,
}

impl<'r> Talk<'r> {
    /// A talk about `ask`.
    pub(crate) fn new(
        ask: Ask<'r>,
        ready: bool,
        rpc: &'r RpcClient,
        deadline: Time,
        idempotency_key: Option<String>,
    ) -> Self {
        Self { ask, ready, rpc, deadline, idempotency_key, vouched: None }
    }

    /// Asks the workers.
    ///
    /// # Errors
    /// What a worker rejected, or that there was no reply.
    pub(crate) async fn command<C: CommandData>(&self, data: C) -> Result<C::Reply, Failure> {
        self.send(data, self.ask.caller.token, self.vouched, None).await
    }

    /// Asks the workers as `user`, without the queue token, which a worker has said to be the user's: it may be over.
    ///
    /// # Errors
    /// As [`Talk::command`].
    pub(crate) async fn command_as<C: CommandData>(&self, user: UserId, data: C) -> Result<C::Reply, Failure> {
        self.send(data, None, Some(user), None).await
    }

    /// Asks for the effect that the request is about, at most once for the client's `Idempotency-Key`.
    ///
    /// # Errors
    /// As [`Talk::command`].
    pub(crate) async fn effect<C: CommandData>(&self, data: C) -> Result<C::Reply, Failure> {
        self.send(data, self.ask.caller.token, self.vouched, self.idempotency_key.clone()).await
    }

    async fn send<C: CommandData>(
        &self,
        data: C,
        token: Option<QueueToken>,
        caller: Option<UserId>,
        idempotency_key: Option<String>,
    ) -> Result<C::Reply, Failure> {
        data.check()?;
        let envelope = Envelope {
            id: Uuid::now_v7(),
            deadline: self.deadline,
            token,
            caller,
            idempotency_key,
            command: data.into(),
        };
        read(&answer::outcome(self.rpc.call(&envelope).await)?)
    }

    /// The user whose queue token the request carries, whatever state the token is in.
    ///
    /// # Errors
    /// `TOKEN_MISSING`, `TOKEN_INVALID`, and as [`Talk::command`].
    pub(crate) async fn token_owner(&self) -> Result<UserView, Failure> {
        if self.ask.caller.token.is_none() {
            return Err(Code::TokenMissing.into());
        }
        self.command(FindUser::default()).await
    }

    /// Goes on as `user`, without the queue token: the token, where one was given, must be the user's in whatever state,
    /// or else the login, where one was demanded. With neither, the service trusts the request (`ONSALE_AUTH=open`).
    /// So the endpoint must demand one of the two where the service does (`Demand::token_or_login`, `Demand::LOGIN`).
    ///
    /// # Errors
    /// `FORBIDDEN`, and as [`Talk::command`].
    pub(crate) async fn go_on_as(&mut self, user: UserId) -> Result<(), Failure> {
        let known = match self.ask.caller.token {
            Some(_) => Some(self.token_owner().await?.user_id),
            None => self.ask.caller.login,
        };
        if known.is_some_and(|known| known != user) {
            return Err(Code::Forbidden.into());
        }
        self.vouch_for(user);
        Ok(())
    }

    /// Goes on as `user`, without the queue token, which a worker has said to be the user's: it may end meanwhile.
    pub(crate) fn vouch_for(&mut self, user: UserId) {
        self.ask.caller.token = None;
        self.vouched = Some(user);
    }
}

/// Answers with what `work` comes to, as JSON.
pub(crate) fn answer_with<'r, T: Serialize>(work: impl Future<Output = Result<T, Failure>> + Send + 'r) -> Talking<'r> {
    Box::pin(async move { Ok(done(&work.await?)) })
}

/// A success with this body.
pub(crate) fn done<T: Serialize>(view: &T) -> Done {
    Bytes::from(serde_json::to_vec(view).expect("what travels has string keys only")).into()
}

fn read<T: DeserializeOwned>(data: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(data).map_err(|fault| {
        tracing::error!(%fault, "a worker's reply is not what the contract says");
        Code::Internal.into()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use onsale_common::amqp::rpc::RpcConfig;
    use onsale_common::config::Env;

    use super::*;
    use crate::caller::Caller;

    /// Goes on as `user` without a queue token, which asks nobody: who is vouched for.
    fn vouched(login: Option<i64>, user: i64) -> Result<Option<UserId>, Code> {
        let mut router = matchit::Router::new();
        router.insert("/", ()).unwrap();
        let caller = Caller { token: None, login: login.map(UserId::new) };
        let ask = Ask::new(caller, router.at("/").unwrap().params, "", None).unwrap();
        let mut env = Env::from_lookup(|name| (name == "ONSALE_AMQP_URL").then(|| "amqp://nobody".to_owned()));
        let rpc = RpcClient::new(RpcConfig::from_env(&mut env));
        let deadline = Time::now().plus(Duration::from_secs(5));
        let mut talk = Talk::new(ask, false, &rpc, deadline, None);
        let went_on = talk.go_on_as(UserId::new(user)).now_or_never().unwrap();
        went_on.map(|()| talk.vouched).map_err(|failure| failure.code)
    }

    #[test]
    fn a_login_goes_on_as_its_own_user_only() {
        assert_eq!(vouched(Some(1), 1), Ok(Some(UserId::new(1))));
        assert_eq!(vouched(Some(1), 2), Err(Code::Forbidden));
    }

    #[test]
    fn a_request_is_trusted_where_nothing_is_demanded() {
        assert_eq!(vouched(None, 2), Ok(Some(UserId::new(2))));
    }
}
