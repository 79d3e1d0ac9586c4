"""The commands behind `course`: chapters rerun, runs compared, a machine examined."""
