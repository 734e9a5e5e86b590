"""Sets of questions and of reports that a user brings, in their owners' files, and what leaks between their parts."""
