//! A new migration must reach the programs that carry it, although no Rust file changed.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
