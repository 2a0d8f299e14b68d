//! A way to a server whose connections can be cut, or fall silent, one by one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What a client says of itself comes first, and is about so long.
const INTRODUCTION_BYTES: usize = 1024;

/// Passes connections on.
pub struct Proxy {
    port: u16,
    passing: Arc<Mutex<Vec<Passing>>>,
}

struct Passing {
    introduction: Arc<Mutex<Vec<u8>>>,
    silent: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Proxy {
    /// Passes connections on to the server of a URL.
    pub async fn to(url: &str) -> Self {
        let upstream = address(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let passing: Arc<Mutex<Vec<Passing>>> = Arc::default();
        let list = passing.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.expect("the server");
                let introduction: Arc<Mutex<Vec<u8>>> = Arc::default();
                let silent = Arc::new(AtomicBool::new(false));
                let task = tokio::spawn(pass(client, server, introduction.clone(), silent.clone())).abort_handle();
                list.lock().expect("whole").push(Passing { introduction, silent, task });
            }
        });
        Self { port, passing }
    }

    /// The URL through this proxy.
    pub fn url(&self, url: &str) -> String {
        url.replacen(address(url), &format!("127.0.0.1:{}", self.port), 1)
    }

    /// Cuts the connections whose client introduced itself with this text; returns how many.
    pub fn cut(&self, name: &str) -> usize {
        self.each(name, |passing| passing.task.abort())
    }

    /// Has nothing of what is said on those connections arrive any more, without either end noticing.
    pub fn silence(&self, name: &str) -> usize {
        self.each(name, |passing| passing.silent.store(true, Ordering::Relaxed))
    }

    fn each(&self, name: &str, act: impl Fn(&Passing)) -> usize {
        let said = |passing: &&Passing| {
            let introduction = passing.introduction.lock().expect("whole");
            introduction.windows(name.len()).any(|window| window == name.as_bytes())
        };
        let list = self.passing.lock().expect("whole");
        list.iter().filter(|passing| !passing.task.is_finished()).filter(said).map(act).count()
    }
}

/// Host and port of a URL.
fn address(url: &str) -> &str {
    let after = url.rsplit_once('@').map_or(url, |(_, after)| after);
    after.split('/').next().unwrap_or(after)
}

async fn pass(client: TcpStream, server: TcpStream, introduction: Arc<Mutex<Vec<u8>>>, silent: Arc<AtomicBool>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, Some(introduction), &silent) => {}
        () = pump(from_server, to_client, None, &silent) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    introduction: Option<Arc<Mutex<Vec<u8>>>>,
    silent: &AtomicBool,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if let Some(introduction) = &introduction {
            let mut introduction = introduction.lock().expect("whole");
            let left = INTRODUCTION_BYTES.saturating_sub(introduction.len());
            introduction.extend_from_slice(&buffer[..read.min(left)]);
        }
        if silent.load(Ordering::Relaxed) {
            continue;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
