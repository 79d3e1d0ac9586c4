"""The few hand-written kernels that are measurably faster than every library."""
