"""The commands behind `course`: chapters rerun with parameters, runs compared, a machine examined."""
