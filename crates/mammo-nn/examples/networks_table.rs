//! Prints the table of networks of `docs/models.md`.
//!
//!     cargo run --release --example networks_table

fn main() -> mammo_nn::Result<()> {
    print!("{}", mammo_nn::networks::outline::table::networks()?);
    Ok(())
}
