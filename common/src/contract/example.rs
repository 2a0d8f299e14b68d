//! One true example of everything that travels: what the documents show, and what the tests hold them to.

/// A type with an example.
pub trait Example {
    /// The example.
    fn example() -> Self;
}

impl<T: Example> Example for Vec<T> {
    fn example() -> Self {
        vec![T::example()]
    }
}
