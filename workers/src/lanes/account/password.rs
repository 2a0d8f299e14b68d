//! Passwords: Argon2id with the parameters that OWASP's Password Storage Cheat Sheet names as the least.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use onsale_common::contract::Code;
use onsale_common::time::Time;
use tokio::sync::Semaphore;

use crate::failure::Failure;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Bytes of salt, as RFC 9106 recommends, and of the hash.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// The working memory is reserved larger than it is used: above 32 MiB glibc takes it from the system and gives it back
/// at once, below that it keeps it for the next time, in each thread. What is reserved and not touched costs nothing.
const RESERVED_KIB: usize = 33 * 1024;

/// Hashes at the same time in a process: each keeps a core busy for some 30 ms.
const AT_ONCE: u32 = 2;
static TURNS: Semaphore = Semaphore::const_new(AT_ONCE as usize);
/// How many are hashed, or wait for their turn.
static IN_LINE: AtomicU32 = AtomicU32::new(0);
/// How long a hash takes of late, in microseconds.
static USUAL_US: AtomicU32 = AtomicU32::new(30_000);

/// A hash that no password has: what a login with an unknown address is checked against, so that it takes as long.
pub(super) const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes a password, as text in the PHC format.
///
/// # Errors
/// When the operating system has no randomness.
pub fn hash(password: &str) -> Result<String, Failure> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| Failure::Randomness(error.to_string()))?;
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES)).expect("the constants are within bounds");
    Ok(derive(&params, password, &salt).expect("the constants are within bounds").to_string())
}

/// Whether a password is the one that a hash was made of.
pub fn verify(password: &str, stored: &str) -> bool {
    let computed = || -> Option<bool> {
        let stored = PasswordHash::new(stored).ok()?;
        let params = Params::try_from(&stored).ok()?;
        let computed = derive(&params, password, stored.salt.as_ref()?).ok()?;
        // `Output` is compared in constant time.
        Some(stored.algorithm == computed.algorithm && stored.hash? == computed.hash?)
    };
    computed().unwrap_or(false)
}

fn derive(params: &Params, password: &str, salt: &[u8]) -> argon2::password_hash::Result<PasswordHash> {
    let blocks = params.block_count();
    let mut memory: Vec<Block> = Vec::with_capacity(blocks.max(RESERVED_KIB));
    memory.resize(blocks, Block::default());
    let mut hash = vec![0; params.output_len().unwrap_or(HASH_BYTES)];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone()).hash_password_into_with_memory(
        password.as_bytes(),
        salt,
        &mut hash,
        memory.as_mut_slice(),
    )?;
    Ok(PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params)?,
        salt: Some(Salt::new(salt)?),
        hash: Some(Output::new(&hash)?),
    })
}

/// Does some hashing when its turn comes, away from the threads that serve the network.
///
/// # Errors
/// `OVERLOADED` when the line is so long that its turn would hardly come before the deadline of its command,
/// `DEADLINE_EXCEEDED` when that has passed by its turn: a backlog is not worked off for callers that have gone.
pub(super) async fn in_turn<T: Send + 'static>(
    deadline: Time,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Code> {
    let (_place, wait) = Place::take();
    if wait * 5 / 4 > deadline.since(Time::now()) {
        return Err(Code::Overloaded);
    }
    let _turn = TURNS.acquire().await.expect("the semaphore is never closed");
    if deadline <= Time::now() {
        return Err(Code::DeadlineExceeded);
    }
    let started = Instant::now();
    let done = tokio::task::spawn_blocking(work).await.expect("hashing does not panic");
    let took_us = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
    USUAL_US.store(USUAL_US.load(Ordering::Relaxed) / 8 * 7 + took_us / 8, Ordering::Relaxed);
    Ok(done)
}

/// A place in the line for hashing, until it is dropped.
struct Place;

impl Place {
    /// A place at the end, and how long those before it will take.
    fn take() -> (Self, Duration) {
        let before = IN_LINE.fetch_add(1, Ordering::Relaxed);
        (Self, Duration::from_micros(USUAL_US.load(Ordering::Relaxed).into()) * before / AT_ONCE)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        IN_LINE.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_own_hash_only() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse", &stored));
        assert!(!verify("correct horsf", &stored));
        assert!(!verify("correct horse", "nonsense"));
        assert_ne!(stored, hash("correct horse").unwrap(), "salts differ");
    }

    #[test]
    fn a_hash_of_the_library_itself_verifies() {
        use argon2::PasswordHasher;
        let stored = Argon2::default().hash_password(b"correct horse").unwrap().to_string();
        assert!(verify("correct horse", &stored));
    }

    #[test]
    fn nobodys_hash_takes_as_long_as_any_and_no_password_has_it() {
        let params = |hash: &str| PasswordHash::new(hash).unwrap().params;
        assert_eq!(params(NOBODYS), params(&hash("any").unwrap()));
        assert!(!verify("", NOBODYS));
    }
}
