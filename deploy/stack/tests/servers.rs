//! The servers for real: what they hold survives a kill, and nothing of them is left behind.

#![allow(clippy::unwrap_used)] // helpers of tests, which the exception for tests does not reach

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use onsale_stack::servers::{Server, Servers, ServersConfig};
use onsale_stack::{packages, sweep};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("onsale-servers-{name}-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn sql(url: &str, query: &str) -> String {
    let psql = packages::postgres_program("psql").unwrap();
    let output = Command::new(psql).args(["-XAtqc", query, url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn redis(port: u16, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    let mut answer = [0_u8; 256];
    let length = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..length]).trim().to_owned()
}

#[test]
fn killed_servers_come_back_on_their_ports_with_their_data() {
    let scratch = Scratch::new("kill");
    let began = Instant::now();
    let servers = Servers::start(&ServersConfig { state_dir: scratch.0.clone(), extra_vhosts: 2 }).unwrap();
    println!("first start: {:?}", began.elapsed());
    let urls = servers.each().map(Server::url);
    let pids = servers.each().map(Server::pid);

    sql(&servers.postgres.url(), "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
    let redis_port = servers.redis.port().unwrap();
    assert_eq!(redis(redis_port, "SET kept 7"), "+OK");
    // appendfsync is once a second, but a killed process loses nothing that it wrote to the kernel.

    servers.kill_all();
    assert!(servers.each().iter().all(|server| server.pid().is_none()));
    assert_eq!(sweep::of_stack(servers.state_dir()), [], "a killed server left a process");

    let began = Instant::now();
    servers.start_all().unwrap();
    println!("start after a kill: {:?}", began.elapsed());
    assert_eq!(servers.each().map(Server::url), urls);
    assert!(servers.each().iter().zip(pids).all(|(server, before)| server.pid().is_some() && server.pid() != before));
    assert_eq!(sql(&servers.postgres.url(), "SELECT n FROM kept"), "7");
    assert!(redis(redis_port, "GET kept").ends_with('7'));

    let began = Instant::now();
    servers.stop_all();
    println!("stop: {:?}", began.elapsed());
    assert_eq!(sweep::of_stack(servers.state_dir()), [], "a stopped server left a process");

    let began = Instant::now();
    servers.start_all().unwrap();
    println!("start after a stop: {:?}", began.elapsed());
    assert_eq!(sql(&servers.postgres.url(), "SELECT n FROM kept"), "7");
    let state_dir = servers.state_dir().to_owned();
    drop(servers);
    assert_eq!(sweep::of_stack(&state_dir), [], "dropped servers left a process");
}
