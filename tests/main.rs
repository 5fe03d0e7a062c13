//! Black-box tests, one module for each capability.

mod architecture;
