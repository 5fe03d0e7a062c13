mod model;
mod rules;
mod simulation;
mod world;

/// A defect that the model has to find: a test that cannot fail shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Flaw {
    /// The deadline counts from the answer, as if the renewal could not have been seen before it.
    CountsFromTheAnswer,
    /// A Lease that somebody emptied is taken for a released one.
    TakesAnEmptiedLease,
    /// An acquisition does not count up the term.
    KeepsTheTerm,
    /// The API server writes whatever the version is.
    WritesWithoutComparing,
}
