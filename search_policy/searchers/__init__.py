"""Who decides where to look next: sweep, coverage, random order, the learned actor, and two with privileged views."""
